//! Answers under keys: bounded in bytes, the oldest go first.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::HeaderMap;
use jiff::Timestamp;
use tokio::sync::watch;

use super::Keyed;
use crate::model::InstallId;
use crate::runner::{GuestBody, GuestResponse, KeptSlot, Usage};

/// Bytes that a row takes besides its answer.
const ROW_BYTES: u64 = 512;

/// Bytes of everything that is kept, at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) all_bytes: u64,
    pub(super) install_bytes: u64,
}

/// What was done under keys.
pub(super) struct Kept {
    bounds: Bounds,
    state: Mutex<State>,
}

/// An answer to give again.
#[derive(Debug)]
pub(super) struct KeptAnswer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// What is known of a call.
pub(super) enum Seen {
    /// Nothing: it is the caller's to make, and is noted as running.
    New,
    Running(watch::Receiver<()>),
    Answer(Arc<KeptAnswer>),
    /// It was made, and its answer is not there.
    Spent,
    /// The key was used with another body.
    OtherBody,
}

#[derive(Default)]
struct State {
    rows: HashMap<[u8; 32], Row>,
    /// Rows that are over, the oldest first.
    by_age: BTreeMap<u64, [u8; 32]>,
    installs: HashMap<InstallId, Share>,
    bytes: u64,
    next: u64,
}

/// What one install takes of it.
#[derive(Default)]
struct Share {
    bytes: u64,
    by_age: BTreeSet<u64>,
}

struct Row {
    body: [u8; 32],
    install: InstallId,
    progress: Progress,
}

enum Progress {
    Running(watch::Receiver<()>),
    Over { number: u64, at: Timestamp, bytes: u64, answer: Option<Arc<KeptAnswer>> },
}

impl Kept {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { bounds, state: Mutex::default() }
    }

    /// Looks a call up; what was over before `oldest` is forgotten first.
    pub(super) fn see(
        &self,
        keyed: &Keyed,
        running: &watch::Receiver<()>,
        oldest: Timestamp,
    ) -> Seen {
        let mut state = self.state();
        state.expire(oldest);
        let Some(row) = state.rows.get(&keyed.scope) else {
            let progress = Progress::Running(running.clone());
            let row = Row { body: keyed.body, install: keyed.install, progress };
            state.rows.insert(keyed.scope, row);
            return Seen::New;
        };
        if row.body != keyed.body {
            return Seen::OtherBody;
        }
        match &row.progress {
            Progress::Running(other) => Seen::Running(other.clone()),
            Progress::Over { answer: Some(answer), .. } => Seen::Answer(Arc::clone(answer)),
            Progress::Over { answer: None, .. } => Seen::Spent,
        }
    }

    /// Notes that a call is over; an answer that is too large is not kept with it.
    pub(super) fn keep(&self, keyed: &Keyed, answer: Option<KeptAnswer>, now: Timestamp) {
        let most = self.bounds.all_bytes.min(self.bounds.install_bytes);
        let answer = answer.filter(|answer| ROW_BYTES + answer.bytes() <= most);
        let bytes = ROW_BYTES + answer.as_ref().map_or(0, KeptAnswer::bytes);
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        let Some(row) = state.rows.get_mut(&keyed.scope) else { return };
        row.progress = Progress::Over { number, at: now, bytes, answer: answer.map(Arc::new) };
        state.by_age.insert(number, keyed.scope);
        state.bytes += bytes;
        let share = state.installs.entry(keyed.install).or_default();
        share.bytes += bytes;
        share.by_age.insert(number);
        state.make_room(self.bounds, keyed.install);
    }

    /// Bytes of everything that is kept.
    pub(super) fn bytes(&self) -> u64 {
        self.state().bytes
    }

    /// As if the call had not been made.
    pub(super) fn forget(&self, keyed: &Keyed) {
        self.state().remove(&keyed.scope);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn expire(&mut self, oldest: Timestamp) {
        while let Some((_, scope)) = self.by_age.first_key_value() {
            let scope = *scope;
            match self.rows.get(&scope).map(|row| &row.progress) {
                Some(Progress::Over { at, .. }) if *at > oldest => return,
                Some(Progress::Over { .. } | Progress::Running(_)) | None => self.remove(&scope),
            }
        }
    }

    /// First of the install that took some, then of all.
    fn make_room(&mut self, bounds: Bounds, install: InstallId) {
        while let Some(share) = self.installs.get(&install) {
            let oldest = share.by_age.first().and_then(|number| self.by_age.get(number));
            let Some(scope) = oldest.copied().filter(|_| share.bytes > bounds.install_bytes) else {
                break;
            };
            self.remove(&scope);
        }
        while self.bytes > bounds.all_bytes {
            let Some((_, scope)) = self.by_age.first_key_value() else { break };
            let scope = *scope;
            self.remove(&scope);
        }
    }

    fn remove(&mut self, scope: &[u8; 32]) {
        let Some(row) = self.rows.remove(scope) else { return };
        let Progress::Over { number, bytes, .. } = row.progress else { return };
        self.by_age.remove(&number);
        self.bytes -= bytes;
        if let Some(share) = self.installs.get_mut(&row.install) {
            share.bytes -= bytes;
            share.by_age.remove(&number);
            if share.by_age.is_empty() {
                self.installs.remove(&row.install);
            }
        }
    }
}

impl KeptAnswer {
    /// None for a body that streams: it is gone once it is sent.
    pub(super) fn of(response: &GuestResponse) -> Option<Self> {
        match &response.body {
            GuestBody::Whole(body) => Some(Self {
                status: response.status,
                headers: response.headers.clone(),
                body: body.clone(),
            }),
            GuestBody::Stream(_) => None,
        }
    }

    pub(super) fn to_response(&self) -> GuestResponse {
        GuestResponse {
            status: self.status,
            headers: self.headers.clone(),
            body: GuestBody::Whole(self.body.clone()),
            slot: KeptSlot::default(),
            usage: Usage::default(),
        }
    }

    fn bytes(&self) -> u64 {
        let headers = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
        (headers.sum::<usize>() + self.body.len()) as u64
    }
}

#[cfg(test)]
mod tests;
