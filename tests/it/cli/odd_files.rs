//! Files that are none: pipes, sockets, folders, links and `-`.

use std::fs::{self, File};
use std::os::unix::fs::{FileTypeExt, symlink};
use std::os::unix::net::UnixListener;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::program::{Desk, Run};

/// A desk with a key, the sample packed, and a `pipe`, a `socket` and a `folder`.
fn desk_with_oddities() -> (Desk, UnixListener) {
    let mut desk = Desk::new();
    desk.ok("keygen acme");
    desk.ok("pack hello --out hello.tar.zst");
    mknodat(CWD, desk.path("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    fs::create_dir(desk.path("folder")).unwrap();
    let listener = UnixListener::bind(desk.path("socket")).unwrap();
    // Who tried to reach it would end with 4.
    desk.set("PLUGBOARD_URL", "http://127.0.0.1:9");
    desk.set("PLUGBOARD_TOKEN", "plug_abcdefgh_x");
    (desk, listener)
}

fn kind(desk: &Desk, name: &str) -> fs::FileType {
    fs::symlink_metadata(desk.path(name)).unwrap().file_type()
}

#[test]
fn what_is_no_regular_file_is_never_replaced() {
    let (desk, _listener) = desk_with_oddities();
    for line in ["pack hello", "pack hello --force", "sign hello.tar.zst --key acme.key --force"] {
        for name in ["pipe", "socket", "folder"] {
            let before = kind(&desk, name);

            let run = desk.run(&format!("{line} --out {name}"));

            assert_eq!(run.code, Some(2), "{run:?}");
            let sentence = format!("error: {name} is a {name}, and no regular file\n");
            assert_eq!(run.stderr, sentence, "without a hint at --force");
            assert_eq!(kind(&desk, name), before);
        }
    }
}

#[test]
fn what_a_link_leads_to_is_replaced_and_the_link_stays() {
    let (desk, _listener) = desk_with_oddities();
    fs::write(desk.path("folder/target"), "old").unwrap();
    symlink("folder/target", desk.path("link")).unwrap();

    let kept = desk.run("pack hello --out link");
    desk.ok("pack hello --out link --force");

    assert_eq!(kept.code, Some(1), "{kept:?}");
    assert!(kept.stderr.starts_with("error: link exists already\n"), "{kept:?}");
    assert!(kind(&desk, "link").is_symlink());
    let bundle = fs::read(desk.path("hello.tar.zst")).unwrap();
    assert_eq!(fs::read(desk.path("folder/target")).unwrap(), bundle);
}

#[test]
fn a_link_to_a_pipe_or_to_nothing_is_refused() {
    let (desk, _listener) = desk_with_oddities();
    symlink("pipe", desk.path("to_pipe")).unwrap();
    symlink("nothing", desk.path("to_nothing")).unwrap();

    let to_pipe = desk.run("pack hello --out to_pipe --force");
    let to_nothing = desk.run("pack hello --out to_nothing --force");

    assert_eq!((to_pipe.code, to_nothing.code), (Some(2), Some(2)));
    assert!(to_pipe.stderr.contains("to_pipe is a pipe, and no regular file"), "{to_pipe:?}");
    let sentence = "error: to_nothing is a link to what cannot be read\n";
    assert!(to_nothing.stderr.starts_with(sentence), "{to_nothing:?}");
    assert!(kind(&desk, "to_nothing").is_symlink() && kind(&desk, "pipe").is_fifo());
}

#[test]
fn a_file_is_not_called_by_the_dash_that_means_standard_output() {
    let (desk, _listener) = desk_with_oddities();
    for line in ["pack hello --force --out", "sign hello.tar.zst --key acme.key --out"] {
        let run = desk.run(&format!("{line} -"));

        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(run.stderr.contains("written to a file, and not to standard output"), "{run:?}");
        assert!(!desk.path("-").exists());
        desk.ok(&format!("{line} ./-"));
        fs::remove_file(desk.path("-")).unwrap();
    }
}

#[test]
fn a_pipe_or_a_socket_is_named_where_a_bundle_is_wanted() {
    let (desk, _listener) = desk_with_oddities();
    for name in ["pipe", "socket"] {
        for line in ["verify", "sign --key acme.key", "publish", "publish --key acme.key"] {
            let run = desk.run(&format!("{line} {name}"));

            assert_eq!(run.code, Some(2), "{line}: {run:?}");
            let sentence = format!("error: {name} is a {name}, and no regular file\n");
            assert!(run.stderr.starts_with(&sentence), "{line}: {run:?}");
            assert!(run.stderr.contains("write it to a file first"), "{run:?}");
        }
    }
}

#[test]
fn a_bundle_is_not_taken_from_standard_input() {
    let (desk, _listener) = desk_with_oddities();
    for line in ["verify -", "sign --key acme.key -", "publish -"] {
        let run = desk.run(line);

        assert_eq!(run.code, Some(2), "{line}: {run:?}");
        let sentence = "error: a bundle is not read from standard input\n";
        assert!(run.stderr.starts_with(sentence), "{line}: {run:?}");
    }
}

#[test]
fn what_is_to_be_imported_is_a_file_or_standard_input() {
    let (desk, _listener) = desk_with_oddities();
    for name in ["pipe", "socket", "folder"] {
        let run = desk.run(&format!("state import com.example.hello {name}"));

        assert_eq!(run.code, Some(2), "{run:?}");
        let sentence = format!("error: {name} is a {name}, and no regular file\n");
        assert!(run.stderr.starts_with(&sentence), "{run:?}");
        assert!(run.stderr.contains("give a pipe on standard input"), "{run:?}");
    }
}

#[test]
fn a_trust_bundle_is_a_regular_file() {
    let (desk, _listener) = desk_with_oddities();

    let run = desk.run("verify hello.tar.zst --trust-bundle pipe");

    assert_eq!(run.code, Some(2), "{run:?}");
    assert_eq!(run.stderr, "error: pipe is a pipe, and no regular file\n");
}

#[test]
fn a_key_may_come_from_standard_input_and_is_called_that() {
    let (desk, _listener) = desk_with_oddities();
    let sign = |input: &str| {
        let input = File::open(desk.path(input)).unwrap();
        Run::of(desk.command("sign hello.tar.zst --key -").stdin(input))
    };

    let public = sign("acme.pub");
    let bundle = sign("hello.tar.zst");
    let private = sign("acme.key");

    assert!(public.stderr.starts_with("error: standard input is no signing key\n"), "{public:?}");
    assert_eq!(bundle.stderr, "error: standard input is not text\n");
    assert_eq!(private.code, Some(0), "{private:?}");
}
