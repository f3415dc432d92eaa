//! The registry on a disk that loses power, fails, and rots.
//!
//! The disk is simulated: what was not synced survives a cut as a random subset
//! of 512-byte sectors, so writes are torn, lost and reordered. Every run is
//! repeatable from its seed.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[cfg(feature = "fail-points")]
mod kills;

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use jiff::Timestamp;
use plugboard::model::{Actor, AuditAction, AuditEvent, Operator, Tenant};
use plugboard::redb_file::FileError;
use plugboard::registry::{Registry, RegistryError, WriteTxn, audit, operators, tenants};

use crate::support::audit::newest;
use crate::support::disk::Disk;
use crate::support::random::Random;
use crate::support::rounds;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn open(disk: &Arc<Disk>) -> Result<Registry, RegistryError> {
    let disk = Arc::clone(disk);
    Registry::open_on(move || disk.connect(), NOW)
}

/// One transaction over three tables, known by its number; rows of different sizes.
fn write_number(txn: &WriteTxn, number: u64) -> Result<(), RegistryError> {
    let name = format!("n{number}");
    let detail = "x".repeat(usize::try_from(number % 7).unwrap() * 900);
    audit::append(
        txn,
        &AuditEvent {
            at: NOW,
            actor: Actor::System,
            action: AuditAction::Installed,
            tenant: None,
            subject: name.clone(),
            detail: Some(detail),
        },
    )?;
    tenants::insert(txn, &Tenant { id: name.parse().unwrap(), created_at: NOW })?;
    let name = name.parse().unwrap();
    operators::put(
        txn,
        &Operator {
            name,
            password_hash: number.to_string(),
            created_at: NOW,
            password_changed_at: NOW,
        },
    )
}

/// Writes like [`write_number`] and then fails: nothing of it may ever be seen.
fn write_ghost(txn: &WriteTxn, number: u64) -> Result<(), RegistryError> {
    write_number(txn, 1_000_000 + number)?;
    Err(RegistryError::Panicked("deliberate".to_owned()))
}

/// The numbers that the tables hold; every transaction must be there in all three or in none.
fn numbers(registry: &Registry) -> BTreeSet<u64> {
    let number = |name: &str| name.strip_prefix('n').map(|digits| digits.parse::<u64>().unwrap());
    let (audit, tenants, operators) = registry
        .read_blocking(|txn| {
            Ok((newest(txn, usize::MAX)?, tenants::list(txn)?, operators::list(txn)?))
        })
        .unwrap();
    let audited: BTreeSet<u64> =
        audit.iter().filter_map(|(_, event)| number(&event.subject)).collect();
    let known = tenants.iter().filter_map(|tenant| number(tenant.id.as_str())).collect();
    let signed: BTreeSet<u64> =
        operators.iter().filter_map(|operator| number(operator.name.as_str())).collect();
    assert_eq!(audited, known, "a commit is whole");
    assert_eq!(audited, signed, "a commit is whole");
    assert_eq!(registry.live().operator_count(), signed.len(), "the snapshot is the table");
    audited
}

/// What a run of crashes has promised to its callers.
#[derive(Default)]
struct Promises {
    acknowledged: BTreeSet<u64>,
    /// The write that was under way when the power was cut: it may be there or not.
    in_doubt: Option<u64>,
    next: u64,
}

impl Promises {
    /// Writes until the power is cut.
    fn work(&mut self, registry: &Registry, random: &mut Random) {
        loop {
            self.next += 1;
            let number = self.next;
            if random.below(4) == 0 {
                let ghost = registry.write_blocking(|txn| write_ghost(txn, number));
                ghost.unwrap_err();
                continue;
            }
            if registry.write_blocking(|txn| write_number(txn, number)).is_err() {
                self.in_doubt = Some(number);
                return;
            }
            self.acknowledged.insert(number);
        }
    }

    /// Compares what is there after the crash, and takes it as what is known from then on.
    fn check(&mut self, found: BTreeSet<u64>, context: &str) {
        let lost: Vec<_> = self.acknowledged.difference(&found).collect();
        assert!(lost.is_empty(), "{context}: acknowledged and lost: {lost:?}");
        let ghosts: Vec<_> = found
            .iter()
            .filter(|number| !self.acknowledged.contains(number) && Some(**number) != self.in_doubt)
            .collect();
        assert!(ghosts.is_empty(), "{context}: never committed and there: {ghosts:?}");
        self.acknowledged = found;
        self.in_doubt = None;
    }
}

