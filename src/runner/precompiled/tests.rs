//! What the folder keeps, loads and removes.

use std::fs::File;
use std::io::Seek;

use wasmtime::component::Linker;
use wasmtime::{Config, Store};

use super::*;
use crate::config::RunnerConfig;
use crate::runner::engine;

const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";
/// Says what is in its memory, and adds one to it.
const COUNTING: &str = r#"(component
    (core module $module
        (memory 1)
        (data (i32.const 8) "\2a")
        (func (export "count") (result i32)
            i32.const 8 i32.load
            i32.const 8 i32.const 8 i32.load i32.const 1 i32.add i32.store))
    (core instance $instance (instantiate $module))
    (func (export "count") (result u32) (canon lift (core func $instance "count"))))"#;

struct Stage {
    engine: Engine,
    folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let config = RunnerConfig { slots: 1, ..RunnerConfig::default() };
        let engine = engine::build(&config).unwrap();
        Self { engine, folder: tempfile::tempdir().unwrap() }
    }

    fn open(&self, max_bytes: u64) -> Precompiled {
        let path = self.folder.path().to_owned();
        Precompiled::open(CompiledFolder { path, key: [7; 32], max_bytes }, &self.engine).unwrap()
    }

    fn compiled(&self) -> Code {
        Code::of_component(&Component::from_binary(&self.engine, EMPTY).unwrap()).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let names = fs::read_dir(self.folder.path()).unwrap();
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

fn digest(byte: u8) -> FileDigest {
    FileDigest::from([byte; 32])
}

#[test]
fn what_was_kept_is_loaded_by_the_next_process() {
    let stage = Stage::new();
    stage.open(u64::MAX).keep(&digest(1), &stage.compiled());

    let next = stage.open(u64::MAX);

    assert!(next.load(&stage.engine, &digest(1)).is_some());
    assert!(next.load(&stage.engine, &digest(2)).is_none());
    assert_eq!((next.loaded(), next.refused()), (1, 0));
}

#[test]
fn what_another_engine_compiled_is_a_miss_and_no_alarm() {
    let engine = |mapped| Engine::new(Config::new().generate_address_map(mapped)).unwrap();
    let (ours, other) = (engine(false), engine(true));
    assert_ne!(compatibility(&ours, ARRANGEMENT), compatibility(&other, ARRANGEMENT));
    assert_ne!(compatibility(&ours, ARRANGEMENT), compatibility(&ours, "another"));
    let mut stage = Stage { engine: other, folder: tempfile::tempdir().unwrap() };
    stage.open(u64::MAX).keep(&digest(1), &stage.compiled());

    stage.engine = ours;
    let kept = stage.open(u64::MAX);

    assert_eq!(kept.kept_bytes(&digest(1)), None);
    assert!(kept.load(&stage.engine, &digest(1)).is_none());
    assert_eq!((kept.loaded(), kept.refused()), (0, 0));
    assert_eq!(stage.names(), Vec::<String>::new());
}

#[test]
fn a_file_of_another_component_is_removed_and_not_loaded() {
    let stage = Stage::new();
    let kept = stage.open(u64::MAX);
    kept.keep(&digest(1), &stage.compiled());
    fs::rename(kept.path(&digest(1)), kept.path(&digest(2))).unwrap();

    assert!(kept.load(&stage.engine, &digest(2)).is_none());
    assert_eq!((kept.loaded(), kept.refused()), (0, 1));
    assert_eq!(stage.names(), Vec::<String>::new());
}

#[test]
fn links_and_files_that_others_can_write_are_not_read() {
    let stage = Stage::new();
    let kept = stage.open(u64::MAX);
    let (path, elsewhere) = (kept.path(&digest(1)), stage.folder.path().join("elsewhere"));
    kept.keep(&digest(1), &stage.compiled());
    fs::rename(&path, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &path).unwrap();

    assert!(kept.load(&stage.engine, &digest(1)).is_none());

    fs::rename(&elsewhere, &path).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o622)).unwrap();
    assert!(kept.load(&stage.engine, &digest(1)).is_none());
    assert_eq!((kept.loaded(), kept.refused()), (0, 2));
}

#[test]
fn a_file_above_the_limit_is_not_read() {
    let stage = Stage::new();
    let kept = stage.open(u64::MAX);
    kept.keep(&digest(1), &stage.compiled());
    let path = kept.path(&digest(1));
    // A hole, which takes no room.
    File::options().write(true).open(&path).unwrap().set_len(MAX_FILE_BYTES + 1).unwrap();

    let refused = kept.read(&path, &digest(1)).unwrap().err();
    let loaded = kept.load(&stage.engine, &digest(1));

    assert!(matches!(refused, Some(Problem::TooLarge(bytes)) if bytes == MAX_FILE_BYTES + 1));
    assert!(loaded.is_none());
    assert_eq!((kept.loaded(), kept.refused()), (0, 1));
    assert_eq!(stage.names(), Vec::<String>::new());
}

