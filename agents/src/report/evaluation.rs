//! An evaluation as a page: a row a task with its interval drawn, and what the failures looked like at their end.

use std::{fs, path::Path};

use base64::{Engine, prelude::BASE64_STANDARD};

use super::{hypertext::Hypertext, page::duration};
use crate::{
    Event, JournalError,
    evaluation::{Episode, Evaluation, Score},
    journal,
};

const STYLE: &str = concat!(include_str!("style.css"), include_str!("evaluation.css"));
/// How many failures are shown; the others are listed in the JSON document.
const SHOWN: usize = 24;

/// Writes the page beside the episodes' run folders.
///
/// # Errors
///
/// [`JournalError`] if it can't be written.
pub fn write_evaluation(
    evaluations: &[Evaluation],
    folder: &Path,
) -> Result<std::path::PathBuf, JournalError> {
    let path = folder.join(super::REPORT_FILE);
    fs::write(&path, render(evaluations, folder)).map_err(JournalError::file(&path))?;
    Ok(path)
}

fn render(evaluations: &[Evaluation], folder: &Path) -> String {
    let mut html = Hypertext::default();
    html.markup("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">");
    html.markup("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">");
    html.markup("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>Evaluation · percept</title><style>");
    html.markup(STYLE).markup("</style></head><body><header class=\"masthead\"><h1>Evaluation</h1>");
    if let [first, second] = evaluations {
        let difference = first.difference(second);
        html.markup("<p class=\"reason\"><b>")
            .text(&first.setting)
            .markup("</b> against <b>")
            .text(&second.setting);
        html.markup("</b>: ").text(&signed(difference.mean)).markup(" (95%: ");
        html.text(&signed(difference.interval[0])).markup(" to ").text(&signed(difference.interval[1]));
        html.markup(") on ").show(difference.pairs).markup(" episodes of each; ").show(difference.won);
        html.markup(" done by the first alone, ").show(difference.lost).markup(" by the second alone.</p>");
    }
    html.markup("</header><main class=\"scores\">");
    for evaluation in evaluations {
        table(&mut html, evaluation);
    }
    for evaluation in evaluations {
        failures(&mut html, evaluation, folder);
    }
    html.markup("</main></body></html>");
    html.into_string()
}

fn table(html: &mut Hypertext, evaluation: &Evaluation) {
    html.markup("<section><h2>")
        .text(&evaluation.setting)
        .markup(" <b>")
        .text(&percent(evaluation.mean_success));
    html.markup("</b></h2><table><thead><tr><th>task<th>done<th>95% interval<th><th>steps<th>a step<th>tokens a step</tr></thead><tbody>");
    for score in &evaluation.tasks {
        row(html, score);
    }
    html.markup("</tbody></table></section>");
}

fn row(html: &mut Hypertext, score: &Score) {
    let [low, high] = score.interval;
    html.markup("<tr><th>")
        .text(&score.task)
        .markup("<td>")
        .show(score.successes)
        .markup(" of ")
        .show(score.episodes);
    html.markup("<td>").text(&percent(low)).markup(" – ").text(&percent(high));
    html.markup("<td><svg viewBox=\"0 0 100 10\" role=\"img\" aria-label=\"").text(&percent(score.success));
    html.markup("\"><rect class=\"all\" width=\"100\" height=\"10\" rx=\"2\"/><rect class=\"range\" y=\"3\" height=\"4\" x=\"");
    html.number(low * 100.0).markup("\" width=\"").number((high - low) * 100.0);
    html.markup("\"/><rect class=\"share\" y=\"1\" height=\"8\" width=\"1.6\" x=\"");
    html.number((score.success * 100.0 - 0.8).max(0.0)).markup("\"/></svg><td>").number(score.steps);
    html.markup("<td>")
        .text(&duration(score.milliseconds_a_step))
        .markup("<td>")
        .number(score.tokens_a_step.round());
    html.markup("</tr>");
}

/// The failures, the last thing that each saw first.
fn failures(html: &mut Hypertext, evaluation: &Evaluation, folder: &Path) {
    let failed: Vec<_> = evaluation.episodes.iter().filter(|episode| !episode.success).collect();
    if failed.is_empty() {
        return;
    }
    html.markup("<section><h2>What failed: ")
        .text(&evaluation.setting)
        .markup("</h2><div class=\"failures\">");
    for episode in failed.iter().take(SHOWN) {
        failure(html, episode, folder);
    }
    html.markup("</div>");
    if failed.len() > SHOWN {
        html.markup("<p>… and ").show(failed.len() - SHOWN).markup(" more.</p>");
    }
    html.markup("</section>");
}

fn failure(html: &mut Hypertext, episode: &Episode, folder: &Path) {
    html.markup("<figure>");
    if let Some(png) = episode.result.folder.as_deref().and_then(last_look) {
        html.markup("<img alt=\"the last screenshot\" src=\"data:image/png;base64,");
        html.text(&BASE64_STANDARD.encode(png)).markup("\">");
    }
    html.markup("<figcaption>");
    let report = episode.result.folder.as_ref().map(|run| run.join(super::REPORT_FILE));
    let link = report.as_deref().and_then(|report| report.strip_prefix(folder).ok());
    let title = format!("{}, seed {}", episode.task, episode.seed);
    match link {
        Some(link) => drop(
            html.markup("<a href=\"")
                .text(&link.display().to_string())
                .markup("\">")
                .text(&title)
                .markup("</a>"),
        ),
        None => drop(html.text(&title)),
    }
    html.markup("<br><small>").text(episode.result.outcome.word()).markup(": ").text(&episode.result.reason);
    html.markup("</small></figcaption></figure>");
}

/// The newest screenshot of a run, as it is stored.
fn last_look(run: &Path) -> Option<Vec<u8>> {
    let recording = journal::read(run).ok()?;
    let shot = recording.entries.iter().rev().find_map(|entry| match &entry.event {
        Event::Looked { shot, .. } => shot.clone(),
        _ => None,
    })?;
    let is_own = Path::new(&shot).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    is_own.then(|| fs::read(run.join(shot)).ok()).flatten()
}

fn percent(share: f64) -> String {
    format!("{:.0}%", share * 100.0)
}

fn signed(share: f64) -> String {
    format!("{:+.0} points", share * 100.0)
}
