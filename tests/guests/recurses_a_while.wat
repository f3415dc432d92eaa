;; Answers 200 from 4,000 calls deep.
(func $deeper (param $n i32) (result i32)
  (if (result i32) (local.get $n)
    (then (i32.add (call $deeper (i32.sub (local.get $n) (i32.const 1))) (i32.const 1)))
    (else (i32.const 0))))
(func (export "handler") (param $request i32) (result i32)
  (drop (call $deeper (i32.const 4000)))
  (call $respond (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
