//! What a version and an install may go through, as state machines.

use super::checker::Step;
use super::world::version_of;

/// One `(name, version)`: which of the contents it has, and how it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Version {
    content: Option<usize>,
    removed: bool,
    yanked: bool,
    /// The contents in quarantine, one bit each.
    kept: u32,
    /// The contents that were approved.
    approved: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VersionStep {
    /// Published; without a signature only what was approved can be.
    Created {
        content: usize,
        signed: bool,
    },
    Unchanged(usize),
    Quarantined(usize),
    /// Refused, as the version has another content.
    Taken(usize),
    /// Refused, as the version was removed.
    Refused,
    Approved(usize),
    Deleted(usize),
    /// Whether it is in quarantine.
    IsKept(usize, bool),
    /// It has this content.
    Has(usize),
    /// It has this content and may be installed.
    IsOffered(usize),
    /// It is published, whatever it has.
    IsThere,
    IsGone,
    IsYanked,
    IsNotYanked,
    Yanked,
    Unyanked,
    Removed,
}

impl Step for VersionStep {
    type State = Version;

    fn after(&self, state: &Version) -> Option<Version> {
        let mut next = state.clone();
        let there = state.content.is_some();
        let fits = match *self {
            Self::Created { content, signed } => {
                next.content = Some(content);
                next.kept &= !bit(content);
                let trusted = signed || state.approved & bit(content) != 0;
                trusted && !there && !state.removed
            }
            Self::Unchanged(content) | Self::Has(content) => state.content == Some(content),
            Self::Quarantined(content) => {
                next.kept |= bit(content);
                state.content != Some(content) && !state.removed
            }
            Self::Taken(content) => there && state.content != Some(content),
            Self::Refused => state.removed,
            Self::Approved(content) => {
                next.approved |= bit(content);
                true
            }
            Self::Deleted(content) => {
                next.kept &= !bit(content);
                state.kept & bit(content) != 0
            }
            Self::IsKept(content, kept) => (state.kept & bit(content) != 0) == kept,
            Self::IsOffered(content) => state.content == Some(content) && !state.yanked,
            Self::IsThere => there,
            Self::IsGone => !there,
            Self::IsYanked => there && state.yanked,
            Self::IsNotYanked => !state.yanked,
            Self::Yanked => {
                next.yanked = true;
                there
            }
            Self::Unyanked => {
                next.yanked = false;
                there
            }
            Self::Removed => {
                next = Version { removed: true, content: None, yanked: false, ..next };
                there
            }
        };
        fits.then_some(next)
    }
}

fn bit(content: usize) -> u32 {
    1 << content
}

/// An install as an answer shows it. Bundles are numbers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) bundle: usize,
    pub(super) enabled: bool,
    pub(super) previous: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum InstallStep {
    Created(Row),
    /// It was installed before, at the same version.
    Unchanged(Row),
    /// It is installed, at another version than this.
    IsOther(usize),
    IsAbsent,
    /// No install has this id.
    IsUnknown(String),
    Enabled(Row),
    Disabled(Row),
    Upgraded(Row),
    WentBack(Row),
    HasNoPrevious(String),
    Uninstalled(String),
    Has(Row),
    /// Whether the gateway found it enabled with this bundle.
    IsFound(usize, bool),
    /// Neither at this version nor able to go back to it.
    IsFreeOf(usize),
}

impl Step for InstallStep {
    type State = Option<Row>;

    fn after(&self, state: &Option<Row>) -> Option<Option<Row>> {
        let same = |fits: bool| fits.then(|| state.clone());
        let becomes = |row: &Row, next: Row| (next == *row).then_some(Some(next));
        match (self, state) {
            (Self::Created(row), None) => {
                let fresh = !row.enabled && row.previous.is_none();
                fresh.then(|| Some(row.clone()))
            }
            (Self::IsUnknown(id), _) => same(state.as_ref().is_none_or(|row| row.id != *id)),
            (Self::IsAbsent | Self::IsFreeOf(_) | Self::IsFound(_, false), None) => Some(None),
            (Self::Unchanged(row) | Self::Has(row), Some(known)) => same(row == known),
            (Self::IsOther(version), Some(known)) => same(version_of(known.bundle) != *version),
            (Self::Enabled(row), Some(known)) => {
                becomes(row, Row { enabled: true, ..known.clone() })
            }
            (Self::Disabled(row), Some(known)) => {
                becomes(row, Row { enabled: false, ..known.clone() })
            }
            (Self::Upgraded(row), Some(known)) if row.bundle == known.bundle => {
                becomes(row, known.clone())
            }
            (Self::Upgraded(row), Some(known)) => {
                let previous = Some(known.bundle);
                becomes(row, Row { bundle: row.bundle, previous, ..known.clone() })
            }
            (Self::WentBack(row), Some(known)) => {
                let bundle = known.previous?;
                becomes(row, Row { bundle, previous: Some(known.bundle), ..known.clone() })
            }
            (Self::HasNoPrevious(id), Some(known)) => {
                same(known.id == *id && known.previous.is_none())
            }
            (Self::Uninstalled(id), Some(known)) => (known.id == *id).then_some(None),
            (Self::IsFound(bundle, found), Some(known)) => {
                same((known.enabled && known.bundle == *bundle) == *found)
            }
            (Self::IsFreeOf(version), Some(known)) => {
                let mut used = known.previous.into_iter().chain([known.bundle]);
                same(used.all(|bundle| version_of(bundle) != *version))
            }
            _ => None,
        }
    }
}

/// Whether one step after another can be.
fn accepts(steps: &[VersionStep]) -> bool {
    let after = |state: Version, step: &VersionStep| step.after(&state);
    steps.iter().try_fold(Version::default(), after).is_some()
}

#[test]
fn a_yank_that_is_lost_or_stays_too_long_is_refused() {
    let created = VersionStep::Created { content: 0, signed: true };
    let yanked = [created, VersionStep::Yanked];
    let unyanked = [created, VersionStep::Yanked, VersionStep::Unyanked];
    let then = |before: &[VersionStep], step| accepts(&[before, &[step]].concat());

    assert!(then(&yanked, VersionStep::IsYanked));
    assert!(!then(&yanked, VersionStep::IsNotYanked));
    assert!(then(&unyanked, VersionStep::IsNotYanked));
    assert!(!then(&unyanked, VersionStep::IsYanked));
    // It was looked up before it was removed, and its standing after.
    assert!(accepts(&[
        created,
        VersionStep::Yanked,
        VersionStep::Removed,
        VersionStep::IsNotYanked
    ]));
}
