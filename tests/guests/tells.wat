;; Answers 200 with what it was told: method, url, and a line for each header.
(data (i32.const 0) ": \0a")

(global $end (mut i32) (i32.const 65536))

(func $put (param $from i32) (param $length i32)
  (memory.copy (global.get $end) (local.get $from) (local.get $length))
  (global.set $end (i32.add (global.get $end) (local.get $length))))

(func $put_string (param $at i32)
  (call $put (i32.load (local.get $at)) (i32.load offset=4 (local.get $at))))

(func (export "handler") (param $request i32) (result i32)
  (local $header i32) (local $left i32)
  (call $put_string (i32.add (local.get $request) (i32.const 52)))
  (call $put (i32.const 1) (i32.const 1))
  (call $put_string (i32.add (local.get $request) (i32.const 60)))
  (call $put (i32.const 2) (i32.const 1))
  (local.set $header (i32.load offset=68 (local.get $request)))
  (local.set $left (i32.load offset=72 (local.get $request)))
  (block $done
    (loop $next
      (br_if $done (i32.eqz (local.get $left)))
      (call $put_string (local.get $header))
      (call $put (i32.const 0) (i32.const 2))
      (call $put_string (i32.add (local.get $header) (i32.const 8)))
      (call $put (i32.const 2) (i32.const 1))
      (local.set $header (i32.add (local.get $header) (i32.const 16)))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br $next)))
  (call $respond (i32.const 200) (i32.const 0) (i32.const 0)
    (i32.const 65536) (i32.sub (global.get $end) (i32.const 65536))))
