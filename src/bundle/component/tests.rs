//! Components of every kind, made from text.

use std::{fmt::Write, sync::LazyLock};

use proptest::prelude::*;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::*;

const WIT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/wit/extension/runner.wit"));
const PROXY: &str = "package wasi:http@0.2.3;
    interface types { resource incoming-request; resource response-outparam; }
    interface incoming-handler {
      use types.{incoming-request, response-outparam};
      handle: func(request: incoming-request, response-out: response-outparam);
    }";
const HANDLER: &str = r#"(func (export "handler") (param i32) (result i32) unreachable)"#;
const HANDLE: &str = r#"(func (export "wasi:http/incoming-handler@0.2.3#handle") (param i32 i32))"#;

/// A component of `world`, the first of whose packages has it, around a core module.
fn component(packages: &[&str], world: &str, fields: &str) -> Vec<u8> {
    let module = format!(
        r#"(module {fields} (memory (export "memory") 1)
             (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable))"#
    );
    let mut wasm = wat::parse_str(module).unwrap();
    let mut resolve = Resolve::default();
    let packages: Vec<_> =
        packages.iter().rev().map(|wit| resolve.push_source("test.wit", wit).unwrap()).collect();
    let world = resolve.select_world(&packages[packages.len() - 1..], Some(world)).unwrap();
    embed_component_metadata(&mut wasm, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&wasm).unwrap().encode().unwrap()
}

/// A component of our own world whose WIT was changed, and that calls `import`.
fn changed(from: &str, to: &str, import: &str) -> Vec<u8> {
    assert!(WIT.contains(from), "{from}");
    component(&[&WIT.replace(from, to)], "runner", &format!("{import} {HANDLER}"))
}

/// A component of a world of its own.
fn world(items: &str, fields: &str) -> Vec<u8> {
    component(&[&format!("{WIT} world test {{ {items} }}")], "test", fields)
}

fn in_wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

fn code(wasm: &[u8]) -> &'static str {
    inspect(wasm).map_or_else(|error| error.code(), |_| "ok")
}

const GET_USER: &str = r#"(import "alga:extension/user" "get-user" (func (param i32)))"#;
const LOG_INFO: &str = r#"(import "alga:extension/logging" "log-info" (func (param i32 i32)))"#;

