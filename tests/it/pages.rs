//! Every template, rendered from samples.
//!
//! The rendered pages are left in `target/tmp/pages` for people and browsers to look at.

mod contrast;
mod listing;
mod samples;
mod subjects;
mod uploading;
mod usage;
mod walk;

use std::{collections::BTreeSet, fs, path::Path};

use axum::http::{Method, StatusCode};

use crate::support::test_app::TestApp;
use samples::{Sample, samples};
use subjects::HOSTILE;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn templates(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(ROOT).join("templates").join(folder);
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.is_file())
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// The tags of `html` that begin with `<name`.
fn tags<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!("<{name}");
    let starts = html.match_indices(&start).map(|(start, _)| &html[start..]);
    starts.map(|tag| &tag[..=tag.find('>').unwrap()]).collect()
}

#[test]
fn every_template_renders_from_a_sample() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    fs::create_dir_all(&folder).unwrap();

    for Sample { page, variant, html } in samples() {
        assert!(html.contains("</html>"), "{page}-{variant}");
        fs::write(folder.join(format!("{page}-{variant}.html")), html).unwrap();
    }

    let sampled: BTreeSet<_> = samples().iter().map(|sample| sample.page.to_owned()).collect();
    let pages: BTreeSet<_> = templates("pages").into_iter().map(|(name, _)| name).collect();
    assert_eq!(sampled, pages);
}

#[test]
fn every_form_that_changes_something_carries_the_csrf_token() {
    for Sample { page, variant, html } in samples() {
        for form in html.split("<form").skip(1) {
            let form = &form[..form.find("</form>").unwrap()];
            if form.contains(r#"method="get""#) {
                continue;
            }
            assert!(form.contains(r#"method="post""#), "{page}-{variant}: {form}");
            let token = r#"<input type="hidden" name="csrf_token" value="csrf-sample">"#;
            // A multipart body is read in order: the token has to arrive before the files.
            let before_files = form.split("type=\"file\"").next().unwrap();
            assert!(before_files.contains(token), "{page}-{variant}: {form}");
        }
    }
}

#[test]
fn text_of_publishers_is_shown_and_never_markup() {
    let mut shown = 0;
    for Sample { page, variant, html } in samples() {
        assert!(!html.contains(HOSTILE), "{page}-{variant}");
        shown += html.matches("onerror=alert(1)&#62;").count();
    }

    assert!(shown > 10, "the samples hold hostile text in {shown} places only");
}

#[test]
fn no_page_needs_an_exception_from_the_content_security_policy() {
    for Sample { page, variant, html } in samples() {
        for script in tags(&html, "script") {
            assert!(script.contains("src=\"/static/"), "{page}-{variant}: {script}");
        }
        assert!(tags(&html, "style").is_empty(), "{page}-{variant}");
        for part in [" style=", " onclick=", " onload=", "javascript:", "data:"] {
            assert!(!html.contains(part), "{page}-{variant} has {part}");
        }
    }
}

#[test]
fn a_refused_form_shows_again_what_was_typed() {
    let again = samples().into_iter().find(|s| (s.page, s.variant) == ("setup", "errors")).unwrap();

    let name = tags(&again.html, "input id=\"name\"").concat();

    assert!(name.contains(r#" name="name" type="text" value="robin" "#), "{name}");
}

#[test]
fn templates_never_switch_escaping_off() {
    for folder in ["", "pages", "partials"] {
        for (name, source) in templates(folder) {
            for part in ["|safe", "| safe", "|escape", "| escape"] {
                assert!(!source.contains(part), "{folder}/{name} has {part}");
            }
        }
    }
}

#[test]
fn ids_are_unique_and_every_label_and_description_finds_its_field() {
    for Sample { page, variant, html } in samples() {
        let values = |attribute: &str| -> Vec<&str> {
            let start = format!(" {attribute}=\"");
            let starts = html.split(&start).skip(1);
            starts.map(|rest| &rest[..rest.find('"').unwrap()]).collect()
        };
        let ids = values("id");
        let unique: BTreeSet<_> = ids.iter().copied().collect();
        assert_eq!(ids.len(), unique.len(), "{page}-{variant}: {ids:?}");

        let described = values("aria-describedby");
        let named = described.iter().flat_map(|names| names.split(' ')).chain(values("for"));
        for name in named.chain(values("aria-labelledby")) {
            assert!(unique.contains(name), "{page}-{variant}: nothing has the id {name}");
        }
    }
}

#[test]
fn the_frame_is_sandboxed_and_told_nothing_but_its_place() {
    let open = samples().into_iter().find(|sample| sample.page == "open").unwrap();

    let frame = tags(&open.html, "iframe").concat();

    assert!(frame.contains(r#" sandbox="allow-scripts allow-forms allow-downloads" "#), "{frame}");
    assert!(frame.contains(r#" referrerpolicy="no-referrer" allow="" "#), "{frame}");
    assert!(!frame.contains("csrf-sample"), "{frame}");
}

#[tokio::test]
async fn a_static_file_that_a_browser_has_is_not_sent_again() {
    let app = TestApp::start().await;
    let asked = |tags: &str| {
        app.call(Method::GET, "/static/app.css").anonymous().header("if-none-match", tags)
    };
    let tag = asked("").send().await.header("etag").to_owned();

    for tags in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
        assert_eq!(asked(&tags).send().await.status, StatusCode::NOT_MODIFIED, "{tags}");
    }
    assert_eq!(asked("\"x\"").send().await.status, StatusCode::OK);
}
