//! A tokenizer as the tree of bytes takes one: every id up to the last is a token, and none is one that the model doesn't score.

use std::collections::HashSet;

use tokenizers::{
    AddedToken, Tokenizer,
    models::bpe::{BPE, Vocab},
};
use toktrie_hf_tokenizers::ByteTokenizer;

/// Begins the names of tokens that fill holes: the last private character of Unicode, which no text has a meaning for.
const FILLER: char = '\u{10fffd}';

/// The bytes of a tokenizer's tokens, and how many these are.
///
/// Special tokens that the model has no score for are left out, as it can't write them: Gemma 3's tokenizer has one for images,
/// and the models that read text alone have no row for it. An id that no token has is filled with a special token, which no
/// grammar names (Phi-4-mini's ids leave out some).
///
/// # Errors
///
/// Why no tree can be made of it, in words.
pub(super) fn byte_tokenizer(
    tokenizer: &Tokenizer,
    logits_size: usize,
) -> Result<(ByteTokenizer, usize), String> {
    let mut added: Vec<(u32, AddedToken)> = tokenizer.get_added_tokens_decoder().into_iter().collect();
    added.sort_unstable_by_key(|(id, _)| *id);
    let unscored = |id: u32, token: &AddedToken| token.special && id as usize >= logits_size;
    let left_out: HashSet<u32> =
        added.iter().filter(|(id, token)| unscored(*id, token)).map(|(id, _)| *id).collect();
    let whole = tokenizer.get_vocab(true);
    let count = whole.len();
    let mut tokens: Vocab = whole.into_iter().filter(|(_, id)| !left_out.contains(id)).collect();
    let size = tokens.values().max().map_or(0, |largest| *largest as usize + 1);
    if size > logits_size {
        return Err(format!(
            "it has {size} tokens, but the model scores {logits_size}: is it another model's?"
        ));
    }
    if size == count {
        let bytes = ByteTokenizer::from_tokenizer(tokenizer.clone()).map_err(|error| error.to_string())?;
        return Ok((bytes, size));
    }
    let taken: HashSet<u32> = tokens.values().copied().collect();
    let fillers: Vec<(String, u32)> =
        (0..size as u32).filter(|id| !taken.contains(id)).map(|id| (format!("{FILLER}{id}"), id)).collect();
    let mut added: Vec<AddedToken> =
        added.into_iter().filter(|(id, _)| !left_out.contains(id)).map(|(_, token)| token).collect();
    added.extend(fillers.iter().map(|(name, _)| AddedToken::from(name.as_str(), true)));
    tokens.extend(fillers);
    if tokens.len() != size {
        return Err(format!("{} of its tokens share the id of another", tokens.len() - size));
    }
    // Where a token is in the model's own vocabulary it keeps its id when it is added, so one that holds them all stands in for
    // the model while the bytes are read.
    let listed =
        BPE::builder().vocab_and_merges(tokens, Vec::new()).build().map_err(|error| error.to_string())?;
    let mut stand_in = Tokenizer::new(listed);
    stand_in
        .with_normalizer(tokenizer.get_normalizer().cloned())
        .with_pre_tokenizer(tokenizer.get_pre_tokenizer().cloned())
        .with_decoder(tokenizer.get_decoder().cloned());
    stand_in.add_tokens(&added);
    let mut bytes = ByteTokenizer::from_tokenizer(stand_in).map_err(|error| error.to_string())?;
    bytes.hf_tokenizer.with_model(tokenizer.get_model().clone());
    Ok((bytes, size))
}
