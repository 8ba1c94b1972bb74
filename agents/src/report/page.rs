//! The page: head, film strip, and a card for every step.

use base64::{Engine, prelude::BASE64_STANDARD};
use percept_models::Usage;
use percept_tools::Source;
use sha2::{Digest, Sha256};

use super::{
    REPORT_FILE,
    album::{Album, Picture},
    drawing,
    hypertext::Hypertext,
    masthead,
    story::{Decision, Intent, Step},
};
use crate::{Actor, CALLS, CallResult, RecordedBody, RecordedPart, RunResult, journal::Recording};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// Writes the whole page.
pub(super) fn page(recording: &Recording, story: &[Step<'_>], album: &Album) -> String {
    let mut html = Hypertext::default();
    html.markup("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">");
    // No script but the one below runs, whatever a journal holds.
    html.markup("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-");
    html.text(&BASE64_STANDARD.encode(Sha256::digest(SCRIPT))).markup("'\">");
    html.markup("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>");
    html.text(&recording.beginning.task).markup(" · percept</title><style>").markup(STYLE);
    html.markup("</style></head><body>");
    album.definitions(&mut html);
    masthead::masthead(&mut html, recording, story);
    film_strip(&mut html, story, album);
    html.markup("<main>");
    let scale = Scale::of(story);
    let mut before = 0.0;
    for (index, step) in story.iter().enumerate() {
        let after = story.get(index + 1).and_then(|next| next.look.as_ref()).and_then(|look| look.shot);
        let actor = recording.beginning.actor;
        let shown = Shown { after: album.picture(after), took: step.until - before, scale, actor };
        card(&mut html, step, album, &shown, recording.result());
        before = step.until;
    }
    html.markup("</main><footer><span><kbd>j</kbd> <kbd>k</kbd> next and previous step</span>");
    html.markup("<span><kbd>d</kbd> what changed</span><span><kbd>o</kbd> unfold everything</span>");
    html.markup("<span><kbd>/</kbd> find</span><span><kbd>t</kbd> light or dark</span><span>percept ")
        .text(&recording.beginning.percept);
    html.markup("</span></footer><script>").markup(SCRIPT).markup("</script></body></html>");
    html.into_string()
}

/// A duration for a person.
pub(super) fn duration(milliseconds: f64) -> String {
    if milliseconds < 10.0 {
        return format!("{milliseconds:.1} ms");
    }
    if milliseconds < 1000.0 {
        return format!("{milliseconds:.0} ms");
    }
    format!("{:.1} s", milliseconds / 1000.0)
}

/// An amount of memory for a person.
pub(super) fn memory(bytes: u64) -> String {
    format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20))
}

fn film_strip(html: &mut Hypertext, story: &[Step<'_>], album: &Album) {
    html.markup(
        "<nav class=\"film\" aria-label=\"Steps\"><label class=\"find\"><input id=\"find\" type=\"search\" ",
    );
    html.markup("placeholder=\"find in the steps (/)\" aria-label=\"Find in the steps\"><output id=\"found\"></output></label>");
    for step in story {
        html.markup("<a href=\"#step-").show(step.number).markup("\"><span class=\"frame\">");
        if let Some(picture) = album.picture(step.look.as_ref().and_then(|look| look.shot)) {
            drawing::thumbnail(html, picture);
        }
        html.markup("</span><b>").show(step.number).markup("</b> ").text(title(step)).markup("</a>");
    }
    html.markup("</nav>");
}

fn title<'a>(step: &Step<'a>) -> &'a str {
    match &step.decision {
        Some(Decision { call: Some(call), .. }) => &call.function,
        Some(_) => "no call",
        None => "the end",
    }
}

/// The longest step and the one with the most tokens, which every step's bars are measured by.
#[derive(Clone, Copy)]
struct Scale {
    milliseconds: f64,
    tokens: usize,
}

impl Scale {
    fn of(story: &[Step<'_>]) -> Self {
        let mut scale = Self { milliseconds: 1e-9, tokens: 1 };
        for step in story {
            let usage = usage(step);
            scale.milliseconds =
                scale.milliseconds.max(stages(step, &usage).iter().map(|stage| stage.2).sum());
            scale.tokens = scale.tokens.max(usage.fresh_tokens + usage.cached_tokens + usage.output_tokens);
        }
        scale
    }
}

/// What a card shows beside its step.
struct Shown<'a> {
    /// The screen after the step.
    after: Option<&'a Picture>,
    took: f64,
    scale: Scale,
    actor: Actor,
}

