//! Attention over a window: what is cached of a long text is its first positions and its last ones.
//!
//! The first positions take up attention that goes nowhere else (attention sinks: Xiao et al. 2023);
//! without them a model that forgets its beginning writes nonsense. The paper counts positions inside the cache and
//! turns cached keys anew each step. A graph caches keys that are turned already, so here every token keeps the position
//! that it had and counting goes on: distances are true, the decoder sees a gap, and the limit is still the context.
//!
//! What is let go goes a block at a time, at places that depend on nothing but the position. So what a token sees is the
//! same whether it was read with all before it or from a cache, and a text read twice is the same text.

use std::{num::NonZeroUsize, path::Path};

use super::{
    EngineError,
    decoder::{DecoderPlan, Index},
    graph::{self, GraphNode},
};

/// Which positions are kept of a text that is longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttentionWindow {
    /// How many of the first; the paper's four do for the models that it tried.
    pub sinks: usize,
    /// How many positions before itself a token sees at least, all before it while they are fewer. It may see up to an
    /// eighth more: [`AttentionWindow::block`].
    pub recent: NonZeroUsize,
}

impl AttentionWindow {
    /// How many positions are let go at once, so that a cache isn't copied for each token.
    pub fn block(self) -> usize {
        (self.recent.get() / 8).max(1)
    }

    /// The most positions that a cache holds.
    pub fn most(self) -> usize {
        self.sinks.saturating_add(self.recent.get()).saturating_add(self.block())
    }

    /// The first position after the sinks that the token at this position sees.
    pub fn begins(self, position: usize) -> usize {
        let beyond = position.saturating_sub(self.sinks.saturating_add(self.recent.get()));
        self.sinks + beyond / self.block() * self.block()
    }

    /// How many tokens from this position on see the same beginning.
    fn stays(self, position: usize) -> usize {
        let full = self.sinks.saturating_add(self.recent.get());
        let beyond = position.saturating_sub(full);
        full.max(position - beyond % self.block()).saturating_add(self.block()) - position
    }

    /// The lengths of the runs in which so many tokens are read after so many.
    pub(super) fn runs(self, mut position: usize, tokens: usize, longest: usize) -> Vec<usize> {
        let (mut left, mut runs) = (tokens, Vec::new());
        while left > 0 {
            let run = left.min(longest.max(1)).min(self.stays(position));
            runs.push(run);
            position += run;
            left -= run;
        }
        runs
    }
}

/// What is known of a decoder that a window is asked of.
pub(super) struct Given<'a> {
    pub(super) nodes: &'a [GraphNode],
    pub(super) plan: &'a DecoderPlan,
    /// Whether the tokens of a prompt see each other.
    pub(super) whole_prompt: bool,
    /// Why its positions may not be read here.
    pub(super) doubt: Option<&'static str>,
}

/// Refuses a window for a decoder that would be wrong with one. What is let go must lie where it can be copied, and the
/// graph must take positions as it is told them, for its rotation alone.
pub(super) fn check(path: &Path, given: &Given<'_>, in_host_memory: bool) -> Result<(), EngineError> {
    let Given { nodes, plan, whole_prompt, doubt } = *given;
    let positions = plan.indices.iter().find(|port| port.index == Index::PositionIds);
    let see_each_other = plan.indices.iter().any(|port| port.index == Index::TokenTypes);
    let reason = match positions {
        _ if !plan.states.is_empty() => {
            "some of its layers carry states of all that was read, which no window can take back".to_owned()
        }
        _ if plan.looks.is_some() || whole_prompt || see_each_other => {
            "what its tokens see isn't what stands before them alone".to_owned()
        }
        None => "it counts positions by its cache's length (no `position_ids`), so they would be other ones once something \
                 is let go"
            .to_owned(),
        Some(port) => match graph::counts_by_cache(nodes, &port.name) {
            Some(reason) => reason,
            None if doubt.is_some() => "this device doesn't read the positions that its attention is told".to_owned(),
            None if !in_host_memory => {
                "its cache lies in the device's memory, where it can't be cut: keep it in the host's, or take `cpu`"
                    .to_owned()
            }
            None => return Ok(()),
        },
    };
    Err(EngineError::Window { path: path.to_owned(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(sinks: usize, recent: usize) -> AttentionWindow {
        AttentionWindow { sinks, recent: NonZeroUsize::new(recent).unwrap() }
    }

    #[test]
    fn what_a_token_sees_depends_on_its_position_alone() {
        // Sinks, recent ones, a position, and where what it sees begins.
        let cases = [
            (4, 16, 0, 4),
            (4, 16, 21, 4),
            (4, 16, 22, 6),
            (4, 16, 23, 6),
            (4, 16, 24, 8),
            (0, 3, 3, 0),
            (0, 3, 4, 1),
            (2, 1, 9, 8),
        ];
        for (sinks, recent, position, begins) in cases {
            assert_eq!(window(sinks, recent).begins(position), begins, "{sinks} {recent} {position}");
        }
        for (sinks, recent) in [(4, 16), (0, 1), (3, 40), (1, 7)] {
            let window = window(sinks, recent);
            for position in sinks..200 {
                let seen = position - window.begins(position);
                assert!(seen >= recent.min(position - sinks) && seen < recent + window.block());
            }
        }
    }

    #[test]
    fn a_run_ends_where_its_next_token_would_see_another_beginning() {
        for (sinks, recent, longest) in [(4, 16, 5), (4, 16, 100), (0, 1, 3), (2, 64, 6), (1, 9, 1)] {
            let window = window(sinks, recent);
            for (from, tokens) in [(0, 90), (7, 33), (20, 1), (21, 40), (90, 50), (5, 0)] {
                let runs = window.runs(from, tokens, longest);
                assert_eq!(runs.iter().sum::<usize>(), tokens);
                let mut position = from;
                for run in &runs {
                    assert!(*run <= longest);
                    let last = position + run - 1;
                    assert_eq!(window.begins(position), window.begins(last), "{sinks} {recent} {runs:?}");
                    assert!(sinks + last + 1 - window.begins(last) <= window.most() || last < window.most());
                    position += run;
                }
            }
        }
        // No shorter than they must be.
        assert_eq!(window(4, 16).runs(0, 40, 512), [22, 2, 2, 2, 2, 2, 2, 2, 2, 2]);
        assert_eq!(window(4, 16).runs(23, 4, 512), [1, 2, 1]);
    }
}
