//! What guests must never reach: nothing here may make a single connection.

use plugboard::egress::{Destination, EgressError};

use super::Door;
use crate::support::internet::{Script, Server};
use crate::support::note;

/// Addresses that are not public, as IPv4 and as IPv6.
const V4: &[&str] = &[
    "127.0.0.1",
    "127.0.0.2",
    "127.1.2.3",
    "127.255.255.254",
    "0.0.0.0",
    "10.0.0.1",
    "10.1.2.3",
    "100.64.0.1",
    "100.127.255.254",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.254",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.1.254",
    "198.18.0.1",
    "198.19.255.254",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
];
const V6: &[&str] = &[
    "::",
    "::1",
    "fe80::1",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "2001:db8::1",
    "2001::1",
    "100::1",
    "3fff::1",
    "5f00::1",
    "64:ff9b:1::1",
];

/// Every way to write an IPv4 address that a URL parser reads.
fn notations(address: &str) -> Vec<String> {
    let octets: Vec<u32> = address.split('.').map(|octet| octet.parse().unwrap()).collect();
    let [a, b, c, d] = octets[..] else { unreachable!("four octets") };
    let number = (a << 24) | (b << 16) | (c << 8) | d;
    let (high, low) = (number >> 16, number & 0xffff);
    vec![
        address.to_owned(),
        format!("{address}."),
        number.to_string(),
        format!("{number:#x}"),
        format!("0{number:o}"),
        format!("{a:#x}.{b:#x}.{c:#x}.{d:#x}"),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("{a}.{}", number & 0x00ff_ffff),
        format!("{a}.{b}.{low}"),
        format!("[::ffff:{address}]"),
        format!("[::ffff:{high:x}:{low:x}]"),
        format!("[::{high:x}:{low:x}]"),
        format!("[64:ff9b::{high:x}:{low:x}]"),
        format!("[2002:{high:x}:{low:x}::1]"),
    ]
}

/// Addresses in every notation: more than 370.
fn literals() -> Vec<String> {
    let v4 = V4.iter().flat_map(|address| notations(address));
    v4.chain(V6.iter().map(|address| format!("[{address}]"))).collect()
}

#[tokio::test]
async fn an_address_that_is_not_public_is_refused_however_it_is_written_and_granted() {
    let here = Server::start_at("127.0.0.1:0", Script::body("secret")).await;
    let port = here.address.port();
    let door = Door::new(|config| {
        config.allow_private = vec!["0.0.0.0/0:1".parse().unwrap()];
    });
    let mut tried = 0;

    for literal in literals() {
        let url = format!("http://{literal}:{port}/");
        let Ok(to) = Destination::parse(&url) else { continue };
        let outcome = door.get(&url, &[&to.entry()]).await;
        assert!(matches!(outcome, Err(EgressError::Address { .. })), "{url}: {outcome:?}");
        tried += 1;
    }

    assert!(tried >= 370, "{tried} addresses were tried");
    assert_eq!((here.connections(), door.internet.asked()), (0, Vec::new()));
    note(&format!("{tried} addresses that are not public: 0 connections, 0 lookups"));
}

