//! What a bucket's calls come to on the values of the install.

use std::sync::Arc;

use crate::runner::bindings::keyvalue::store::Error;
use crate::runner::host::storage::{Keeper, NoKeeper, PAGE, report};
use crate::state::values::counting::{Counting, count_up};
use crate::state::values::{self, KeyPage, Putting};
use crate::state::{Place, Put, Refused, StateError};

/// What some keys have.
pub(super) struct Values {
    /// `None`: more than one answer holds.
    pub(super) found: Option<Vec<Option<Vec<u8>>>>,
    /// Bytes that were read.
    pub(super) bytes: usize,
}

/// The case of an error, in a trace: never the sentence.
pub(super) const fn word(error: &Error) -> &'static str {
    match error {
        Error::NoSuchStore => "no-such-store",
        Error::AccessDenied => "access-denied",
        Error::Other(_) => "other",
    }
}

impl Keeper {
    fn places(&self, namespace: &str, keys: Vec<String>) -> Result<Vec<Place>, Refused> {
        let place = |key| Place::new(namespace.to_owned(), key, self.state.limits());
        keys.into_iter().map(place).collect()
    }

    /// The values of some keys, of one moment, if they fit into one answer.
    pub(super) async fn read_values(
        &self,
        namespace: String,
        keys: Vec<String>,
    ) -> Result<Values, Error> {
        let places = self.places(&namespace, keys)?;
        let (owner, now) = (self.owner(), self.state.now());
        let found = self.state.read(move |txn| {
            let (mut found, mut bytes) = (Vec::with_capacity(places.len()), 0);
            for place in &places {
                let value = values::get(txn, &owner, place, now)?.map(|entry| entry.value);
                bytes += value.as_ref().map_or(0, Vec::len);
                // One value is given however large it is.
                if bytes > PAGE.bytes && places.len() > 1 {
                    return Ok(Values { found: None, bytes });
                }
                found.push(value);
            }
            Ok(Values { found: Some(found), bytes })
        });
        Ok(found.await?)
    }

    /// The bytes of one value.
    pub(super) async fn length(
        &self,
        namespace: String,
        key: String,
    ) -> Result<Option<usize>, Error> {
        let place = Place::new(namespace, key, self.state.limits())?;
        let (owner, now) = (self.owner(), self.state.now());
        Ok(self.state.read(move |txn| values::length(txn, &owner, &place, now)).await?)
    }

    /// Sets in the order given; those before the first that is refused stay set.
    pub(super) async fn set_values(
        &self,
        namespace: String,
        pairs: Vec<(String, Vec<u8>)>,
    ) -> Result<(), Error> {
        let limits = self.state.limits().clone();
        let put = |(key, value)| {
            let place = Place::new(namespace.clone(), key, &limits)?;
            Put::new(place, value, &limits)
        };
        let puts: Vec<_> = pairs.into_iter().map(put).collect::<Result<_, Refused>>()?;
        let (install, now) = (Arc::clone(&self.install), self.state.now());
        let (whose, bytes) = (Arc::clone(&install), puts.iter().map(Put::bytes).sum());
        let put = self.state.write_for(whose, bytes, move |txn| {
            for put in &puts {
                match values::put(txn, &install, put, &limits, now)? {
                    Putting::Done(_) => {}
                    refused @ (Putting::Conflict | Putting::Full | Putting::Gone) => {
                        return Ok(Some(refused));
                    }
                }
            }
            Ok(None)
        });
        put.await?.map_or(Ok(()), |refused| Err(not_put(refused)))
    }

    pub(super) async fn delete_values(
        &self,
        namespace: String,
        keys: Vec<String>,
    ) -> Result<(), Error> {
        let places = self.places(&namespace, keys)?;
        let (owner, now) = (self.owner(), self.state.now());
        let (whose, bytes) = (Arc::clone(&self.install), places.iter().map(Place::bytes).sum());
        let delete = self.state.write_for(whose, bytes, move |txn| {
            let mut places = places.iter();
            places.try_for_each(|place| values::delete(txn, &owner, place, now).map(drop))
        });
        Ok(delete.await?)
    }

    /// A page of keys.
    pub(super) async fn list_keys(
        &self,
        namespace: String,
        after: Option<String>,
    ) -> Result<KeyPage, Error> {
        let (owner, now) = (self.owner(), self.state.now());
        let list =
            move |txn: &_| values::list_keys(txn, &owner, &namespace, after.as_deref(), PAGE, now);
        Ok(self.state.read(list).await?)
    }

    pub(super) async fn count_up(
        &self,
        namespace: String,
        key: String,
        delta: u64,
    ) -> Result<u64, Error> {
        let limits = self.state.limits().clone();
        let place = Place::new(namespace, key, &limits)?;
        let (install, now) = (Arc::clone(&self.install), self.state.now());
        let (whose, bytes) = (Arc::clone(&install), place.bytes());
        let count = move |txn: &_| count_up(txn, &install, &place, delta, &limits, now);
        match self.state.write_for(whose, bytes, count).await? {
            Counting::Done(sum) => Ok(sum),
            Counting::NoNumber => Err(other("the value is no decimal number of 64 bits")),
            Counting::Overflow => Err(other("the sum does not fit into 64 bits")),
            Counting::Refused(refused) => Err(not_put(refused)),
        }
    }
}

pub(super) fn other(text: impl Into<String>) -> Error {
    Error::Other(text.into())
}

fn not_put(refused: Putting) -> Error {
    match refused {
        Putting::Full => other("the install has all that it may keep"),
        Putting::Gone => other("the install is gone"),
        Putting::Done(_) | Putting::Conflict => other("the value has changed meanwhile"),
    }
}

impl From<NoKeeper> for Error {
    fn from(refused: NoKeeper) -> Self {
        match refused {
            NoKeeper::NotGranted => Self::AccessDenied,
            NoKeeper::TooMany(refused) => Self::Other(refused.to_string()),
        }
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        Self::Other(refused.to_string())
    }
}

impl From<StateError> for Error {
    fn from(error: StateError) -> Self {
        if matches!(error, StateError::Busy) {
            return other(error.to_string());
        }
        report(&error);
        other("the appliance could not read or write the value")
    }
}
