//! What has happened in a browser so far: its windows, what they still load, what a reader must be told.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::watch;

/// One window (or tab) of the browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Window {
    /// The protocol's name of its target, which is also that of its main frame.
    pub(super) target: String,
    /// The session in which it is spoken to.
    pub(super) session: String,
    /// The address it shows.
    pub(super) url: String,
    /// Frames that are loading.
    pub(super) frames: HashSet<String>,
    /// Requests under way, and their addresses.
    pub(super) requests: HashMap<String, String>,
    /// The request that brought the document it shows.
    pub(super) document: String,
}

/// Everything that events have told.
#[derive(Debug)]
pub(super) struct Happenings {
    /// The last one is in front. A window that opens lies above the one that opened it.
    pub(super) windows: Vec<Window>,
    /// What the next screenshot's reader must know.
    notes: Vec<String>,
    /// Why there is nothing left to look at.
    gone: Option<String>,
    /// When something was last seen to load.
    last_change: Instant,
}

impl Default for Happenings {
    fn default() -> Self {
        Self { windows: Vec::new(), notes: Vec::new(), gone: None, last_change: Instant::now() }
    }
}

impl Happenings {
    /// The window with this session.
    pub(super) fn window(&mut self, session: &str) -> Option<&mut Window> {
        self.windows.iter_mut().find(|window| window.session == session)
    }

    /// Somebody brought this window to the front; whether it wasn't there already.
    pub(super) fn bring_to_front(&mut self, session: &str) -> bool {
        let Some(at) = self.windows.iter().position(|window| window.session == session) else { return false };
        let was_behind = at + 1 < self.windows.len();
        self.windows[at..].rotate_left(1);
        was_behind
    }

    /// Puts a sentence into the next screenshot's notes, once.
    pub(super) fn note(&mut self, sentence: String) {
        if !self.notes.contains(&sentence) {
            self.notes.push(sentence);
        }
    }

    /// The notes since they were last taken.
    pub(super) fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// Says that nothing is left. The first reason is the cause, later ones follow from it.
    pub(super) fn end(&mut self, reason: &str) {
        if self.gone.is_none() {
            self.gone = Some(reason.into());
        }
    }

    /// Why there is nothing left to look at.
    pub(super) fn gone(&self) -> Option<&str> {
        self.gone.as_deref()
    }

    /// Something loads, or was done: quiet begins anew.
    pub(super) fn stir(&mut self) {
        self.last_change = Instant::now();
    }

    /// How long the window in front must still be watched until it has been quiet for `quiet`; `None` while
    /// it loads.
    pub(super) fn until_quiet(&self, quiet: Duration) -> Option<Duration> {
        let front = self.windows.last()?;
        let loads = !front.frames.is_empty() || !front.requests.is_empty();
        if loads { None } else { Some(quiet.saturating_sub(self.last_change.elapsed())) }
    }
}

impl Window {
    /// What it still loads, in words; `None` if nothing.
    pub(super) fn loads(&self) -> Option<String> {
        let mut addresses: Vec<&str> = self.requests.values().map(String::as_str).collect();
        addresses.sort_unstable();
        match (addresses.first(), self.frames.len()) {
            (Some(first), _) => Some(format!("{first} ({} in all)", addresses.len())),
            (None, 0) => None,
            (None, frames) => Some(format!("{frames} of its frames")),
        }
    }

    /// The document and everything in it has been loaded. A renderer that is only just starting doesn't tell of
    /// every request's end, but whatever else is left out, this is told.
    pub(super) fn loaded(&mut self) -> bool {
        let by_frame = self.frames.remove(&self.target);
        let by_request = self.requests.remove(&self.document).is_some();
        by_frame || by_request
    }
}

/// [`Happenings`] shared between the wire, which adds to them, and the screen, which waits for them.
#[derive(Debug, Clone)]
pub(super) struct Record {
    happenings: Arc<Mutex<Happenings>>,
    changes: watch::Sender<u64>,
}

impl Record {
    pub(super) fn new() -> Self {
        Self { happenings: Arc::default(), changes: watch::Sender::new(0) }
    }

    /// Reads or writes. A panic elsewhere leaves plain data behind, so a poisoned lock is as good as any.
    pub(super) fn lock(&self) -> MutexGuard<'_, Happenings> {
        self.happenings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes whoever waits for a change.
    pub(super) fn changed(&self) {
        self.changes.send_modify(|n| *n = n.wrapping_add(1));
    }

    /// Hears of changes from now on.
    pub(super) fn listen(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(session: &str) -> Window {
        Window {
            target: format!("target of {session}"),
            session: session.into(),
            url: String::new(),
            frames: HashSet::new(),
            requests: HashMap::new(),
            document: String::new(),
        }
    }

    #[test]
    fn a_window_that_is_brought_to_the_front_leaves_the_others_in_their_order() {
        let cases = [("c", false, "abc"), ("a", true, "bca"), ("b", true, "acb"), ("gone", false, "abc")];
        for (session, was_behind, order) in cases {
            let mut happenings =
                Happenings { windows: ["a", "b", "c"].map(window).to_vec(), ..Happenings::default() };
            assert_eq!(happenings.bring_to_front(session), was_behind, "{session}");
            let now: String = happenings.windows.iter().map(|window| window.session.as_str()).collect();
            assert_eq!(now, order, "{session}");
        }
    }
}
