//! Components with a table more answer as they did, and others are left alone.

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

#[test]
fn a_component_answers_the_same_with_a_table_more() {
    let expected = assert_same_answers(&linked(FUNCTIONS));

    let component = binary(&linked(FUNCTIONS));
    assert_eq!((tables(&component), tables(&arranged(&component).unwrap())), (2, 3));
    // The engine's, the library's in place of one of them, its other ones, the last one's.
    let engine = [0, 1, 63, 64, 69, 70, 71, 72, 73, 97, 98, 99].map(|place| expected[place]);
    let (library, last) = (Some(2000), Some(3000));
    assert_eq!(
        engine,
        [
            None,
            Some(1000),
            Some(1062),
            Some(2001),
            Some(1068),
            None,
            library,
            library,
            None,
            last,
            last,
            None
        ]
    );
    let sum = 1002 + 2000 + PLACES;
    assert_eq!(expected[expected.len() - 4..], [Some(1001), Some(sum), Some(3001), last]);
}

#[test]
fn what_was_arranged_is_not_arranged_again() {
    let once = arranged(&binary(&linked(FUNCTIONS))).unwrap();

    assert!(arranged(&once).is_none());
}

#[test]
fn a_table_is_arranged_where_it_is_filled_at_constant_places_and_large_enough() {
    assert_valid_and_left_alone("too few functions", &linked(FUNCTIONS - 1));
    let more = changed("library", "(elem (i32.const 90) func $g)");
    assert_valid_and_left_alone("too few for what is put into both", &more);
    let elsewhere = changed("last", "(elem (table $other) (i32.const 90) func $g)");
    assert_arranged(&elsewhere);
    let literal = changed("(elem (global.get $base)", "(elem (i32.const 1)");
    assert_arranged(&literal);
    let largest = changed("100 funcref", "4096 funcref");
    assert_arranged(&largest);
    assert_valid_and_left_alone("too many places", &changed("100 funcref", "4097 funcref"));
    let computed = "(elem (offset global.get $base i32.const 0 i32.add)";
    assert_valid_and_left_alone("a sum", &changed("(elem (global.get $base)", computed));
    let from = |place: u32| {
        changed("(elem (global.get $base)", &format!("(elem (i32.const {place})"))
            .replace("i32.const 98 call", "i32.const 0 call")
    };
    assert_arranged(&from(PLACES - FUNCTIONS));
    assert_valid_and_left_alone("beyond its end", &from(PLACES - FUNCTIONS + 1));
    let numbers = r#"(core module $numbers (import "owner" "base" (global i32))
            (global (export "base") i32 (i32.const 2)))
        (core instance $numbers (instantiate $numbers (with "owner" (instance $owner))))"#;
    let elsewhere = changed("before", numbers).replace(
        r#"(instantiate $engine (with "env" (instance $env)))"#,
        r#"(instantiate $engine (with "env" (instance $env)) (with "numbers" (instance $numbers)))"#,
    );
    let elsewhere = elsewhere.replacen(
        r#"(import "env" "base" (global $base i32))"#,
        r#"(import "numbers" "base" (global $base i32))"#,
        1,
    );
    assert_same_answers(&elsewhere);
    let expressions = changed("engine", "(elem (i32.const 80) funcref (ref.func $f0))");
    assert_valid_and_left_alone("what wasmtime does not fill lazily", &expressions);
    let segments = "(elem (i32.const 0) func)".repeat(15);
    assert_arranged(&changed("engine", &segments));
    let one_more = "(elem (i32.const 0) func)".repeat(16);
    assert_valid_and_left_alone("too many segments", &changed("engine", &one_more));
    let typed = "100 (ref null $f)";
    assert_left_alone("functions of one type", &changed("100 funcref", typed));
    assert_left_alone("a table of 64 bits", &changed("100 funcref", "i64 100 funcref"));
    let initial = "100 funcref (ref.func 0)";
    let initial = changed(r#"(table $table (export "table") 100 funcref)"#, "(; table ;)")
        .replace("(; table ;)", &format!(r#"(table $table (export "table") {initial})"#));
    assert_left_alone("full from the start", &initial);
}

#[test]
fn the_module_with_the_table_only_calls_places_that_the_engine_does_not_fill() {
    let text = linked(FUNCTIONS);
    let place = |place: u32| text.replace("i32.const 98 call", &format!("i32.const {place} call"));

    assert_arranged(&place(0));
    assert_arranged(&place(FUNCTIONS + 1));
    assert_valid_and_left_alone("the first of the engine", &place(1));
    assert_valid_and_left_alone("the last of the engine", &place(FUNCTIONS));
    for (what, body) in [
        ("a place that only running tells", "local.get 0 call_indirect (type $f) drop"),
        ("a place that is a sum", "i32.const 98 local.get 0 i32.add call_indirect (type $f) drop"),
        ("reads", "local.get 0 table.get $table drop"),
        ("asks for the size", "table.size $table drop"),
        ("writes", "local.get 0 ref.null func table.set $table"),
    ] {
        assert_valid_and_left_alone(what, &changed("owner", &function(body)));
    }
    let tail = "(func (param i32) (result i32) local.get 0 return_call_indirect (type $f))";
    assert_valid_and_left_alone("calls as its last act", &changed("owner", tail));
    assert_valid_and_left_alone("fills", &changed("owner", "(elem (i32.const 90) func 0)"));
    assert_valid_and_left_alone("two tables", &changed("owner", "(table 1 funcref)"));
}

#[test]
fn nobody_who_has_the_table_changes_it_while_running() {
    for module in ["engine", "library", "last"] {
        for (what, body) in [
            ("writes", "local.get 0 ref.null func table.set $table"),
            ("grows", "ref.null func local.get 0 table.grow $table drop"),
            ("empties", "local.get 0 ref.null func local.get 1 table.fill $table"),
            ("copies", "local.get 0 local.get 1 local.get 2 table.copy $table $table"),
            ("fills", "local.get 0 local.get 1 local.get 2 table.init $table 0"),
        ] {
            let text = changed(module, &function(body));
            assert_valid_and_left_alone(&format!("{module} {what}"), &text);
        }
        let reading = function("local.get 0 table.get $table drop table.size $table drop");
        assert_arranged(&changed(module, &reading));
    }
}

#[test]
fn the_engine_comes_first_and_each_module_once() {
    let early = r#"(core module $early (import "main" "table" (table 1 funcref)) (func (export "any")))
        (core instance (instantiate $early (with "main" (instance $owner))))"#;
    assert_valid_and_left_alone("another one first", &changed("before", early));
    for again in [
        "(core instance (instantiate $owner))",
        r#"(core instance (instantiate $engine (with "env" (instance $env))))"#,
        r#"(core instance (instantiate $library (with "env" (instance $env))))"#,
        r#"(core instance (instantiate $last
        (with "main" (instance $owner)) (with "shim" (instance $shim))))"#,
    ] {
        assert_valid_and_left_alone(again, &changed("after", again));
    }
    let idle = r#"(core module $idle (import "main" "table" (table 1 funcref)))
        (core instance (instantiate $idle (with "main" (instance $owner))))"#;
    assert_arranged(&changed("after", idle));
    let again = r#"(core instance (instantiate $idle (with "main" (instance $owner))))"#;
    assert_valid_and_left_alone("idle twice", &changed("after", &format!("{idle} {again}")));
    let elsewhere = r#"(core module $place (table (export "table") 100 funcref)
            (global (export "base") i32 (i32.const 1)))
        (core instance $place (instantiate $place))
        (core instance (instantiate $engine (with "env" (instance $place))))"#;
    assert_valid_and_left_alone("the engine with another table", &changed("after", elsewhere));
    let unrelated = "(core module $other) (core instance (instantiate $other))
        (core instance (instantiate $other))";
    assert_arranged(&changed("after", unrelated));
}

