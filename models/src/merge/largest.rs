//! The largest of many numbers, told without having them all at once.

/// The bits of a size that one pass over the numbers tells apart.
const DIGIT: u32 = 16;

/// Looks for the edge of the largest so many, first by the highest bits of their sizes, then by the next ones of those at the
/// edge: of floating-point numbers without a sign the larger has the larger bits. A pass sees every number once, and four tell
/// the edge exactly.
pub(super) struct Largest {
    /// The bits that are known of the size at the edge.
    edge: u64,
    /// How many lower bits aren't known.
    unknown: u32,
    /// How many of those at the edge are kept, the first ones; all of them once it needn't be sought further.
    left: u64,
    /// How many are at the edge, by the next bits.
    counts: Vec<u64>,
}

impl Largest {
    /// Of these many.
    pub(super) fn of(kept: u64, count: u64) -> Self {
        if kept >= count {
            // Every size is at the edge.
            return Self { edge: 0, unknown: u64::BITS, left: kept, counts: Vec::new() };
        }
        Self { edge: 0, unknown: u64::BITS, left: kept, counts: vec![0; 1 << DIGIT] }
    }

    /// Whether the numbers must be seen once more.
    pub(super) fn is_sought(&self) -> bool {
        !self.counts.is_empty()
    }

    /// Sees a number in a pass.
    pub(super) fn see(&mut self, number: f64) {
        let size = number.abs().to_bits();
        if self.is_sought() && high(size, self.unknown) == self.edge {
            let digit = high(size, self.unknown - DIGIT) & ((1 << DIGIT) - 1);
            self.counts[digit as usize] += 1;
        }
    }

    /// Ends a pass.
    pub(super) fn narrow(&mut self) {
        let mut left = self.left;
        let found = self.counts.iter().enumerate().rev().find(|(_, equal)| {
            let is_edge = **equal >= left;
            left -= if is_edge { 0 } else { **equal };
            is_edge
        });
        let Some((digit, equal)) = found else { return };
        let is_found = self.unknown == DIGIT || *equal == left;
        (self.edge, self.unknown, self.left) =
            (self.edge << DIGIT | digit as u64, self.unknown - DIGIT, left);
        if is_found {
            self.counts = Vec::new();
        } else {
            self.counts.fill(0);
        }
    }

    /// Whether a number is among the largest; asked of each once, from the first on.
    pub(super) fn keeps(&mut self, number: f64) -> bool {
        let size = high(number.abs().to_bits(), self.unknown);
        if size == self.edge && self.left > 0 {
            self.left -= 1;
            return true;
        }
        size > self.edge
    }
}

/// A number without so many of its lower bits.
fn high(bits: u64, without: u32) -> u64 {
    bits.checked_shr(without).unwrap_or(0)
}
