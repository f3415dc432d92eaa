;; Answers with a header value that holds a line break and a second header.
(data (i32.const 0) "x-exta\0d\0aset-cookie: b=c")
(func (export "handler") (param $request i32) (result i32)
  (i32.store (i32.const 64) (i32.const 0))
  (i32.store (i32.const 68) (i32.const 5))
  (i32.store (i32.const 72) (i32.const 5))
  (i32.store (i32.const 76) (i32.const 18))
  (call $respond (i32.const 200) (i32.const 64) (i32.const 1) (i32.const 0) (i32.const 0)))
