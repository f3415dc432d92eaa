//! What an execution is about, when it says how an install went.

/// From one change of the install, opening or closing to the next. What an execution says is
/// about the era that it was let through in, and counts for nothing in a later one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::app) struct Era(pub(in crate::app) u64);

impl Era {
    /// One that no breaker comes to.
    pub(in crate::app) const NEVER: Self = Self(u64::MAX);

    pub(super) const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}
