//! Two models' answers to the same questions, side by side.

use serde::Serialize;

use super::answers::{Answer, Answers, Questions, same_vocabulary};
use crate::{ModelError, local::equal_beginning};

/// How far the second model's reply is from the first one's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReplyDifference {
    /// The image.
    pub image: String,
    /// The question.
    pub ask: String,
    /// Kullback–Leibler divergence of the second model's distribution of the first token from the first one's, in nats.
    pub divergence: f64,
    /// The greatest difference of a score of the first token.
    pub greatest_logit: f32,
    /// Where the first model's first token stands among the second one's: 1 is the same.
    pub rank: usize,
    /// How many tokens are equal until they part.
    pub equal_tokens: usize,
    /// Whether the whole replies are equal.
    pub equal: bool,
    /// Both texts.
    pub texts: [String; 2],
}

/// How far the second model's click is from the first one's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClickDifference {
    /// The image.
    pub image: String,
    /// What was to be clicked.
    pub target: String,
    /// Both places in pixels of the image; `None` where a model gave none.
    pub points: [Option<[f64; 2]>; 2],
    /// Pixels between them.
    pub distance: Option<f64>,
    /// Why there is no place.
    pub problem: Option<String>,
}

/// Everything in a few numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Replies that were compared.
    pub replies: usize,
    /// Of these, the share that is equal.
    pub equal_replies: Option<f64>,
    /// Of these, the share whose first token is the same.
    pub equal_first_tokens: Option<f64>,
    /// The greatest divergence.
    pub greatest_divergence: Option<f64>,
    /// The mean divergence.
    pub mean_divergence: Option<f64>,
    /// The greatest difference of a score.
    pub greatest_logit: Option<f32>,
    /// Clicks that were compared.
    pub clicks: usize,
    /// Of these, the share that moved by more than `moved_by` pixels, or that one model alone gave.
    pub moved_clicks: Option<f64>,
    /// The pixels that a click may move by.
    pub moved_by: f64,
    /// The greatest distance of a click in pixels.
    pub greatest_distance: Option<f64>,
}

/// Two models side by side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Image by image, question by question.
    pub replies: Vec<ReplyDifference>,
    /// Image by image, target by target.
    pub clicks: Vec<ClickDifference>,
    /// Everything in a few numbers.
    pub summary: Summary,
}

impl Comparison {
    /// Compares two models' answers to the same questions; a click counts as moved beyond so many pixels.
    ///
    /// # Errors
    ///
    /// [`ModelError::Request`] if the models have vocabularies of different sizes: their scores can't be compared.
    pub fn of(
        questions: &Questions,
        a: &mut Answers,
        b: &mut Answers,
        moved_by: f64,
    ) -> Result<Self, ModelError> {
        let (mut replies, mut clicks) = (Vec::new(), Vec::new());
        let (scores_of_a, scores_of_b) = (&mut a.scores, &mut b.scores);
        scores_of_a.rewind()?;
        scores_of_b.rewind()?;
        for (at, path) in questions.images.iter().enumerate() {
            let image = &path.display().to_string();
            let (of_a, of_b) = (a.replies.get(at), b.replies.get(at));
            let pairs = of_a.into_iter().flatten().zip(of_b.into_iter().flatten());
            for (ask, (a, b)) in questions.asks.iter().zip(pairs) {
                let logits = [scores_of_a.next()?, scores_of_b.next()?];
                replies.push(reply(image, ask, [a, b], &logits)?);
            }
            let (of_a, of_b) = (a.clicks.get(at), b.clicks.get(at));
            let pairs = of_a.into_iter().flatten().zip(of_b.into_iter().flatten());
            for (target, (a, b)) in questions.clicks.iter().zip(pairs) {
                clicks.push(click(image, target, a, b));
            }
        }
        let summary = summary(&replies, &clicks, moved_by);
        Ok(Self { replies, clicks, summary })
    }
}

fn reply(
    image: &str,
    ask: &str,
    [a, b]: [&Answer; 2],
    [logits_of_a, logits_of_b]: &[Vec<f32>; 2],
) -> Result<ReplyDifference, ModelError> {
    same_vocabulary(logits_of_a.len(), logits_of_b.len())?;
    let higher = |best: (usize, f32), (token, &logit)| if logit > best.1 { (token, logit) } else { best };
    let (first, _) = logits_of_a.iter().enumerate().fold((0, f32::NEG_INFINITY), higher);
    let above =
        logits_of_b.get(first).map_or(0, |own| logits_of_b.iter().filter(|logit| *logit > own).count());
    let equal_tokens = equal_beginning(&a.tokens, &b.tokens);
    let pairs = logits_of_a.iter().zip(logits_of_b).filter(|(a, b)| a.is_finite() && b.is_finite());
    Ok(ReplyDifference {
        image: image.into(),
        ask: ask.into(),
        divergence: divergence(logits_of_a, logits_of_b),
        greatest_logit: pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max),
        rank: above + 1,
        equal_tokens,
        equal: a.tokens == b.tokens,
        texts: [a.text.clone(), b.text.clone()],
    })
}

