//! The engine: ONNX Runtime's library and sessions, devices, key-value caches, decoding and constraints.
//!
//! **Invariant:** this crate knows no image, no chat message and no tool.
