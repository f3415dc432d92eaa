//! `wasi:keyvalue`: the values of `storage`, for guests that know the proposal.
//!
//! A bucket is a namespace. The proposal has three errors: `access-denied` is a grant that is
//! missing, `no-such-store` a name that no namespace can have, and everything else is a
//! sentence in `other`.

mod values;

use std::collections::VecDeque;

use wasmtime::component::Resource;

use self::values::{Values, other, word};
use super::Host;
use super::storage::{Keeper, NoKeeper, PAGE};
use crate::runner::bindings::keyvalue::store::{self, Bucket, Error, KeyResponse};
use crate::runner::bindings::keyvalue::{atomics, batch};
use crate::state::Place;
use crate::state::values::KeyPage;

/// The namespace of guests that name none.
const DEFAULT: &str = "default";
/// Keys of one call of `batch`.
const BATCH: usize = 1_000;
/// Pages of keys that a bucket can go on from: more than the values of an install fill.
const CURSORS: usize = 256;

type Answer<T> = wasmtime::Result<Result<T, Error>>;

/// What is behind the handle of a bucket.
pub(super) struct Shelf {
    namespace: String,
    /// The last key of each page that was given, the oldest first.
    pages: VecDeque<String>,
    /// The cursor of the first of them: a key does not fit into a number.
    first: u64,
}

impl store::Host for Host {
    async fn open(&mut self, identifier: String) -> Answer<Resource<Bucket>> {
        if let Err(refused) = self.keeper(1)? {
            return Ok(Err(refused.into()));
        }
        let namespace = if identifier.is_empty() { DEFAULT.to_owned() } else { identifier };
        if Place::check_namespace(&namespace).is_err() {
            return Ok(Err(Error::NoSuchStore));
        }
        let opened = Shelf { namespace, pages: VecDeque::new(), first: 1 };
        Ok(Ok(Resource::new_own(self.table.push(opened)?.rep())))
    }
}

impl store::HostBucket for Host {
    async fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<Option<Vec<u8>>> {
        let (keeper, namespace) = match self.opened(&bucket, 1)? {
            Ok(opened) => opened,
            Err(refused) => return Ok(Err(refused.into())),
        };
        let part = self.part("keyvalue.get");
        let found = part.end(keeper.read_values(namespace, vec![key]).await, word);
        let found = self.counted(found)?;
        Ok(found.map(|mut found| found.remove(0)))
    }

    async fn set(&mut self, bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Answer<()> {
        let (keeper, namespace) = match self.opened(&bucket, 1)? {
            Ok(opened) => opened,
            Err(refused) => return Ok(Err(refused.into())),
        };
        self.count_bytes(value.len())?;
        let part = self.part("keyvalue.set");
        Ok(part.end(keeper.set_values(namespace, vec![(key, value)]).await, word))
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<()> {
        let (keeper, namespace) = match self.opened(&bucket, 1)? {
            Ok(opened) => opened,
            Err(refused) => return Ok(Err(refused.into())),
        };
        let part = self.part("keyvalue.delete");
        Ok(part.end(keeper.delete_values(namespace, vec![key]).await, word))
    }

    async fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<bool> {
        let (keeper, namespace) = match self.opened(&bucket, 1)? {
            Ok(opened) => opened,
            Err(refused) => return Ok(Err(refused.into())),
        };
        let part = self.part("keyvalue.exists");
        let length = match part.end(keeper.length(namespace, key).await, word) {
            Ok(length) => length,
            Err(error) => return Ok(Err(error)),
        };
        // It is read from the disk, and goes no further.
        self.count_bytes(length.unwrap_or_default())?;
        Ok(Ok(length.is_some()))
    }

    async fn list_keys(
        &mut self,
        bucket: Resource<Bucket>,
        cursor: Option<u64>,
    ) -> Answer<KeyResponse> {
        let (keeper, namespace) = match self.opened(&bucket, 1)? {
            Ok(opened) => opened,
            Err(refused) => return Ok(Err(refused.into())),
        };
        let part = self.part("keyvalue.list-keys");
        let opened = self.table.get_mut(&shelf(&bucket))?;
        let after = match cursor.map(|cursor| opened.key_of(cursor)) {
            None => None,
            Some(Some(key)) => Some(key),
            Some(None) => return Ok(Err(other("this bucket has given no such cursor"))),
        };
        let listed = part.end(keeper.list_keys(namespace, after).await, word);
        let KeyPage { keys, more, bytes } = match listed {
            Ok(found) => found,
            Err(error) => return Ok(Err(error)),
        };
        let last = keys.last().filter(|_| more);
        let cursor = last.map(|last| opened.cursor_after(last));
        self.count_bytes(bytes)?;
        Ok(Ok(KeyResponse { keys, cursor }))
    }

    async fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(Resource::<Shelf>::new_own(bucket.rep()))?;
        Ok(())
    }
}

impl atomics::Host for Host {
    async fn increment(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        delta: u64,
    ) -> Answer<u64> {
        let (keeper, namespace) = match self.opened(&bucket, 1)? {
            Ok(opened) => opened,
            Err(refused) => return Ok(Err(refused.into())),
        };
        let part = self.part("keyvalue.increment");
        Ok(part.end(keeper.count_up(namespace, key, delta).await, word))
    }
}

impl batch::Host for Host {
    async fn get_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Answer<Vec<Option<(String, Vec<u8>)>>> {
        let (keeper, namespace) = match self.opened(&bucket, keys.len())? {
            Ok(opened) => opened,
            Err(refused) => return Ok(Err(refused.into())),
        };
        if let Err(error) = check_batch(keys.len()) {
            return Ok(Err(error));
        }
        let part = self.part("keyvalue.get-many");
        let found = part.end(keeper.read_values(namespace, keys.clone()).await, word);
        let found = self.counted(found)?;
        let pair = |(key, value): (String, Option<_>)| value.map(|value| (key, value));
        Ok(found.map(|found| keys.into_iter().zip(found).map(pair).collect()))
    }

