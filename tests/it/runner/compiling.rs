//! Compiling in a process of its own: what it makes, and what it cannot do.

use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};

use plugboard::runner::{Confinement, Excess, confinement, give_up_rights};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

use super::*;
use crate::support::{again, is_again, passes};

const PROGRAM: &str = env!("CARGO_BIN_EXE_plugboard");
const GUEST: TargetWorld = TargetWorld::Extension;

fn with_compiler(program: PathBuf) -> Runner {
    let parts = RunnerParts { compiler: Some(program), ..RunnerParts::default() };
    Runner::new(&small(), parts).unwrap()
}

#[tokio::test]
async fn what_another_process_compiled_runs_here() {
    for (world, guest, path) in [
        (GUEST, guests::extension("answers"), "/"),
        (TargetWorld::WasiHttp, guests::proxy("http"), "/answers"),
    ] {
        let runner = with_compiler(PROGRAM.into());

        runner.prepare(hash(), world, guest.clone()).await.unwrap();

        let stage = Stage { runner, ..Stage::new(world, guest).await };
        let status = stage.call(path).await.unwrap().status;
        assert!((200..300).contains(&status), "{world:?}: {status}");
    }
}

#[tokio::test]
async fn what_does_not_compile_is_refused_in_the_same_words() {
    let not_binary = Bytes::from_static(b"(component)");
    let here = refusal(GUEST, not_binary.clone()).await;

    let there = with_compiler(PROGRAM.into()).prepare(hash(), GUEST, not_binary).await;

    assert_eq!(there.unwrap_err(), here);
}

#[tokio::test]
async fn what_does_not_fit_its_world_is_refused_in_the_same_words() {
    let proxy = guests::proxy("http");
    let here = refusal(GUEST, proxy.clone()).await;

    let there = with_compiler(PROGRAM.into()).prepare(hash(), GUEST, proxy).await;

    assert_eq!(there.unwrap_err(), here);
}

/// What is said of `guest` when its compiler does what `script` says.
async fn said_of(guest: Bytes, script: &str) -> PrepareError {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("compiler");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o700)).unwrap();
    with_compiler(program).prepare(hash(), GUEST, guest).await.unwrap_err()
}

#[tokio::test]
async fn a_component_that_is_too_much_for_its_compiler_is_refused_with_the_limit() {
    let ends = "cat > /dev/null; echo";
    let cpu = Excess::CpuSeconds(60);
    for (script, excess) in [
        ("kill -XCPU $$".to_owned(), cpu),
        (format!("{ends} 'memory allocation of 9 bytes failed' >&2; kill -ABRT $$"), MEMORY),
        (format!("{ends} 'error: it cannot grow (os error 12)' >&2; exit 1"), MEMORY),
    ] {
        let error = said_of(guests::extension("answers"), &script).await;
        assert_eq!(error, PrepareError::TooCostly(excess), "{script}");
    }
    let said = PrepareError::TooCostly(cpu).to_string();
    assert_eq!(said, "the component takes more than 60 s of a processor to compile");
}

const MEMORY: Excess = Excess::MemoryMib(2048);

#[tokio::test]
async fn a_compiler_that_breaks_refuses_the_component() {
    for (script, expected) in [
        ("kill -SEGV $$", "signal 11"),
        ("echo 'thread has overflowed its stack' >&2; kill -ABRT $$", "nested too deep"),
        ("exit 101", "panicked"),
        ("exec 0<&-; echo 'error: too deep' >&2; exit 1", "too deep"),
    ] {
        let error = said_of(guests::extension("answers"), script).await;
        let PrepareError::Compile(text) = &error else { panic!("{script}: {error}") };
        assert!(text.contains(expected), "{script}: {text}");
    }
}

#[tokio::test]
async fn a_compiler_that_never_stops_giving_is_cut_off() {
    let error = said_of(guests::extension("answers"), "exec head -c 600000000 /dev/zero").await;

    let PrepareError::Compile(text) = &error else { panic!("{error}") };
    assert_eq!(text, "it makes more than 512 MiB of machine code");
}

