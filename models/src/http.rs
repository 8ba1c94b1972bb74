//! What every conversation over HTTP needs: a client, how errors read, when to ask again, and a key that shows nowhere.

mod client;
mod complaint;
mod failure;
mod key;
mod retry;

pub use self::{
    client::Patience,
    retry::{Pace, RealPace},
};
pub(crate) use self::{
    client::{Obstacle, client, host, told},
    complaint::{Complaint, beginning},
    failure::{Again, Failure},
    key::{BadKey, Key, MASK, is_loopback, masked},
    retry::{ATTEMPTS, PATIENCE, backoff, is_passing, retry_after},
};
