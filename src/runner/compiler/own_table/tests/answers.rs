//! Components that are arranged do what they did.

use super::*;

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
