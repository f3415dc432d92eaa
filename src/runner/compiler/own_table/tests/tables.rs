//! Which table goes to which module, by what the modules do.

use super::*;

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
