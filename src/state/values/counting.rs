//! Values that are numbers, counted up in one step.

use jiff::Timestamp;

use super::rows::look_at_row;
use super::{Putting, is_over, put, timestamp};
use crate::config::StateConfig;
use crate::model::InstallLabels;
use crate::state::{Owner, Place, Put, StateError, WriteTxn};

/// Of the largest number that 64 bits hold.
const MAX_DIGITS: usize = 20;

/// What counting a value up came to. But for the first, nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    /// The number that is there now.
    Done(u64),
    /// The value is no decimal number of 64 bits.
    NoNumber,
    /// The sum is more than 64 bits hold.
    Overflow,
    /// It was not put: [`Putting::Full`] or [`Putting::Gone`].
    Refused(Putting),
}

/// Adds to the decimal number at a place; nothing there is as 0.
///
/// No other write comes between, since the transaction is the only one that writes.
pub fn count_up(
    txn: &WriteTxn,
    labels: &InstallLabels,
    place: &Place,
    delta: u64,
    limits: &StateConfig,
    now: Timestamp,
) -> Result<Counting, StateError> {
    let live = look_at_row(txn, &Owner::of(labels), place.parts(), |(revision, .., end, value)| {
        (!is_over(end.map(timestamp), now)).then(|| (*revision, number(value)))
    });
    let (revision, number) = match live?.flatten() {
        None => (None, 0),
        Some((revision, Some(number))) => (Some(revision), number),
        Some((_, None)) => return Ok(Counting::NoNumber),
    };
    let Some(sum) = number.checked_add(delta) else { return Ok(Counting::Overflow) };
    // Shorter than any limit of a value can be.
    let value = sum.to_string().into_bytes();
    let new = Put { place: place.clone(), value, if_revision: revision };
    Ok(match put(txn, labels, &new, limits, now)? {
        Putting::Done(_) => Counting::Done(sum),
        refused @ (Putting::Conflict | Putting::Full | Putting::Gone) => Counting::Refused(refused),
    })
}

/// Digits and nothing else: `str::parse` takes a sign, too. At most as many as a number has,
/// so that nobody has the thread that writes look through a megabyte of zeros.
fn number(value: &[u8]) -> Option<u64> {
    if value.len() > MAX_DIGITS {
        return None;
    }
    let text = std::str::from_utf8(value).ok()?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}
