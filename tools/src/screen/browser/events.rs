//! What is done about each event of a browser: recorded, and where the browser waits for an answer, answered.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use chromiumoxide::cdp::{
    browser_protocol::{
        fetch::{ContinueRequestParams, EventRequestPaused, FailRequestParams},
        network::{self, ErrorReason, EventRequestWillBeSent, ResourceType},
        page::{BringToFrontParams, DialogType, EventJavascriptDialogOpening, HandleJavaScriptDialogParams},
        target::{CloseTargetParams, EventAttachedToTarget},
    },
    events::{CdpEvent, CdpEventMessage},
    js_protocol::runtime::EventBindingCalled,
};
use tokio::sync::mpsc;
use url::Url;

use super::{
    Dialogs, Setup,
    happenings::{Happenings, Record, Window},
    recording::{BINDING, Told},
    wire::{Reaction, Request},
};

/// Hears every event, in order.
#[derive(Debug)]
pub(super) struct Witness {
    pub(super) setup: Arc<Setup>,
    pub(super) record: Record,
    /// Where what a person does is told, if it is to be; `None` is something in no known words.
    pub(super) person: Option<mpsc::UnboundedSender<Option<Told>>>,
}

impl Witness {
    /// Records an event and says what is to be done about it; `None` is the end of the browser.
    pub(super) fn hear(&mut self, event: Option<&CdpEventMessage>) -> Vec<Reaction> {
        let mut happenings = self.record.lock();
        let reactions = match event {
            None => {
                happenings.end("the browser ended");
                Vec::new()
            }
            Some(CdpEventMessage { session_id, params, .. }) => {
                let session = session_id.as_deref().unwrap_or_default();
                self.react(&mut happenings, session, params)
            }
        };
        drop(happenings);
        self.record.changed();
        reactions
    }

    fn react(&self, happenings: &mut Happenings, session: &str, event: &CdpEvent) -> Vec<Reaction> {
        match event {
            CdpEvent::TargetAttachedToTarget(ev) => return self.attached(happenings, ev),
            CdpEvent::TargetDetachedFromTarget(ev) => return detached(happenings, ev.session_id.as_ref()),
            CdpEvent::InspectorTargetCrashed(_) => return crashed(happenings, session),
            CdpEvent::RuntimeBindingCalled(ev) => self.person(happenings, session, ev),
            CdpEvent::FetchRequestPaused(ev) => return self.asked(happenings, session, ev),
            CdpEvent::PageJavascriptDialogOpening(ev) => return self.dialog(happenings, session, ev),
            CdpEvent::PageFileChooserOpened(_) => {
                happenings.note("the page asked for a file, and was given none".into());
            }
            CdpEvent::BrowserDownloadWillBegin(ev) => {
                happenings.note(format!("a download of `{}` was refused", ev.suggested_filename));
            }
            CdpEvent::NetworkWebSocketCreated(ev) => self.web_socket(happenings, &ev.url),
            CdpEvent::PageFrameNavigated(ev) => {
                if let Some(window) = happenings.window(session)
                    && ev.frame.parent_id.is_none()
                {
                    window.url.clone_from(&ev.frame.url);
                    window.url.push_str(ev.frame.url_fragment.as_deref().unwrap_or_default());
                    // The last page's requests end with it, not always with an event.
                    window.document.clone_from(ev.frame.loader_id.inner());
                    window.requests.retain(|request, _| *request == window.document);
                }
                happenings.stir();
            }
            CdpEvent::PageNavigatedWithinDocument(ev) => {
                if let Some(window) = happenings.window(session)
                    && window.target == ev.frame_id.as_ref()
                {
                    window.url.clone_from(&ev.url);
                }
            }
            other => loading(happenings, session, other),
        }
        Vec::new()
    }

