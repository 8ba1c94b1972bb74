//! The head of a report: the task, how it ended, on what evidence, and what it took.

use super::{hypertext::Hypertext, story::Step};
use crate::{Actor, Event, Outcome, RunResult, Style, journal::Recording};

/// Draws the head.
pub(super) fn masthead(html: &mut Hypertext, recording: &Recording, story: &[Step<'_>]) {
    let (beginning, result) = (&recording.beginning, recording.result());
    html.markup("<header class=\"masthead\"><div class=\"brand\">").markup(EYE);
    html.markup("<span>percept</span><span class=\"run\">").text(&beginning.run).markup("</span>");
    html.markup("<button id=\"theme\" type=\"button\" title=\"Light or dark (t)\">◐</button></div><h1>");
    html.text(&beginning.task).markup("</h1><p class=\"badges\">");
    badges(html, recording);
    html.markup("</p>");
    html.markup("<p class=\"reason\">").text(result.map_or("", |result| &result.reason)).markup("</p>");
    facts(html, recording);
    if let Some(result) = result.filter(|_| beginning.actor == Actor::Model) {
        time(html, result);
    }
    evidence(html, recording, story);
    notes(html, recording);
    html.markup("</header>");
}

fn badges(html: &mut Hypertext, recording: &Recording) {
    let result = recording.result();
    if recording.beginning.actor == Actor::Person {
        html.markup(match result {
            Some(_) => "<span class=\"badge done\">recorded</span>",
            None => "<span class=\"badge unknown\">recorded until it was cut off</span>",
        });
        html.markup("<span class=\"badge unverified\">by a person</span>");
        return;
    }
    let Some(result) = result else {
        html.markup("<span class=\"badge unknown\">not finished</span>");
        return;
    };
    html.markup(match result.outcome {
        Outcome::Done => "<span class=\"badge done\">",
        Outcome::Failed => "<span class=\"badge failed\">",
        _ => "<span class=\"badge unknown\">",
    });
    html.text(result.outcome.word()).markup("</span>");
    html.markup(match result.verified {
        Some(true) => "<span class=\"badge verified\">✓ verified on the screen</span>",
        Some(false) => "<span class=\"badge unverified\">evidence not found</span>",
        None => "<span class=\"badge unverified\">unverified</span>",
    });
}

fn facts(html: &mut Hypertext, recording: &Recording) {
    let beginning = &recording.beginning;
    html.markup("<dl class=\"facts\">");
    if beginning.actor == Actor::Person {
        fact(html, "acted by", &beginning.model.name);
        fact(html, "steps", &recording.calls().to_string());
        if let Some(result) = recording.result() {
            fact(html, "took", &super::page::duration(result.milliseconds.total));
        }
        html.markup("</dl>");
        return;
    }
    fact(html, "model", &beginning.model.name);
    fact(html, "device", &beginning.model.device);
    let way = match (beginning.style, beginning.thinking.plan) {
        (Style::Direct, _) => "action at once",
        (Style::React, false) => "thought, then action",
        (Style::React, true) => "a plan; thought, then action",
    };
    let votes = beginning.thinking.votes;
    fact(html, "thinking", &if votes > 1 { format!("{way}; {votes} votes") } else { way.to_owned() });
    if !beginning.demonstrations.is_empty() {
        fact(
            html,
            "shown before",
            &beginning.demonstrations.iter().map(|shown| shown.task.as_str()).collect::<Vec<_>>().join(" · "),
        );
    }
    fact(html, "seed", &beginning.seed.to_string());
    if let Some(result) = recording.result() {
        let usage = &result.usage;
        let most = beginning.limits.steps;
        let raised = if result.steps > most { ", which a person raised" } else { "" };
        fact(html, "steps", &format!("{} of {most}{raised}", result.steps));
        fact(html, "tokens read", &format!("{} + {} cached", usage.fresh_tokens, usage.cached_tokens));
        fact(html, "tokens written", &format!("{}, {} forced", usage.output_tokens, usage.forced_tokens));
        if let Some(cost) = result.cost {
            fact(html, "cost", &format!("{cost:.4}"));
        }
        if let Some(bytes) = result.peak_memory_bytes {
            fact(html, "peak memory", &super::page::memory(bytes));
        }
        if let Some(answer) = &result.answer {
            fact(html, "answer", answer);
        }
        if let Some(certainty) = result.certainty {
            fact(html, "certainty", &format!("{certainty:.2}"));
        }
    }
    html.markup("</dl>");
}

fn fact(html: &mut Hypertext, name: &'static str, value: &str) {
    html.markup("<div><dt>").markup(name).markup("</dt><dd>").text(value).markup("</dd></div>");
}

/// Where the time went, as a bar of shares.
fn time(html: &mut Hypertext, result: &RunResult) {
    let spent = &result.milliseconds;
    let known = spent.look + spent.vision + spent.prefill + spent.decode + spent.tools;
    let stages: [(&'static str, &'static str, f64); 6] = [
        ("look", "s-look", spent.look),
        ("vision", "s-vision", spent.vision),
        ("prefill", "s-prefill", spent.prefill),
        ("decode", "s-decode", spent.decode),
        ("tools", "s-tools", spent.tools),
        ("the rest", "s-rest", (spent.total - known).max(0.0)),
    ];
    let all = stages.iter().map(|(_, _, ms)| ms).sum::<f64>().max(1e-9);
    html.markup("<figure class=\"time\"><figcaption>").text(&super::page::duration(spent.total));
    html.markup("</figcaption><div class=\"bar\">");
    for (_, class, ms) in stages.iter().filter(|(_, _, ms)| *ms > 0.0) {
        html.markup("<i class=\"")
            .markup(class)
            .markup("\" style=\"width:")
            .number(ms / all * 100.0)
            .markup("%\"></i>");
    }
    html.markup("</div><ul>");
    for (name, class, ms) in stages.iter().filter(|(_, _, ms)| *ms >= 0.05) {
        html.markup("<li><i class=\"").markup(class).markup("\"></i>").markup(name).markup(" <b>");
        html.text(&super::page::duration(*ms)).markup("</b></li>");
    }
    html.markup("</ul></figure>");
}

/// What was asked for, and what the last look for it found.
fn evidence(html: &mut Hypertext, recording: &Recording, story: &[Step<'_>]) {
    if recording.beginning.evidence.is_empty() {
        return;
    }
    let verdict = story.iter().rev().find_map(|step| step.verdict);
    html.markup("<section class=\"evidence\"><h2>Evidence</h2><ul>");
    for wanted in &recording.beginning.evidence.described() {
        let judged = story.iter().rev().find_map(|step| step.examined).map(|(check, ..)| check);
        let check = verdict
            .and_then(|verdict| verdict.checks.iter().find(|check| check.what == *wanted))
            .or(judged.filter(|check| check.what == *wanted));
        html.markup(match check.map(|check| check.holds) {
            Some(true) => "<li class=\"holds\">",
            Some(false) => "<li class=\"fails\">",
            None => "<li class=\"open\">",
        });
        html.text(wanted);
        if let Some(found) = check.and_then(|check| check.found.as_deref()) {
            html.markup(" <small>found: ").text(found).markup("</small>");
        }
        html.markup("</li>");
    }
    html.markup("</ul></section>");
}

/// What is to know of a life after the first.
fn taken_up(event: &Event) -> Option<String> {
    let Event::Resumed { happened, device, notes, .. } = event else { return None };
    let word = match happened {
        None => "",
        Some(true) => "; a person said that the call under way had happened",
        Some(false) => "; a person said that the call under way had not happened",
    };
    let mut told = format!("The run was cut off and taken up again on {device}{word}.");
    for note in notes {
        told.push(' ');
        told.push_str(note);
        told.push('.');
    }
    Some(told)
}

fn notes(html: &mut Hypertext, recording: &Recording) {
    let beginning = &recording.beginning;
    let notes: Vec<_> = match recording.result() {
        Some(result) => result.notes.iter().collect(),
        None => beginning.notes.iter().chain(&beginning.model.notes).collect(),
    };
    let lives: Vec<_> = recording.entries.iter().filter_map(|entry| taken_up(&entry.event)).collect();
    if notes.is_empty() && !recording.torn && lives.is_empty() {
        return;
    }
    html.markup("<section class=\"notes\"><h2>To know</h2><ul>");
    for note in notes {
        html.markup("<li>").text(note).markup("</li>");
    }
    for life in lives {
        html.markup("<li>").text(&life).markup("</li>");
    }
    if recording.torn {
        html.markup("<li>The journal's last line is torn: the run was killed while it was written.</li>");
    }
    html.markup("</ul></section>");
}

/// The mark: an eye with a pointer for a pupil.
const EYE: &str = "<svg class=\"eye\" viewBox=\"0 0 32 32\" aria-hidden=\"true\"><path d=\"M2 16C7 8 12 5 16 5s9 3 14 11c-5 8-10 11-14 11S7 24 2 16Z\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"2.4\" stroke-linejoin=\"round\"/><circle cx=\"16\" cy=\"16\" r=\"6\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"2.4\"/><path d=\"m15 14 7 8-3.4.2-1.8 3Z\" fill=\"var(--accent)\"/></svg>";
