//! What opens, and that nothing else does.

use super::*;
use crate::model::InstallId;

const VALUE: &str = "correct horse battery staple";

fn owner(tenant: &str) -> Owner {
    let install = "11111111-2222-4333-8444-555555555555".parse().unwrap();
    Owner::new(&tenant.parse().unwrap(), install)
}

fn other_install(tenant: &str) -> Owner {
    Owner::new(&tenant.parse().unwrap(), InstallId::random())
}

fn facts() -> SecretFacts {
    SecretFacts {
        name: "api_key".parse().unwrap(),
        version: 3,
        sequence: 7,
        set_at: Timestamp::UNIX_EPOCH,
        set_by: "operator ada".to_owned(),
        expires_at: None,
        binding: None,
    }
}

fn bound(hosts: &[&str], header: &str) -> SecretBinding {
    let hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
    SecretBinding { hosts, header: header.parse().unwrap() }
}

fn wrapping_key(byte: u8) -> WrappingKey {
    WrappingKey::new(Zeroizing::new([byte; KEY_BYTES]))
}

fn plain(opened: Result<SecretString, Broken>) -> Result<String, Broken> {
    opened.map(|value| value.expose_secret().to_owned())
}

/// From draft-irtf-cfrg-xchacha, appendix A.3.1.
#[test]
fn the_cipher_is_the_one_that_others_call_so() {
    let mut key = [0; KEY_BYTES];
    for (at, byte) in (0x80..=0x9f).enumerate() {
        key[at] = byte;
    }
    let text = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for \
                 the future, sunscreen would be it.";
    let data = hex::decode("50515253c0c1c2c3c4c5c6c7").unwrap();
    let sealed = hex::decode(
        "404142434445464748494a4b4c4d4e4f5051525354555657\
         bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f\
         4eda7e39ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f\
         76b2383565d3fff921f9664c97637da9768812f615c68b13b52e\
         c0875924c1c7987947deafd8780acf49",
    )
    .unwrap();

    assert_eq!(open(&key, &data, &sealed).as_deref().map(Vec::as_slice), Ok(&text[..]));
}

#[test]
fn what_was_sealed_opens_and_no_two_seals_are_alike() {
    let (key, owner, facts) = (DataKey::random(), owner("acme"), facts());
    let value = SecretString::from(VALUE);

    let [one, two] = [(); 2].map(|()| key.seal(&value, owner, &facts));

    assert_eq!(plain(key.open(&one, owner, &facts)), Ok(VALUE.to_owned()));
    assert_eq!(plain(key.open(&two, owner, &facts)), Ok(VALUE.to_owned()));
    assert_ne!(one, two);
    assert!(!one.windows(4).any(|part| VALUE.as_bytes().windows(4).any(|of| of == part)));
}

#[test]
fn a_value_opens_for_nothing_but_what_it_was_sealed_for() {
    let (key, owner_of, of) = (DataKey::random(), owner("acme"), facts());
    let sealed = key.seal(&SecretString::from(VALUE), owner_of, &of);
    let end = Timestamp::from_second(1_800_000_000).unwrap();
    let changed = [
        SecretFacts { name: "api_kez".parse().unwrap(), ..of.clone() },
        SecretFacts { name: "api_key7".parse().unwrap(), ..of.clone() },
        SecretFacts { sequence: 8, ..of.clone() },
        SecretFacts { sequence: 6, ..of.clone() },
        SecretFacts { binding: Some(bound(&["a.test"], "x-a")), ..of.clone() },
        SecretFacts { expires_at: Some(end), ..of.clone() },
        SecretFacts { expires_at: Some(Timestamp::UNIX_EPOCH), ..of.clone() },
    ];

    assert_eq!(plain(key.open(&sealed, owner_of, &of)), Ok(VALUE.to_owned()));
    assert_eq!(plain(key.open(&sealed, owner("acme-2"), &of)), Err(Broken));
    assert_eq!(plain(key.open(&sealed, other_install("acme"), &of)), Err(Broken));
    assert_eq!(plain(DataKey::random().open(&sealed, owner_of, &of)), Err(Broken));
    for facts in changed {
        assert_eq!(plain(key.open(&sealed, owner_of, &facts)), Err(Broken), "{facts:?}");
    }
}