    /// A window or a worker has come up, and waits to be told what holds here.
    fn attached(&self, happenings: &mut Happenings, event: &EventAttachedToTarget) -> Vec<Reaction> {
        let session = event.session_id.as_ref();
        let target: &str = event.target_info.target_id.as_ref();
        let known = happenings.windows.iter().any(|window| window.target == target);
        if known || event.target_info.r#type != "page" {
            return Setup::worker(session).into_iter().map(Reaction::Send).collect();
        }
        if !happenings.windows.is_empty() {
            happenings.note("a new window was opened and is shown now".into());
        }
        happenings.windows.push(Window {
            target: target.into(),
            session: session.into(),
            url: event.target_info.url.clone(),
            frames: HashSet::new(),
            requests: HashMap::new(),
            document: String::new(),
        });
        happenings.stir();
        self.setup.window(session).into_iter().map(Reaction::Send).collect()
    }

    /// A person did something, and the script that listens tells of it. A window in which something is begun is the one
    /// in front: a person may have taken another one.
    fn person(&self, happenings: &mut Happenings, session: &str, event: &EventBindingCalled) {
        let Some(person) = self.person.as_ref().filter(|_| event.name == BINDING) else { return };
        let told = Told::read(&event.payload);
        if told.as_ref().is_some_and(Told::begins) && happenings.bring_to_front(session) {
            happenings.note("another window was brought to the front and is shown now".into());
            happenings.stir();
        }
        // Nobody listens any more once the recording is over.
        let _ = person.send(told);
    }

    /// A request waits for leave.
    fn asked(&self, happenings: &mut Happenings, session: &str, event: &EventRequestPaused) -> Vec<Reaction> {
        let id = event.request_id.clone();
        let verdict = match Url::parse(&event.request.url) {
            Ok(url) => self.setup.reach.check(&url),
            Err(_) => Err(format!("`{}` is no address", event.request.url)),
        };
        let Err(why) = verdict else {
            return vec![Reaction::Send(Request::new(Some(session), &ContinueRequestParams::new(id)))];
        };
        happenings.note(format!("a request was blocked: {why}"));
        // An aborted page leaves the one before it in place; anything else is told that it was blocked.
        let document = event.resource_type == ResourceType::Document;
        let reason = if document { ErrorReason::Aborted } else { ErrorReason::BlockedByClient };
        let mut reactions =
            vec![Reaction::Send(Request::new(Some(session), &FailRequestParams::new(id, reason)))];
        // A new window whose first page is blocked shows nothing, ever.
        let opened_for_it = happenings.windows.len() > 1
            && happenings.window(session).is_some_and(|window| {
                window.target == event.frame_id.as_ref() && matches!(&*window.url, "" | "about:blank")
            });
        if document && opened_for_it {
            let target: &str = event.frame_id.as_ref();
            reactions.push(Reaction::Send(Request::new(None, &CloseTargetParams::new(target.to_owned()))));
        }
        reactions
    }

    fn web_socket(&self, happenings: &mut Happenings, address: &str) {
        if let Ok(url) = Url::parse(address)
            && let Err(why) = self.setup.reach.check(&url)
        {
            happenings.note(format!("a web socket was blocked: {why}"));
        }
    }

    /// A dialog stops the page until it is answered, and no screenshot shows it.
    fn dialog(
        &self,
        happenings: &mut Happenings,
        session: &str,
        event: &EventJavascriptDialogOpening,
    ) -> Vec<Reaction> {
        let message = &event.message;
        let asks = matches!(event.r#type, DialogType::Confirm | DialogType::Prompt);
        let accept = !asks || self.setup.dialogs == Dialogs::Accept;
        happenings.note(match event.r#type {
            DialogType::Alert => format!("the page showed the message \"{message}\""),
            DialogType::Beforeunload => "the page asked whether to leave it, and was left".into(),
            _ if accept => format!("the page asked \"{message}\", and OK was answered"),
            _ => format!("the page asked \"{message}\", and Cancel was answered"),
        });
        let mut answer = HandleJavaScriptDialogParams::new(accept);
        answer.prompt_text.clone_from(&event.default_prompt);
        vec![Reaction::Send(Request::new(Some(session), &answer))]
    }
}

/// A window or a worker has gone.
fn detached(happenings: &mut Happenings, session: &str) -> Vec<Reaction> {
    let mut reactions = vec![Reaction::Abandon(session.into())];
    let Some(at) = happenings.windows.iter().position(|window| window.session == session) else {
        return reactions;
    };
    let in_front = at + 1 == happenings.windows.len();
    happenings.windows.remove(at);
    happenings.stir();
    match happenings.windows.last() {
        None => happenings.end("the page closed itself"),
        Some(next) if in_front => {
            let shown = Request::new(Some(&next.session), &BringToFrontParams::default());
            reactions.push(Reaction::Send(shown));
            happenings.note("the window was closed, and the one before it is shown now".into());
        }
        Some(_) => {}
    }
    reactions
}

/// A window's process has died. Its session stays, but answers nothing any more.
fn crashed(happenings: &mut Happenings, session: &str) -> Vec<Reaction> {
    if happenings.windows.last().is_some_and(|front| front.session == session) {
        happenings.end("the page crashed");
    }
    vec![Reaction::Abandon(session.into())]
}

/// Keeps count of what a window loads.
fn loading(happenings: &mut Happenings, session: &str, event: &CdpEvent) {
    let Some(window) = happenings.window(session) else { return };
    let changed = match event {
        CdpEvent::PageFrameStartedLoading(ev) => window.frames.insert(ev.frame_id.as_ref().into()),
        CdpEvent::PageLoadEventFired(_) => window.loaded(),
        CdpEvent::PageFrameStoppedLoading(ev) if window.target == ev.frame_id.as_ref() => window.loaded(),
        CdpEvent::PageFrameStoppedLoading(ev) => window.frames.remove(ev.frame_id.as_ref()),
        CdpEvent::PageFrameDetached(ev) => window.frames.remove(ev.frame_id.as_ref()),
        CdpEvent::NetworkRequestWillBeSent(ev) if awaited(ev) => {
            let of_main_frame = ev.frame_id.as_ref().is_some_and(|frame| window.target == frame.as_ref());
            if of_main_frame && ev.r#type == Some(ResourceType::Document) {
                window.document = id(&ev.request_id);
            }
            window.requests.insert(id(&ev.request_id), ev.request.url.clone()).is_none()
        }
        CdpEvent::NetworkLoadingFinished(ev) => window.requests.remove(&id(&ev.request_id)).is_some(),
        CdpEvent::NetworkLoadingFailed(ev) => window.requests.remove(&id(&ev.request_id)).is_some(),
        _ => return,
    };
    if changed {
        happenings.stir();
    }
}

/// Whether a page that waits for this request can be called unfinished. Streams of events never end, and
/// nobody waits for a ping.
fn awaited(event: &EventRequestWillBeSent) -> bool {
    !matches!(
        event.r#type,
        Some(
            ResourceType::EventSource
                | ResourceType::WebSocket
                | ResourceType::Ping
                | ResourceType::CspViolationReport
                | ResourceType::Prefetch
        )
    )
}

fn id(request: &network::RequestId) -> String {
    let id: &str = request.as_ref();
    id.to_owned()
}
