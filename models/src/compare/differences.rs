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
    /// Kullback–Leibler divergence of the second model's distribution of the first token from the first one's, in nats;
    /// infinite, which JSON writes as `null`, where a token is ruled out.
    pub divergence: f64,
    /// Whether the second model rules a first token out (minus infinity) that the first one doesn't.
    pub ruled_out: bool,
    /// The greatest difference of a score of the first token.
    pub greatest_logit: f32,
    /// Where the first model's first token stands among the second one's, of equals the first in the vocabulary before the
    /// others, as greedy decoding takes them: 1 is the same.
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
    /// Of these, the share in which the second model rules a first token out that the first one doesn't; divergences are
    /// infinite then, which JSON writes as `null`.
    pub ruled_out: Option<f64>,
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
    /// [`ModelError::Request`] if the models have vocabularies of different sizes: their scores can't be compared;
    /// [`ModelError::Engine`] if scores of one are no numbers, which would count as equal to any.
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
    all_numbers("first", logits_of_a)?;
    all_numbers("second", logits_of_b)?;
    let higher = |best: (usize, f32), (token, &logit)| if logit > best.1 { (token, logit) } else { best };
    let (first, _) = logits_of_a.iter().enumerate().fold((0, f32::NEG_INFINITY), higher);
    let comes_before =
        |own: f32, (token, logit): (usize, f32)| logit > own || (logit >= own && token < first);
    let before = logits_of_b.get(first).map_or(0, |own| {
        logits_of_b.iter().copied().enumerate().filter(|other| comes_before(*own, *other)).count()
    });
    let equal_tokens = equal_beginning(&a.tokens, &b.tokens);
    let pairs = logits_of_a.iter().zip(logits_of_b);
    let of_both = pairs.clone().filter(|(a, b)| a.is_finite() && b.is_finite());
    Ok(ReplyDifference {
        image: image.into(),
        ask: ask.into(),
        divergence: divergence(logits_of_a, logits_of_b),
        ruled_out: pairs.clone().any(|(a, b)| a.is_finite() && !b.is_finite()),
        greatest_logit: of_both.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max),
        rank: before + 1,
        equal_tokens,
        equal: a.tokens == b.tokens,
        texts: [a.text.clone(), b.text.clone()],
    })
}

/// Minus infinity is how a graph forbids a token. Whatever else isn't finite is no score, and neither are scores that forbid
/// everything.
fn all_numbers(model: &str, logits: &[f32]) -> Result<(), ModelError> {
    let is_broken = |logit: &&f32| logit.is_nan() || **logit == f32::INFINITY;
    let problem = match logits.iter().filter(is_broken).count() {
        0 if logits.iter().any(|logit| logit.is_finite()) => return Ok(()),
        0 => "forbids every token".to_owned(),
        broken => format!("gave {broken} scores of {} that are no numbers (NaN or infinite)", logits.len()),
    };
    let remedy = "fetch or export it again, or take another precision or device";
    Err(ModelError::Engine(format!("the {model} model {problem}: {remedy}").into()))
}

/// Σ p·ln(p/q) over the vocabulary, in nats (Kullback and Leibler 1951); infinite where the second model rules out what the
/// first doesn't.
fn divergence(a: &[f32], b: &[f32]) -> f64 {
    let normaliser = |logits: &[f32]| {
        let highest = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        highest + logits.iter().map(|&logit| (f64::from(logit) - highest).exp()).sum::<f64>().ln()
    };
    let pairs = || a.iter().zip(b).filter(|(a, _)| a.is_finite());
    // However small the probability is, even where its number is too small to be written.
    if pairs().any(|(_, b)| !b.is_finite()) {
        return f64::INFINITY;
    }
    let (of_a, of_b) = (normaliser(a), normaliser(b));
    let each = pairs().map(|(&a, &b)| {
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
        ruled_out: share(count(|reply| reply.ruled_out), replies.len()),
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
        let other = reply("i", "?", [&answer(&[]), &answer(&[])], &[vec![1.0], vec![1.0, 2.0]])
            .unwrap_err()
            .to_string();
        assert!(other.contains("one model scores 1 tokens, the other 2"), "{other}");
    }

    fn first_scores(a: &[f32], b: &[f32]) -> Result<ReplyDifference, ModelError> {
        reply("i", "?", [&answer(&[0]), &answer(&[0])], &[a.to_vec(), b.to_vec()])
    }

    #[test]
    fn scores_that_are_no_numbers_are_refused_and_not_equal_to_any() {
        let (nan, up, down) = (f32::NAN, f32::INFINITY, f32::NEG_INFINITY);
        let cases: [([f32; 2], [f32; 2], &str); 5] = [
            ([0.0, 1.0], [0.0, nan], "the second model gave 1 scores of 2 that are no numbers"),
            ([0.0, 1.0], [nan, nan], "the second model gave 2 scores of 2 that are no numbers"),
            ([0.0, 1.0], [0.0, up], "the second model gave 1 scores of 2 that are no numbers"),
            ([nan, 1.0], [0.0, 1.0], "the first model gave 1 scores of 2 that are no numbers"),
            ([0.0, 1.0], [down, down], "the second model forbids every token"),
        ];
        for (a, b, problem) in cases {
            let error = first_scores(&a, &b).unwrap_err();
            assert!(matches!(error, ModelError::Engine(_)), "{error}");
            assert!(error.to_string().starts_with(problem), "{error}");
        }
    }

    #[test]
    fn a_token_that_the_second_model_alone_rules_out_is_told_apart_from_no_replies() {
        let (out, back) = ([0.0, f32::NEG_INFINITY], [0.0, 0.0]);
        let (found, other) = (first_scores(&back, &out).unwrap(), first_scores(&out, &back).unwrap());
        assert!(found.divergence.is_infinite() && found.ruled_out, "{found:?}");
        // A probability that is too small for a number isn't none.
        let unlikely = first_scores(&[0.0, -65504.0, 1.0], &[0.0, f32::NEG_INFINITY, 5.0]).unwrap();
        assert!(unlikely.divergence.is_infinite() && unlikely.ruled_out, "{unlikely:?}");
        assert!(other.divergence.is_finite() && !other.ruled_out, "{other:?}");
        assert_eq!(summary(&[found, other], &[], 10.0).ruled_out, Some(0.5));
        assert_eq!(summary(&[], &[], 10.0).ruled_out, None);
    }

    #[test]
    fn of_equal_scores_the_first_token_comes_first_as_greedy_takes_it() {
        for (a, b, rank) in [
            ([0.0, 1.0, 0.0], [1.0, 1.0, 0.0], 2),
            ([0.0, 1.0, 0.0], [0.0, 1.0, 1.0], 1),
            ([1.0, 1.0, 1.0], [1.0, 1.0, 1.0], 1),
            ([0.0, 0.0, 1.0], [2.0, 1.0, 1.0], 3),
        ] {
            assert_eq!(first_scores(&a, &b).unwrap().rank, rank, "{a:?} {b:?}");
        }
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
