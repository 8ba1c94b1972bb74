//! The screenshots of a report, each embedded once.

use std::{collections::BTreeMap, fs, path::Path};

use base64::{Engine, prelude::BASE64_STANDARD};

use super::{hypertext::Hypertext, story::Step};
use crate::{CallResult, RecordedBody};

/// An image that goes into the report.
pub(super) struct Picture {
    /// Its place in the album, which its HTML id is made of.
    pub(super) number: usize,
    pub(super) width: u32,
    pub(super) height: u32,
    png: Vec<u8>,
}

/// Every image that the story names, by its file.
#[derive(Default)]
pub(super) struct Album(BTreeMap<String, Picture>);

/// Gathers what the story names from the run folder. A file that is missing or no image is left out; its
/// place in the report says so.
pub(super) fn gather(story: &[Step<'_>], folder: &Path) -> Album {
    let mut album = Album::default();
    for step in story {
        let looks = step.look.iter().filter_map(|look| look.shot);
        let parts = step.result.iter().flat_map(|(result, _)| match result {
            CallResult::Observed { parts, .. } => parts.as_slice(),
            _ => &[],
        });
        let images = parts.filter_map(|part| match &part.body {
            RecordedBody::Image { shot, .. } => shot.as_deref(),
            _ => None,
        });
        for file in looks.chain(images) {
            album.take(file, folder);
        }
    }
    album
}

impl Album {
    fn take(&mut self, file: &str, folder: &Path) {
        // A journal can come from elsewhere: it names files of its own folder, or none.
        let is_own = Path::new(file).components().all(|c| matches!(c, std::path::Component::Normal(_)));
        if self.0.contains_key(file) || !is_own {
            return;
        }
        let Ok(png) = fs::read(folder.join(file)) else { return };
        let Some((width, height)) = png_size(&png) else { return };
        let number = self.0.len() + 1;
        self.0.insert(file.to_owned(), Picture { number, width, height, png });
    }

    pub(super) fn picture(&self, file: Option<&str>) -> Option<&Picture> {
        self.0.get(file?)
    }

    /// The images as SVG definitions, for `<use>` to show.
    pub(super) fn definitions(&self, html: &mut Hypertext) {
        html.markup("<svg class=\"album\" width=\"0\" height=\"0\" aria-hidden=\"true\"><defs>");
        for picture in self.0.values() {
            html.markup("<image id=\"shot-").show(picture.number).markup("\" width=\"").show(picture.width);
            html.markup("\" height=\"").show(picture.height).markup("\" href=\"data:image/png;base64,");
            html.text(&BASE64_STANDARD.encode(&picture.png)).markup("\"/>");
        }
        html.markup("</defs></svg>");
    }
}

/// Width and height from a PNG's header (PNG specification, 11.2.1 IHDR), or `None` for anything else.
fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let header = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n")?.get(8..16)?;
    let (width, height) = header.split_at(4);
    Some((u32::from_be_bytes(width.try_into().ok()?), u32::from_be_bytes(height.try_into().ok()?)))
}
