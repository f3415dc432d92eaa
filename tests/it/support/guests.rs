//! Test guests: components built from the text in `tests/guests`.
//!
//! A guest of the extension world is the inside of a core module; `prelude.wat`
//! completes it with memory, allocator and response.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{PackageId, Resolve};

const EXTENSION_WIT: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/wit/extension/runner.wit"));

/// The extension-world guest `tests/guests/<name>.wat`.
pub(crate) fn extension(name: &str) -> Bytes {
    extension_from(&read(name), "alga:extension/runner")
}

/// The same, for guests that also import from `tests/guests/wasi.wit`.
pub(crate) fn wasi_extension(name: &str) -> Bytes {
    extension_from(&read(name), "plugboard:guests/wasi-extension")
}

/// The same, for guests that have a resource of their own.
pub(crate) fn holding_extension(name: &str) -> Bytes {
    extension_from(&read(name), "plugboard:guests/holding-extension")
}

/// The `wasi:http` guest `tests/guests/<name>.wat`, a whole module.
pub(crate) fn proxy(name: &str) -> Bytes {
    component(&read(name), "plugboard:guests/proxy")
}

/// The guest `relays`, which asks for the secret `api_key` with its calls.
pub(crate) fn signing_relay() -> Bytes {
    const FIELDS: &str = "(local.set $made (call $request (call $fields)))";
    const APPEND: &str = r#"
        (import "wasi:http/types@0.2.3" "[method]fields.append"
          (func $append (param i32 i32 i32 i32 i32 i32)))"#;
    const ASK: &str = "
        (local.set $made (call $fields))
        (call $append (local.get $made) (i32.const 1024) (i32.const 18) (i32.const 1056)
          (i32.const 7) (i32.const 1072))
        (local.set $made (call $request (local.get $made)))";
    const DATA: &str = r#"
        (data (i32.const 1024) "x-plugboard-secret") (data (i32.const 1056) "api_key")"#;
    let text = read("relays");
    assert!(text.contains(FIELDS), "{text}");
    let text = text.replace(FIELDS, ASK).replacen("(module", &format!("(module{APPEND}"), 1);
    let text = text.replacen("(global $heap", &format!("{DATA} (global $heap"), 1);
    component(&text, "plugboard:guests/proxy")
}

/// The guest `probes`, with no more than these interfaces of the extension world; and, if it
/// is made by a tool that leaves them in, with some of WASI.
pub(crate) fn probing(interfaces: &[&str], with_wasi: bool) -> Bytes {
    const WASI: &str = r#"
        (import "wasi:cli/stderr@0.2.3" "get-stderr" (func $stderr (result i32)))
        (import "wasi:random/random@0.2.3" "get-random-bytes" (func $random (param i64 i32)))
    "#;
    let (mut kept, mut left_out, mut skips) = (String::new(), Vec::new(), false);
    for line in read("probes").lines() {
        let imported = line.strip_prefix("(import \"alga:extension/");
        let function = |line: &str| {
            let name = line.split_once('$').unwrap().1;
            name.split([' ', ')']).next().unwrap().to_owned()
        };
        if let Some(interface) = imported.and_then(|rest| rest.split('"').next())
            && !interfaces.contains(&interface)
        {
            left_out.push(function(line));
            continue;
        }
        let is_note = line.contains("(call $note");
        if line.trim_start().starts_with("(call $") && !is_note {
            skips = left_out.contains(&function(line));
        }
        if !skips {
            kept.extend([line, "\n"]);
        }
        skips &= !is_note;
    }
    let (world, wasi) = if with_wasi {
        ("plugboard:guests/wasi-extension", WASI)
    } else {
        ("alga:extension/runner", "")
    };
    extension_from(&format!("{wasi}{kept}"), world)
}

/// An extension-world guest that answers 200 and declares what `fields` says.
pub(crate) fn extension_with(fields: &str) -> Bytes {
    let answer = "(func (export \"handler\") (param i32) (result i32) \
         (call $respond (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))";
    extension_from(&format!("{fields} {answer}"), "alga:extension/runner")
}

/// Fields that take a compiler several seconds.
pub(crate) fn much_to_compile() -> String {
    tangled(10_000).repeat(60)
}

/// One function whose every line uses what many earlier ones made.
pub(crate) fn tangled(lines: usize) -> String {
    let line = |at: usize| {
        let (to, from) = (at % 64, (at * 7 + 1) % 64);
        format!("(local.set {to} (i32.add (local.get {from}) (i32.load (local.get {to}))))")
    };
    let body: String = (0..lines).map(line).collect();
    format!("(func (param i32) (local {}) {body})", "i32 ".repeat(63))
}

/// An extension-world guest that answers 200 with these headers and this body.
pub(crate) fn answering(headers: &[(&str, &str)], body: &str) -> Bytes {
    let (mut text, mut table) = (String::new(), String::new());
    let mut put = |part: &str| {
        let at = 65_536 + text.len();
        text.push_str(part);
        [at, part.len()]
    };
    for number in headers.iter().flat_map(|(name, value)| [put(name), put(value)]).flatten() {
        table.push_str(&escaped(&u32::try_from(number).unwrap().to_le_bytes()));
    }
    let [at, length] = put(body);
    let count = headers.len();
    let module = format!(
        "(data (i32.const 65536) \"{}\") (data (i32.const 98304) \"{table}\")
         (func (export \"handler\") (param i32) (result i32)
           (call $respond (i32.const 200) (i32.const 98304) (i32.const {count})
             (i32.const {at}) (i32.const {length})))",
        escaped(text.as_bytes()),
    );
    extension_from(&module, "alga:extension/runner")
}

fn escaped(bytes: &[u8]) -> String {
    let hex = |byte: &u8| {
        [
            '\\',
            char::from_digit(u32::from(byte >> 4), 16).unwrap(),
            char::from_digit(u32::from(byte & 15), 16).unwrap(),
        ]
    };
    bytes.iter().flat_map(hex).collect()
}

/// Whole modules stay as they are.
fn extension_from(fields: &str, world: &str) -> Bytes {
    if fields.lines().any(|line| line.starts_with("(module")) {
        return component(fields, world);
    }
    component(&format!("(module {fields} {})", read("prelude")), world)
}

fn component(module: &str, world: &str) -> Bytes {
    let mut wasm = wat::parse_str(module).unwrap();
    let (resolve, packages) = wit();
    let world = resolve.select_world(&packages, Some(world)).unwrap();
    embed_component_metadata(&mut wasm, &resolve, world, StringEncoding::UTF8).unwrap();
    let mut encoder = ComponentEncoder::default().module(&wasm).unwrap().validate(true);
    Bytes::from(encoder.encode().unwrap())
}

fn wit() -> (Resolve, [PackageId; 2]) {
    let mut resolve = Resolve::default();
    let extension = resolve.push_source("runner.wit", EXTENSION_WIT).unwrap();
    let wasi = fs::read_to_string(folder().join("wasi.wit")).unwrap();
    let guests = resolve.push_source("wasi.wit", &wasi).unwrap();
    (resolve, [extension, guests])
}

fn read(name: &str) -> String {
    fs::read_to_string(folder().join(name).with_extension("wat")).unwrap()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests")
}
