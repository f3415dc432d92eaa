//! Lines as they are kept, found again, torn, lost and followed.

mod losing;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::model::SystemClock;

const MIB: u64 = 1024 * 1024;

fn install(tenant: &str) -> Arc<InstallLabels> {
    let (tenant, extension) = (tenant.parse().unwrap(), "com.example.a".parse().unwrap());
    let version = "1.0.0".parse().unwrap();
    Arc::new(InstallLabels::of(tenant, extension, InstallId::random(), &version))
}

fn line(install: &Arc<InstallLabels>, message: &str) -> NewLine {
    NewLine {
        install: Arc::clone(install),
        content_hash: ContentHash::of(b"a"),
        request_id: "request-1".into(),
        time_ms: 1_790_000_000_000,
        level: Level::Info,
        source: Source::Log,
        message: message.to_owned(),
        truncated: false,
        dropped: 0,
    }
}

/// Logs in a folder of their own.
struct Stage {
    folder: TempDir,
    logs: GuestLogs,
}

impl Stage {
    fn new() -> Self {
        Self::with(&LogsConfig { bytes_per_install: MIB, ..LogsConfig::default() })
    }

    fn with(config: &LogsConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let logs = open(folder.path(), config);
        Self { folder, logs }
    }

    /// As after a stop and a start.
    fn again(self) -> Self {
        let Self { folder, logs } = self;
        drop(logs);
        let config = LogsConfig { bytes_per_install: MIB, ..LogsConfig::default() };
        let logs = open(folder.path(), &config);
        Self { folder, logs }
    }

    fn ring(&self, install: &InstallLabels) -> PathBuf {
        self.folder.path().join("logs").join(install.install.to_string())
    }

    fn files(&self, install: &InstallLabels) -> Vec<PathBuf> {
        let folder = self.ring(install);
        let found = ring::segments(&folder).unwrap();
        found.iter().map(|segment| segment.path(&folder)).collect()
    }

    async fn all(&self, install: &Arc<InstallLabels>) -> Vec<Record> {
        self.logs.read(Arc::clone(install), LineQuery::default()).await.unwrap().records
    }

    async fn messages(&self, install: &Arc<InstallLabels>) -> Vec<String> {
        self.all(install).await.iter().map(|record| record.message.to_string()).collect()
    }
}

fn open(folder: &Path, config: &LogsConfig) -> GuestLogs {
    GuestLogs::open(&folder.join("logs"), config, Arc::new(SystemClock)).unwrap()
}

fn seqs(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.seq).collect()
}

#[tokio::test]
async fn lines_are_there_after_a_restart_and_numbers_go_on() {
    let (stage, install) = (Stage::new(), install("default"));
    stage.logs.keep(line(&install, "one"));
    stage.logs.keep(line(&install, "two"));

    let stage = stage.again();
    stage.logs.keep(line(&install, "three"));

    assert_eq!(stage.messages(&install).await, ["one", "two", "three"]);
    assert_eq!(seqs(&stage.all(&install).await), [1, 2, 3]);
}

#[tokio::test]
async fn a_line_is_kept_with_all_that_is_known_of_it() {
    let (stage, install) = (Stage::new(), install("acme"));
    let kept = NewLine {
        level: Level::Error,
        source: Source::Stderr,
        truncated: true,
        ..line(&install, "a \"quoted\" \\n{\"seq\":9}")
    };

    stage.logs.keep(kept);

    let record = stage.all(&install).await.remove(0);
    assert_eq!(&*record.message, "a \"quoted\" \\n{\"seq\":9}");
    assert_eq!((record.level, record.source), (Level::Error, Source::Stderr));
    assert_eq!((&*record.request_id, record.truncated), ("request-1", true));
    assert_eq!((record.time_ms, record.dropped), (1_790_000_000_000, 0));
    assert!(record.head.is_of(&install) && record.head.version == "1.0.0");
    assert_eq!(record.head.content_hash, ContentHash::of(b"a"));
}