#[tokio::test]
async fn an_address_is_called_only_if_it_is_listed_as_an_address() {
    let server = Server::start(Script::body("hello")).await;
    let door = Door::new(|_| ());
    door.internet.name("api.example.com", &["127.77.0.1"]);
    let url = format!("http://127.77.0.1:{}/", server.address.port());

    let by_name = door.get(&url, &[&server.entry("api.example.com")]).await;
    let by_suffix = door.get(&url, &[&server.entry("*.example.com")]).await;
    let by_address = door.get(&url, &[&server.entry("127.77.0.1")]).await;

    assert!(matches!(by_name, Err(EgressError::Denied(_))));
    assert!(matches!(by_suffix, Err(EgressError::Denied(_))));
    assert!(by_address.is_ok());
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_name_is_refused_if_any_of_its_addresses_is_not_public() {
    let here = Server::start_at("127.0.0.1:0", Script::body("secret")).await;
    let server =
        Server::start_at(&format!("127.77.0.1:{}", here.address.port()), Script::body("hello"))
            .await;
    let door = Door::new(|_| ());
    let many: Vec<_> = (1..=100).map(|last| format!("127.77.0.{last}")).collect();
    let mut many: Vec<_> = many.iter().map(String::as_str).collect();
    many.push("10.0.0.1");
    let names: &[(&str, &[&str])] = &[
        ("only.example.com", &["127.0.0.1"]),
        ("mixed.example.com", &["127.77.0.1", "127.0.0.1"]),
        ("turned.example.com", &["127.0.0.1", "127.77.0.1"]),
        ("mapped.example.com", &["127.77.0.1", "::ffff:127.0.0.1"]),
        ("six.example.com", &["127.77.0.1", "::1"]),
        ("link.example.com", &["127.77.0.1", "fe80::1"]),
        ("cloud.example.com", &["169.254.169.254"]),
        ("nat64.example.com", &["64:ff9b::7f00:1"]),
        ("teredo.example.com", &["2001::80ff:fffe"]),
        ("many.example.com", &many),
    ];

    for (name, addresses) in names {
        door.internet.name(name, addresses);
        let outcome = door.get(&server.entry(name), &[&server.entry(name)]).await;
        assert!(matches!(outcome, Err(EgressError::Address { .. })), "{name}: {outcome:?}");
    }

    assert_eq!((here.connections(), server.connections()), (0, 0));
    note(&format!("{} names with such addresses: 0 connections", names.len()));
}

#[tokio::test]
async fn a_name_is_looked_up_once_for_a_call_and_again_for_the_next() {
    let here = Server::start_at("127.0.0.1:0", Script::body("secret")).await;
    let server =
        Server::start_at(&format!("127.77.0.1:{}", here.address.port()), Script::body("hello"))
            .await;
    let door = Door::new(|_| ());
    door.internet.answers("turns.example.com", &[&["127.77.0.1"], &["127.0.0.1"]]);
    let (url, granted) = (server.entry("turns.example.com"), server.entry("turns.example.com"));

    let first = door.get(&url, &[&granted]).await;
    let second = door.get(&url, &[&granted]).await;

    assert!(first.is_ok(), "{first:?}");
    assert!(matches!(second, Err(EgressError::Address { .. })), "{second:?}");
    assert_eq!(door.internet.asked(), ["turns.example.com"; 2]);
    assert_eq!((here.connections(), server.connections()), (0, 1));
}

#[tokio::test]
async fn a_redirect_is_given_to_the_guest_and_not_followed() {
    let here = Server::start_at("127.0.0.1:0", Script::body("secret")).await;
    let target = format!("http://{}/", here.address);
    let answer = format!("HTTP/1.1 302 Found\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n");
    let server = Server::start(Script::Say(answer.into_bytes())).await;
    let door = Door::new(|_| ());
    door.internet.name("api.example.com", &["127.77.0.1"]);

    let url = server.entry("api.example.com");
    let response = door.get(&url, &[&url]).await.unwrap();

    assert_eq!(response.status(), 302);
    assert_eq!(response.headers()["location"], target);
    assert_eq!(here.connections(), 0);
}

#[tokio::test]
async fn no_name_is_looked_up_that_a_list_does_not_have() {
    let server = Server::start(Script::body("hello")).await;
    let port = server.address.port();
    let listed = [server.entry("api.example.com")];
    let door = Door::new(|config| {
        config.dangerous_allow_all = false;
        config.allowlist = listed.iter().map(|entry| entry.parse().unwrap()).collect();
    });
    let asked = [
        format!("http://secret-in-a-name.evil.test:{port}/"),
        format!("http://www.api.example.com:{port}/"),
        format!("http://api.example.com.evil.test:{port}/"),
        format!("http://evilapi.example.com:{port}/"),
        format!("http://example.com:{port}/"),
        format!("https://api.example.com:{port}/"),
        "http://api.example.com/".to_owned(),
        "http://localhost/".to_owned(),
        "http://127.1/".to_owned(),
    ];

    for url in &asked {
        let entry = Destination::parse(url).unwrap().entry();
        for granted in [&[listed[0].as_str()][..], &[&entry], &[]] {
            let outcome = door.get(url, granted).await;
            assert!(matches!(outcome, Err(EgressError::Denied(_))), "{url}: {outcome:?}");
        }
    }

    assert_eq!((door.internet.asked(), server.connections()), (Vec::new(), 0));
    let calls = asked.len() * 3;
    note(&format!("{calls} calls of what is not listed: 0 connections, 0 lookups"));
}

#[tokio::test]
async fn an_empty_list_of_the_appliance_refuses_everything() {
    let server = Server::start(Script::body("hello")).await;
    let door = Door::new(|config| config.dangerous_allow_all = false);
    let url = server.entry("api.example.com");

    let outcome = door.get(&url, &[&url]).await;

    assert!(matches!(outcome, Err(EgressError::Denied(_))), "{outcome:?}");
    assert_eq!(
        door.ended(),
        [format!("{url}: {url} is not in the appliance's `egress.allowlist`")]
    );
}

#[tokio::test]
async fn the_servers_of_the_appliance_are_not_called() {
    let server = Server::start(Script::body("keys")).await;
    for own in ["s3.example.com", "127.77.0.1"] {
        // It stands in for the internet, but for what is its own.
        let door = Door::with_own_hosts(&[own], |_| ());
        door.internet.name("s3.example.com", &["127.77.0.1"]);
        door.internet.name("alias.example.com", &["127.77.0.1"]);
        let alias = server.entry("alias.example.com");
        let outcome = door.get(&alias, &[&alias]).await;
        assert!(matches!(outcome, Err(EgressError::Address { .. })), "{outcome:?}");
        let own_name = server.entry("s3.example.com");
        let outcome = door.get(&own_name, &[&own_name]).await;
        let is_refused =
            matches!(outcome, Err(EgressError::Address { .. } | EgressError::OwnHost(_)));
        assert!(is_refused, "{outcome:?}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_server_of_the_appliance_is_not_called_by_name_whatever_its_addresses_are_now() {
    let server = Server::start(Script::body("no")).await;
    let door = Door::with_own_hosts(&["s3.example.com"], |_| ());
    let url = server.entry("s3.example.com");

    // Nobody finds it when the appliance asks, and it has another address each time after that.
    let unknown = door.get(&url, &[&url]).await;
    door.internet.answers("s3.example.com", &[&["127.77.0.2"], &["127.77.0.1"]]);
    let other = door.get(&url, &[&url]).await;

    for outcome in [unknown, other] {
        assert!(matches!(&outcome, Err(EgressError::OwnHost(_))), "{outcome:?}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_name_without_addresses_or_with_none_in_time_is_an_error() {
    let door = Door::new(|_| ());
    door.internet.name("empty.example.com", &[]);

    let empty = door.get("https://empty.example.com/", &["empty.example.com"]).await;
    let unknown = door.get("https://unknown.example.com/", &["unknown.example.com"]).await;

    assert!(matches!(empty, Err(EgressError::NoAddress(_))), "{empty:?}");
    assert!(matches!(unknown, Err(EgressError::Resolve { .. })), "{unknown:?}");
}