fn card(html: &mut Hypertext, step: &Step<'_>, album: &Album, shown: &Shown<'_>, end: Option<&RunResult>) {
    html.markup("<article class=\"step\" tabindex=\"-1\" id=\"step-").show(step.number).markup("\"><figure>");
    match (album.picture(step.look.as_ref().and_then(|look| look.shot)), &step.look) {
        (Some(picture), _) => {
            drawing::screenshot(html, picture, step);
            drawing::difference(html, picture, shown.after);
        }
        (None, Some(_)) => {
            html.markup("<p class=\"missing\">The screenshot isn't in the run folder.</p>");
        }
        (None, None) => {
            html.markup("<p class=\"missing\">No screen.</p>");
        }
    }
    if let Some(look) = &step.look {
        html.markup("<figcaption>").text(look.location.unwrap_or("the screen")).markup("<span>");
        html.show(look.frame.size.width).markup("×").show(look.frame.size.height);
        if shown.actor == Actor::Model {
            html.markup(", seen in ").text(&duration(look.milliseconds));
        }
        html.markup("</span></figcaption>");
        for note in look.notes {
            html.markup("<p class=\"look-note\">").text(note).markup("</p>");
        }
    }
    html.markup("</figure><div class=\"told\"><h2><span class=\"number\">").show(step.number);
    html.markup("</span>").text(title(step)).markup("</h2>");
    told(html, step, album);
    if let (None, Some(end)) = (&step.decision, end) {
        html.markup("<p class=\"result\">")
            .text(end.outcome.word())
            .markup(": ")
            .text(&end.reason)
            .markup("</p>");
    }
    // Nobody pays for a person's steps.
    if step.decision.is_some() && shown.actor == Actor::Model {
        html.markup("<p class=\"stats\"><span>").text(&duration(shown.took)).markup("</span>");
        stats(html, step);
        html.markup("</p>");
        bars(html, step, shown.scale);
    }
    html.markup("</div></article>");
}

/// The plan that a step begins with.
fn plan(html: &mut Hypertext, intent: &Intent<'_>) {
    html.markup("<aside class=\"plan\"><b>").markup(if intent.because.is_some() {
        "New plan"
    } else {
        "Plan"
    });
    html.markup("</b>");
    if let Some(because) = intent.because {
        html.markup(" <small>because ").text(because).markup("</small>");
    }
    html.markup("<ol>");
    for item in intent.items {
        html.markup("<li>").text(&item.what);
        if !item.expect.is_empty() {
            html.markup(" <small>then the screen shows “").text(&item.expect).markup("”</small>");
        }
        html.markup("</li>");
    }
    html.markup("</ol></aside>");
}

