//! What a class of decoders has where a configuration leaves it out.
//!
//! transformers writes what differs from a class's own numbers, and up to 4.50 no more than that of a `text_config`: a published
//! Gemma 3 says neither how many heads it has nor how long its context is.

use super::written::WindowWritten;

/// The numbers of a class, those that transformers 5.23 gives its configuration (`XConfig()`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DecoderClass {
    /// `max_position_embeddings`.
    pub(super) context: usize,
    /// `hidden_size`.
    hidden: Option<usize>,
    /// `num_attention_heads`.
    heads: Option<usize>,
    /// `num_key_value_heads`; `None`: as many as there are heads.
    key_value_heads: Option<usize>,
    /// `head_dim`; `None`: an embedding's length shared among the heads.
    head_dim: Option<usize>,
    /// `sliding_window`.
    window: Option<usize>,
    /// Whether windows are used where a configuration doesn't say so (`use_sliding_window`).
    slides: bool,
}

/// A class with no number of its own but the context.
const fn class(context: usize) -> DecoderClass {
    DecoderClass {
        context,
        hidden: None,
        heads: None,
        key_value_heads: None,
        head_dim: None,
        window: None,
        slides: true,
    }
}

impl DecoderClass {
    const fn sizes(mut self, hidden: usize, heads: usize) -> Self {
        self.hidden = Some(hidden);
        self.heads = Some(heads);
        self
    }

    const fn key_value_heads(mut self, heads: usize) -> Self {
        self.key_value_heads = Some(heads);
        self
    }

    const fn head_dim(mut self, length: usize) -> Self {
        self.head_dim = Some(length);
        self
    }

    const fn window(mut self, window: usize) -> Self {
        self.window = Some(window);
        self
    }

    const fn unless_asked(mut self) -> Self {
        self.slides = false;
        self
    }

    /// The class of a decoder: the one that its part of the configuration names, else that of its family's decoders.
    pub(super) fn of(named: Option<&str>, family: &str) -> Self {
        match named.unwrap_or(family) {
            "bart" | "florence2" => class(1024).sizes(1024, 16),
            "chameleon" => class(4096).sizes(4096, 32).key_value_heads(32),
            "emu3" | "emu3_text_model" => class(9216).sizes(4096, 32).key_value_heads(8),
            "gemma" | "paligemma" => class(8192).sizes(3072, 16).key_value_heads(16).head_dim(256),
            "gemma2" => class(8192).sizes(2304, 8).key_value_heads(4).head_dim(256).window(4096),
            "gemma3" | "gemma3_text" => {
                class(131_072).sizes(2304, 8).key_value_heads(4).head_dim(256).window(4096)
            }
            "lfm2" | "lfm2_vl" => class(128_000).sizes(2560, 32).key_value_heads(8),
            "mistral" => class(131_072).sizes(4096, 32).key_value_heads(8).window(4096),
            "opt" | "blip-2" => class(2048).sizes(768, 12),
            "phi3" | "phi3_v" => class(4096).sizes(3072, 32),
            "qwen2" | "internvl" | "llava_onevision" => {
                class(32_768).sizes(4096, 32).key_value_heads(32).window(4096).unless_asked()
            }
            "qwen2_vl" | "qwen2_vl_text" | "qwen2_5_vl" | "qwen2_5_vl_text" => {
                class(32_768).sizes(8192, 64).key_value_heads(8).window(4096).unless_asked()
            }
            "qwen3" => {
                class(32_768).sizes(4096, 32).key_value_heads(32).head_dim(128).window(4096).unless_asked()
            }
            "qwen3_vl" | "qwen3_vl_text" => class(128_000).sizes(4096, 32).key_value_heads(32).head_dim(128),
            "qwen3_vl_moe" | "qwen3_vl_moe_text" => class(128_000).sizes(2048, 16).key_value_heads(16),
            "qwen3_5" | "qwen3_5_text" => class(32_768).sizes(4096, 16).key_value_heads(4).head_dim(256),
            // Llama's, which the other families have, and the usual ones of a class that isn't known here.
            _ => class(2048).sizes(4096, 32),
        }
    }

    /// Heads of keys and values, by the heads that a configuration gives.
    pub(super) fn usual_key_value_heads(&self, heads: Option<usize>) -> Option<usize> {
        self.key_value_heads.or(heads).or(self.heads)
    }

    /// The length of a head's vectors, by what a configuration gives.
    pub(super) fn usual_head_dim(&self, hidden: Option<usize>, heads: Option<usize>) -> Option<usize> {
        let shared = || hidden.or(self.hidden)?.checked_div(heads.or(self.heads)?);
        self.head_dim.or_else(shared)
    }

    /// The window that counts: that of the class where none is written, and none where it isn't used.
    pub(super) fn used_window(&self, written: WindowWritten, is_used: Option<bool>) -> Option<usize> {
        let window = match written {
            WindowWritten::Written(window) => window,
            WindowWritten::LeftOut => self.window,
        };
        window.filter(|_| is_used.unwrap_or(self.slides))
    }
}
