;; Answers 40,000 headers `a: a`.
(data (i32.const 0) "a")
(func (export "handler") (param $request i32) (result i32)
  (local $at i32)
  (drop (memory.grow (i32.const 10)))
  (local.set $at (i32.const 65536))
  (loop $next
    (i32.store (local.get $at) (i32.const 0))
    (i32.store offset=4 (local.get $at) (i32.const 1))
    (i32.store offset=8 (local.get $at) (i32.const 0))
    (i32.store offset=12 (local.get $at) (i32.const 1))
    (local.set $at (i32.add (local.get $at) (i32.const 16)))
    (br_if $next (i32.lt_u (local.get $at) (i32.const 705536))))
  (call $respond (i32.const 200) (i32.const 65536) (i32.const 40000) (i32.const 0) (i32.const 0)))
