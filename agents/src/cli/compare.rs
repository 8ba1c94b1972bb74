//! `percept models compare`: how far one export of a model is from another.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use percept::{
    models::{
        Answers, ChatModel, Comparison, LoadOptions, LoadedImage, ModelAddress, ModelFolder, Precision,
        Questions, Summary,
    },
    runtime::Device,
};
use serde_json::json;

use super::{
    arguments::at_least_one,
    failure::Failure,
    gallery::{Gallery, check_kind},
    merge::precision,
    narration::plain,
    output::{Ink, Output},
    progress::Bars,
};

/// What can be said about it.
#[derive(Debug, Args)]
pub(crate) struct CompareOptions {
    /// The model that is the measure: bundled:NAME, hub:ORGANISATION/NAME or a folder.
    #[arg(value_name = "A")]
    a: ModelAddress,

    /// The model that is measured; A itself in another precision if none is named.
    #[arg(value_name = "B")]
    b: Option<ModelAddress>,

    /// Images to ask about: files, or folders whose images are taken.
    #[arg(long, value_name = "PATH", num_args = 1.., required = true)]
    images: Vec<PathBuf>,

    /// A question about every image; may be given several times.
    #[arg(long, value_name = "QUESTION")]
    ask: Vec<String>,

    /// What to click on every image, in words; may be given several times.
    #[arg(long, value_name = "TARGET")]
    click: Vec<String>,

    /// A's precision, in place of the one that its address names.
    #[arg(long, value_name = "PRECISION", value_parser = precision)]
    precision_a: Option<Precision>,

    /// B's precision, in place of the one that its address names.
    #[arg(long, visible_alias = "precision", value_name = "PRECISION", value_parser = precision)]
    precision_b: Option<Precision>,

    /// The most tokens of a reply.
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = at_least_one)]
    max_tokens: usize,

    /// A click has moved if it is more pixels away than this.
    #[arg(long, value_name = "PIXELS", default_value_t = 10.0)]
    moved_by: f64,

    /// The device to run them on.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: Device,
}

/// Asks both, one after the other, and tells how far apart they are.
pub(crate) async fn compare(options: CompareOptions, output: &Output) -> Result<u8, Failure> {
    let CompareOptions { a, b, images, ask, click, precision_a, precision_b, max_tokens, moved_by, device } =
        options;
    if ask.is_empty() && click.is_empty() {
        let problem = anyhow!("nothing is asked");
        return Err(
            Failure::bad_input(problem).help("add --ask \"question\" or --click \"the Log in button\"")
        );
    }
    let named_alone = b.is_none();
    let b = in_precision(b.unwrap_or_else(|| a.clone()), precision_b);
    let a = in_precision(a, precision_a);
    if named_alone && a == b {
        let problem = anyhow!("one model in one precision can't be compared with itself");
        return Err(Failure::bad_input(problem).help("name a second model, or --precision q4"));
    }
    let questions = Questions { images: readable(&images, output)?, asks: ask, clicks: click, max_tokens };
    // A slip in what is asked second would throw away what was answered first.
    for address in [&a, &b] {
        let (folder, precision) = address.folder(&*Bars::new(&output.bars)).await?;
        ModelFolder::open(&folder, precision.as_ref())?;
    }
    let mut answers_of_a = answers(&a, None, &device, &questions, output).await?;
    let mut answers_of_b = answers(&b, Some(&answers_of_a.found), &device, &questions, output).await?;
    let comparison = Comparison::of(&questions, &mut answers_of_a.found, &mut answers_of_b.found, moved_by)
        .map_err(Failure::of_request)?;
    if output.json {
        output.document(&json!({
            "a": { "model": answers_of_a.name, "notes": answers_of_a.notes },
            "b": { "model": answers_of_b.name, "notes": answers_of_b.notes },
            "replies": comparison.replies,
            "clicks": comparison.clicks,
            "summary": comparison.summary,
        }))?;
    } else {
        table(&comparison, output)?;
    }
    Ok(0)
}

/// The address, in the precision that an option asks for.
pub(super) fn in_precision(address: ModelAddress, precision: Option<Precision>) -> ModelAddress {
    match precision {
        Some(precision) => address.in_precision(precision),
        None => address,
    }
}