fn told(html: &mut Hypertext, step: &Step<'_>, album: &Album) {
    if let Some(intent) = &step.plan {
        plan(html, intent);
    }
    if let Some((records, summary, _)) = step.folded {
        html.markup("<aside class=\"plan\"><b>So far</b> <small>in place of ").show(records);
        html.markup(" older records</small><br>").text(summary).markup("</aside>");
    }
    if let Some(why) = step.exploring {
        html.markup("<p class=\"exploring\">").text(why).markup(" (temperature ");
        html.number(f64::from(step.temperature)).markup(")</p>");
    }
    if let Some(decision) = &step.decision {
        thought(html, decision.thought.trim());
        html.markup("<pre class=\"call\">");
        match decision.call {
            Some(call) => html.text(&call.function).markup(" ").text(&call.arguments.to_string()),
            None => html.text(decision.text),
        };
        html.markup("</pre>");
        votes(html, step);
    }
    for element in step.ground {
        html.markup("<p class=\"ground\">on the ")
            .text(&element.role)
            .markup(" “")
            .text(&element.name)
            .markup("”</p>");
    }
    if let Some(why) = step.concern {
        html.markup("<p class=\"ground\">the model's vendor wants a person to confirm this: ")
            .text(why)
            .markup("</p>");
    }
    if let Some((granted, reason)) = step.approval {
        html.markup(if granted {
            "<p class=\"result good\">approved by a person"
        } else {
            "<p class=\"result bad\">not approved: "
        });
        html.text(reason.unwrap_or_default()).markup("</p>");
    }
    if let Some(reason) = step.refused {
        html.markup("<p class=\"result bad\">").text(reason).markup("</p>");
    }
    if let Some((result, _)) = step.result {
        outcome(html, result, album);
    } else if step.called {
        html.markup("<p class=\"result bad\">the run ended before the call did: it may have happened</p>");
    }
    if let Some(verdict) = step.verdict {
        html.markup("<ul class=\"checks\">");
        for check in &verdict.checks {
            html.markup(if check.holds { "<li class=\"holds\">" } else { "<li class=\"open\">" });
            html.text(&check.what).markup("</li>");
        }
        html.markup("</ul>");
    }
    if let Some((check, quotes, _)) = step.examined {
        html.markup(if check.holds {
            "<ul class=\"checks\"><li class=\"holds\">"
        } else {
            "<ul class=\"checks\"><li class=\"open\">"
        });
        html.text(&check.what);
        for quote in quotes {
            html.markup(" <q>").text(quote).markup("</q>");
        }
        if let Some(doubt) = &check.found {
            html.markup(" <small>").text(doubt).markup("</small>");
        }
        html.markup("</li></ul>");
    }
    if let Some(check) = step.expected {
        html.markup(if check.holds {
            "<ul class=\"checks\"><li class=\"holds\">as planned, "
        } else {
            "<ul class=\"checks\"><li class=\"open\">not yet as planned: "
        });
        html.text(&check.what).markup("</li></ul>");
    }
    for (reason, word) in &step.limits {
        html.markup("<p class=\"result ").markup(if *word == Some(true) { "good\">" } else { "bad\">" });
        html.text(reason).markup(match word {
            Some(true) => "; a person granted as much again",
            Some(false) => "; no more was granted",
            None => "; a person is asked for more",
        });
        html.markup("</p>");
    }
    if let Some((actions, rounds)) = step.circle {
        html.markup("<p class=\"result bad\">going round in circles: the last ");
        html.text(&if actions == 1 { "action".to_owned() } else { format!("{actions} actions") });
        html.markup(", ").show(rounds).markup(" times over</p>");
    }
    if let Some(lesson) = &step.lesson {
        html.markup("<aside class=\"lesson\"><b>Lesson</b> <small>because ").text(lesson.because);
        html.markup("</small><br>").text(lesson.words).markup("</aside>");
    }
}

/// A thought; a long one is folded to its beginning.
fn thought(html: &mut Hypertext, words: &str) {
    const LONG: usize = 320;
    if words.is_empty() {
        return;
    }
    let Some((cut, _)) = words.char_indices().nth(LONG) else {
        html.markup("<blockquote>").text(words).markup("</blockquote>");
        return;
    };
    let cut = words[..cut].rfind(char::is_whitespace).unwrap_or(cut);
    html.markup("<details class=\"thought\"><summary><blockquote>").text(&words[..cut]);
    html.markup("<i> …</i></blockquote></summary><blockquote>").text(words[cut..].trim_start());
    html.markup("</blockquote></details>");
}

/// What was proposed, and by how many votes; nothing where there was one.
fn votes(html: &mut Hypertext, step: &Step<'_>) {
    if step.votes.len() < 2 {
        return;
    }
    html.markup("<details class=\"votes\"><summary>").show(step.votes.len()).markup(" votes, ");
    let proposals: Vec<_> = (0..step.votes.len())
        .map(|first| (first, step.alike.iter().filter(|one| **one == first).count()))
        .filter(|(_, supporters)| *supporters > 0)
        .collect();
    html.show(proposals.len()).markup(if proposals.len() == 1 { " proposal" } else { " proposals" });
    html.markup(if step.judged.is_some() { ", judged by the model</summary><ol>" } else { "</summary><ol>" });
    for (first, supporters) in proposals {
        let Some(vote) = step.votes.get(first) else { continue };
        html.markup("<li><b>").show(supporters).markup("×</b> <code>");
        match vote.call {
            Some(call) => html.text(&call.function).markup(" ").text(&call.arguments.to_string()),
            None => html.text(vote.text),
        };
        html.markup("</code>");
        if !vote.thought.trim().is_empty() {
            html.markup(" <small>").text(vote.thought.trim()).markup("</small>");
        }
        html.markup("</li>");
    }
    html.markup("</ol></details>");
}

fn outcome(html: &mut Hypertext, result: &CallResult, album: &Album) {
    match result {
        CallResult::Observed { parts, answer, nested, .. } => {
            for part in parts {
                observed(html, part, album);
            }
            if let Some(folder) =
                nested.as_ref().and_then(|nested| nested.folder.as_deref()).filter(|name| is_plain(name))
            {
                html.markup("<p class=\"result\"><a href=\"")
                    .text(CALLS)
                    .markup("/")
                    .text(folder)
                    .markup("/");
                html.text(REPORT_FILE).markup("\">the other agent's run</a></p>");
            }
            if let Some(answer) = answer {
                html.markup("<p class=\"result good\">answer: ").text(answer).markup("</p>");
            }
        }
        CallResult::Refused { reason }
        | CallResult::BadArguments { reason }
        | CallResult::Broken { reason } => {
            html.markup("<p class=\"result bad\">").text(reason).markup("</p>");
        }
        CallResult::Stopped => {
            html.markup("<p class=\"result bad\">stopped on the way: it may have happened</p>");
        }
    }
}

