//! From scores to probabilities, and which of them are kept.

/// The probabilities at a temperature, each with its token; tokens without a finite score have none.
/// `None` where no score is finite. Sums are taken in 64 bits: a vocabulary has hundreds of thousands of tokens.
pub(super) fn softmax(scores: &[f32], temperature: f32) -> Option<Vec<(u32, f64)>> {
    let temperature = f64::from(temperature);
    let highest = scores.iter().copied().filter(|score| score.is_finite()).fold(f32::NEG_INFINITY, f32::max);
    if !highest.is_finite() {
        return None;
    }
    let mut probabilities: Vec<(u32, f64)> = scores
        .iter()
        .enumerate()
        .filter(|(_, score)| score.is_finite())
        .map(|(id, &score)| (id as u32, ((f64::from(score) - f64::from(highest)) / temperature).exp()))
        .collect();
    let sum: f64 = probabilities.iter().map(|(_, weight)| weight).sum();
    for (_, weight) in &mut probabilities {
        *weight /= sum;
    }
    Some(probabilities)
}

/// Min-p (Nguyen et al. 2024): keeps what has at least this share of the likeliest token's probability.
pub(super) fn keep_min_p(probabilities: &mut Vec<(u32, f64)>, min_p: f32) {
    if min_p <= 0.0 {
        return;
    }
    let highest = probabilities.iter().map(|(_, probability)| *probability).fold(0.0, f64::max);
    // The likeliest token stays whatever rounding does to the product.
    let floor = (highest * f64::from(min_p)).min(highest);
    probabilities.retain(|(_, probability)| *probability >= floor);
}

/// Top-p (Holtzman et al. 2019): keeps the smallest set of likeliest tokens with this share of the probability
/// that is left. They come out likeliest first, equals by their ids.
pub(super) fn keep_top_p(probabilities: &mut Vec<(u32, f64)>, top_p: f32, vocabulary: usize) {
    let top_p = f64::from(top_p);
    if top_p >= 1.0 {
        return;
    }
    let mass: f64 = probabilities.iter().map(|(_, probability)| probability).sum();
    // All tokens below this floor together have less than what may be dropped, so none of them is in the
    // nucleus: they needn't be sorted. (Sorting a whole vocabulary costs more than a small decoder's layer.)
    let floor = mass * (1.0 - top_p) / vocabulary.max(1) as f64;
    probabilities.retain(|(_, probability)| *probability >= floor);
    probabilities.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let mut kept = 0.0;
    let mut count = 0;
    for (_, probability) in probabilities.iter() {
        count += 1;
        kept += probability;
        if kept >= top_p * mass {
            break;
        }
    }
    probabilities.truncate(count);
}

/// The natural logarithm of one token's probability in the distribution of these logits.
pub(super) fn log_probability(logits: &[f32], id: u32) -> f32 {
    let highest = logits.iter().copied().filter(|logit| logit.is_finite()).fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits
        .iter()
        .filter(|logit| logit.is_finite())
        .map(|&logit| (f64::from(logit) - f64::from(highest)).exp())
        .sum();
    let own = logits.get(id as usize).copied().unwrap_or(f32::NEG_INFINITY);
    (f64::from(own) - f64::from(highest) - sum.ln()) as f32
}
