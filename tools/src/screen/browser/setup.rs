//! What every new window and worker of a browser is told before it runs.

use chromiumoxide::cdp::{
    browser_protocol::{browser, emulation, fetch, inspector, network, page, target},
    js_protocol::runtime,
};

use super::{BrowserOptions, Dialogs, Reach, front::WORLD, recording, wire::Request};

/// Runs in a world of our own in every document. A blinking caret would make two screenshots of one state differ,
/// and hiding it would hide where typing goes; so it is there and doesn't blink.
const STEADY_CARET: &str = "{
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(':root { caret-animation: manual }');
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
}";

/// Runs in the page's world. WebRTC speaks UDP to addresses that no name resolution sees and no request
/// announces, so there is none.
const NO_WEBRTC: &str = "delete globalThis.RTCPeerConnection; delete globalThis.webkitRTCPeerConnection;";

/// The part of the options that concerns windows.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) reach: Reach,
    pub(super) dialogs: Dialogs,
    metrics: emulation::SetDeviceMetricsOverrideParams,
    /// Whether what a person does is told.
    records: bool,
}

impl Setup {
    pub(super) fn new(options: &BrowserOptions, reach: Reach, records: bool) -> Self {
        let (width, height) = (i64::from(options.size.width), i64::from(options.size.height));
        let mut metrics = emulation::SetDeviceMetricsOverrideParams::new(width, height, options.scale, false);
        metrics.screen_width = Some(width);
        metrics.screen_height = Some(height);
        Self { reach, dialogs: options.dialogs, metrics, records }
    }

    /// What the browser itself is told: stop every new window and worker until it was told its own, and
    /// download nothing.
    pub(super) fn browser() -> [Request; 2] {
        use browser::{SetDownloadBehaviorBehavior, SetDownloadBehaviorParams};
        let mut downloads = SetDownloadBehaviorParams::new(SetDownloadBehaviorBehavior::Deny);
        downloads.events_enabled = Some(true);
        [Request::new(None, &downloads), Request::new(None, &attach_all())]
    }

    /// What a window is told.
    pub(super) fn window(&self, session: &str) -> Vec<Request> {
        let mut choosers = page::SetInterceptFileChooserDialogParams::new(true);
        choosers.cancel = Some(true);
        let caret = page::AddScriptToEvaluateOnNewDocumentParams {
            source: STEADY_CARET.into(),
            world_name: Some("percept-caret".into()),
            include_command_line_api: None,
            run_immediately: Some(true),
        };
        let no_webrtc = page::AddScriptToEvaluateOnNewDocumentParams {
            source: NO_WEBRTC.into(),
            world_name: None,
            include_command_line_api: None,
            run_immediately: Some(true),
        };
        let mut requests = vec![
            Request::new(Some(session), &page::EnableParams::default()),
            Request::new(Some(session), &inspector::EnableParams::default()),
            Request::new(Some(session), &self.metrics),
            Request::new(Some(session), &choosers),
            Request::new(Some(session), &caret),
            Request::new(Some(session), &no_webrtc),
            Request::new(Some(session), &attach_all()),
        ];
        if self.records {
            requests.extend(Self::recorder(session));
        }
        requests.extend(Self::worker(session));
        requests
    }

    /// What a window is told whose person is recorded.
    fn recorder(session: &str) -> [Request; 3] {
        let mut binding = runtime::AddBindingParams::new(recording::BINDING);
        binding.execution_context_name = Some(WORLD.into());
        let capture = page::AddScriptToEvaluateOnNewDocumentParams {
            source: recording::CAPTURE.into(),
            world_name: Some(WORLD.into()),
            include_command_line_api: None,
            run_immediately: Some(true),
        };
        [
            // Without it bindings are there, and call nobody.
            Request::new(Some(session), &runtime::EnableParams::default()),
            Request::new(Some(session), &binding),
            Request::new(Some(session), &capture),
        ]
    }

    /// What a worker is told, and a window too: to ask before every request, and to run.
    pub(super) fn worker(session: &str) -> Vec<Request> {
        let every = fetch::RequestPattern { url_pattern: Some("*".into()), ..Default::default() };
        vec![
            Request::new(Some(session), &network::EnableParams::default()),
            Request::new(
                Some(session),
                &fetch::EnableParams { patterns: Some(vec![every]), handle_auth_requests: None },
            ),
            Request::new(Some(session), &runtime::RunIfWaitingForDebuggerParams::default()),
        ]
    }
}

fn attach_all() -> target::SetAutoAttachParams {
    target::SetAutoAttachParams {
        auto_attach: true,
        wait_for_debugger_on_start: true,
        flatten: Some(true),
        filter: None,
    }
}
