;; Answers the setting that its url names behind `/a?`, or 404; without a name a line for each
;; setting, as `key=text`. Status 500: an error.
(import "wasi:config/store@0.2.0-rc.1" "get" (func $get (param i32 i32 i32)))
(import "wasi:config/store@0.2.0-rc.1" "get-all" (func $all (param i32)))
(data (i32.const 0) "=\0a")

(global $end (mut i32) (i32.const 65536))

(func $put (param $from i32) (param $length i32)
  (memory.copy (global.get $end) (local.get $from) (local.get $length))
  (global.set $end (i32.add (global.get $end) (local.get $length))))

(func $answer (param $status i32) (param $at i32) (param $length i32) (result i32)
  (call $respond (local.get $status) (i32.const 0) (i32.const 0) (local.get $at) (local.get $length)))

(func $lines (result i32)
  (local $pair i32) (local $left i32)
  (call $all (i32.const 512))
  (if (i32.load8_u (i32.const 512))
    (then (return (call $answer (i32.const 500) (i32.const 0) (i32.const 0)))))
  (local.set $pair (i32.load (i32.const 516)))
  (local.set $left (i32.load (i32.const 520)))
  (block $done
    (loop $next
      (br_if $done (i32.eqz (local.get $left)))
      (call $put (i32.load (local.get $pair)) (i32.load offset=4 (local.get $pair)))
      (call $put (i32.const 0) (i32.const 1))
      (call $put (i32.load offset=8 (local.get $pair)) (i32.load offset=12 (local.get $pair)))
      (call $put (i32.const 1) (i32.const 1))
      (local.set $pair (i32.add (local.get $pair) (i32.const 16)))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br $next)))
  (call $answer (i32.const 200) (i32.const 65536) (i32.sub (global.get $end) (i32.const 65536))))

(func (export "handler") (param $request i32) (result i32)
  (local $length i32)
  (local.set $length (i32.load offset=64 (local.get $request)))
  (if (i32.le_u (local.get $length) (i32.const 3)) (then (return (call $lines))))
  (call $get (i32.add (i32.load offset=60 (local.get $request)) (i32.const 3))
    (i32.sub (local.get $length) (i32.const 3)) (i32.const 512))
  (if (i32.load8_u (i32.const 512))
    (then (return (call $answer (i32.const 500) (i32.const 0) (i32.const 0)))))
  (if (i32.eqz (i32.load8_u (i32.const 516)))
    (then (return (call $answer (i32.const 404) (i32.const 0) (i32.const 0)))))
  (call $answer (i32.const 200) (i32.load (i32.const 520)) (i32.load (i32.const 524))))
