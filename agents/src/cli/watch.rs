//! Ctrl-C and its like: the first stops what is going on and lets it tidy up, the second stops at once.

use std::future::Future;

use super::failure::{Failure, INTERRUPTED};

/// Waits until somebody asks this process to stop.
pub(crate) async fn interruption() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    // Without a way to listen there is nothing to wait for; the default action then ends the process.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// From now on, an interruption ends the process at once.
pub(crate) fn next_one_ends_it() {
    tokio::spawn(async {
        interruption().await;
        std::process::exit(i32::from(INTERRUPTED));
    });
}

/// Does the work, or drops it when somebody interrupts.
pub(crate) async fn unless_interrupted<T>(
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        done = work => done,
        () = interruption() => {
            next_one_ends_it();
            Err(Failure::interrupted())
        }
    }
}
