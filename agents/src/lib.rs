//! The agent: a loop that looks, thinks, acts and observes, with limits, evidence and a journal.
//!
//! **Invariant:** this crate names no ONNX Runtime, no browser protocol and no window system.