/// Whether a name can't lead out of the folder that it is in.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric())
}

fn observed(html: &mut Hypertext, part: &RecordedPart, album: &Album) {
    html.markup("<div class=\"result\">");
    match &part.source {
        Source::Runtime => {}
        Source::Screen(place) => drop(html.markup("<small>from the screen ").text(place).markup("</small>")),
        Source::Tool(name) => drop(html.markup("<small>from the tool ").text(name).markup("</small>")),
        Source::File(path) => drop(html.markup("<small>from the file ").text(path).markup("</small>")),
    }
    match &part.body {
        RecordedBody::Text(text) => drop(html.text(text)),
        RecordedBody::Json(value) => drop(html.markup("<pre>").text(&value.to_string()).markup("</pre>")),
        RecordedBody::Image { shot, .. } => match album.picture(shot.as_deref()) {
            Some(picture) => drawing::screenshot(html, picture, &Step::default()),
            None => drop(html.markup("an image")),
        },
    }
    html.markup("</div>");
}

/// Everything that models did for the step.
fn usage(step: &Step<'_>) -> Usage {
    let votes = step.votes.iter().map(|vote| vote.usage);
    let beside = [
        step.judged,
        step.examined.map(|(_, _, usage)| usage),
        step.folded.map(|(_, _, usage)| usage),
        step.lesson.as_ref().map(|lesson| lesson.usage),
        step.plan.as_ref().map(|plan| plan.usage),
    ];
    votes.chain(beside.into_iter().flatten()).fold(Usage::default(), |mut sum, more| {
        sum += &more;
        sum
    })
}

/// Where the step's time went: name, colour, milliseconds.
fn stages(step: &Step<'_>, usage: &Usage) -> [(&'static str, &'static str, f64); 5] {
    [
        ("look", "s-look", step.look.as_ref().map_or(0.0, |look| look.milliseconds)),
        ("vision", "s-vision", usage.stage.vision),
        ("prefill", "s-prefill", usage.stage.prefill),
        ("decode", "s-decode", usage.stage.decode),
        ("tool", "s-tools", step.result.map_or(0.0, |(_, milliseconds)| milliseconds)),
    ]
}

/// The step's time and tokens as bars, as long as the longest step's allow.
fn bars(html: &mut Hypertext, step: &Step<'_>, scale: Scale) {
    let usage = usage(step);
    html.markup("<div class=\"bars\" aria-hidden=\"true\"><div class=\"bar\">");
    for (_, class, milliseconds) in stages(step, &usage).into_iter().filter(|(_, _, ms)| *ms > 0.0) {
        html.markup("<i class=\"").markup(class).markup("\" style=\"width:");
        html.number(milliseconds / scale.milliseconds * 100.0).markup("%\"></i>");
    }
    html.markup("</div><div class=\"bar\">");
    let tokens = [
        ("t-cached", usage.cached_tokens),
        ("t-fresh", usage.fresh_tokens),
        ("t-written", usage.output_tokens),
    ];
    for (class, count) in tokens.into_iter().filter(|(_, count)| *count > 0) {
        html.markup("<i class=\"").markup(class).markup("\" style=\"width:");
        html.number(count as f64 / scale.tokens as f64 * 100.0).markup("%\"></i>");
    }
    html.markup("</div></div>");
}

fn stats(html: &mut Hypertext, step: &Step<'_>) {
    if let Some(decision) = &step.decision {
        let usage = usage(step);
        html.markup("<span>").show(usage.fresh_tokens).markup(" tokens read");
        if usage.cached_tokens > 0 {
            html.markup(", ").show(usage.cached_tokens).markup(" cached");
        }
        html.markup("</span><span>").show(usage.output_tokens).markup(" written</span>");
        for (name, _, ms) in stages(step, &usage).into_iter().filter(|(_, _, ms)| *ms >= 0.05) {
            html.markup("<span>").markup(name).markup(" ").text(&duration(ms)).markup("</span>");
        }
        if let Some(bytes) = decision.memory_bytes {
            html.markup("<span>").text(&memory(bytes)).markup("</span>");
        }
    }
}