/// Σ p·ln(p/q) over the vocabulary, in nats (Kullback and Leibler 1951); infinite where the second model rules out what the
/// first doesn't.
fn divergence(a: &[f32], b: &[f32]) -> f64 {
    let normaliser = |logits: &[f32]| {
        let highest = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        highest + logits.iter().map(|&logit| (f64::from(logit) - highest).exp()).sum::<f64>().ln()
    };
    let (of_a, of_b) = (normaliser(a), normaliser(b));
    let each = a.iter().zip(b).filter(|(a, _)| a.is_finite()).map(|(&a, &b)| {
        let (a, b) = (f64::from(a) - of_a, f64::from(b) - of_b);
        a.exp() * (a - b)
    });
    // Rounding can bring the sum of two equal ones a hair below zero.
    each.sum::<f64>().max(0.0)
}

fn click(
    image: &str,
    target: &str,
    a: &Result<[f64; 2], String>,
    b: &Result<[f64; 2], String>,
) -> ClickDifference {
    let distance = match (a, b) {
        (Ok([ax, ay]), Ok([bx, by])) => Some((ax - bx).hypot(ay - by)),
        _ => None,
    };
    ClickDifference {
        image: image.into(),
        target: target.into(),
        points: [a.clone().ok(), b.clone().ok()],
        distance,
        problem: a.clone().err().or_else(|| b.clone().err()),
    }
}

fn summary(replies: &[ReplyDifference], clicks: &[ClickDifference], moved_by: f64) -> Summary {
    let share = |count: usize, of: usize| (of > 0).then(|| count as f64 / of as f64);
    let divergences = || replies.iter().map(|reply| reply.divergence);
    let count = |holds: fn(&&ReplyDifference) -> bool| replies.iter().filter(holds).count();
    // Where neither gives a place, nothing moved.
    let given = |click: &&ClickDifference| click.points.iter().any(Option::is_some);
    let compared = clicks.iter().filter(given).count();
    let moved = clicks.iter().filter(given).filter(|click| click.distance.is_none_or(|way| way > moved_by));
    Summary {
        replies: replies.len(),
        equal_replies: share(count(|reply| reply.equal), replies.len()),
        equal_first_tokens: share(count(|reply| reply.rank == 1), replies.len()),
        greatest_divergence: divergences().reduce(f64::max),
        mean_divergence: share(1, replies.len()).map(|each| divergences().sum::<f64>() * each),
        greatest_logit: replies.iter().map(|reply| reply.greatest_logit).reduce(f32::max),
        clicks: compared,
        moved_clicks: share(moved.count(), compared),
        moved_by,
        greatest_distance: clicks.iter().filter_map(|click| click.distance).reduce(f64::max),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(tokens: &[u32]) -> Answer {
        Answer { tokens: tokens.to_vec(), text: String::new() }
    }

    #[test]
    fn a_reply_is_as_far_as_its_first_scores_and_the_token_where_it_parts() {
        let ln = |p: [f32; 3]| p.map(f32::ln);
        // (.5, .3, .2) against (.2, .3, .5): .5·ln 2.5 + .2·ln .4; a shift of all scores is no divergence.
        let turned = 0.5 * 2.5f64.ln() + 0.2 * 0.4f64.ln();
        let cases = [
            (ln([0.5, 0.3, 0.2]), ln([0.5, 0.3, 0.2]), 0.0, 0.0, 1),
            (ln([0.5, 0.3, 0.2]), ln([0.5, 0.3, 0.2]).map(|logit| logit + 3.0), 0.0, 3.0, 1),
            (ln([0.5, 0.3, 0.2]), ln([0.2, 0.3, 0.5]), turned, 2.5f32.ln(), 3),
        ];
        for (a, b, divergence, greatest, rank) in cases {
            let found =
                reply("i", "?", [&answer(&[1, 2, 3]), &answer(&[1, 2, 4])], &[a.to_vec(), b.to_vec()])
                    .unwrap();
            assert!((found.divergence - divergence).abs() < 1e-6, "{found:?}");
            assert!((found.greatest_logit - greatest).abs() < 1e-5, "{found:?}");
            assert_eq!((found.rank, found.equal_tokens, found.equal), (rank, 2, false));
        }
        assert!(divergence(&[0.0, 0.0], &[0.0, f32::NEG_INFINITY]).is_infinite());
        assert!(divergence(&[0.0, f32::NEG_INFINITY], &[0.0, 0.0]).is_finite());
        let other = reply("i", "?", [&answer(&[]), &answer(&[])], &[vec![1.0], vec![1.0, 2.0]])
            .unwrap_err()
            .to_string();
        assert!(other.contains("one model scores 1 tokens, the other 2"), "{other}");
    }

    #[test]
    fn a_click_that_one_model_alone_gives_has_moved() {
        let none = || Err("no".to_owned());
        let pairs = [
            (Ok([10.0, 10.0]), Ok([13.0, 14.0])),
            (Ok([10.0, 10.0]), Ok([10.0, 21.0])),
            (Ok([1.0, 1.0]), none()),
            (none(), none()),
        ];
        let clicks: Vec<_> = pairs.iter().map(|(a, b)| click("i", "x", a, b)).collect();
        assert_eq!(
            clicks.iter().map(|click| click.distance).collect::<Vec<_>>(),
            [Some(5.0), Some(11.0), None, None]
        );
        let summary = summary(&[], &clicks, 10.0);
        assert_eq!((summary.clicks, summary.moved_clicks), (3, Some(2.0 / 3.0)));
        assert_eq!((summary.greatest_distance, summary.equal_replies), (Some(11.0), None));
    }
}