#[test]
fn nobody_else_has_rights_to_the_folder_whoever_made_it() {
    let stage = Stage::new();
    let path = stage.folder.path().join("new").join("compiled");
    let open = || {
        let folder = CompiledFolder { path: path.clone(), key: [7; 32], max_bytes: 0 };
        Precompiled::open(folder, &stage.engine).unwrap();
        fs::metadata(&path).unwrap().mode() & 0o7777
    };

    let made = open();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    let found = open();

    assert_eq!((made, found), (0o700, 0o700));
    let above = fs::metadata(path.parent().unwrap()).unwrap();
    assert_eq!(above.mode() & 0o7777, 0o700, "made on the way");
}

#[test]
fn what_was_loaded_longest_ago_goes_first() {
    let stage = Stage::new();
    stage.open(u64::MAX).keep(&digest(1), &stage.compiled());
    let bytes = fs::metadata(stage.open(0).path(&digest(1))).unwrap().len();
    let kept = stage.open(bytes * 2);
    kept.keep(&digest(2), &stage.compiled());
    for (component, age_s) in [(1, 10), (2, 20)] {
        let file = File::options().write(true).open(kept.path(&digest(component))).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(100 - age_s))
            .unwrap();
    }
    kept.load(&stage.engine, &digest(2)).unwrap();

    kept.keep(&digest(3), &stage.compiled());

    let is_kept = |component| kept.path(&digest(component)).exists();
    assert_eq!([1, 2, 3].map(is_kept), [false, true, true]);
}

#[test]
fn what_belongs_to_nothing_is_removed() {
    let stage = Stage::new();
    let kept = stage.open(u64::MAX);
    kept.keep(&digest(1), &stage.compiled());
    kept.keep(&digest(2), &stage.compiled());
    fs::write(stage.folder.path().join(".tmpleft"), "by a process that was killed").unwrap();

    let removed = kept.retain(&HashSet::from([digest(2)])).unwrap();

    assert_eq!(removed, 2);
    assert_eq!(stage.names(), [kept.path(&digest(2)).file_name().unwrap().to_str().unwrap()]);
}

#[test]
fn large_code_is_mapped_and_begins_anew_for_each_instance() {
    let stage = Stage::new();
    let kept = Precompiled { mapped_from: 0, ..stage.open(u64::MAX) };
    let component =
        Component::from_binary(&stage.engine, &wat::parse_str(COUNTING).unwrap()).unwrap();
    kept.keep(&digest(1), &Code::of_component(&component).unwrap());

    let loaded = kept.load(&stage.engine, &digest(1)).unwrap();

    let linker = Linker::new(&stage.engine);
    for _ in 0..2 {
        let mut store = Store::new(&stage.engine, ());
        store.set_epoch_deadline(1);
        let instance = linker.instantiate(&mut store, &loaded).unwrap();
        let count = instance.get_typed_func::<(), (u32,)>(&mut store, "count").unwrap();
        for expected in [42, 43] {
            assert_eq!(count.call(&mut store, ()).unwrap(), (expected,));
        }
    }
}

#[test]
fn what_is_mapped_is_looked_at_like_any_other() {
    let stage = Stage::new();
    let kept = Precompiled { mapped_from: 0, ..stage.open(u64::MAX) };
    kept.keep(&digest(1), &stage.compiled());
    let path = kept.path(&digest(1));
    let good = fs::read(&path).unwrap();

    assert!(kept.read(&path, &digest(1)).unwrap().is_ok());
    for changed in [0, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[changed] ^= 1;
        fs::write(&path, &bad).unwrap();

        assert!(kept.read(&path, &digest(1)).unwrap().is_err(), "byte {changed}");
    }
    fs::write(&path, &good[..good.len() - 1]).unwrap();
    assert!(kept.load(&stage.engine, &digest(1)).is_none());
    assert_eq!(kept.refused(), 1);
}

#[test]
fn what_is_copied_is_what_was_looked_at_and_in_order() {
    let bytes: Vec<u8> = (0..=250).cycle().take(PART_BYTES * 9 + 5).collect();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    file.rewind().unwrap();
    let mut seen = Vec::new();

    let (length, memory) = (bytes.len() - 7, MemoryFile::new().unwrap());
    let look = |part: &[u8]| seen.extend_from_slice(part);
    let mut copied = copy(&mut file, length, memory, look).unwrap();

    assert!(seen == bytes[..length]);
    copied.rewind().unwrap();
    let mut read = Vec::new();
    copied.read_to_end(&mut read).unwrap();
    assert!(read == seen);
    let more = copy(&mut file, 8, MemoryFile::new().unwrap(), |_| {});
    assert_eq!(more.err().map(|error| error.kind()), Some(io::ErrorKind::UnexpectedEof));
}
