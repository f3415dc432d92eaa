//! Components that were compiled before: loaded, and nothing but what we compiled.

use std::fs;
use std::path::PathBuf;

use plugboard::model::StreamHasher;
use plugboard::runner::{CompiledFolder, ComponentCounts};
use tempfile::TempDir;

use super::*;
use crate::support::random::Random;
use crate::support::{note, rounds};

/// Files that were changed, in one round.
const TAMPERED: u64 = 100;

/// A folder of compiled components.
struct Folder(TempDir);

impl Folder {
    /// One with a compiled component in it.
    async fn with(guest: &Bytes) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.runner().prepare(hash(), TargetWorld::Extension, guest.clone()).await.unwrap();
        folder
    }

    /// What a process has that starts on it.
    fn runner(&self) -> Runner {
        self.runner_with([7; 32])
    }

    fn runner_with(&self, key: [u8; 32]) -> Runner {
        let path = self.0.path().to_owned();
        let folder = Some(CompiledFolder { path, key, max_bytes: u64::MAX });
        Runner::new(&small(), RunnerParts { folder, ..RunnerParts::default() }).unwrap()
    }

    fn files(&self) -> Vec<PathBuf> {
        fs::read_dir(self.0.path()).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    fn file(&self) -> PathBuf {
        let [file] = self.files().try_into().unwrap();
        file
    }
}

/// Whether a runner has `guest` without compiling it.
async fn loads(runner: &Runner, guest: &Bytes) -> bool {
    let component = StreamHasher::digest(guest).into();
    runner.load(hash(), TargetWorld::Extension, component).await.unwrap()
}

#[tokio::test]
async fn a_component_is_compiled_once_whatever_restarts() {
    let guest = guests::extension("answers");
    let folder = Folder::with(&guest).await;

    let runner = folder.runner();

    assert!(loads(&runner, &guest).await);
    assert!(loads(&runner, &guest).await, "it is ready");
    let counts = ComponentCounts { compiled: 0, loaded: 1, refused: 0 };
    assert_eq!(runner.component_counts(), counts);
    let stage = Stage { runner, ..Stage::new(TargetWorld::Extension, guest).await };
    assert_eq!(stage.call("/").await.unwrap().status, 200);
}

#[tokio::test]
async fn what_was_never_compiled_is_not_loaded() {
    let folder = Folder::with(&guests::extension("answers")).await;
    let runner = folder.runner();

    assert!(!loads(&runner, &guests::extension("floods_log")).await);
    let without_folder = Runner::new(&small(), RunnerParts::default()).unwrap();
    assert!(!loads(&without_folder, &guests::extension("answers")).await);
    assert!(!runner.is_ready(&hash()));
}

#[tokio::test]
async fn a_component_that_was_compiled_still_has_to_fit_its_world() {
    let guest = guests::extension("answers");
    let folder = Folder::with(&guest).await;

    let component = StreamHasher::digest(&guest).into();
    let error = folder.runner().load(hash(), TargetWorld::WasiHttp, component).await.unwrap_err();

    assert!(matches!(error, PrepareError::Link(_)), "{error}");
}

#[tokio::test]
async fn what_is_loaded_and_compiled_at_the_same_time_is_ready_for_both() {
    let guest = guests::extension("answers");
    let folder = Folder(tempfile::tempdir().unwrap());
    let runner = folder.runner();

    let compile = runner.prepare(hash(), TargetWorld::Extension, guest.clone());
    let (loaded, compiled) = tokio::join!(loads(&runner, &guest), compile);

    assert_eq!((loaded, compiled), (false, Ok(())));
    assert_eq!(runner.component_counts().compiled, 1);
}

#[tokio::test]
async fn what_another_appliance_compiled_is_not_loaded() {
    let guest = guests::extension("answers");
    let folder = Folder::with(&guest).await;

    let runner = folder.runner_with([8; 32]);

    assert!(!loads(&runner, &guest).await);
    let counts = ComponentCounts { compiled: 0, loaded: 0, refused: 1 };
    assert_eq!(runner.component_counts(), counts);
    assert_eq!(folder.files(), Vec::<PathBuf>::new());
}

