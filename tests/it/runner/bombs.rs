//! Components that are small to send and much to compile.

use plugboard::runner::Excess;

use super::*;

/// A runner whose compiler has `cpu_s` and `mebibytes`.
fn with_limits(cpu_s: u64, mebibytes: u64) -> Runner {
    let config =
        RunnerConfig { compile_cpu_s: cpu_s, compile_memory_bytes: mebibytes << 20, ..small() };
    let compiler = Some(env!("CARGO_BIN_EXE_plugboard").into());
    Runner::new(&config, RunnerParts { compiler, ..RunnerParts::default() }).unwrap()
}

async fn prepare(runner: &Runner, guest: Bytes) -> Result<(), PrepareError> {
    let hash = ContentHash::of(&guest);
    runner.prepare(hash, TargetWorld::Extension, guest).await
}

fn many(count: usize, one: &str) -> String {
    one.repeat(count)
}

/// A table of jumps, each to another block.
fn jumps(blocks: usize) -> String {
    let targets: Vec<_> = (0..blocks).map(|at| at.to_string()).collect();
    let targets = targets.join(" ");
    let (open, close) = ("block ".repeat(blocks), "end ".repeat(blocks));
    format!("(func (param i32) {open} (br_table {targets} (local.get 0)) {close})")
}

fn nested(depth: usize) -> String {
    let (open, close) = ("local.get 0 if ".repeat(depth), "end ".repeat(depth));
    format!("(func (param i32) {open} {close})")
}

fn kinds(count: usize) -> String {
    let one = |at: usize| {
        let bits = (0..16).map(|bit| if at >> bit & 1 == 0 { "i32 " } else { "i64 " });
        format!("(type (func (param {})))", bits.collect::<String>())
    };
    (0..count).map(one).collect()
}

#[tokio::test]
async fn a_component_that_takes_too_long_is_refused_and_the_next_one_compiles() {
    let runner = with_limits(1, 2048);
    let bomb = guests::extension_with(&guests::much_to_compile());

    let error = prepare(&runner, bomb).await.unwrap_err();

    let limits = [Excess::CpuSeconds(1), Excess::Seconds(1)].map(PrepareError::TooCostly);
    assert!(limits.contains(&error), "{error}");
    prepare(&runner, guests::extension("answers")).await.unwrap();
}

#[tokio::test]
async fn a_component_that_takes_too_much_memory_is_refused_and_the_next_one_compiles() {
    let runner = with_limits(60, 256);
    let bomb = guests::extension_with(&guests::tangled(60_000));

    let error = prepare(&runner, bomb).await.unwrap_err();

    assert_eq!(error, PrepareError::TooCostly(Excess::MemoryMib(256)));
    prepare(&runner, guests::extension("answers")).await.unwrap();
}

#[tokio::test]
async fn shapes_that_a_compiler_dislikes_end_within_its_limits() {
    let runner = with_limits(10, 2048);
    for (name, fields) in [
        ("a large function", guests::tangled(5_000)),
        ("a table of jumps", jumps(20_000)),
        ("deep nesting", nested(50_000)),
        ("many types", kinds(20_000)),
        ("many functions", many(20_000, "(func)")),
    ] {
        let outcome = prepare(&runner, guests::extension_with(&fields)).await;

        let costly = matches!(outcome, Err(PrepareError::TooCostly(_)));
        assert!(costly || outcome.is_ok(), "{name}: {outcome:?}");
        prepare(&runner, guests::extension("answers")).await.unwrap();
    }
}
