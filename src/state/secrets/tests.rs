//! Secrets in a state that is gone with the test.

use std::sync::atomic::{AtomicI64, Ordering};

use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use super::rows::tampering::{bind, put_off, swap_data_keys, swap_values, without_sequence};
use super::*;
use crate::config::StateConfig;
use crate::model::{Clock, InstallId, SecretBinding, TenantId};

/// A clock that moves when told to.
struct Moved(AtomicI64);

impl Clock for Moved {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn key(byte: u8) -> WrappingKey {
    WrappingKey::new(Zeroizing::new([byte; 32]))
}

fn opened() -> (Secrets, State, Arc<Moved>) {
    let clock = Arc::new(Moved(AtomicI64::new(1_000)));
    let state = State::in_memory(&StateConfig::default(), clock.clone()).unwrap();
    (Secrets::new(state.clone(), key(1)), state, clock)
}

fn owner(tenant: &str) -> Owner {
    Owner::new(&tenant.parse::<TenantId>().unwrap(), InstallId::random())
}

fn name(text: &str) -> SecretName {
    text.parse().unwrap()
}

fn new(text: &str, value: &str) -> NewSecret {
    let (name, value) = (name(text), SecretString::from(value));
    let (set_by, binding) = ("operator ada".into(), BindingChange::Keep);
    NewSecret { name, value, set_at: at(1_000), set_by, expires_at: None, binding }
}

async fn read(secrets: &Secrets, owner: Owner, text: &str) -> String {
    match secrets.of(owner).get(name(text)).await {
        Ok(Lookup::Found(value)) => value.expose_secret().to_owned(),
        Ok(other) => format!("{other:?}"),
        Err(SecretsError::OtherKey { .. }) => "other key".to_owned(),
        Err(SecretsError::Broken(_)) => "broken".to_owned(),
        Err(SecretsError::State(error)) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_value_is_read_by_its_install_and_by_no_other() {
    let (secrets, _, _) = opened();
    let (ours, theirs) = (owner("acme"), owner("other"));
    secrets.set(ours, new("api_key", "hunter2")).await.unwrap();

    assert_eq!(read(&secrets, ours, "api_key").await, "hunter2");
    assert_eq!(read(&secrets, ours, "api").await, "Missing");
    assert_eq!(read(&secrets, theirs, "api_key").await, "Missing");
    assert_eq!(secrets.of(theirs).names().await.unwrap(), []);
    assert!(!secrets.remove(theirs, name("api_key")).await.unwrap());
    assert_eq!(secrets.remove_all(theirs).await.unwrap(), 0);
    assert_eq!(read(&secrets, ours, "api_key").await, "hunter2");
}

#[tokio::test]
async fn a_new_value_takes_the_place_of_the_old_and_counts_by_name() {
    let (secrets, _, _) = opened();
    let owner = owner("acme");
    let version = |set| match set {
        Set::Created(facts) => ("created", facts.version),
        Set::Replaced(facts) => ("replaced", facts.version),
        Set::Full(_) => panic!("full"),
    };

    let first = secrets.set(owner, new("b", "one")).await.unwrap();
    let second = secrets.set(owner, new("a", "two")).await.unwrap();
    let third = secrets.set(owner, new("b", "three")).await.unwrap();

    assert_eq!(
        [first, second, third].map(version),
        [("created", 1), ("created", 1), ("replaced", 2)]
    );
    assert_eq!(read(&secrets, owner, "b").await, "three");
    let listed = secrets.list(owner).await.unwrap();
    assert_eq!(
        listed.iter().map(|f| (f.name.as_str(), f.version)).collect::<Vec<_>>(),
        [("a", 1), ("b", 2)]
    );
    assert_eq!(secrets.of(owner).names().await.unwrap(), [name("a"), name("b")]);
}

#[tokio::test]
async fn a_secret_expires_on_time() {
    let (secrets, _, clock) = opened();
    let owner = owner("acme");
    let until = NewSecret { expires_at: Some(at(2_000)), ..new("a", "hunter2") };
    secrets.set(owner, until).await.unwrap();

    clock.0.store(1_999, Ordering::SeqCst);
    assert_eq!(read(&secrets, owner, "a").await, "hunter2");
    clock.0.store(2_000, Ordering::SeqCst);
    assert_eq!(read(&secrets, owner, "a").await, "Expired");
    assert_eq!(secrets.of(owner).names().await.unwrap(), [name("a")]);
}

#[tokio::test]
async fn an_install_has_no_more_than_its_number() {
    let (secrets, _, _) = opened();
    let owner = owner("acme");
    for number in 0..MAX_SECRETS {
        secrets.set(owner, new(&format!("k{number}"), "v")).await.unwrap();
    }

    assert_eq!(secrets.set(owner, new("more", "v")).await.unwrap(), Set::Full(MAX_SECRETS));
    assert_eq!(read(&secrets, owner, "more").await, "Missing");
    assert!(matches!(secrets.set(owner, new("k0", "w")).await.unwrap(), Set::Replaced(_)));
    assert!(matches!(
        secrets.set(self::owner("acme"), new("more", "v")).await,
        Ok(Set::Created(_))
    ));
}

#[tokio::test]
async fn with_the_last_secret_goes_the_data_key() {
    let (secrets, state, _) = opened();
    let owner = owner("acme");
    secrets.set(owner, new("a", "one")).await.unwrap();
    secrets.set(owner, new("b", "two")).await.unwrap();

    assert!(secrets.remove(owner, name("a")).await.unwrap());
    assert_eq!(secrets.owners().await.unwrap(), [owner]);
    assert!(secrets.remove(owner, name("b")).await.unwrap());

    assert_eq!(secrets.owners().await.unwrap(), []);
    assert!(wrapping_keys_in(&state).unwrap().is_empty());
    assert!(!secrets.remove(owner, name("b")).await.unwrap());
}

async fn swap(state: &State, one: (Owner, &'static str), two: (Owner, &'static str)) {
    state.write(move |txn| swap_values(txn, one, two)).await.unwrap();
}

#[tokio::test]
async fn rows_that_change_places_do_not_open() {
    let (secrets, state, _) = opened();
    let (ours, theirs) = (owner("acme"), owner("other"));
    for owner in [ours, theirs] {
        secrets.set(owner, new("a", "one")).await.unwrap();
        secrets.set(owner, new("b", "two")).await.unwrap();
    }
    swap(&state, (ours, "a"), (ours, "b")).await;
    assert_eq!(read(&secrets, ours, "a").await, "broken");
    swap(&state, (ours, "a"), (ours, "b")).await;
    assert_eq!(read(&secrets, ours, "a").await, "one");
    swap(&state, (ours, "a"), (theirs, "a")).await;
    assert_eq!(read(&secrets, ours, "a").await, "broken");
    assert_eq!(read(&secrets, theirs, "a").await, "broken");
}

#[tokio::test]
async fn data_keys_that_change_places_and_dates_that_are_put_off_do_not_open() {
    let (secrets, state, _) = opened();
    let (ours, theirs) = (owner("acme"), owner("other"));
    for owner in [ours, theirs] {
        secrets.set(owner, new("a", "one")).await.unwrap();
        let until = NewSecret { expires_at: Some(at(2_000)), ..new("b", "two") };
        secrets.set(owner, until).await.unwrap();
    }

    state.write(move |txn| put_off(txn, ours, "b", at(9_000))).await.unwrap();
    assert_eq!(read(&secrets, ours, "b").await, "broken");
    state.write(move |txn| swap_data_keys(txn, ours, theirs)).await.unwrap();
    assert_eq!(read(&secrets, ours, "a").await, "broken");
    assert_eq!(read(&secrets, theirs, "a").await, "broken");
}

fn bound(host: &str) -> SecretBinding {
    SecretBinding { hosts: vec![host.parse().unwrap()], header: SecretHeader::default() }
}

/// What a call to this host is given of the secret `a`.
async fn for_call(secrets: &Secrets, owner: Owner, host: &str) -> String {
    let host = EgressHost::Exact(host.to_owned());
    match secrets.of(owner).for_call(name("a"), (Scheme::Https, &host, 443)).await {
        Ok(CallLookup::Found(header, value)) => format!("{header} {}", value.expose_secret()),
        Ok(other) => format!("{other:?}"),
        Err(SecretsError::Broken(_)) => "broken".to_owned(),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_bound_secret_is_for_calls_to_its_hosts_and_read_by_nobody() {
    let (secrets, _, clock) = opened();
    let owner = owner("acme");
    assert_eq!(for_call(&secrets, owner, "a.test").await, "Missing");
    secrets.set(owner, new("a", "hunter2")).await.unwrap();
    assert_eq!(for_call(&secrets, owner, "a.test").await, "Unbound");
    let binding = BindingChange::Bind(bound("a.test"));
    let until = Some(at(2_000));
    let bound = NewSecret { binding, expires_at: until, ..new("a", "hunter2") };
    secrets.set(owner, bound).await.unwrap();

    assert_eq!(read(&secrets, owner, "a").await, "Bound");
    assert_eq!(for_call(&secrets, owner, "a.test").await, "authorization: Bearer {secret} hunter2");
    assert_eq!(for_call(&secrets, owner, "b.test").await, "OtherHost");
    let theirs = self::owner("other");
    assert_eq!(for_call(&secrets, theirs, "a.test").await, "Missing");
    clock.0.store(2_000, Ordering::SeqCst);
    assert_eq!(for_call(&secrets, owner, "a.test").await, "Expired");
    assert_eq!(for_call(&secrets, owner, "b.test").await, "OtherHost");
}

#[tokio::test]
async fn hosts_stay_with_a_new_value_until_they_are_taken_away() {
    let (secrets, _, _) = opened();
    let owner = owner("acme");
    let binding = BindingChange::Bind(bound("a.test"));
    secrets.set(owner, NewSecret { binding, ..new("a", "one") }).await.unwrap();

    secrets.set(owner, new("a", "two")).await.unwrap();
    assert_eq!(for_call(&secrets, owner, "a.test").await, "authorization: Bearer {secret} two");
    let free = NewSecret { binding: BindingChange::Unbind, ..new("a", "three") };
    secrets.set(owner, free).await.unwrap();
    assert_eq!(read(&secrets, owner, "a").await, "three");
}

#[tokio::test]
async fn who_can_write_the_file_neither_redirects_a_secret_nor_lets_the_guest_read_it() {
    let (secrets, state, _) = opened();
    let owner = owner("acme");
    let binding = BindingChange::Bind(bound("a.test"));
    secrets.set(owner, NewSecret { binding, ..new("a", "hunter2") }).await.unwrap();

    state.write(move |txn| bind(txn, owner, "a", Some(bound("evil.test")))).await.unwrap();
    assert_eq!(for_call(&secrets, owner, "evil.test").await, "broken");
    state.write(move |txn| bind(txn, owner, "a", None)).await.unwrap();
    assert_eq!(read(&secrets, owner, "a").await, "broken");
}

#[tokio::test]
async fn rows_that_were_counted_for_the_whole_install_open_and_count_on() {
    let (secrets, state, _) = opened();
    let owner = owner("acme");
    for name in ["b", "c", "a"] {
        secrets.set(owner, new(name, "hunter2")).await.unwrap();
    }
    state.write(move |txn| without_sequence(txn, owner, "a")).await.unwrap();

    assert_eq!(read(&secrets, owner, "a").await, "hunter2");
    let Set::Replaced(facts) = secrets.set(owner, new("a", "two")).await.unwrap() else { panic!() };
    assert_eq!((facts.version, facts.sequence), (4, 4));
    assert_eq!(read(&secrets, owner, "a").await, "two");
}

#[tokio::test]
async fn a_new_wrapping_key_opens_all_and_the_old_one_nothing() {
    let (secrets, state, _) = opened();
    let owners = [owner("acme"), owner("acme"), owner("other")];
    for owner in owners {
        secrets.set(owner, new("a", "hunter2")).await.unwrap();
    }

    assert_eq!(secrets.rewrap(key(2)).await.unwrap(), 3);

    assert_eq!(secrets.key_id(), key(2).id());
    assert_eq!(
        wrapping_keys_in(&state).unwrap().into_iter().collect::<Vec<_>>(),
        [(key(2).id(), 3)]
    );
    secrets.set(owners[0], new("b", "later")).await.unwrap();
    let [new, old] = [key(2), key(1)].map(|key| Secrets::new(state.clone(), key));
    for owner in owners {
        assert_eq!(read(&secrets, owner, "a").await, "hunter2");
        assert_eq!(read(&new, owner, "a").await, "hunter2");
        assert_eq!(read(&old, owner, "a").await, "other key");
    }
    assert_eq!(read(&new, owners[0], "b").await, "later");
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_read_and_set_while_the_wrapping_key_changes() {
    let (secrets, _, _) = opened();
    let owner = owner("acme");
    secrets.set(owner, new("a", "hunter2")).await.unwrap();
    let changing = secrets.clone();
    let change = tokio::spawn(async move {
        for byte in 2..40 {
            changing.rewrap(key(byte)).await.unwrap();
        }
    });

    while !change.is_finished() {
        assert_eq!(read(&secrets, owner, "a").await, "hunter2");
        let fresh = self::owner("other");
        secrets.set(fresh, new("b", "set meanwhile")).await.unwrap();
        assert_eq!(read(&secrets, fresh, "b").await, "set meanwhile");
    }
    change.await.unwrap();
}

#[tokio::test]
async fn a_data_key_that_does_not_open_stops_a_change_with_nothing_changed() {
    let (secrets, state, _) = opened();
    let owners = [owner("acme"), owner("other")];
    for owner in owners {
        secrets.set(owner, new("a", "hunter2")).await.unwrap();
    }
    state.write(move |txn| swap_data_keys(txn, owners[0], owners[1])).await.unwrap();

    assert!(matches!(secrets.rewrap(key(2)).await, Err(SecretsError::Broken(_))));

    assert_eq!(secrets.key_id(), key(1).id());
    state.write(move |txn| swap_data_keys(txn, owners[0], owners[1])).await.unwrap();
    assert_eq!(read(&secrets, owners[0], "a").await, "hunter2");
}

#[tokio::test]
async fn with_another_wrapping_key_nothing_is_set_and_all_can_be_removed() {
    let (secrets, state, _) = opened();
    let owner = owner("acme");
    secrets.set(owner, new("a", "hunter2")).await.unwrap();
    let other = Secrets::new(state, key(9));

    let refused = other.set(owner, new("b", "x")).await.unwrap_err();
    assert!(matches!(refused, SecretsError::OtherKey { .. }), "{refused}");
    assert!(other.remove(owner, name("a")).await.unwrap());
    assert!(matches!(other.set(owner, new("a", "x")).await, Ok(Set::Created(_))));
    assert_eq!(read(&other, owner, "a").await, "x");
}

#[test]
fn nothing_of_it_is_shown() {
    let shown = format!("{:?} {:?}", new("a", "hunter2"), Lookup::Found("hunter2".into()));

    assert!(!shown.contains("hunter2"), "{shown}");
}
