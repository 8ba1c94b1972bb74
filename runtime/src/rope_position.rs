//! Where a token stands for a decoder that tells time, height and width apart.

/// A token's position in three counts instead of one (multimodal rotary embedding, M-RoPE: Wang et al. 2024,
/// section 2.1). The three are equal in text; the features of an image share its time and differ in height and width.
///
/// ```
/// use percept_runtime::RopePosition;
///
/// let feature = RopePosition { time: 4, height: 6, width: 5 };
/// assert_eq!((feature.greatest(), RopePosition::text(7).greatest()), (6, 7));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RopePosition {
    /// The first row of `position_ids`.
    pub time: i64,
    /// The second.
    pub height: i64,
    /// The third.
    pub width: i64,
}

impl RopePosition {
    /// A token of text, the same in all three.
    pub fn text(count: i64) -> Self {
        Self { time: count, height: count, width: count }
    }

    /// The greatest of the three: text goes on one after it.
    pub fn greatest(self) -> i64 {
        self.time.max(self.height).max(self.width)
    }
}