#[test]
fn a_component_of_our_world_is_accepted() {
    let every_kind = format!(
        r#"{GET_USER} {LOG_INFO}
        (import "alga:extension/secrets" "list-keys" (func (param i32)))
        (import "alga:extension/http" "fetch" (func (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
        (import "alga:extension/storage" "delete" (func (param i32 i32 i32 i32 i32)))
        (import "alga:extension/user-v2" "get-user" (func (param i32)))
        (import "alga:extension/invoicing" "create-manual-invoice"
          (func (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
        {HANDLER}"#
    );

    let facts = inspect(&component(&[WIT], "runner", &every_kind)).unwrap();

    assert_eq!(facts.world, TargetWorld::Extension);
    let name = |interface: &str| format!("alga:extension/{interface}");
    let all = ["http", "invoicing", "logging", "secrets", "storage", "types", "user", "user-v2"];
    assert_eq!(facts.imports, all.map(name));
}

#[test]
fn a_component_may_export_more() {
    let items = "use types.{execute-request, execute-response};
        export init: func();
        export handler: func(request: execute-request) -> execute-response;";

    let wasm = world(items, &format!(r#"(func (export "init")) {HANDLER}"#));

    assert_eq!(code(&wasm), "ok");
}

#[test]
fn the_report_names_the_interface_and_the_function() {
    let wasm = changed(
        "    user-type: string,\n  }",
        "    user-type: string,\n    more: string,\n  }",
        GET_USER,
    );

    let error = inspect(&wasm).unwrap_err();

    assert_eq!(error.code(), "import_mismatch");
    assert_eq!(
        error.to_string(),
        "the component imports `get-user` of `alga:extension/user` in another shape: the result: \
         the value has the field `more`, which it must not have"
    );
}

#[test]
fn shapes_are_compared_to_the_last_field() {
    for (from, to) in [
        (
            "    client-name: string,\n    user-id: string,",
            "    user-id: string,\n    client-name: string,",
        ),
        ("    user-email: string,\n", ""),
        ("    user-email: string,", "    user-mail: string,"),
        ("    user-email: string,", "    user-email: option<string>,"),
        ("    user-email: string,", "    user-email: list<u8>,"),
        ("not-available, not-allowed", "not-allowed, not-available"),
        ("not-available, not-allowed", "not-available, not-allowed, busy"),
        ("get-user: func() -> result<user-data, user-error>", "get-user: func() -> user-data"),
        (
            "get-user: func() -> result<user-data, user-error>",
            "get-user: func() -> result<user-data>",
        ),
    ] {
        assert_eq!(code(&changed(from, to, GET_USER)), "import_mismatch", "{to}");
    }
    for (from, to, interface, function, parameters) in [
        ("list<tuple<string, string>>", "list<tuple<string, u32>>", "user-v2", "get-user", 1),
        ("list<tuple<string, string>>", "list<tuple<string>>", "user-v2", "get-user", 1),
        ("list<tuple<string, string>>", "list<string>", "user-v2", "get-user", 1),
        ("result<_, storage-error>", "result<u64, storage-error>", "storage", "delete", 5),
        (
            "list-keys: func() -> list<string>",
            "list-keys: func() -> list<u8>",
            "secrets",
            "list-keys",
            1,
        ),
        ("list-keys: func() -> list<string>", "list-keys: func()", "secrets", "list-keys", 0),
        (
            "log-warn: func(message: string)",
            "log-warn: func(message: string) -> string",
            "logging",
            "log-warn",
            3,
        ),
        (
            "log-warn: func(message: string)",
            "log-warn: func(message: list<u8>)",
            "logging",
            "log-warn",
            2,
        ),
    ] {
        let parameters = "i32 ".repeat(parameters);
        let import = format!(
            r#"(import "alga:extension/{interface}" "{function}" (func (param {parameters})))"#
        );
        assert_eq!(code(&changed(from, to, &import)), "import_mismatch", "{to}");
    }
    let more = r#"(import "alga:extension/logging" "log-info" (func (param i32 i32 i32)))"#;
    let parameters =
        changed("log-info: func(message: string)", "log-info: func(message: string, n: u32)", more);
    assert_eq!(code(&parameters), "import_mismatch");
}

#[test]
fn a_shape_that_is_not_used_does_not_matter() {
    let wasm = changed("    user-email: string,\n", "", LOG_INFO);

    assert_eq!(code(&wasm), "ok");
}

#[test]
fn the_handler_must_have_its_shape() {
    assert_eq!(code(&changed("    status: u16,\n", "    status: u32,\n", "")), "export_mismatch");
    let wasm = world("export handler: func();", r#"(func (export "handler"))"#);
    assert_eq!(code(&wasm), "export_mismatch");
    let wasm = world("export handler: interface {}", "");
    assert_eq!(code(&wasm), "export_mismatch");
}

#[test]
fn what_the_host_does_not_have_cannot_be_imported() {
    let unknown_function = changed(
        "log-info: func(message: string);",
        "log-info: func(message: string);\n  shout: func();",
        r#"(import "alga:extension/logging" "shout" (func))"#,
    );
    let own = world("import shell: interface { run: func(); }", r#"(import "shell" "run" (func))"#);
    let bare = world("import run: func();", r#"(import "$root" "run" (func))"#);

    assert_eq!(code(&unknown_function), "unknown_import");
    assert_eq!(code(&own), "unknown_import");
    assert_eq!(code(&bare), "unknown_import");
    for interface in [
        "wasi:sockets/raw@0.2.3",
        "wasi:http/types@0.2.13",
        "wasi:http/types@0.3.0",
        "wasi:http/types@0.2.0-rc-2023-12-05",
        "wasi:http/types",
        "wasi:http/incoming-handler@0.2.3",
        "wasi:clocks/timezone@0.2.3",
        "wasi:nn/inference@0.2.3",
        "wasi:config/store@9.0.0",
        "wasi:config/store@0.2.0",
        "wasi:config/store@0.2.0-rc.2",
        "wasi:config/store@0.2.0-rc.11",
        "wasi:config/store",
        "wasi:config/runtime@0.2.0-rc.1",
        "wasi:keyvalue/store@0.2.0-draft2",
        "wasi:keyvalue/watcher@0.2.0-draft",
        "alga:extension/logging@1.0.0",
        "other:extension/logging",
    ] {
        let wasm = in_wat(&format!(r#"(component (import "{interface}" (instance)))"#));
        assert_eq!(code(&wasm), "unknown_import", "{interface}");
    }
}

#[test]
fn wasi_that_toolchains_always_import_is_accepted() {
    for interface in [
        "wasi:cli/terminal-stdout@0.2.3",
        "wasi:clocks/wall-clock@0.2.0",
        "wasi:keyvalue/atomics@0.2.0-draft",
        "wasi:keyvalue/batch@0.2.0-draft",
        "wasi:keyvalue/store@0.2.0-draft",
        "wasi:config/store@0.2.0-rc.1",
        "wasi:filesystem/preopens@0.2.10",
        "wasi:http/outgoing-handler@0.2.12",
        "wasi:io/streams@0.2.3",
        "wasi:random/random@0.2.3",
        "wasi:sockets/tcp@0.2.9",
    ] {
        let wasm = in_wat(&format!(r#"(component (import "{interface}" (instance)))"#));
        assert_eq!(code(&wasm), "no_handler", "{interface}");
    }
}

#[test]
fn the_export_decides_the_world() {
    let proxy = format!("{PROXY} world proxy {{ export incoming-handler; }}");
    let both = format!(
        "{WIT} world both {{ use types.{{execute-request, execute-response}};
           export handler: func(request: execute-request) -> execute-response;
           export wasi:http/incoming-handler@0.2.3; }}"
    );

    let facts = inspect(&component(&[&proxy], "proxy", HANDLE)).unwrap();

    assert_eq!(facts.world, TargetWorld::WasiHttp);
    let both = component(&[&both, PROXY], "both", &format!("{HANDLER} {HANDLE}"));
    assert_eq!(code(&both), "two_handlers");
    assert_eq!(code(&in_wat("(component)")), "no_handler");
    let newer = proxy.replace("0.2.3", "0.2.13");
    let newer = component(&[&newer], "proxy", &HANDLE.replace("0.2.3", "0.2.13"));
    assert_eq!(code(&newer), "unknown_import");
}

#[test]
fn an_incoming_handler_must_be_one() {
    let export = r#"(instance $i) (export "wasi:http/incoming-handler@0.2.3" (instance $i))"#;

    let without_request = r#"(component
        (core module $m (func (export "h"))) (core instance $m (instantiate $m))
        (func $h (canon lift (core func $m "h")))
        (instance $i (export "handle" (func $h)))
        (export "wasi:http/incoming-handler@0.2.3" (instance $i)))"#;

    assert_eq!(code(&in_wat(&format!("(component {export})"))), "export_mismatch");
    assert_eq!(code(&in_wat(without_request)), "export_mismatch");
}

#[test]
fn only_components_are_components() {
    let component = in_wat("(component (core module (func)))");

    assert_eq!(code(&in_wat("(module)")), "not_a_component");
    assert_eq!(code(b""), "component_malformed");
    assert_eq!(code(b"(component)"), "component_malformed");
    assert_eq!(code(b"#!/bin/sh\n"), "component_malformed");
    for length in 8..component.len() {
        assert_ne!(code(&component[..length]), "ok", "{length}");
    }
    let invalid = in_wat("(component (core module (func (result i32))))");
    assert_eq!(code(&invalid), "component_malformed");
}

#[test]
fn proposals_that_nobody_needs_are_refused() {
    for module in [
        "(memory i64 1)",
        "(memory 1 1 shared)",
        "(type (struct (field i32)))",
        "(tag) (func throw 0)",
        "(func (param externref))",
        "(func (param (ref 0)))",
        "(func (param v128) (result v128) (i32x4.relaxed_trunc_f32x4_s (local.get 0)))",
    ] {
        let wasm = in_wat(&format!("(component (core module {module}))"));
        assert_eq!(code(&wasm), "feature_refused", "{module}");
    }
    let asynchronous = in_wat(r#"(component (import "x" (func async)))"#);
    assert_eq!(code(&asynchronous), "feature_refused");
}

#[test]
fn what_takes_long_to_compile_is_refused() {
    let functions = |count: usize| {
        let half = "(func)".repeat(count / 2);
        in_wat(&format!("(component (core module {half}) (core module {half}))"))
    };
    let body = |bytes: usize| {
        in_wat(&format!("(component (core module (func {})))", "nop ".repeat(bytes - 2)))
    };

    assert_eq!(code(&functions(50_000)), "no_handler");
    assert_eq!(code(&functions(50_002)), "too_many_functions");
    assert_eq!(code(&body(1 << 20)), "no_handler");
    assert_eq!(code(&body((1 << 20) + 1)), "function_too_large");
}

#[test]
fn shared_types_do_not_make_the_comparison_endless() {
    let mut types = "(type $t0 (tuple u8 u8))".to_owned();
    for n in 1..60 {
        write!(types, "(type $t{n} (tuple $t{} $t{}))", n - 1, n - 1).unwrap();
    }
    let wasm = wat::parse_str(format!(
        r#"(component {types} (import "alga:extension/logging"
             (instance (alias outer 1 $t59 (type $t))
               (export "log-info" (func (param "message" $t))))))"#
    ));

    // The validator may refuse it first; what matters is that one of them answers.
    assert!(wasm.is_err() || code(&wasm.unwrap()) != "ok");
}

static INTACT: LazyLock<Vec<u8>> =
    LazyLock::new(|| component(&[WIT], "runner", &format!("{GET_USER} {HANDLER}")));

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damaged_components_never_panic(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)
    ) {
        let mut wasm = INTACT.clone();
        for (at, byte) in damage {
            let at = at.index(wasm.len());
            wasm[at] ^= byte;
        }
        let _ = inspect(&wasm);
    }
}
