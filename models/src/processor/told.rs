//! A processor's steps in words, for `percept models inspect`.

use std::fmt::{Display, Formatter, Result};

use super::{
    AnyresImage, AspectTiles, Backend, Filter, FirstSize, HD_TILE, HdTiles, ImageProcessor, NaflexImage,
    Normalise, PannedImage, PatchedImage, SingleImage, SmartSize, SquaredImage, TargetSize, TiledImage,
};

/// The steps in their order, whose arithmetic they are, and what becomes of each byte.
impl Display for ImageProcessor {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Single(it) => single(it, f)?,
            Self::Squared(it) => squared(it, f)?,
            Self::Tiled(it) => tiled(it, f)?,
            Self::Patched(it) => patched(it, f)?,
            Self::Naflex(it) => naflex(it, f)?,
            Self::Aspect(it) => aspect(it, f)?,
            Self::Anyres(it) => anyres(it, f)?,
            Self::Panned(it) => panned(it, f)?,
            Self::Hd(it) => hd(it, f)?,
        }
        write!(f, "; {}", self.normalise())
    }
}

impl Display for Normalise {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self.rescale {
            Some(scale) => write!(f, "bytes / {}", rounded(1.0 / scale))?,
            None => f.write_str("bytes as they are")?,
        }
        if let Some([mean, deviation]) = self.mean_and_deviation {
            let listed = |of: [f32; 3]| of.map(|value| rounded(f64::from(value)).to_string()).join(" ");
            write!(f, ", less {}, by {}", listed(mean), listed(deviation))?;
        }
        write!(f, "; as {}", self.backend)
    }
}

impl Display for Backend {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Pillow => "Pillow",
            Self::Torchvision => "torchvision",
        })
    }
}

impl Display for Filter {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Nearest => "nearest",
            Self::Lanczos => "lanczos",
            Self::Bilinear => "bilinear",
            Self::Bicubic => "bicubic",
            Self::Box => "box",
            Self::Hamming => "hamming",
        })
    }
}

fn single(it: &SingleImage, f: &mut Formatter<'_>) -> Result {
    f.write_str("one picture")?;
    if let Some(ground) = it.pad {
        write!(f, ", padded to a square on {}", colour(ground))?;
    }
    match it.resize {
        Some((TargetSize::Exact { width, height }, filter)) => {
            write!(f, ", resized to {width}×{height} ({filter})")?;
        }
        Some((TargetSize::ShortestEdge(edge), filter)) => {
            write!(f, ", its shorter side resized to {edge} ({filter})")?;
        }
        Some((TargetSize::Smart(size), filter)) => write!(f, ", resized to {} ({filter})", smart(size))?,
        None => f.write_str(", not resized")?,
    }
    match it.crop {
        Some((width, height)) => write!(f, ", its centre of {width}×{height} cut out"),
        None => Ok(()),
    }
}

fn squared(it: &SquaredImage, f: &mut Formatter<'_>) -> Result {
    f.write_str("one picture")?;
    if let Some((size, filter)) = it.resize {
        write!(f, ", its longer side resized to {} ({filter})", size.edge)?;
    }
    match it.pad {
        Some(ground) => write!(f, ", in the middle of a square on {}", colour(ground)),
        None => Ok(()),
    }
}

fn tiled(it: &TiledImage, f: &mut Formatter<'_>) -> Result {
    match it.resize {
        Some(FirstSize::LongestEdge(edge)) => {
            write!(f, "its longer side resized to {edge} ({}), ", it.filter)?;
        }
        Some(FirstSize::Exact { width, height }) => {
            write!(f, "resized to {width}×{height} ({}), ", it.filter)?;
        }
        None => {}
    }
    let tile = it.tile;
    if it.split {
        write!(f, "tiles of {tile}×{tile} and the whole")
    } else {
        write!(f, "seen as a whole of {tile}×{tile}")
    }
}