#[tokio::test]
async fn a_compiler_that_others_end_says_nothing_of_the_component() {
    for script in ["kill -KILL $$", "kill -TERM $$", "exit 4"] {
        let error = said_of(guests::extension("answers"), script).await;
        assert_eq!(error, PrepareError::Stopped, "{script}");
    }
    let runner = with_compiler("/nowhere/plugboard".into());
    let error = runner.prepare(hash(), GUEST, guests::extension("answers")).await.unwrap_err();
    assert_eq!(error, PrepareError::Stopped);
}

#[tokio::test]
async fn a_compiler_that_says_it_is_done_and_stays_is_ended_in_time() {
    let config = RunnerConfig { compile_cpu_s: 1, ..small() };
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("compiler");
    fs::write(&program, "#!/bin/sh\nexec 0<&- 1>&- 2>&-; while :; do :; done\n").unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o700)).unwrap();
    let runner =
        Runner::new(&config, RunnerParts { compiler: Some(program), ..RunnerParts::default() });

    let error = runner.unwrap().prepare(hash(), GUEST, guests::extension("answers")).await;

    assert_eq!(error, Err(PrepareError::TooCostly(Excess::Seconds(1))));
}

/// A script that tries out what it is given, and answers `output` when asked to compile.
fn compiles_to(output: &Path) -> String {
    let file = output.display();
    format!("case \"$*\" in *--try-out*) exec {PROGRAM} \"$@\";; esac; cat > /dev/null; cat {file}")
}

#[tokio::test]
async fn what_is_no_compiled_code_is_refused() {
    let output = tempfile::NamedTempFile::new().unwrap();
    fs::write(output.path(), "no code").unwrap();

    let error = said_of(guests::extension("answers"), &compiles_to(output.path())).await;

    let PrepareError::Compile(text) = &error else { panic!("{error}") };
    assert!(text.starts_with("what came out does not run: "), "{text}");
}

#[tokio::test]
async fn code_that_would_end_the_server_ends_its_trial() {
    let guest = guests::extension("loops_in_start");
    let mut code = compiled(&guest);
    let range = machine_code(&code);
    // An instruction that only the kernel may use; zeroes on other processors are no better.
    code[range].fill(if cfg!(target_arch = "x86_64") { 0xf4 } else { 0 });
    let output = tempfile::NamedTempFile::new().unwrap();
    fs::write(output.path(), code).unwrap();

    let error = said_of(guest, &compiles_to(output.path())).await;

    let PrepareError::Compile(text) = &error else { panic!("{error}") };
    assert!(text.starts_with("what came out does not run: signal "), "{text}");
}

