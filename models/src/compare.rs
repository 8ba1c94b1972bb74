//! How far one export of a model is from another: first scores, replies, and where it would click.
//!
//! Models that are made smaller answer a little otherwise, and many stop finding things on a screen long before their words
//! show it. Each model answers alone, so one is in memory at a time; then the answers are compared.

mod answers;
mod differences;
mod scores;

pub use self::{
    answers::{Answers, Questions},
    differences::{ClickDifference, Comparison, ReplyDifference, Summary},
};
