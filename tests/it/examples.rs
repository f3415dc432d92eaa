//! The sample extensions: what is committed is what their sources make.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
};

use plugboard::bundle;
use sha2::{Digest, Sha256};
use wit_component::{ComponentEncoder, DecodedWasm, StringEncoding};
use wit_parser::{IndexMap, Resolve, WorldItem, WorldKey};

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

fn examples_folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("examples")
}

/// An empty folder that outlives the test, so that a person can look at what was built.
fn build_folder(name: &str) -> PathBuf {
    let folder = examples_folder().join(name);
    let _absent = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Runs a command for its standard output; a missing program or a failure ends
/// the test and says what it `needs`.
fn run(command: &mut Command, needs: &str) -> String {
    let shown = format!("{command:?}");
    let output = command.output().unwrap_or_else(|e| panic!("{shown}: {e}. It needs {needs}."));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{shown} failed. It needs {needs}.\n{}{}",
        text(&output.stdout),
        text(&output.stderr),
    );
    text(&output.stdout)
}

/// What `wasm-tools component embed` and `component new` do.
fn componentize(mut core: Vec<u8>, wit: &Path, world: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str(wit, &fs::read_to_string(wit).unwrap()).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    wit_component::embed_component_metadata(&mut core, &resolve, world, StringEncoding::UTF8)
        .unwrap();
    ComponentEncoder::default().validate(true).module(&core).unwrap().encode().unwrap()
}

/// The names of what a component imports and exports.
pub(crate) fn imports_and_exports(component: &[u8]) -> (Vec<String>, Vec<String>) {
    let DecodedWasm::Component(resolve, world) = wit_component::decode(component).unwrap() else {
        panic!("this is a WIT package and not a component");
    };
    let names = |items: &IndexMap<WorldKey, WorldItem>| -> Vec<String> {
        let functions_and_interfaces =
            items.iter().filter(|(_, item)| !matches!(item, WorldItem::Type { .. }));
        functions_and_interfaces.map(|(key, _)| resolve.name_world_key(key)).collect()
    };
    let world = &resolve.worlds[world];
    (names(&world.imports), names(&world.exports))
}

/// The bundle folder of `hello-js` with its component, built once per state of its sources.
pub(crate) fn hello_js() -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let needs = "Node.js 20.11 or newer, npm, and the npm registry or a filled npm cache";
    let sources = [
        "build.mjs",
        "package.json",
        "package-lock.json",
        "src/handler.js",
        "wit/hello.wit",
        "bundle/manifest.json",
    ];

    let mut state = Sha256::new();
    for file in sources {
        state.update(fs::read(example("hello-js").join(file)).unwrap());
    }
    let finished = examples_folder().join(format!("hello-js-{}", hex::encode(state.finalize())));
    if finished.exists() {
        return finished;
    }
    let folder = build_folder("hello-js");
    for file in sources {
        fs::create_dir_all(folder.join(file).parent().unwrap()).unwrap();
        fs::copy(example("hello-js").join(file), folder.join(file)).unwrap();
    }
    let npm = ["ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"];
    run(Command::new("npm").args(npm).current_dir(&folder), needs);
    run(Command::new("node").arg("build.mjs").current_dir(&folder), needs);
    // The rename is the last step: a folder of this name is complete.
    fs::rename(folder.join("bundle"), &finished).unwrap();
    fs::remove_dir_all(folder).unwrap();
    finished
}

/// Fails unless `rebuilt` is the committed file; says how to replace it.
fn assert_committed(committed: &Path, rebuilt: &[u8], folder: &Path) {
    let kept = folder.join("main.wasm");
    fs::write(&kept, rebuilt).unwrap();
    let same = fs::read(committed).unwrap() == rebuilt;
    assert!(same, "not what the sources make: cp {} {}", kept.display(), committed.display());
}

#[test]
fn every_sample_packs_without_a_warning() {
    let committed = ["hello", "hello-wasi", "hello-ui"].map(|name| example(name).join("bundle"));

    for folder in committed.into_iter().chain([hello_js()]) {
        let packed = bundle::pack(&folder, &mut io::sink()).unwrap();
        assert_eq!((packed.warnings, packed.left_out), (vec![], vec![]), "{}", folder.display());
    }
}

#[test]
fn hello_is_what_its_source_makes() {
    const COMPILER: &str = "clang version 19.1.7";
    let needs = "Debian's clang-19 and lld-19";
    let hello = example("hello");
    let committed = hello.join("bundle/dist/main.wasm");
    let folder = build_folder("hello");

    let script = hello.join("build.sh");
    run(Command::new(script).env("CLANG", "clang-19").arg("--core").arg(&folder), needs);
    let core = fs::read(folder.join("hello.wasm")).unwrap();
    let rebuilt = componentize(core, &hello.join("wit/hello.wit"), "hello");

    assert_eq!(imports_and_exports(&rebuilt), imports_and_exports(&fs::read(&committed).unwrap()));
    // Another compiler makes other code of the same sources.
    if run(Command::new("clang-19").arg("--version"), needs).contains(COMPILER) {
        assert_committed(&committed, &rebuilt, &folder);
    }
}

#[test]
fn hello_is_small() {
    let size = fs::metadata(example("hello").join("bundle/dist/main.wasm")).unwrap().len();

    assert!(size <= 50_000, "{size} bytes");
}

#[test]
fn hello_uses_the_interfaces_its_manifest_asks_for() {
    let component = fs::read(example("hello").join("bundle/dist/main.wasm")).unwrap();

    let (imports, exports) = imports_and_exports(&component);

    let expected = ["types", "context", "logging", "user-v2"];
    assert_eq!(imports, expected.map(|name| format!("alga:extension/{name}")));
    assert_eq!(exports, ["handler"]);
}

#[test]
fn hello_js_builds_with_the_published_packages() {
    let component = fs::read(hello_js().join("dist/main.wasm")).unwrap();

    let (imports, exports) = imports_and_exports(&component);

    // No WASI among them: the build turned all of it off.
    let expected = ["types", "context", "logging", "user-v2"];
    assert_eq!(imports, expected.map(|name| format!("alga:extension/{name}")));
    assert_eq!(exports, ["handler"]);
}

#[test]
fn hello_wasi_was_built_from_its_source() {
    let folder = example("hello-wasi");
    let recorded = fs::read_to_string(folder.join("built-from.sha256")).unwrap();

    let found: String = ["Cargo.lock", "Cargo.toml", "src/lib.rs"]
        .map(|file| {
            let digest = Sha256::digest(fs::read(folder.join(file)).unwrap());
            format!("{}  {file}\n", hex::encode(digest))
        })
        .concat();

    // Building it takes a Rust for WebAssembly and minutes: too much for every run.
    assert_eq!(
        recorded, found,
        "run examples/hello-wasi/build.sh --debian and commit what it made"
    );
}

#[test]
fn hello_wasi_uses_http_and_streams_only() {
    let component = fs::read(example("hello-wasi").join("bundle/dist/main.wasm")).unwrap();

    let (imports, exports) = imports_and_exports(&component);

    let expected = ["io/poll", "io/error", "io/streams", "http/types"];
    assert_eq!(imports, expected.map(|name| format!("wasi:{name}@0.2.12")));
    assert_eq!(exports, ["wasi:http/incoming-handler@0.2.12"]);
    assert!(component.len() <= 200_000, "{} bytes", component.len());
}
