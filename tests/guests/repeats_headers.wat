;; Answers 500 headers that are all the same 100,000 bytes of memory: 50 MB for
;; whoever copies them.
(func (export "handler") (param $request i32) (result i32)
  (local $at i32)
  (drop (memory.grow (i32.const 8)))
  (memory.fill (i32.const 4096) (i32.const 97) (i32.const 100000))
  (local.set $at (i32.const 131072))
  (loop $next
    (i32.store (local.get $at) (i32.const 4096))
    (i32.store offset=4 (local.get $at) (i32.const 1))
    (i32.store offset=8 (local.get $at) (i32.const 4096))
    (i32.store offset=12 (local.get $at) (i32.const 100000))
    (local.set $at (i32.add (local.get $at) (i32.const 16)))
    (br_if $next (i32.lt_u (local.get $at) (i32.const 139072))))
  (call $respond (i32.const 200) (i32.const 131072) (i32.const 500) (i32.const 0) (i32.const 0)))
