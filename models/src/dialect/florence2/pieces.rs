//! A reply of Florence-2 cut into what it names, in thousandths of the image's sides.
//!
//! The reference cuts with regular expressions; these walks take and leave the same of a text, odd ones too.

/// How the token of a place begins, and that of an outline.
pub(super) const PLACE: &str = "<loc_";
pub(super) const OUTLINE: &str = "<poly>";
const OUTLINE_END: &str = "</poly>";
const NEXT: &str = "<sep>";
/// What a label ends before.
const LABEL_ENDS: [&str; 7] = ["<od>", "</od>", "<box>", "</box>", "<bbox>", "</bbox>", PLACE];
/// Tokens that a box takes, and four corners.
const BOX: usize = 4;
const QUADRILATERAL: usize = 8;

/// One thing that a reply names: in a box, or by outlines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Piece {
    pub(super) label: String,
    /// Left and top, right and bottom.
    pub(super) corners: Option<[[u32; 2]; 2]>,
    pub(super) outlines: Vec<Vec<[u32; 2]>>,
}

impl Piece {
    /// In words, for whoever can't be shown it.
    pub(super) fn written(&self) -> String {
        let points = self.corners.iter().flatten().chain(self.outlines.iter().flatten());
        let points: Vec<String> = points.map(|point| format!("{point:?}")).collect();
        format!("{} {}", self.label, points.join(" ")).trim().to_owned()
    }
}

/// Whether this is the token of a place.
pub(crate) fn is_place(token: &str) -> bool {
    place(token).is_some_and(|(_, rest)| rest.is_empty())
}

/// Whether this is a token between places.
pub(crate) fn is_mark(token: &str) -> bool {
    [OUTLINE, OUTLINE_END, NEXT].contains(&token)
}

/// Boxes behind a label each, whose letters are ASCII; those of `nameless` labels are left out.
pub(super) fn described(text: &str, nameless: &[String]) -> Vec<Piece> {
    let labelled = labelled(text, places).into_iter().filter_map(|(piece, from)| {
        let label = label(&piece, &LABEL_ENDS).filter(|label| !nameless.iter().any(|one| one == label))?;
        Some((label.chars().filter(char::is_ascii).collect::<String>(), numbers(&piece[from..])))
    });
    labelled.flat_map(|(label, numbers)| boxes(&label, &numbers)).collect()
}

/// Boxes without a label.
pub(super) fn proposed(text: &str) -> Vec<Piece> {
    runs(text, places).into_iter().flat_map(|run| boxes("", &numbers(run))).collect()
}

/// Texts and their four corners.
pub(super) fn quoted(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for line in text.split('\n') {
        let mut rest = line;
        while let Some((content, after)) = quadrilateral(rest) {
            let numbers = numbers(&rest[content..after]);
            let outlines = vec![points(&numbers)];
            pieces.push(Piece { label: rest[..content].trim().to_owned(), outlines, ..Piece::default() });
            rest = &rest[after..];
        }
    }
    pieces
}

/// Outlines without a label.
pub(super) fn outlined(text: &str) -> Vec<Piece> {
    runs(text, marks).into_iter().flat_map(outlines).collect()
}

/// Outlines behind a label each.
pub(super) fn described_outlines(text: &str) -> Vec<Piece> {
    labelled(text, marks).iter().flat_map(|(piece, _)| outlines(piece)).collect()
}

/// The place at the beginning of a text, and what follows.
fn place(text: &str) -> Option<(u32, &str)> {
    let (number, rest) = text.strip_prefix(PLACE)?.split_once('>')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    // What has more digits is a place outside of every image too.
    is_number.then(|| (number.parse().unwrap_or(u32::MAX), rest))
}

/// The bytes of the place at the beginning, 0 if there is none.
fn places(text: &str) -> usize {
    place(text).map_or(0, |(_, rest)| text.len() - rest.len())
}

/// The same of a place or a token between places.
fn marks(text: &str) -> usize {
    let mark = [NEXT, OUTLINE, OUTLINE_END].into_iter().find(|mark| text.starts_with(mark));
    mark.map_or_else(|| places(text), str::len)
}

/// How many tokens of a kind stand at the beginning, and their bytes.
fn run(text: &str, token: fn(&str) -> usize) -> (usize, usize) {
    let (mut count, mut length) = (0, 0);
    loop {
        match token(&text[length..]) {
            0 => return (count, length),
            more => (count, length) = (count + 1, length + more),
        }
    }
}

