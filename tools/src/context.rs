//! What belongs to one call alone: its deadline, its cancellation, its key, and the frame its points mean.

use std::{path::PathBuf, time::Instant};

use tokio_util::sync::CancellationToken;

use crate::Frame;

/// The circumstances of one tool call.
#[derive(Debug, Clone, Default)]
pub struct ToolContext {
    /// When the call must be over; `None` if nothing limits it.
    pub deadline: Option<Instant>,
    /// Cancelled when the run is; a tool that waits selects on it.
    pub cancel: CancellationToken,
    /// The same for every attempt at the same step (`run/sequence/tool`), so that an effect which
    /// supports idempotency keys happens once.
    pub idempotency_key: String,
    /// The screenshot that the call's [`Point`](crate::Point)s and [`Region`](crate::Region)s were
    /// chosen on; `None` in a run without a screen.
    pub frame: Option<Frame>,
    /// A folder of the run's that belongs to this call alone, for what the tool keeps; it may not be there yet, and is
    /// the same for every attempt. `None` in a run that keeps nothing.
    pub folder: Option<PathBuf>,
    /// A person's word on an effect that an earlier attempt at this very call left in doubt, where the call has other agents
    /// at work: whether it happened.
    pub happened: Option<bool>,
    /// What the run can still spend on models that the call has at work; `None` if nothing limits it.
    pub allowance: Option<Allowance>,
}

/// What a run can still spend on models.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Allowance {
    /// Tokens that they may write.
    pub tokens: usize,
    /// Tokens that they may read, cached ones aside.
    pub read_tokens: usize,
    /// Tokens that they may find in their cache.
    pub cached_tokens: usize,
    /// What these may cost, in the currency of the run's prices; `None` if nothing limits it.
    pub cost: Option<f64>,
    /// Mebibytes that the process may hold.
    pub memory_mib: u64,
}
