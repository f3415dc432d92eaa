//! How long an answer may be kept, as a type.

use axum::http::HeaderValue;

/// A `Cache-Control` value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CachePolicy {
    /// The address names the content by its hash: it never changes.
    Immutable,
    /// The same, for answers that not everybody may see: only the asker keeps it.
    PrivateImmutable,
    /// Ask each time; a 304 is cheap.
    Revalidate,
}

impl From<CachePolicy> for HeaderValue {
    fn from(policy: CachePolicy) -> Self {
        Self::from_static(match policy {
            CachePolicy::Immutable => "public, max-age=31536000, immutable",
            CachePolicy::PrivateImmutable => "private, max-age=31536000, immutable",
            CachePolicy::Revalidate => "no-cache",
        })
    }
}
