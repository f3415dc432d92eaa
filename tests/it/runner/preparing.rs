//! Which components are accepted.

use super::*;

#[tokio::test]
async fn only_a_prepared_component_of_the_right_world_executes() {
    let stage = Stage::extension("answers").await;
    let other = Invocation { content_hash: ContentHash::of(b"other"), ..stage.get("/") };
    let world = Invocation { world: TargetWorld::WasiHttp, ..stage.get("/") };

    for invocation in [other, world] {
        let outcome = stage.execute(invocation).await;
        assert!(matches!(outcome, Err(ExecuteError::NotPrepared)), "{outcome:?}");
    }
    assert!(stage.runner.is_ready(&hash()));
    stage.runner.retain(|_| false);
    assert!(!stage.runner.is_ready(&hash()));
}

#[tokio::test]
async fn a_component_that_does_not_fit_its_world_is_refused() {
    let extension = guests::extension("answers");
    let proxy = guests::proxy("http");
    let unknown =
        wat::parse_str(r#"(component (import "acme:secret/door" (func)))"#).unwrap().into();

    for (world, component, names) in [
        (TargetWorld::WasiHttp, extension, "incoming-handler"),
        (TargetWorld::Extension, proxy, "handler"),
        (TargetWorld::Extension, unknown, "acme:secret/door"),
    ] {
        let error = refusal(world, component).await;
        assert!(matches!(&error, PrepareError::Link(text) if text.contains(names)), "{error}");
    }
}

#[tokio::test]
async fn a_wasi_http_guest_cannot_import_the_host_of_the_other_world() {
    let probe = guests::extension("floods_log");

    let error = refusal(TargetWorld::WasiHttp, probe).await;

    assert!(error.to_string().contains("alga:extension/logging"), "{error}");
}

#[tokio::test]
async fn what_is_not_a_binary_component_is_refused() {
    let module = wat::parse_str("(module)").unwrap();
    for bytes in [&b"(component)"[..], b"", b"\x7fELF and more", &module] {
        let error = refusal(TargetWorld::Extension, Bytes::copy_from_slice(bytes)).await;
        assert!(matches!(error, PrepareError::Compile(_)), "{error}");
    }
}

#[tokio::test]
async fn proposals_that_nobody_needs_are_refused() {
    for fields in [
        "(memory i64 1)",
        "(memory 1 2 shared)",
        "(type (struct (field i32)))",
        "(tag)",
        "(func (result i64 i64) i64.const 1 i64.const 1 i64.const 1 i64.const 1 i64.add128)",
        "(memory 1 (pagesize 1))",
    ] {
        let component = format!("(component (core module {fields}))");
        let component = wat::parse_str(&component).unwrap();
        let error = refusal(TargetWorld::Extension, component.into()).await;
        assert!(matches!(error, PrepareError::Compile(_)), "{fields}: {error}");
    }
}

#[tokio::test]
async fn too_many_memories_tables_or_instances_are_refused_before_they_run() {
    let memories = format!("(core module $m {})", "(memory 0)".repeat(9));
    let tables = format!("(core module $m {})", "(table 0 funcref)".repeat(17));
    let one = "(core instance (instantiate $m))";
    for (inner, names) in [
        (format!("{memories} {one}"), "memories"),
        (format!("{tables} {one}"), "tables"),
        (format!("(core module $m) {}", one.repeat(65)), "instances"),
        (format!("(core module $m (memory 257)) {one}"), "byte"),
    ] {
        let component = wat::parse_str(format!("(component {inner})")).unwrap();
        let error = refusal(TargetWorld::Extension, component.into()).await;
        assert!(matches!(&error, PrepareError::Compile(text) if text.contains(names)), "{error}");
    }
}
