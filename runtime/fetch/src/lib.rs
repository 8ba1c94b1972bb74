//! Pinned packages from public registries, fetched once into the user's cache, without root.
//!
//! **Invariant:** nothing is used whose checksum was not checked, and nothing is ever half there.
