//! What a card says of a remote model beside its numbers: whatever goes another way than a local model's user expects.

use reqwest::Url;

use super::{RemoteAddress, picture::MOST_BYTES};
use crate::http::is_loopback;
use crate::processor::Fit;

/// What a user should know of this model before trusting a result.
pub(super) fn notes(address: &RemoteAddress, fit: Fit, url: &Url) -> Vec<String> {
    let facts = address.api.facts();
    let mut notes = Vec::new();
    if !is_loopback(url) {
        let host = url.host_str().unwrap_or_default();
        notes.push(format!("what this run sees and says goes to {host}"));
    }
    if address.context.is_none() {
        notes.push(format!(
            "its context isn't known: {} tokens are assumed; `?context=TOKENS` in the address says another",
            facts.context
        ));
    }
    if let Some(tool) = address.computer {
        notes.push(format!(
            "it works by its vendor's tool `{}`, one action at a time; what the vendor wants a person to confirm is done only \
             where one is asked and does",
            tool.name()
        ));
    }
    let bounds = [
        fit.longest.map(|most| format!("{most} pixels on the longer side")),
        fit.shortest.map(|most| format!("{most} on the shorter")),
        fit.area.map(|most| format!("{most} pixels in all")),
    ];
    let bounds: Vec<String> = bounds.into_iter().flatten().collect();
    let scaled = if bounds.is_empty() {
        String::new()
    } else {
        format!("images are scaled to {} at most, and points are scaled back; ", bounds.join(", "))
    };
    notes.push(format!("{scaled}an image of more than {MOST_BYTES} bytes as PNG is sent as JPEG"));
    notes.push(match (address.own_sampling, facts.seed) {
        (true, _) => "it samples in its own way: temperature, top-p and seed aren't sent".into(),
        (false, true) => "its seed has 31 bits and is a wish: the same run may go another way".into(),
        (false, false) if facts.hottest > 1.0 => {
            "its API takes no seed, so the same run may go another way".into()
        }
        (false, false) => {
            "its API takes no seed, so the same run may go another way, and no temperature above 1: a higher one is sent as 1"
                .into()
        }
    });
    notes.push("its API bounds a whole reply and not the thought alone".into());
    notes
}
