//! The frame around every page: who is signed in, where they are, what is unsafe.

/// What the layout shows on every page.
#[derive(Clone, Debug, Default)]
pub struct Chrome {
    /// The signed-in operator's name; without one there is no navigation.
    pub operator: Option<String>,
    /// The session's token, a hidden field of every form; empty without a session.
    pub csrf_token: String,
    /// The entry of the navigation that is marked: `extensions`, `upload`, `audit`, `storage` or
    /// empty.
    pub current: &'static str,
    /// Settings that make the appliance unsafe, in red on every page.
    pub warnings: Vec<String>,
    /// What the action before this page did.
    pub notice: Option<Notice>,
    /// Part of every asset's address, so that a new release is never mixed with old assets.
    pub asset_version: String,
}

/// A sentence above the page.
#[derive(Clone, Debug)]
pub struct Notice {
    pub tone: Tone,
    pub text: String,
}

/// What a notice, a pill or an outcome means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Good,
    Attention,
    Danger,
}

impl Tone {
    /// The class in `app.css`.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Attention => "attention",
            Self::Danger => "danger",
        }
    }
}
