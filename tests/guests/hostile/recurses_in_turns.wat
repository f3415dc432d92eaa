;; Two functions that call each other.
(func $one (param i32) (result i32) (i32.add (call $two (local.get 0)) (i32.const 1)))
(func $two (param i32) (result i32) (i32.add (call $one (local.get 0)) (i32.const 1)))
(func (export "handler") (param $request i32) (result i32) (call $one (i32.const 0)))
