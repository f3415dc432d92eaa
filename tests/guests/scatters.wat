;; Writes to every fourth page of its memory, as script engines do. Answers with the sum of all
;; it found there before: eight bytes.
(module
  (memory (export "memory") 18)
  (data (i32.const 131072) "\01")
  (data (i32.const 655360) "\02")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 15)) (i32.const -16)))
    (global.set $heap (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (global $heap (mut i32) (i32.const 4096))
  (func (export "handler") (param $request i32) (result i32)
    (local $at i32) (local $found i64)
    ;; The request lies below.
    (local.set $at (i32.const 65536))
    (loop $next
      (local.set $found (i64.add (local.get $found) (i64.load (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const 1114112))))
    (local.set $at (i32.const 65536))
    (loop $next
      (i64.store (local.get $at) (i64.const 77))
      (local.set $at (i32.add (local.get $at) (i32.const 16384)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const 1114112))))
    (i64.store (i32.const 512) (local.get $found))
    (i32.store16 (i32.const 1024) (i32.const 200))
    (i32.store8 (i32.const 1036) (i32.const 1))
    (i32.store (i32.const 1040) (i32.const 512))
    (i32.store (i32.const 1044) (i32.const 8))
    (i32.const 1024)))
