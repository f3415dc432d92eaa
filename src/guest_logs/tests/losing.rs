//! Lines that are not kept, and whoever follows those that are.

use super::*;
use crate::guest_logs::queue::Queue;

#[test]
fn what_finds_the_queue_full_is_counted_to_the_line() {
    let (queue, install) = (Queue::new(10 * 1024), install("default"));

    let lost = (0..100).filter_map(|_| queue.push(line(&install, &"x".repeat(1024)))).sum::<u64>();
    let dropped = NewLine { dropped: 7, ..line(&install, &"x".repeat(1024)) };
    assert_eq!(queue.push(dropped), None, "what it counts was counted");

    let batch = queue.take(None);
    assert!((5..10).contains(&batch.lines.len()), "{}", batch.lines.len());
    assert_eq!(lost + batch.lines.len() as u64, 100);
    assert_eq!(batch.lost[&install.install].lines, lost + 7);
}

#[tokio::test]
async fn nobody_waits_for_a_writer_that_is_gone() {
    let queue = Queue::new(1024);
    let (before, answered) = oneshot::channel();
    queue.ask(Ask::Settle(before));

    queue.close();
    let (after, unanswered) = oneshot::channel();
    queue.ask(Ask::Settle(after));

    assert!(answered.await.is_err() && unanswered.await.is_err());
}

#[tokio::test]
async fn what_is_not_kept_is_a_number_in_a_line() {
    let (stage, install) = (Stage::new(), install("default"));

    stage.logs.drop_lines(&install, ContentHash::of(b"a"), 40);
    stage.logs.drop_lines(&install, ContentHash::of(b"a"), 2);

    let records = stage.all(&install).await;
    assert_eq!(records.iter().map(|record| record.dropped).sum::<u64>(), 42);
    assert!(records[0].message.ends_with("lines were not kept"));
    assert_eq!(stage.logs.counts(), LineCounts { over_limit: 42, ..LineCounts::default() });
}

#[tokio::test]
async fn a_disk_that_takes_nothing_costs_the_lines_and_their_number_is_told_later() {
    let (stage, install) = (Stage::new(), install("default"));
    let folder = stage.folder.path().join("logs");
    fs::write(&folder, "in the way").unwrap();
    for _ in 0..3 {
        stage.logs.keep(line(&install, "lost"));
    }
    stage.logs.settle().await;
    assert_eq!(stage.logs.counts().not_written, 3);

    fs::remove_file(&folder).unwrap();
    stage.logs.keep(line(&install, "kept"));

    let records = stage.all(&install).await;
    let dropped: Vec<_> = records.iter().map(|record| record.dropped).collect();
    assert_eq!((dropped, &*records[0].message), (vec![0, 3], "kept"));
}

#[tokio::test]
async fn a_slow_follower_loses_lines_and_sees_how_many() {
    let (stage, install) = (Stage::new(), install("default"));
    let mut follower = stage.logs.follow(&install).unwrap();
    for _ in 0..1_000 {
        stage.logs.keep(line(&install, "x"));
    }
    stage.logs.settle().await;

    let first = follower.next().await.unwrap();

    assert!(first.seq > 700, "it held {} lines", 1_001 - first.seq);
    assert_eq!(follower.next().await.unwrap().seq, first.seq + 1);
    assert_eq!(stage.all(&install).await.len(), 1_000, "the others lose nothing");
}

#[tokio::test]
async fn seats_of_followers_are_counted_and_come_back() {
    let config = LogsConfig { followers: 3, followers_per_tenant: 2, ..LogsConfig::default() };
    let stage = Stage::with(&config);
    let (acme, globex) = (install("acme"), install("globex"));
    let follow = |install: &InstallLabels| stage.logs.follow(install);
    let (first, second) = (follow(&acme).unwrap(), follow(&acme).unwrap());

    assert_eq!(follow(&acme).err(), Some(TooManyFollowers::OfTenant(2)));
    let third = follow(&globex).unwrap();
    assert_eq!(follow(&globex).err(), Some(TooManyFollowers::InAppliance(3)));
    assert_eq!(stage.logs.follower_count(), 3);
    drop((first, second, third));
    assert_eq!(stage.logs.follower_count(), 0);
    assert!(follow(&acme).is_ok());
}

#[tokio::test]
async fn lines_go_with_their_install_and_so_does_who_follows() {
    let (stage, install) = (Stage::new(), install("default"));
    stage.logs.keep(line(&install, "one"));
    stage.logs.settle().await;
    let mut follower = stage.logs.follow(&install).unwrap();

    stage.logs.remove(install.install).await.unwrap();

    assert_eq!(follower.next().await.err(), Some(EndOfLines::Uninstalled));
    assert!(!stage.ring(&install).exists());
    stage.logs.keep(line(&install, "of an execution that goes on"));
    stage.logs.settle().await;
    assert_eq!(stage.logs.rings().await.unwrap(), [install.install], "for the sweep");
}

#[tokio::test]
async fn followers_end_when_the_appliance_stops() {
    let (stage, install) = (Stage::new(), install("default"));
    let mut follower = stage.logs.follow(&install).unwrap();

    stage.logs.end_followers();

    assert_eq!(follower.next().await.err(), Some(EndOfLines::Stopping));
}

#[tokio::test]
async fn nothing_is_kept_where_nothing_is_to_be_kept() {
    let (stage, install) = (Stage::new(), install("default"));
    stage.logs.keep(line(&install, "before"));
    drop(stage.logs);
    let off = LogsConfig { bytes_per_install: 0, ..LogsConfig::default() };
    let logs = open(stage.folder.path(), &off);

    logs.keep(line(&install, "after"));
    logs.drop_lines(&install, ContentHash::of(b"a"), 1);

    let lines = logs.read(Arc::clone(&install), LineQuery::default()).await.unwrap();
    let counted = LineCounts { over_limit: 1, ..LineCounts::default() };
    assert_eq!((lines.records.len(), logs.counts()), (1, counted));
    logs.remove(install.install).await.unwrap();
    assert_eq!(logs.rings().await.unwrap(), []);
}
