//! What a component is made of: components in it, how many tables, bytes that are none.

use super::*;

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