/// Cuts the power `crashes` times, at random moments of opening and writing.
fn cut_the_power(seed: u64, crashes: u32) -> usize {
    let mut random = Random::new(seed);
    let mut promises = Promises::default();
    let mut commits = 0;
    let mut disk = Disk::empty(random.next());
    drop(open(&disk).unwrap());
    for crash in 0..crashes {
        // A file that only grows makes the run slow: begin anew now and then.
        if crash % 25 == 0 {
            commits += promises.acknowledged.len();
            promises = Promises::default();
            disk = Disk::empty(random.next());
            drop(open(&disk).unwrap());
        }
        disk.cut_after(random.below(90));
        match open(&disk) {
            Ok(registry) => promises.work(&registry, &mut random),
            Err(error) => assert!(disk.is_off(), "seed {seed}, crash {crash}: {error}"),
        }
        disk = disk.after_the_cut();

        let context = format!("seed {seed}, crash {crash}");
        let registry = open(&disk).unwrap_or_else(|error| panic!("{context}: {error}"));
        promises.check(numbers(&registry), &context);
    }
    commits + promises.acknowledged.len()
}

#[test]
fn a_power_cut_loses_no_acknowledged_commit_and_shows_no_other() {
    for round in 0..rounds() {
        let commits = cut_the_power(0x5eed + u64::from(round), 200);

        assert!(commits > 200, "the run must do some work: {commits}");
    }
}

#[test]
fn a_cut_while_the_first_file_is_made_leaves_a_registry_or_none() {
    let mut cuts = 0;
    for seed in 0.. {
        let disk = Disk::empty(seed);
        disk.cut_after(seed);
        let made = open(&disk).is_ok();
        if made && !disk.is_off() {
            break;
        }
        cuts += 1;
        // The protocol makes the file under this name; the rename comes after the sync.
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("registry.redb.new"), disk.after_the_cut().bytes()).unwrap();

        let registry = Registry::open(&folder.path().join("registry.redb"), 1 << 20, NOW).unwrap();

        registry.write_blocking(|txn| write_number(txn, 1)).unwrap();
        assert_eq!(numbers(&registry), [1].into(), "cut {seed}");
        assert!(!folder.path().join("registry.redb.new").exists());
    }
    assert!(cuts > 10, "the making has many steps: {cuts}");
}

#[test]
fn a_half_made_file_under_the_real_name_is_refused_and_kept() {
    for seed in 0..40 {
        let disk = Disk::empty(seed);
        disk.cut_after(seed % 8);
        assert!(open(&disk).is_err());
        let torn = disk.after_the_cut().bytes();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("registry.redb");
        fs::write(&file, &torn).unwrap();

        let result = Registry::open(&file, 1 << 20, NOW);

        assert!(
            matches!(result, Err(RegistryError::File(FileError::Damaged { .. }))),
            "cut {seed}"
        );
        assert!(file.exists());
    }
}

#[test]
fn a_disk_that_was_full_for_a_moment_needs_no_restart() {
    for steps in 0..12 {
        let disk = Disk::empty(steps);
        let registry = open(&disk).unwrap();
        registry.write_blocking(|txn| write_number(txn, 1)).unwrap();

        disk.fail_once_after(steps);
        let (failed, error) = (2..10)
            .find_map(|number| {
                let result = registry.write_blocking(|txn| write_number(txn, number));
                result.err().map(|error| (number, error))
            })
            .unwrap();

        assert!(error.is_disk_full(), "step {steps}: {error:?}");
        let found = numbers(&registry);
        assert!((1..failed).all(|number| found.contains(&number)), "step {steps}: {found:?}");
        registry.write_blocking(|txn| write_number(txn, 100)).unwrap();
        assert!(numbers(&registry).contains(&100), "step {steps}");
    }
}

/// Everything the file with flipped bits may say: what was written, or nothing.
fn flip_and_open(image: &[u8], place: usize, mask: u8, expected: &BTreeSet<u64>) -> bool {
    let mut damaged = image.to_vec();
    damaged[place] ^= mask;
    let disk = Disk::with(damaged);
    let Ok(registry) = open(&disk) else { return false };
    assert_eq!(numbers(&registry), *expected, "byte {place} flipped by {mask:#x}");
    true
}

#[test]
fn a_flipped_byte_is_refused_or_harmless() {
    let disk = Disk::empty(1);
    let registry = open(&disk).unwrap();
    for number in 1..=12 {
        registry.write_blocking(|txn| write_number(txn, number)).unwrap();
    }
    let expected = numbers(&registry);
    // Closed first: in a file that was cut off, the bit that says which of two commits
    // counts looks right either way, and redb has nothing to compare it with.
    drop(registry);
    let image = disk.bytes();
    let mut random = Random::new(7);

    let mut opened = 0;
    for flip in 0..500 {
        // The header decides which commit counts: one flip in four goes there.
        let places = if flip % 4 == 0 { 320 } else { image.len() as u64 };
        let place = usize::try_from(random.below(places)).unwrap();
        let mask = 1 << random.below(8);
        opened += u32::from(flip_and_open(&image, place, mask, &expected));
    }

    assert!(opened > 0 && opened < 500, "both must happen: {opened}");
}