fn compiled(guest: &Bytes) -> Vec<u8> {
    let input = tempfile::NamedTempFile::new().unwrap();
    fs::write(input.path(), guest).unwrap();
    let stack = small().wasm_stack_bytes.to_string();
    let mut command = Command::new(PROGRAM);
    command.args(["compile-worker", "--stack-bytes", &stack]);
    let output = command.stdin(File::open(input.path()).unwrap()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

/// Where the section of an ELF file is that can be executed.
fn machine_code(elf: &[u8]) -> std::ops::Range<usize> {
    const EXECUTABLE: usize = 4;
    let number = |at: usize, bytes: usize| {
        elf[at..at + bytes].iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
    };
    let (table, size, count) = (number(0x28, 8), number(0x3a, 2), number(0x3c, 2));
    let sections = (0..count).map(|index| table + index * size);
    let code = sections.into_iter().find(|at| number(at + 8, 8) & EXECUTABLE != 0).unwrap();
    let start = number(code + 0x18, 8);
    start..start + number(code + 0x20, 8)
}

/// Some of what `SystemCallFilter` in `packaging/plugboard.service` denies the server, and
/// with it the compiler: what sets limits and users, above all.
const DENIED_BY_UNIT: [i64; 10] = [
    libc::SYS_setrlimit,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_setscheduler,
    libc::SYS_setresuid,
    libc::SYS_setgroups,
    libc::SYS_capset,
    libc::SYS_chroot,
    libc::SYS_mount,
    libc::SYS_ptrace,
    libc::SYS_keyctl,
];

fn deny_as_the_unit_does() {
    let target = std::env::consts::ARCH.try_into().unwrap();
    let rules = DENIED_BY_UNIT.into_iter().map(|call| (call, Vec::new())).collect();
    let denied = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, denied, target).unwrap();
    let filter: BpfProgram = filter.try_into().unwrap();
    seccompiler::apply_filter(&filter).unwrap();
}

#[test]
fn components_are_compiled_behind_the_filter_of_the_unit() {
    if !is_again() {
        let test = "runner::compiling::components_are_compiled_behind_the_filter_of_the_unit";
        return passes(again(test));
    }
    deny_as_the_unit_does();
    let runtime = tokio::runtime::Runtime::new().unwrap();

    let prepared = runtime.block_on(async {
        let runner = with_compiler(PROGRAM.into());
        runner.prepare(hash(), GUEST, guests::extension("answers")).await
    });

    assert_eq!(prepared, Ok(()));
}

#[test]
fn a_compiler_can_do_what_its_confinement_says_and_no_more() {
    if !is_again() {
        let test = "runner::compiling::a_compiler_can_do_what_its_confinement_says_and_no_more";
        return passes(again(test));
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let said = confinement();
    TcpStream::connect(address).unwrap();
    assert!(reads_files(), "trying it out cost this process something");

    let Confinement { landlock, filter } = give_up_rights().unwrap();

    assert_eq!(said, Confinement { landlock, filter });
    assert_eq!(reads_files(), !landlock && !filter);
    assert_eq!(File::create("/tmp/made-by-a-compiler").is_ok(), !landlock && !filter);
    assert_eq!(TcpStream::connect(address).is_ok(), !filter);
    assert_eq!(UdpSocket::bind("127.0.0.1:0").is_ok(), !filter);
    assert_eq!(UnixStream::pair().is_ok(), !filter);
    assert_eq!(Command::new("/bin/true").status().is_ok(), !landlock && !filter);
    std::thread::spawn(|| ()).join().unwrap();
}

fn reads_files() -> bool {
    File::open("/etc/passwd").is_ok() && fs::read_dir("/").is_ok()
}

/// Another process starts a compiler, whose input this one holds open, and is killed.
#[test]
fn a_compiler_ends_with_its_server() {
    if is_again() {
        let _of_server = File::open("/etc/passwd").unwrap();
        let mut worker = Command::new(PROGRAM).arg("compile-worker").spawn().unwrap();
        note(&format!("\nworker {}", worker.id()));
        worker.wait().unwrap();
        panic!("the compiler ended first");
    }
    let (input, _held) = io::pipe().unwrap();
    let mut server = again("runner::compiling::a_compiler_ends_with_its_server");
    let server = server.arg("--nocapture").stdin(input).stdout(Stdio::piped());
    let mut server = server.spawn().unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines().map(Result::unwrap);
    let worker = lines.find_map(|line| line.strip_prefix("worker ").map(str::to_owned));
    let worker: u32 = worker.unwrap().parse().unwrap();
    until(|| state_of(worker).is_some_and(|status| status.contains("Seccomp:\t2")));
    assert!(!open_files(worker).contains(&PathBuf::from("/etc/passwd")), "the server's");
    let rank = fs::read_to_string(format!("/proc/{worker}/oom_score_adj")).unwrap();
    assert_eq!(rank.trim(), "1000", "it goes first when there is no memory");

    server.kill().unwrap();
    server.wait().unwrap();

    // What nobody waits for stays as a name.
    until(|| state_of(worker).is_none_or(|status| status.contains("State:\tZ")));
}

fn open_files(process: u32) -> Vec<PathBuf> {
    let files = fs::read_dir(format!("/proc/{process}/fd")).unwrap();
    files.map(|file| fs::read_link(file.unwrap().path()).unwrap()).collect()
}

fn state_of(process: u32) -> Option<String> {
    fs::read_to_string(format!("/proc/{process}/status")).ok()
}

fn until(done: impl Fn() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < PATIENT, "process {} waited in vain", process::id());
        std::thread::sleep(Duration::from_millis(5));
    }
}