/// The images' files, each opened once and let go: what is wrong with one is told before a model is asked about the others.
/// What can't be read of a folder is said and left out.
fn readable(paths: &[PathBuf], output: &Output) -> Result<Vec<PathBuf>, Failure> {
    let mut images = Vec::new();
    for (path, itself) in Gallery::of(paths)?.files() {
        match check_kind(path, itself).and_then(|()| LoadedImage::open(path)) {
            Ok(image) => {
                for note in &image.notes {
                    output.say(&output.ink(Ink::Warn, &format!("note: {}: {note}", path.display())));
                }
                images.push(path.to_owned());
            }
            Err(error) if itself => return Err(error.into()),
            Err(error) => {
                output.say(&output.ink(Ink::Warn, &format!("left out: {}", plain(&error.to_string()))));
            }
        }
    }
    if images.is_empty() {
        return Err(Failure::bad_input(anyhow!("none of the files is an image that can be read")));
    }
    Ok(images)
}

/// A model's answers, and what is to be known about it.
struct Answered {
    name: String,
    notes: Vec<String>,
    found: Answers,
}

async fn answers(
    address: &ModelAddress,
    compared_with: Option<&Answers>,
    device: &Device,
    questions: &Questions,
    output: &Output,
) -> Result<Answered, Failure> {
    let load = LoadOptions { device: device.clone(), ..LoadOptions::default() };
    let model = address.open_local(load, Bars::new(&output.bars)).await?;
    compared_with.map_or(Ok(()), |first| first.check_comparable(&model)).map_err(Failure::of_request)?;
    let found = Answers::of(&model, questions).await.map_err(Failure::of_request)?;
    let card = model.card();
    output.notes(&card.notes);
    Ok(Answered { name: card.name.clone(), notes: card.notes.clone(), found })
}

fn table(comparison: &Comparison, output: &Output) -> Result<(), Failure> {
    if !comparison.replies.is_empty() {
        output.print("divergence  logit  rank  equal tokens  image, question")?;
    }
    for reply in &comparison.replies {
        let equal = if reply.equal { "all".into() } else { reply.equal_tokens.to_string() };
        output.print(&format!(
            "{:>10.4}  {:>5.2}  {:>4}  {equal:>12}  {}, {}",
            reply.divergence, reply.greatest_logit, reply.rank, reply.image, reply.ask
        ))?;
        if !reply.equal {
            output.print(&format!("            A: {}", plain(&reply.texts[0])))?;
            output.print(&format!("            B: {}", plain(&reply.texts[1])))?;
        }
    }
    if !comparison.clicks.is_empty() {
        output.print("    pixels  A             B             image, target")?;
    }
    for click in &comparison.clicks {
        let distance = click.distance.map_or("-".into(), |distance| format!("{distance:.1}"));
        let [a, b] =
            click.points.map(|point| point.map_or("none".into(), |[x, y]| format!("{x:.0}, {y:.0}")));
        output.print(&format!("{distance:>10}  {a:<12}  {b:<12}  {}, {}", click.image, click.target))?;
        if let Some(problem) = &click.problem {
            output.print(&format!("            {}", plain(problem)))?;
        }
    }
    summary(&comparison.summary, output)
}

fn summary(summary: &Summary, output: &Output) -> Result<(), Failure> {
    let percent = |share: Option<f64>| share.map_or("-".into(), |share| format!("{:.0}%", share * 100.0));
    if let (Some(divergence), Some(mean), Some(logit)) =
        (summary.greatest_divergence, summary.mean_divergence, summary.greatest_logit)
    {
        output.print(&format!(
            "{} replies: {} equal, {} with the same first token; divergence {mean:.4} nats on average, {divergence:.4} at \
             most; a score {logit:.2} off at most",
            summary.replies,
            percent(summary.equal_replies),
            percent(summary.equal_first_tokens)
        ))?;
    }
    if summary.clicks > 0 {
        let distance = summary.greatest_distance.map_or("-".into(), |distance| format!("{distance:.1}"));
        output.print(&format!(
            "{} clicks: {} moved by more than {} pixels, {distance} at most",
            summary.clicks,
            percent(summary.moved_clicks),
            summary.moved_by
        ))?;
    }
    Ok(())
}