#[tokio::test]
async fn nobody_else_can_read_the_files() {
    let (stage, install) = (Stage::new(), install("default"));

    stage.logs.keep(line(&install, "one"));
    stage.logs.settle().await;

    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&stage.folder.path().join("logs")), 0o700);
    assert_eq!(mode(&stage.ring(&install)), 0o700);
    assert_eq!(mode(&stage.files(&install)[0]), 0o600);
}

#[tokio::test]
async fn a_ring_stays_within_its_bound_and_the_newest_stay() {
    let (stage, install) = (Stage::new(), install("default"));
    // Each letter is written as two: the longest records there are.
    let long = "\"".repeat(4 * 1024);

    for _ in 0..20 {
        for _ in 0..25 {
            stage.logs.keep(line(&install, &long));
        }
        stage.logs.settle().await;
        let files = stage.files(&install);
        let bytes: u64 = files.iter().map(|file| fs::metadata(file).unwrap().len()).sum();
        assert!(bytes <= MIB, "{bytes}");
    }

    let kept = seqs(&stage.all(&install).await);
    assert_eq!(kept.last(), Some(&500));
    assert!(kept.len() as u64 * 8 * 1024 > MIB / 2, "only {} are left", kept.len());
    assert!(kept.windows(2).all(|two| two[0] + 1 == two[1]), "{kept:?}");
}

/// A ring of three records, its file, and where the last record begins.
async fn three(stage: &Stage, install: &Arc<InstallLabels>) -> (PathBuf, Vec<u8>, usize) {
    for message in ["one", "two", "the last, with a \" and a \u{20ac}"] {
        stage.logs.keep(line(install, message));
    }
    stage.logs.settle().await;
    let file = stage.files(install).remove(0);
    let bytes = fs::read(&file).unwrap();
    let before = bytes[..bytes.len() - 1].iter().rposition(|&byte| byte == b'\n').unwrap();
    (file, bytes, before + 1)
}