#[test]
fn a_table_that_cannot_go_keeps_no_other_from_going() {
    let (functions, places) = ("0 ".repeat(70), "(func i32.const 0 call_indirect (type 0))");
    let shim = format!(
        r#"(core module $imports (type (func)) (table (export "table") 70 funcref) {places})
        (core instance $imports (instantiate $imports))
        (core module $fixups (import "imports" "table" (table 70 funcref)) (func)
            (elem (i32.const 0) func {functions}))
        (core instance (instantiate $fixups (with "imports" (instance $imports))))"#
    );

    assert_arranged(&changed("after", &shim));
}

#[test]
fn the_table_that_most_is_put_into_goes() {
    let functions = "0 ".repeat(70);
    let larger = format!(
        r#"(core module $place (table (export "table") 70 funcref))
        (core instance $place (instantiate $place))
        (core module $larger (import "place" "table" (table 70 funcref)) (func (export "any"))
            (elem (i32.const 0) func {functions}))
        (core instance (instantiate $larger (with "place" (instance $place))))"#
    );
    let after = arranged(&binary(&changed("after", &larger))).unwrap();

    let with_table = |module: &Module<'_>| module.own_tables() > 0;
    let scope = Scope::read(&after, MAX_DEPTH).unwrap();
    let modules: Vec<_> = scope.modules.iter().map(with_table).collect();
    // The owner, the shim, engine, library, the last one, the other place, what fills it.
    assert_eq!(modules, [true, true, false, false, false, true, true]);
}