fn patched(it: &PatchedImage, f: &mut Formatter<'_>) -> Result {
    if it.resize {
        write!(f, "resized to {} ({}), ", smart(it.size), it.filter)?;
    } else {
        f.write_str("not resized, ")?;
    }
    write!(f, "patches of {0}×{0}, {1}×{1} to a feature", it.patch, it.merge)
}

fn naflex(it: &NaflexImage, f: &mut Formatter<'_>) -> Result {
    let [least, most] = it.features;
    write!(
        f,
        "patches of {0}×{0}, {1}×{1} to a feature, {least} to {most} features ({2})",
        it.patch, it.downsample, it.filter
    )?;
    let Some((side, [fewest, most])) = it.tiles else { return Ok(()) };
    write!(f, "; {} times as large, {fewest} to {most} tiles of {side}×{side}", it.tolerance)?;
    f.write_str(if it.thumbnail { " and the whole" } else { "" })
}

fn aspect(it: &AspectTiles, f: &mut Formatter<'_>) -> Result {
    let ((width, height), (least, most)) = (it.tile, it.tiles);
    match (it.cuts, it.resize) {
        (true, _) => write!(f, "{least} to {most} tiles of {width}×{height} and the whole ({})", it.filter),
        (false, true) => write!(f, "one picture, resized to {width}×{height} ({})", it.filter),
        (false, false) => f.write_str("one picture, not resized"),
    }
}

fn anyres(it: &AnyresImage, f: &mut Formatter<'_>) -> Result {
    let (tile, canvases) = (it.tile, it.canvases.len());
    let most = it.canvases.iter().map(|grid| grid.rows * grid.columns).max().unwrap_or(0);
    write!(
        f,
        "the whole and tiles of {tile}×{tile} on the best of {canvases} canvases, at most {most} ({})",
        it.filter
    )
}

fn panned(it: &PannedImage, f: &mut Formatter<'_>) -> Result {
    let ([width, height], filter) = it.resize;
    write!(f, "the whole, resized to {width}×{height} ({filter})")?;
    write!(f, ", and up to {} crops of what is longer than {} to 1", it.pan.most_crops, it.pan.least_ratio)
}

fn hd(it: &HdTiles, f: &mut Formatter<'_>) -> Result {
    write!(f, "the whole and up to {} tiles of {HD_TILE}×{HD_TILE} ({})", it.most, it.filter)
}

fn smart(size: SmartSize) -> String {
    let SmartSize { factor, least, most } = size;
    format!("multiples of {factor}, {least} to {most} pixels in all")
}

fn colour([red, green, blue]: [u8; 3]) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// To six digits: what a file says, without the dust of its arithmetic.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_is_told_in_words() {
        let cases = [
            (
                r#"{"image_processor_type": "CLIPImageProcessor"}"#,
                "one picture, its shorter side resized to 224 (bicubic), its centre of 224×224 cut out; bytes / 255, \
                 less 0.481455 0.457828 0.408211, by 0.26863 0.261303 0.275777; as Pillow",
            ),
            (
                r#"{"image_processor_type": "Qwen2VLImageProcessorFast"}"#,
                "resized to multiples of 28, 3136 to 1003520 pixels in all (bicubic), patches of 14×14, 2×2 to a \
                 feature; bytes / 255, less 0.481455 0.457828 0.408211, by 0.26863 0.261303 0.275777; as torchvision",
            ),
            (
                r#"{"image_processor_type": "SmolVLMImageProcessor"}"#,
                "its longer side resized to 1456 (lanczos), tiles of 364×364 and the whole; bytes / 255, less 0.5 0.5 \
                 0.5, by 0.5 0.5 0.5; as Pillow",
            ),
        ];
        for (json, expected) in cases {
            assert_eq!(
                ImageProcessor::from_json(json).map(|it| it.to_string()).ok().as_deref(),
                Some(expected)
            );
        }
    }
}
