//! Compiling in a process of its own: what it makes, and what it cannot do.

use std::fs::{self, File, Permissions};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use plugboard::runner::confine;

use super::*;
use crate::support::{again, is_again};

fn with_compiler(program: PathBuf) -> Runner {
    let parts = RunnerParts { compiler: Some(program), folder: None };
    Runner::new(&small(), parts).unwrap()
}

fn with_this_program() -> Runner {
    with_compiler(env!("CARGO_BIN_EXE_plugboard").into())
}

#[tokio::test]
async fn what_another_process_compiled_runs_here() {
    for (world, guest, path) in [
        (TargetWorld::Extension, guests::extension("answers"), "/"),
        (TargetWorld::WasiHttp, guests::proxy("http"), "/answers"),
    ] {
        let runner = with_this_program();

        runner.prepare(hash(), world, guest.clone()).await.unwrap();

        let stage = Stage { runner, ..Stage::new(world, guest).await };
        let status = stage.call(path).await.unwrap().status;
        assert!((200..300).contains(&status), "{world:?}: {status}");
    }
}

#[tokio::test]
async fn what_does_not_compile_is_refused_in_the_same_words() {
    let not_binary = Bytes::from_static(b"(component)");
    let here = refusal(TargetWorld::Extension, not_binary.clone()).await;

    let there = with_this_program().prepare(hash(), TargetWorld::Extension, not_binary).await;

    assert_eq!(there.unwrap_err(), here);
}

/// What is said of a component whose compiler does what `script` says.
async fn said_of(script: &str) -> PrepareError {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("compiler");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o700)).unwrap();
    let runner = with_compiler(program);
    runner.prepare(hash(), TargetWorld::Extension, guests::extension("answers")).await.unwrap_err()
}

#[tokio::test]
async fn a_component_that_is_too_much_for_its_compiler_is_refused() {
    for (script, expected) in [
        ("kill -XCPU $$", "takes more than 60 s of a processor"),
        ("kill -ABRT $$", "needs more than 2048 MiB of memory"),
        ("kill -SEGV $$", "ended by signal 11"),
        ("cat > /dev/null; echo no code", "compile"),
        ("exec 0<&-; echo 'error: too deep' >&2; exit 1", "too deep"),
    ] {
        let error = said_of(script).await;
        let PrepareError::Compile(text) = &error else { panic!("{script}: {error}") };
        assert!(error.to_string().contains(expected), "{script}: {text}");
    }
}

#[tokio::test]
async fn without_a_compiler_nothing_is_said_of_the_component() {
    let runner = with_compiler("/nowhere/plugboard".into());

    let guest = guests::extension("answers");
    let error = runner.prepare(hash(), TargetWorld::Extension, guest).await.unwrap_err();

    assert_eq!(error, PrepareError::Stopped);
}

#[test]
fn a_compiler_opens_no_file_and_reaches_no_address() {
    if !is_again() {
        let test = "runner::compiling::a_compiler_opens_no_file_and_reaches_no_address";
        let output = again(test).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    TcpStream::connect(address).unwrap();
    File::open("/etc/passwd").unwrap();

    confine().unwrap();

    let denied = Some(io::ErrorKind::PermissionDenied);
    let kind = |error: Option<io::Error>| error.map(|error| error.kind());
    assert_eq!(kind(File::open("/etc/passwd").err()), denied);
    assert_eq!(kind(File::create("/tmp/made-by-a-compiler").err()), denied);
    assert_eq!(kind(fs::read_dir("/").err()), denied);
    assert_eq!(kind(TcpStream::connect(address).err()), denied);
    assert_eq!(kind(TcpListener::bind("127.0.0.1:0").err()), denied);
    assert_eq!(kind(std::process::Command::new("/bin/true").spawn().err()), denied);
}
