//! How `SmolVLM2` is told of a video: how many frames of how long a one, and from when each is.

use std::fmt::Write;

use crate::processor::SampledVideo;

/// What stands for a video in a prompt; no token.
pub(super) const VIDEO: &str = "<video>";

/// The reference takes a template of its own for conversations with a video, whatever the folder has.
pub(super) const TEMPLATE: &str = concat!(
    "<|im_start|>{% for message in messages %}{{ message.role | capitalize }}:",
    "{% if message.content[0].type != 'image' %}{{ ' ' }}{% endif %}",
    "{% for part in message.content %}{% if part.type == 'text' %}{{ part.text }}",
    "{% elif part.type == 'image' %}<image>{% elif part.type == 'video' %}<video>{% endif %}{% endfor %}",
    "<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}",
);

/// The text of a video whose frames are these; `frame` is what stands for each.
pub(super) fn told(video: &SampledVideo, frame: &str) -> String {
    let count = in_words(video.times.len());
    let duration = clock(video.duration.as_secs());
    let mut text = format!(
        "You are provided the following series of {count} frames from a {duration} [H:MM:SS] video.\n"
    );
    for time in &video.times {
        let seconds = time.as_secs();
        // Writing into a string can't fail.
        let _ = write!(text, "\nFrame from {:02}:{:02}:{frame}", seconds / 60, seconds % 60);
    }
    text + "\n\n"
}

/// As Python prints a `timedelta`.
fn clock(seconds: u64) -> String {
    let time = format!("{}:{:02}:{:02}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    match seconds / 86_400 {
        0 => time,
        1 => format!("1 day, {time}"),
        days => format!("{days} days, {time}"),
    }
}

/// A number up to 999 in English words.
fn in_words(number: usize) -> String {
    const SMALL: [&str; 20] = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ];
    const TENS: [&str; 10] =
        ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
    match number {
        0..20 => SMALL[number].into(),
        20..100 if number.is_multiple_of(10) => TENS[number / 10].into(),
        20..100 => format!("{}-{}", TENS[number / 10], SMALL[number % 10]),
        _ => {
            let hundreds = format!("{} hundred", SMALL[(number / 100).min(19)]);
            match number % 100 {
                0 => hundreds,
                rest => format!("{hundreds} and {}", in_words(rest)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spelt_out() {
        let cases = [
            (1, "one"),
            (12, "twelve"),
            (20, "twenty"),
            (64, "sixty-four"),
            (100, "one hundred"),
            (118, "one hundred and eighteen"),
            (999, "nine hundred and ninety-nine"),
        ];
        for (number, words) in cases {
            assert_eq!(in_words(number), words);
        }
    }

    #[test]
    fn durations_are_told_as_python_tells_them() {
        let cases = [
            (0, "0:00:00"),
            (61, "0:01:01"),
            (36_000, "10:00:00"),
            (90_061, "1 day, 1:01:01"),
            (180_000, "2 days, 2:00:00"),
        ];
        for (seconds, told) in cases {
            assert_eq!(clock(seconds), told);
        }
    }
}
