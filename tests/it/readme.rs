//! What the documents promise: the README's lines are run as a new user would
//! type them, and the pages name what is there.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How the README names the program; nothing else may stand for it.
const CARGO_RUN: &str = "cargo run --release --";
/// The address in the README.
const ADDRESS: &str = "127.0.0.1:7420";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The `sh` blocks, in order.
fn blocks() -> Vec<String> {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let opened = readme.split("```sh\n").skip(1);
    opened.map(|rest| rest.split("\n```").next().unwrap().to_owned()).collect()
}

/// The blocks of the walk: all but the demo and the tests.
fn walk() -> Vec<String> {
    let alone = [format!("{CARGO_RUN} demo"), "cargo test --all-features".to_owned()];
    blocks().into_iter().filter(|block| !alone.contains(block)).collect()
}

#[test]
fn the_readme_names_the_program_in_one_form_only() {
    let commands = ["keygen", "pack", "sign", "verify", "publish", "serve", "demo", "install"];

    for block in blocks() {
        for line in block.replace(CARGO_RUN, "PROGRAM").lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            for pair in words.windows(2) {
                let names_it = commands.contains(&pair[1]);
                let other = pair[0].ends_with("plugboard") || pair[0] == "--";
                assert!(!(names_it && other), "{line}");
            }
        }
    }
}

#[test]
fn the_walk_of_the_readme_leads_to_a_running_extension() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(root().join("examples"), folder.path().join("examples")).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let mut script = String::from("set -euo pipefail\ntrap 'kill $(jobs -p); wait' EXIT\n");
    for block in walk() {
        script.push_str(&block.replace(CARGO_RUN, env!("CARGO_BIN_EXE_plugboard")));
        script.push_str("\necho\n");
    }

    let output = Command::new("bash")
        .arg("-c")
        .arg(script.replace(ADDRESS, &address))
        .current_dir(folder.path())
        .env("PLUGBOARD_SERVER__LISTEN", &address)
        .env("PLUGBOARD_STORE__MIN_FREE_BYTES", "0")
        .output()
        .unwrap();

    let (text, notes) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}\n{notes}");
    assert!(text.contains(r#""greeting":"Hello, Ada""#), "{text}\n{notes}");
    assert!(text.contains("<!doctype html>"), "{text}\n{notes}");
}

/// The documents with links for readers.
fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<_> = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/README.md"]
        .iter()
        .map(|name| root().join(name))
        .collect();
    for folder in ["docs", "docs/decisions"] {
        let files = fs::read_dir(root().join(folder)).unwrap().map(|file| file.unwrap().path());
        pages.extend(files.filter(|file| file.extension().is_some_and(|end| end == "md")));
    }
    pages
}

#[test]
fn links_between_documents_lead_somewhere() {
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();

        for link in text.split("](").skip(1) {
            let target = link.split([')', '#']).next().unwrap();
            let is_elsewhere = target.is_empty() || target.contains("://");
            let file = page.parent().unwrap().join(target);
            assert!(is_elsewhere || file.exists(), "{} links to {target}", page.display());
        }
    }
}

#[test]
fn the_api_page_names_every_route_for_programs() {
    let page = fs::read_to_string(root().join("docs/API.md")).unwrap();
    let for_programs = ["/api/", "/ext-ui/", "/healthz", "/readyz", "/metrics"];

    for route in plugboard::web::routes::table() {
        if for_programs.iter().any(|start| route.path.starts_with(start)) {
            let method = if route.method == "*" { "ANY" } else { route.method };
            let named = format!("`{method} {}`", route.path);
            assert!(page.contains(&named), "docs/API.md does not name {named}");
        }
    }
}

/// The words in quotes that look like a code.
fn codes_of(source: &str) -> Vec<String> {
    let is_word = |text: &&str| {
        text.contains('_') && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
    };
    source.split('"').filter(is_word).map(str::to_owned).collect()
}

#[test]
fn the_api_page_names_every_code_of_an_archive_and_a_component() {
    let page = fs::read_to_string(root().join("docs/API.md")).unwrap();

    for file in ["src/bundle/archive/error.rs", "src/bundle/component/error.rs"] {
        let codes = codes_of(&fs::read_to_string(root().join(file)).unwrap());

        assert!(codes.len() > 5, "{file} has codes");
        for code in codes {
            assert!(page.contains(&format!("`{code}`")), "docs/API.md does not name {code}");
        }
    }
}

#[test]
fn the_api_page_names_every_code_of_an_error_and_every_action_of_the_record() {
    let page = fs::read_to_string(root().join("docs/API.md")).unwrap();
    let errors = page.split("## Errors").nth(1).unwrap();
    let errors = errors.split("## Codes of a report").next().unwrap();
    let folder = fs::read_dir(root().join("src/web/error")).unwrap();
    let files = folder.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());

    let mut codes = BTreeSet::new();
    for file in files.chain([root().join("src/web/error.rs")]) {
        let source = fs::read_to_string(file).unwrap();
        let statuses = source.split("StatusCode::").skip(1);
        // `CONFLICT, "the_code"`, over one line or two.
        let code = |rest: &str| {
            let (_, rest) = rest.split_once(',')?;
            let (code, _) = rest.trim_start().strip_prefix('"')?.split_once('"')?;
            Some(code.to_owned())
        };
        codes.extend(statuses.filter_map(code));
    }

    assert!(codes.len() > 40, "{codes:?}");
    for code in codes {
        assert!(errors.contains(&format!("`{code}`")), "the errors of docs/API.md lack {code}");
    }
    for action in plugboard::model::AuditAction::ALL {
        assert!(page.contains(&format!("`{action}`")), "docs/API.md does not name {action}");
    }
}
