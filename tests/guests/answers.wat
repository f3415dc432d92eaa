;; Answers 200 with one header and a short body.
(data (i32.const 0) "content-typetext/plainhello")
(func (export "handler") (param $request i32) (result i32)
  (i32.store (i32.const 64) (i32.const 0))
  (i32.store (i32.const 68) (i32.const 12))
  (i32.store (i32.const 72) (i32.const 12))
  (i32.store (i32.const 76) (i32.const 10))
  (call $respond (i32.const 200) (i32.const 64) (i32.const 1) (i32.const 22) (i32.const 5)))
