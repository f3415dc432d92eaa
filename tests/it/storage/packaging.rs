//! What lies in `packaging/` for object storage: policies that say what they
//! should, and a script that does what it says.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::s3_server::{ACCESS_KEY, BUCKET, S3Server, SECRET_KEY};

fn packaging(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(name)
}

fn policy(name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(packaging(name)).unwrap();
    let policy: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(policy["Version"], "2012-10-17", "{name}");
    policy["Statement"].as_array().unwrap().clone()
}

/// The actions of all statements with this effect.
fn actions(statements: &[Value], effect: &str) -> BTreeSet<String> {
    let of_effect = statements.iter().filter(|statement| statement["Effect"] == effect);
    let lists = of_effect.flat_map(|statement| statement["Action"].as_array().unwrap().clone());
    lists.map(|action| action.as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_writer_may_do_what_the_appliance_does_and_no_more() {
    let statements = policy("s3-policy-writer.json");

    let expected = [
        "s3:AbortMultipartUpload",
        "s3:DeleteObject",
        "s3:GetObject",
        "s3:ListBucket",
        "s3:ListBucketMultipartUploads",
        "s3:ListMultipartUploadParts",
        "s3:PutObject",
    ];
    assert_eq!(actions(&statements, "Allow"), expected.map(str::to_owned).into());
    for statement in &statements {
        let resources = statement["Resource"].to_string();
        assert!(!resources.contains("\"*\""), "{statement}");
    }
}

#[test]
fn the_reader_may_only_read() {
    let statements = policy("s3-policy-reader.json");

    let expected = ["s3:GetObject", "s3:ListBucket"];
    assert_eq!(actions(&statements, "Allow"), expected.map(str::to_owned).into());
}

#[test]
fn the_bucket_policy_denies_overwriting_and_deleting_of_published_bundles() {
    let statements = policy("s3-bucket-policy.json");

    let delete = statements.iter().find(|each| each["Sid"] == "NobodyDeletesBundles").unwrap();
    assert_eq!((&delete["Effect"], &delete["Principal"]), (&"Deny".into(), &"*".into()));
    let denied = actions(&statements, "Deny");
    for action in ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObject"] {
        assert!(denied.contains(action), "{action}");
    }
    // A put without the condition could overwrite: it is what is denied.
    let put = statements.iter().find(|each| each["Sid"] == "NobodyOverwritesBundles").unwrap();
    assert_eq!(put["Condition"]["Null"]["s3:if-none-match"], "true");
    // 64 characters and a slash: hashes. What waits, arrives or is tried out stays removable.
    let bundles = format!("arn:aws:s3:::BUCKET/sha256/{}/*", "?".repeat(64));
    for statement in [delete, put] {
        assert_eq!(statement["Resource"], serde_json::json!([bundles]));
    }
}

/// Runs `minio-check.sh` with these settings, and insists that all went well.
pub(super) fn check_script(settings: &[(&str, &str)]) {
    let folder = tempfile::tempdir().unwrap();

    let output = Command::new("bash")
        // What the tests are told by is no setting, and a name that is none is refused.
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .arg(packaging("minio-check.sh"))
        .env("PLUGBOARD", env!("CARGO_BIN_EXE_plugboard"))
        .envs(settings.iter().copied())
        .env("PLUGBOARD_STORE__MIN_FREE_BYTES", "0")
        .env("TMPDIR", folder.path())
        .output()
        .unwrap();

    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.trim_end().ends_with("all checks passed"), "{said}");
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "the script left files");
}

#[test]
fn the_check_script_passes_against_a_server() {
    let server = S3Server::start();

    check_script(&[
        ("STORAGE_S3_ENDPOINT", &server.endpoint),
        ("STORAGE_S3_ACCESS_KEY", ACCESS_KEY),
        ("STORAGE_S3_SECRET_KEY", SECRET_KEY),
        ("STORAGE_S3_BUCKET", BUCKET),
    ]);

    assert!(server.keys().iter().any(|key| key.ends_with("/bundle.tar.zst")));
}