#[tokio::test]
async fn a_torn_tail_is_cut_wherever_it_is_torn() {
    let (mut stage, install) = (Stage::new(), install("default"));
    let (file, bytes, last) = three(&stage, &install).await;

    for cut in last..bytes.len() {
        fs::write(&file, &bytes[..cut]).unwrap();
        stage = stage.again();

        assert_eq!(stage.messages(&install).await, ["one", "two"], "cut at {cut}");
        stage.logs.keep(line(&install, "new"));
        assert_eq!(stage.messages(&install).await, ["one", "two", "new"], "cut at {cut}");
        assert_eq!(seqs(&stage.all(&install).await), [1, 2, 3]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a crash or a disk makes of the file: what can be read is, and it goes on.
    #[test]
    fn a_damaged_file_stops_nothing(
        cut in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        tail in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (stage, install) = (Stage::new(), install("default"));
            let (file, mut bytes, _) = three(&stage, &install).await;
            bytes.truncate(cut.index(bytes.len()) + 1);
            for (at, byte) in flips {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes.extend(tail);
            fs::write(&file, &bytes).unwrap();

            let stage = stage.again();
            stage.logs.keep(line(&install, "new"));

            assert_eq!(stage.messages(&install).await.last().unwrap(), "new");
            assert_eq!(stage.logs.counts().not_written, 0);
        });
    }
}

#[tokio::test]
async fn a_damaged_number_and_files_of_others_change_no_number() {
    let (stage, install) = (Stage::new(), install("default"));
    let (file, bytes, _) = three(&stage, &install).await;
    let damaged = String::from_utf8(bytes).unwrap();
    let damaged = damaged.replacen("{\"seq\":2,", &format!("{{\"seq\":{},", u64::MAX), 1);
    fs::write(&file, damaged).unwrap();
    for name in ["5.jsonl", "notes.txt", "99999999999999999999.jsonl"] {
        fs::write(file.with_file_name(name), "not ours").unwrap();
    }

    let stage = stage.again();
    stage.logs.keep(line(&install, "new"));

    assert_eq!(seqs(&stage.all(&install).await), [1, 3, 4]);
}

#[tokio::test]
async fn a_file_of_another_install_is_not_shown() {
    let stage = Stage::new();
    let (ours, theirs) = (install("acme"), install("globex"));
    stage.logs.keep(line(&ours, "ours"));
    stage.logs.keep(line(&theirs, "theirs"));
    stage.logs.settle().await;

    fs::copy(&stage.files(&theirs)[0], &stage.files(&ours)[0]).unwrap();

    assert_eq!(stage.messages(&ours).await, Vec::<String>::new());
    assert_eq!(stage.messages(&theirs).await, ["theirs"]);
}

#[tokio::test]
async fn a_version_is_that_of_its_line_also_when_two_take_turns() {
    let (stage, old) = (Stage::new(), install("default"));
    let (tenant, extension) = (old.tenant.clone(), old.extension.clone());
    let version = "2.0.0".parse().unwrap();
    let new = Arc::new(InstallLabels::of(tenant, extension, old.install, &version));

    for labels in [&old, &new, &old] {
        stage.logs.keep(line(labels, "x"));
    }

    let records = stage.all(&old).await;
    let versions: Vec<_> = records.iter().map(|record| record.head.version.as_str()).collect();
    assert_eq!(versions, ["1.0.0", "2.0.0", "1.0.0"]);
}

#[tokio::test]
async fn lines_are_found_by_what_they_are_and_where() {
    let (stage, install) = (Stage::new(), install("default"));
    for number in 1..=9_u8 {
        let level = if number % 3 == 0 { Level::Error } else { Level::Info };
        let request_id = format!("r{}", number % 2).into();
        let source = if number > 6 { Source::Stdout } else { Source::Log };
        let message = format!("Line {number}");
        stage.logs.keep(NewLine { request_id, level, source, ..line(&install, &message) });
    }
    let found = async |query: LineQuery| {
        let lines = stage.logs.read(Arc::clone(&install), query).await.unwrap();
        (seqs(&lines.records), lines.has_more, lines.last)
    };
    let all = LineQuery::default;

    assert_eq!(found(LineQuery { limit: 2, ..all() }).await, (vec![8, 9], true, 9));
    let errors = LineQuery { level: Level::Error, ..all() };
    assert_eq!(found(errors.clone()).await.0, [3, 6, 9]);
    let before = LineQuery { place: Place::Before(9), limit: 1, ..errors.clone() };
    assert_eq!(found(before).await, (vec![6], true, 9));
    let after = LineQuery { place: Place::After(3), limit: 1, ..errors };
    assert_eq!(found(after).await, (vec![6], true, 9));
    assert_eq!(found(LineQuery { source: Some(Source::Stdout), ..all() }).await.0, [7, 8, 9]);
    assert_eq!(found(LineQuery { request: "r0".into(), ..all() }).await.0, [2, 4, 6, 8]);
    assert_eq!(found(LineQuery { text: "LINE 4".into(), ..all() }).await.0, [4]);
    let beyond = LineQuery { place: Place::After(99), limit: 2, ..all() };
    assert_eq!(found(beyond).await.0, [1, 2], "the number is of a ring that is gone");
}

#[tokio::test]
async fn what_fell_out_of_the_ring_is_missing_by_number() {
    let (stage, install) = (Stage::new(), install("default"));
    for _ in 0..500 {
        stage.logs.keep(line(&install, &"x".repeat(4096)));
    }
    let query = LineQuery { place: Place::After(1), limit: 1, ..LineQuery::default() };

    let lines = stage.logs.read(Arc::clone(&install), query).await.unwrap();

    assert!(lines.missing > 0);
    assert_eq!(lines.records[0].seq, 2 + lines.missing);
}