#[test]
fn a_table_is_not_passed_on_nor_taken_twice() {
    for module in ["engine", "library", "last"] {
        let again = r#"(export "again" (table $table))"#;
        assert_valid_and_left_alone(module, &changed(module, again));
        let second = changed(module, "(table 1 funcref)");
        assert_valid_and_left_alone(&format!("{module} has one more"), &second);
    }
    let other = r#"(import "shim" "table" (table 1 funcref)) (import "env" "table""#;
    let with_shim = r#"(instantiate $engine (with "shim" (instance $shim))"#;
    let engine = linked(FUNCTIONS)
        .replacen(r#"(import "env" "table""#, other, 1)
        .replace("(instantiate $engine", with_shim);
    assert_valid_and_left_alone("the engine takes another one, too", &engine);
    let import = r#"(import "main" "table" (table $table 1 funcref))"#;
    let twice = changed(import, &format!(r#"{import} (import "main" "again" (table 1 funcref))"#))
        .replace(r#"(export "table") 100"#, r#"(export "table") (export "again") 100"#);
    assert_valid_and_left_alone("taken twice", &twice);
    let library = linked(FUNCTIONS)
        .replace("(elem (offset", &format!(r#"(import "{TABLE}" "call" (func)) (elem (offset"#))
        .replace(
            "(instantiate $library",
            &format!(r#"(instantiate $library (with "{TABLE}" (instance $any))"#),
        )
        .replace("(; after ;)", "")
        .replace(
            "(; before ;)",
            r#"(core module $any (func (export "call")))
            (core instance $any (instantiate $any))"#,
        );
    assert_valid_and_left_alone("a name that is taken", &library);
}

#[test]
fn no_module_and_no_component_leaves_its_scope() {
    let inner = linked(FUNCTIONS);
    let around = |more: &str| {
        format!("(component $outer {inner} (instance $one (instantiate $whole)) {more})")
    };
    assert_arranged(&around(""));
    for (what, text) in [
        ("instantiated twice", around("(instance (instantiate $whole))")),
        ("exported", around(r#"(export "whole" (component $whole))"#)),
        ("in an instance", around(r#"(instance (export "whole" (component $whole)))"#)),
        (
            "an argument",
            around(
                r#"(component $taking (import "whole" (component)))
                (component $nothing)
                (instance (instantiate $taking (with "whole" (component $nothing))))"#,
            ),
        ),
        (
            "aliased from within",
            around("(component $second (alias outer $outer $whole (component $alias)))"),
        ),
        ("exported module", changed("after", r#"(export "module" (core module $library))"#)),
        ("imported module", changed("after", r#"(import "module" (core module))"#)),
        (
            "aliased module",
            changed("after", "(component (alias outer $whole $library (core module $alias)))"),
        ),
        (
            "module of an instance",
            changed(
                "after",
                r#"(import "instance" (instance $instance (export "module" (core module))))
                (alias export $instance "module" (core module $alias))"#,
            ),
        ),
    ] {
        assert_valid_and_left_alone(what, &text);
    }
}

#[test]
fn a_component_within_components_is_found_within_limits() {
    let nested = |depth: u8| {
        (0..depth).fold(linked(FUNCTIONS), |inner, _| {
            let inner = inner.replacen("(component $whole", "(component $inner", 1);
            format!("(component $whole {inner} (instance (instantiate $inner)))")
        })
    };
    assert_arranged(&nested(MAX_DEPTH));
    assert_valid_and_left_alone("too deep", &nested(MAX_DEPTH + 1));
}

#[test]
fn an_execution_has_no_more_tables_than_it_may() {
    let with = |tables: usize| {
        let module = format!("(core module $more {})", "(table 1 funcref)".repeat(tables));
        changed("after", &format!("{module} (core instance (instantiate $more))"))
    };
    assert_arranged(&with(TABLES - 3));
    assert_valid_and_left_alone("one too many", &with(TABLES - 2));
    assert_left_alone("more than it may already", &with(TABLES + 1));
    let two = |more: usize| {
        let inner = linked(FUNCTIONS).replacen("$whole", "$other", 1);
        let inner = format!("{} {inner}", linked(FUNCTIONS));
        let module = format!("(core module $more {})", "(table 1 funcref)".repeat(more));
        binary(&format!("(component {inner} {module} (core instance (instantiate $more)))"))
    };
    // One of the two.
    for (more, after) in [(TABLES - 5, Some(TABLES)), (TABLES - 4, None)] {
        let after_it = arranged(&two(more)).map(|component| tables(&component));
        assert_eq!(after_it, after, "{more}");
    }
    assert_eq!(tables(&arranged(&two(0)).unwrap()), tables(&two(0)) + 1);
}

#[test]
fn what_is_no_component_is_left_alone() {
    for bytes in
        [&b""[..], b"\0asm", b"\0asm\x01\0\0\0", b"\0asm\x0d\0\x01\0", b"\0asm\x0d\0\x01\0\x01\xff"]
    {
        assert!(arranged(bytes).is_none());
    }
    let mut whole = binary(&linked(FUNCTIONS));
    let module = whole.windows(8).rposition(|bytes| bytes == wasm_encoder::Module::HEADER);
    whole[module.unwrap() + 4] = 2;
    assert!(arranged(&whole).is_none(), "a module of another version");
    let mut whole = binary(&linked(FUNCTIONS));
    whole[..8].copy_from_slice(&wasm_encoder::Module::HEADER);
    assert!(arranged(&whole).is_none(), "a module with the sections of a component");
}

#[test]
fn no_byte_makes_it_panic() {
    let whole = binary(&linked(FUNCTIONS));

    for index in 0..whole.len() {
        for byte in [0, 1, 0x7f, 0x80, 0xff] {
            let mut changed = whole.clone();
            changed[index] = byte;
            arranged(&changed);
        }
    }
}

#[test]
fn what_puts_elements_behind_the_end_does_so_in_both() {
    let before = binary(&changed("last", "(elem (table $table) (i32.const 101) func)"));
    let after = arranged(&before).unwrap();

    for component in [before, after] {
        let engine = Engine::default();
        let component = Component::from_binary(&engine, &component).unwrap();
        let instance = Linker::new(&engine).instantiate(Store::new(&engine, ()), &component);
        let error = format!("{:#}", instance.unwrap_err());
        assert!(error.contains("out of bounds"), "{error}");
    }
}

#[test]
fn a_component_whose_arrangement_does_not_compile_is_compiled_as_it_is() {
    let component = binary(&changed("engine", &format!(r#"(func (export "{TABLE}"))"#)));
    let engine = Engine::default();
    let compile = |wasm: &[u8]| Component::from_binary(&engine, wasm);
    assert!(compile(&arranged(&component).unwrap()).is_err());

    assert!(compile_arranged(&component, compile).is_ok());
}
