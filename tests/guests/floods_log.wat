;; Writes 5,000 lines.
(import "alga:extension/logging" "log-info" (func $log (param i32 i32)))
(data (i32.const 0) "line \1b]0;title")
(func (export "handler") (param $request i32) (result i32)
  (local $n i32)
  (loop $next
    (call $log (i32.const 0) (i32.const 13))
    (local.set $n (i32.add (local.get $n) (i32.const 1)))
    (br_if $next (i32.lt_u (local.get $n) (i32.const 5000))))
  (call $respond (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
