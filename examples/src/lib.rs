//! One small program per way of using Percept.
//!
//! **Invariant:** nothing here is needed by anything else.
