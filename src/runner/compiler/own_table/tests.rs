//! Components with a table more answer as they did, and others are left alone.

mod answers;
mod scopes;
mod tables;

use wasmparser::Validator;
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Store};

use super::super::compile_arranged;
use super::module::TABLE;
use super::*;

/// Places of the table, and functions of the engine: others put five into both.
const PLACES: u32 = 100;
const FUNCTIONS: u32 = MIN_ELEMENTS + 5;

/// A component as wit-component links one of shared libraries: `$owner` has the table and
/// calls through a place that `$last` fills, `$engine` and `$library` call through all.
fn linked(functions: u32) -> String {
    let function = |number| format!("(func $f{number} (result i32) i32.const {})", number + 1000);
    let engine: String = (0..functions).map(function).collect();
    let names: Vec<_> = (0..functions).map(|number| format!("$f{number}")).collect();
    let names = names.join(" ");
    format!(
        r#"(component $whole
    (core module $owner
        (type $f (func (result i32)))
        (table $table (export "table") 100 funcref)
        (global (export "base") i32 (i32.const 1))
        (global (export "other") i32 (i32.const 500))
        (func (export "call") (result i32) i32.const 98 call_indirect (type $f))
        (; owner ;))
    (core module $shim
        (type $f (func (result i32)))
        (table (export "table") 100 funcref)
        (func (export "call") (result i32) i32.const 98 call_indirect (type $f)))
    (core instance $owner (instantiate $owner))
    (core instance $shim (instantiate $shim))
    (alias core export $owner "table" (core table $table))
    (alias core export $owner "base" (core global $base))
    (alias core export $owner "other" (core global $other))
    (core instance $env (export "table" (table $table)) (export "base" (global $base)))
    (; before ;)
    (core module $engine
        (type $f (func (result i32)))
        (import "env" "table" (table $table 1 funcref))
        (import "env" "base" (global $base i32))
        {engine}
        (elem (global.get $base) func {names})
        (elem declare func 0)
        (func (export "call") (param i32) (result i32) local.get 0 call_indirect (type $f))
        (global $seen (mut i32) (i32.const 0))
        (func $start i32.const 2 call_indirect (type $f) global.set $seen)
        (start $start)
        (func (export "seen") (result i32) global.get $seen)
        (; engine ;))
    (core instance $engine (instantiate $engine (with "env" (instance $env))))
    (core module $library
        (type $f (func (result i32)))
        (import "env" "table" (table $table 1 funcref))
        (import "env" "base" (global $base i32))
        (elem (offset global.get $base i32.const 70 i32.add) func $g $g)
        (elem (i32.const 64) func $h)
        (elem func $g)
        (func $g (result i32) i32.const 2000)
        (func $h (result i32) i32.const 2001)
        (func (export "call") (param i32) (result i32) local.get 0 call_indirect (type $f))
        (global $seen (mut i32) (i32.const 0))
        (func $start
            i32.const 3 call_indirect (type $f) i32.const 71 call_indirect (type $f) i32.add
            table.size $table i32.add global.set $seen)
        (start $start)
        (func (export "seen") (result i32) global.get $seen)
        (func (export "holds") (param i32) (result i32) local.get 0 table.get $table ref.is_null)
        (; library ;))
    (core instance $library (instantiate $library (with "env" (instance $env))))
    (core module $last
        (import "shim" "table" (table $other 1 funcref))
        (import "main" "table" (table $table 1 funcref))
        (elem (table $table) (i32.const 97) funcref (ref.func $g) (ref.func $g))
        (elem (table $other) (i32.const 98) func $s)
        (func $s (result i32) i32.const 3001)
        (func $g (result i32) i32.const 3000)
        (; last ;))
    (core instance $last (instantiate $last
        (with "main" (instance $owner)) (with "shim" (instance $shim))))
    (; after ;)
    (func (export "engine") (param "place" u32) (result u32)
        (canon lift (core func $engine "call")))
    (func (export "library") (param "place" u32) (result u32)
        (canon lift (core func $library "call")))
    (func (export "holds") (param "place" u32) (result u32)
        (canon lift (core func $library "holds")))
    (func (export "engine-seen") (result u32) (canon lift (core func $engine "seen")))
    (func (export "library-seen") (result u32) (canon lift (core func $library "seen")))
    (func (export "shim") (result u32) (canon lift (core func $shim "call")))
    (func (export "owner") (result u32) (canon lift (core func $owner "call"))))"#
    )
}

fn binary(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}

/// The component with `to` in place of `from`, or after a mark of that name.
fn changed(from: &str, to: &str) -> String {
    let text = linked(FUNCTIONS);
    let mark = format!("(; {from} ;)");
    let from = if text.contains(&mark) { &mark } else { from };
    assert!(text.contains(from), "{from}");
    text.replace(from, to)
}

/// A function of the engine that gets `param`s on its stack.
fn function(body: &str) -> String {
    format!("(func (param i32 i32 i32) {body})")
}

/// What every way into the component answers, each in an instance of its own: `None` where
/// it traps.
fn answers(component: &[u8]) -> Vec<Option<u32>> {
    let engine = Engine::default();
    let component = Component::from_binary(&engine, component).unwrap();
    let call = |name: &str, place: Option<u32>| -> Option<u32> {
        let mut store = Store::new(&engine, ());
        let instance = Linker::new(&engine).instantiate(&mut store, &component).unwrap();
        let answer = if let Some(place) = place {
            let function = instance.get_typed_func::<(u32,), (u32,)>(&mut store, name);
            function.unwrap().call(&mut store, (place,))
        } else {
            let function = instance.get_typed_func::<(), (u32,)>(&mut store, name);
            function.unwrap().call(&mut store, ())
        };
        answer.ok().map(|(answer,)| answer)
    };
    let through = |name| (0..=PLACES).map(move |place| (name, Some(place)));
    let all = ["engine-seen", "library-seen", "shim", "owner"].map(|name| (name, None));
    let ways = through("engine").chain(through("library")).chain(through("holds")).chain(all);
    ways.map(|(name, place)| call(name, place)).collect()
}

/// Arranges the component, whose answers stay the same; returns these.
#[track_caller]
fn assert_same_answers(text: &str) -> Vec<Option<u32>> {
    let before = binary(text);
    let after = arranged(&before).unwrap();
    let expected = answers(&before);
    assert_eq!(answers(&after), expected);
    expected
}

fn tables(component: &[u8]) -> usize {
    Scope::read(component, MAX_DEPTH).unwrap().table_count()
}

#[track_caller]
fn assert_arranged(text: &str) {
    let after = arranged(&binary(text)).unwrap();
    Validator::new().validate_all(&after).unwrap_or_else(|error| panic!("{error:#}"));
    assert_eq!(tables(&after), tables(&binary(text)) + 1);
}

#[track_caller]
fn assert_left_alone(what: &str, text: &str) {
    assert!(arranged(&binary(text)).is_none(), "{what}");
}

/// The same of a valid one.
#[track_caller]
fn assert_valid_and_left_alone(what: &str, text: &str) {
    let valid = Validator::new().validate_all(&binary(text));
    valid.unwrap_or_else(|error| panic!("{what}: {error:#}"));
    assert_left_alone(what, text);
}