/// Whole files that are good, and not for this component in this appliance.
struct Others {
    component: Vec<u8>,
    appliance: Vec<u8>,
    version: Vec<u8>,
}

impl Others {
    async fn of(guest: &Bytes, good: &[u8]) -> Self {
        let component = Folder::with(&guests::extension("floods_log")).await;
        let appliance = Folder(tempfile::tempdir().unwrap());
        let runner = appliance.runner_with([8; 32]);
        runner.prepare(hash(), TargetWorld::Extension, guest.clone()).await.unwrap();
        Self {
            component: fs::read(component.file()).unwrap(),
            appliance: fs::read(appliance.file()).unwrap(),
            version: sealed_by_another_version(good),
        }
    }
}

/// `good` as another version of the engine would have sealed it, with the same key.
fn sealed_by_another_version(good: &[u8]) -> Vec<u8> {
    let mut file = good[..good.len() - 32].to_vec();
    // What the engine is: 32 bytes behind the magic, the key's id and the component's hash.
    file[50] ^= 1;
    file.extend(blake3::keyed_hash(&[7; 32], &file).as_bytes());
    file
}

/// Changes `file` in one of the ways that a disk, a thief, an upgrade or a bug does.
fn tamper(file: &mut Vec<u8>, others: &Others, random: &mut Random) {
    let other = &others.component;
    let mut below = |bound: usize| usize::try_from(random.below(bound as u64)).unwrap();
    match below(9) {
        0 | 1 => {
            let bit = below(file.len() * 8);
            file[bit / 8] ^= 1 << (bit % 8);
        }
        2 => file.truncate(below(file.len())),
        3 => file.extend(vec![0; 1 + below(5000)]),
        // Code of another component with the head and the tail of this one.
        4 => {
            let (head, tail) = (file[..90].to_vec(), file[file.len() - 32..].to_vec());
            *file = [head.as_slice(), &other[90..other.len() - 32], &tail].concat();
        }
        5 => file.clone_from(other),
        6 => file.clone_from(&others.appliance),
        7 => file.clone_from(&others.version),
        _ => {
            let (at, other_at) = (below(file.len() - 64), below(other.len() - 64));
            file[at..at + 64].copy_from_slice(&other[other_at..other_at + 64]);
        }
    }
}

#[tokio::test]
async fn no_tampered_file_reaches_the_engine() {
    let guest = guests::extension("answers");
    let folder = Folder::with(&guest).await;
    let good = fs::read(folder.file()).unwrap();
    let others = Others::of(&guest, &good).await;
    let (path, runner) = (folder.file(), folder.runner());
    let mut random = Random::new(0xc0de);
    let wanted = u64::from(rounds()) * TAMPERED;
    let (mut tampered, mut outdated) = (0, 0);

    while tampered < wanted {
        let mut file = good.clone();
        tamper(&mut file, &others, &mut random);
        if file == good {
            continue;
        }
        fs::remove_file(&path).ok();
        write_private(&path, &file);
        assert!(!loads(&runner, &guest).await, "{tampered}");
        tampered += 1;
        outdated += u64::from(file == others.version);
        assert!(!path.exists(), "{tampered}");
    }

    // What an upgrade left is removed without a word. All else is told and counted.
    let counts = ComponentCounts { compiled: 0, loaded: 0, refused: wanted - outdated };
    assert_eq!(runner.component_counts(), counts);
    assert!(outdated > 0);
    write_private(&path, &good);
    assert!(loads(&runner, &guest).await, "the file itself is good");
    note(&format!("{wanted} tampered files of compiled code, 0 loaded"));
}

fn write_private(path: &std::path::Path, content: &[u8]) {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;

    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.unwrap().write_all(content).unwrap();
}
