;; Answers with a header whose name has a space and a colon in it.
(data (i32.const 0) "x: y")
(func (export "handler") (param $request i32) (result i32)
  (i32.store (i32.const 64) (i32.const 0))
  (i32.store (i32.const 68) (i32.const 4))
  (i32.store (i32.const 72) (i32.const 0))
  (i32.store (i32.const 76) (i32.const 1))
  (call $respond (i32.const 200) (i32.const 64) (i32.const 1) (i32.const 0) (i32.const 0)))
