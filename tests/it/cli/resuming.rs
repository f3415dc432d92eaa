//! Large bundles over a network that breaks and a server that is killed.

mod line;

use std::fs;
use std::time::Duration;

use plugboard::model::ContentHash;
use serde_json::{Value, json};

use super::program::Desk;
use super::server::Server;
use crate::support::random::noise;
use crate::support::rounds;
use crate::support::s3_server::{ACCESS_KEY, BUCKET, S3Server, SECRET_KEY};
use line::Line;

const JSON: &str = "application/json";
const MIB: u64 = 1024 * 1024;
/// What is sent in one part.
const PART_BYTES: u64 = 8 * MIB;
/// Request heads of a whole upload, and what was in buffers at a break.
const OVERHEAD_BYTES: u64 = MIB / 4;
/// How long the line may take to carry what is waited for.
const PATIENCE: Duration = Duration::from_mins(1);
/// Breaks in each test; `.ci/soak` has more.
const BREAKS: u32 = 3;

/// A signed bundle of about 20 MiB that does not compress.
fn pack_large(desk: &Desk) -> u64 {
    pack_noise(desk, &noise(1, usize::try_from(20 * MIB).unwrap()))
}

fn pack_noise(desk: &Desk, noise: &[u8]) -> u64 {
    fs::write(desk.path("hello/ui/noise.png"), noise).unwrap();
    desk.ok("pack hello --out large.tar.zst");
    desk.ok("sign large.tar.zst --key acme.key");
    let size = fs::metadata(desk.path("large.tar.zst")).unwrap().len();
    assert!(size > 20 * MIB, "{size}");
    size
}

/// Some places in a file, in order.
fn places(size: u64) -> Vec<u64> {
    let mut places: Vec<_> = (0..BREAKS * rounds()).map(|_| random_below(size)).collect();
    places.sort_unstable();
    places
}

fn random_below(limit: u64) -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    u64::from_le_bytes(bytes) % limit
}

fn staged(desk: &Desk) -> usize {
    fs::read_dir(desk.path("data/store/sha256/_staging")).unwrap().count()
}

#[test]
fn a_large_bundle_arrives_over_a_line_that_breaks_and_little_is_sent_twice() {
    let server = Server::ready();
    let size = pack_large(&server.desk);
    let places = places(size);
    let line = Line::to(&server.url);
    line.break_at(&places);

    let url = line.url();
    let published = server.desk.run(&format!("publish large.tar.zst --url {url} --json"));

    assert_eq!(published.code, Some(0), "{places:?}: {published:?}");
    assert_eq!(published.json()["outcome"], "created", "{places:?}");
    assert_eq!(line.breaks(), places.len(), "{places:?}");
    // The server keeps what arrived of a part that broke off.
    let most = size + places.len() as u64 * PART_BYTES + OVERHEAD_BYTES;
    assert!(line.sent() <= most, "{places:?}: {} of {size} bytes", line.sent());
    assert_eq!(staged(&server.desk), 0, "{places:?}");
}

#[test]
fn a_large_bundle_arrives_at_a_server_that_is_killed_and_little_is_sent_twice() {
    let mut server = Server::ready();
    let size = pack_large(&server.desk);
    let places = places(size);
    let line = Line::to(&server.url);
    line.hold_at(&places);

    let command = format!("publish large.tar.zst --url {} --json", line.url());
    let sender = server.desk.begin(&command);
    for _ in &places {
        line.wait_until_held();
        server.restart();
        line.go_on_to(&server.url);
    }
    let published = sender.end();

    assert_eq!(published.code, Some(0), "{places:?}: {published:?}");
    assert_eq!(published.json()["outcome"], "created", "{places:?}");
    let most = size + places.len() as u64 * PART_BYTES + OVERHEAD_BYTES;
    assert!(line.sent() <= most, "{places:?}: {} of {size} bytes", line.sent());
    assert_eq!(staged(&server.desk), 0, "{places:?}");
}

#[test]
fn a_publish_that_was_interrupted_is_gone_on_with_by_the_next_one() {
    let server = Server::ready();
    let size = pack_large(&server.desk);
    let line = Line::to(&server.url);
    line.hold_at(&[12 * MIB]);
    let command = format!("publish large.tar.zst --url {} --json", line.url());
    let sender = server.desk.begin(&command);
    line.wait_until_held();
    sender.kill();
    let listed = server.desk.ok("uploads list --json").json();
    assert_eq!(listed["uploads"][0]["filename"], "large.tar.zst");
    assert_eq!(listed["uploads"][0]["length"], size);
    line.go_on_to(&server.url);

    let published = server.desk.ok(&format!("publish large.tar.zst --url {} --json", line.url()));

    assert_eq!(published.json()["outcome"], "created");
    assert!(line.sent() <= size + PART_BYTES + OVERHEAD_BYTES, "{}", line.sent());
    assert_eq!(staged(&server.desk), 0);
}