/// Runs of at least four tokens.
fn runs(text: &str, token: fn(&str) -> usize) -> Vec<&str> {
    let (mut runs, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find('<') {
        let (count, length) = run(&rest[at..], token);
        if count >= BOX {
            runs.push(&rest[at..at + length]);
        }
        // Within a shorter run no longer one begins.
        rest = &rest[at + length.max(1)..];
    }
    runs
}

/// Runs of at least four tokens, each with what stands before it since the last `<`, and where that ends.
fn labelled(text: &str, token: fn(&str) -> usize) -> Vec<(String, usize)> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find('<') {
        let (count, length) = run(&rest[at..], token);
        if at > 0 && count >= BOX {
            pieces.push((rest[..at + length].to_owned(), at));
            rest = &rest[at + length..];
        } else {
            rest = &rest[at + 1..];
        }
    }
    pieces
}

/// What stands before the first of these; `None` where a line ends before that.
fn label(text: &str, ends: &[&str]) -> Option<String> {
    let text = text.trim_start();
    let end = ends.iter().filter_map(|end| text.find(end)).min()?;
    (!text[..end].contains('\n')).then(|| text[..end].trim().to_owned())
}

fn numbers(text: &str) -> Vec<u32> {
    let (mut numbers, mut rest) = (Vec::new(), text);
    while let Some((number, after)) = place(rest) {
        numbers.push(number);
        rest = after;
    }
    numbers
}

/// Pairs of them; one that is left over names nothing.
fn points(numbers: &[u32]) -> Vec<[u32; 2]> {
    numbers.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect()
}

fn boxes(label: &str, numbers: &[u32]) -> Vec<Piece> {
    let boxes = numbers.chunks_exact(BOX).map(|sides| Piece {
        label: label.to_owned(),
        corners: Some([[sides[0], sides[1]], [sides[2], sides[3]]]),
        outlines: Vec::new(),
    });
    boxes.collect()
}

/// Where the first eight places in a row begin that have something before them, and where they end.
fn quadrilateral(line: &str) -> Option<(usize, usize)> {
    let starts = line.char_indices().map(|(at, _)| at).skip(1);
    starts.filter(|&at| line[at..].starts_with(PLACE)).find_map(|at| {
        let mut end = at;
        for _ in 0..QUADRILATERAL {
            let length = places(&line[end..]);
            if length == 0 {
                return None;
            }
            end += length;
        }
        Some((at, end))
    })
}

/// The outlines of one run, with what stands before it as their label: those of each `<poly>` belong together.
fn outlines(piece: &str) -> Vec<Piece> {
    let behind_first = place(piece).map_or(piece, |(_, rest)| rest);
    let ends: Vec<&str> = LABEL_ENDS.iter().copied().chain([OUTLINE]).collect();
    let Some(label) = label(behind_first, &ends) else { return Vec::new() };
    let mut instances = Vec::new();
    if piece.contains(OUTLINE) && piece.contains(OUTLINE_END) {
        let mut rest = piece;
        while let Some((_, begun)) = rest.split_once(OUTLINE)
            && let Some((instance, after)) = begun.split_once(OUTLINE_END)
        {
            instances.push(instance);
            rest = after;
        }
    } else {
        instances.push(piece);
    }
    let piece_of = |instance: &&str| {
        let outlines: Vec<_> =
            separated(instance).into_iter().filter(|outline| !outline.is_empty()).collect();
        (!outlines.is_empty()).then(|| Piece { label: label.clone(), corners: None, outlines })
    };
    instances.iter().filter_map(piece_of).collect()
}

/// The outlines of an instance: places up to the next separator or the end.
fn separated(instance: &str) -> Vec<Vec<[u32; 2]>> {
    let (mut outlines, mut rest) = (Vec::new(), instance);
    while let Some(at) = rest.find(PLACE) {
        let (_, length) = run(&rest[at..], places);
        let after = &rest[at + length..];
        if length > 0 && (after.is_empty() || after.starts_with(NEXT)) {
            outlines.push(points(&numbers(&rest[at..at + length])));
        }
        rest = &rest[at + length.max(1)..];
    }
    outlines
}