#[test]
fn a_bound_value_opens_for_no_other_hosts_and_no_other_header() {
    let (key, owner) = (DataKey::random(), owner("acme"));
    let of = |binding| SecretFacts { binding, ..facts() };
    let sealed_for = of(Some(bound(&["a.test", "b.test"], "x-a")));
    let sealed = key.seal(&SecretString::from(VALUE), owner, &sealed_for);

    assert_eq!(plain(key.open(&sealed, owner, &sealed_for)), Ok(VALUE.to_owned()));
    for binding in [
        None,
        Some(bound(&["a.test", "evil.test"], "x-a")),
        Some(bound(&["a.test", "b.test", "evil.test"], "x-a")),
        Some(bound(&["a.test"], "x-a")),
        Some(bound(&["a.test", "b.test:8443"], "x-a")),
        Some(bound(&["a.test", "http://b.test"], "x-a")),
        Some(bound(&["a.test", "b.test"], "x-b")),
        Some(bound(&["a.test", "b.test"], "x-a: b{secret}")),
    ] {
        assert_eq!(plain(key.open(&sealed, owner, &of(binding))), Err(Broken));
    }
}

#[test]
fn what_one_text_ends_with_is_not_what_the_next_begins_with() {
    let data = |tenant: &str, name: &str| {
        of_value(owner(tenant), &SecretFacts { name: name.parse().unwrap(), ..facts() })
    };

    assert_ne!(data("acme", "1key"), data("acme1", "key"));
    assert_ne!(data("acme", "key"), data("acme", "key1"));
}

#[test]
fn a_changed_or_shortened_byte_anywhere_is_noticed() {
    let (key, owner, facts) = (DataKey::random(), owner("acme"), facts());
    let sealed = key.seal(&SecretString::from(VALUE), owner, &facts);

    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert_eq!(plain(key.open(&changed, owner, &facts)), Err(Broken), "byte {at}");
        assert_eq!(plain(key.open(&sealed[..at], owner, &facts)), Err(Broken), "{at} bytes");
    }
}

#[test]
fn a_data_key_opens_for_its_install_and_with_its_wrapping_key_only() {
    let (wrapping, key, owner_of) = (wrapping_key(1), DataKey::random(), owner("acme"));
    let wrapped = wrapping.wrap(&key, owner_of);
    let same = |opened: Result<DataKey, Broken>| opened.map(|opened| opened.0 == key.0);

    assert_eq!(same(wrapping.unwrap(&wrapped, owner_of)), Ok(true));
    assert_eq!(same(wrapping.unwrap(&wrapped, owner("other"))), Err(Broken));
    assert_eq!(same(wrapping.unwrap(&wrapped, other_install("acme"))), Err(Broken));
    assert_eq!(same(wrapping_key(2).unwrap(&wrapped, owner_of)), Err(Broken));
    for at in 0..wrapped.len() {
        let mut changed = wrapped.clone();
        changed[at] ^= 0x80;
        assert_eq!(same(wrapping.unwrap(&changed, owner_of)), Err(Broken), "byte {at}");
    }
    assert_eq!(WrappingKeyId::of(&wrapped), Ok(wrapping.id()));
    assert_ne!(wrapping.id(), wrapping_key(2).id());
}

#[test]
fn a_key_that_claims_another_id_opens_nothing() {
    let (one, two, owner) = (wrapping_key(1), wrapping_key(2), owner("acme"));
    let mut wrapped = one.wrap(&DataKey::random(), owner);
    wrapped[..ID_BYTES].copy_from_slice(&two.id().0);

    assert!(two.unwrap(&wrapped, owner).is_err());
}

#[test]
fn a_key_is_not_shown() {
    let key = wrapping_key(0xab);

    assert_eq!(format!("{key:?}"), format!("WrappingKey({})", key.id()));
    assert!(!format!("{key:?}").contains("abab"));
}