#[test]
fn a_large_bundle_that_is_published_already_is_not_sent_again() {
    let server = Server::ready();
    pack_large(&server.desk);
    server.desk.ok("publish large.tar.zst");
    let line = Line::to(&server.url);

    let again = server.desk.ok(&format!("publish large.tar.zst --url {} --json", line.url()));

    assert_eq!(again.json()["outcome"], "unchanged");
    assert!(line.sent() < OVERHEAD_BYTES, "{}", line.sent());
}

#[test]
fn a_signature_of_another_bundle_does_not_stand_for_the_one_that_is_sent() {
    let server = Server::ready();
    let size = pack_large(&server.desk);
    server.desk.ok("publish large.tar.zst");
    fs::rename(server.desk.path("large.tar.zst.dsse.json"), server.desk.path("first.json"))
        .unwrap();
    fs::remove_file(server.desk.path("large.tar.zst")).unwrap();
    let mut other = fs::read(server.desk.path("hello/ui/noise.png")).unwrap();
    other[0] ^= 1;
    assert_eq!(pack_noise(&server.desk, &other), size, "the length must not tell them apart");
    let line = Line::to(&server.url);

    let command = format!("publish large.tar.zst --signature first.json --url {}", line.url());
    let refused = server.desk.run(&command);

    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(line.sent() > size, "{}", line.sent());
}

#[test]
fn an_upload_can_be_listed_and_given_up() {
    let server = Server::ready();
    pack_large(&server.desk);
    assert_eq!(server.desk.ok("uploads list").stdout, "You have no uploads.\n");
    let line = Line::to(&server.url);
    line.hold_at(&[MIB]);
    let command = format!("publish large.tar.zst --url {}", line.url());
    let sender = server.desk.begin(&command);
    line.wait_until_held();
    sender.kill();
    line.go_on_to(&server.url);
    let listed = server.desk.ok("uploads list --json").json();
    let id = listed["uploads"][0]["id"].as_str().unwrap().to_owned();
    assert!(server.desk.ok("uploads list").stdout.contains(&id[..8]));

    assert_eq!(server.desk.run("uploads abort 1234").code, Some(2));
    assert_eq!(server.desk.run("uploads abort 00000000").code, Some(1));
    let aborted = server.desk.ok(&format!("uploads abort {} --json", &id[..8]));

    assert_eq!(aborted.json(), json!({"outcome": "aborted", "id": id}));
    assert_eq!(server.desk.ok("uploads list --json").json()["uploads"], json!([]));
    assert_eq!(staged(&server.desk), 0);
}

#[test]
fn an_upload_that_goes_to_the_store_is_left_alone_and_the_bundle_sent_anew() {
    let store = S3Server::start();
    let server = Server::ready_with(&[
        ("STORAGE_S3_ENDPOINT", &store.endpoint),
        ("STORAGE_S3_ACCESS_KEY", ACCESS_KEY),
        ("STORAGE_S3_SECRET_KEY", SECRET_KEY),
        ("STORAGE_S3_BUCKET", BUCKET),
        ("PLUGBOARD_STORE__S3__PUBLIC_ENDPOINT", &store.public_endpoint()),
    ]);
    let length = pack_large(&server.desk);
    let hash = ContentHash::of(&fs::read(server.desk.path("large.tar.zst")).unwrap());
    let body = json!({ "length": length, "declared_hash": hash }).to_string();
    let path = format!("{}/api/v1/uploads/presigned", server.url);
    let typed = |client: reqwest::Client| client.post(path).header("content-type", JSON).body(body);
    let (status, created) = server.call(typed);
    assert_eq!(status, 201, "{created}");
    let listed = server.desk.ok("uploads list").stdout;
    assert!(listed.contains("unfinished, sent to the store"), "{listed}");

    let published = server.desk.ok("publish large.tar.zst --json");

    assert_eq!(published.json()["outcome"], "created");
    let rows = server.desk.ok("uploads list --json").json();
    let to_store = rows["uploads"].as_array().unwrap().iter().map(|row| row["to_store"] == true);
    assert_eq!(to_store.collect::<Vec<_>>(), [true, false]);
}

#[test]
fn a_publish_waits_until_one_more_upload_is_allowed() {
    let server = Server::ready_with(&[("PLUGBOARD_UPLOADS__MAX_UNFINISHED", "1")]);
    pack_large(&server.desk);
    let path = format!("{}/api/v1/uploads", server.url);
    let (status, other) = server.call(|client| {
        client.post(path).header("tus-resumable", "1.0.0").header("upload-length", "10")
    });
    assert_eq!(status, 201, "{other}");
    let other: Value = serde_json::from_str(&other).unwrap();
    let mut sender = server.desk.begin("publish large.tar.zst");
    sender.until_says("1 uploads of yours are under way; 1 are allowed");

    server.desk.ok(&format!("uploads abort {}", other["id"].as_str().unwrap()));

    assert_eq!(sender.end().code, Some(0));
}