    async fn set_many(
        &mut self,
        bucket: Resource<Bucket>,
        pairs: Vec<(String, Vec<u8>)>,
    ) -> Answer<()> {
        let (keeper, namespace) = match self.opened(&bucket, pairs.len())? {
            Ok(opened) => opened,
            Err(refused) => return Ok(Err(refused.into())),
        };
        if let Err(error) = check_batch(pairs.len()) {
            return Ok(Err(error));
        }
        self.count_bytes(pairs.iter().map(|(_, value)| value.len()).sum())?;
        let part = self.part("keyvalue.set-many");
        Ok(part.end(keeper.set_values(namespace, pairs).await, word))
    }

    async fn delete_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Answer<()> {
        let (keeper, namespace) = match self.opened(&bucket, keys.len())? {
            Ok(opened) => opened,
            Err(refused) => return Ok(Err(refused.into())),
        };
        if let Err(error) = check_batch(keys.len()) {
            return Ok(Err(error));
        }
        let part = self.part("keyvalue.delete-many");
        Ok(part.end(keeper.delete_values(namespace, keys).await, word))
    }
}

impl Host {
    /// What keeps the values, and the namespace of a bucket. A call counts as one for each of
    /// its keys: a batch is no way around the limit of host calls.
    fn opened(
        &mut self,
        bucket: &Resource<Bucket>,
        keys: usize,
    ) -> wasmtime::Result<Result<(Keeper, String), NoKeeper>> {
        let keeper = self.keeper(keys)?;
        let namespace = self.table.get(&shelf(bucket))?.namespace.clone();
        Ok(keeper.map(|keeper| (keeper, namespace)))
    }

    /// Values that were read, after what was read is counted: also what is too much to give.
    fn counted(&mut self, read: Result<Values, Error>) -> Answer<Vec<Option<Vec<u8>>>> {
        let Values { found, bytes } = match read {
            Ok(read) => read,
            Err(error) => return Ok(Err(error)),
        };
        self.count_bytes(bytes)?;
        let too_much = || other(format!("the values have more than {} bytes", PAGE.bytes));
        Ok(found.ok_or_else(too_much))
    }
}

impl Shelf {
    fn key_of(&self, cursor: u64) -> Option<String> {
        let page = usize::try_from(cursor.checked_sub(self.first)?).ok()?;
        self.pages.get(page).cloned()
    }

    /// A cursor that goes on after `key`. The oldest is given up for it if there are many.
    fn cursor_after(&mut self, key: &str) -> u64 {
        if self.pages.len() == CURSORS {
            self.pages.pop_front();
            self.first += 1;
        }
        self.pages.push_back(key.to_owned());
        self.first + self.pages.len() as u64 - 1
    }
}

fn shelf(bucket: &Resource<Bucket>) -> Resource<Shelf> {
    Resource::new_borrow(bucket.rep())
}

fn check_batch(keys: usize) -> Result<(), Error> {
    if keys > BATCH {
        return Err(other(format!("there are {keys} keys; {BATCH} are allowed at once")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_good_until_the_bucket_has_given_many_later_ones() {
        let mut shelf = Shelf { namespace: "n".to_owned(), pages: VecDeque::new(), first: 1 };
        assert_eq!([shelf.key_of(0), shelf.key_of(1), shelf.key_of(u64::MAX)], [None, None, None]);

        let cursors: Vec<_> = (0..=CURSORS).map(|n| shelf.cursor_after(&n.to_string())).collect();

        assert_eq!(shelf.key_of(cursors[0]), None);
        assert_eq!(shelf.key_of(cursors[1]), Some("1".to_owned()));
        assert_eq!(shelf.key_of(cursors[CURSORS]), Some(CURSORS.to_string()));
        assert_eq!(shelf.key_of(cursors[CURSORS] + 1), None);
        assert_eq!(shelf.pages.len(), CURSORS);
    }
}
