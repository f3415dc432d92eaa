;; Writes lines of a megabyte.
(import "alga:extension/logging" "log-info" (func $log (param i32 i32)))
(func (export "handler") (param $request i32) (result i32)
  (local $n i32)
  (drop (memory.grow (i32.const 20)))
  (memory.fill (i32.const 65536) (i32.const 120) (i32.const 1048576))
  (loop $next
    (call $log (i32.const 65536) (i32.const 1048576))
    (local.set $n (i32.add (local.get $n) (i32.const 1)))
    (br_if $next (i32.lt_u (local.get $n) (i32.const 50))))
  (call $respond (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
