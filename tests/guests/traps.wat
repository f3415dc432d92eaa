;; Fails.
(func $fails (unreachable))
(func (export "handler") (param $request i32) (result i32)
  (call $fails)
  (i32.const 0))
