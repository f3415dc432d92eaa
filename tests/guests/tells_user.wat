;; Answers all that it is told of who is using it, a line for each: by `user-v2`, or by `user`
;; for a path that ends with `1`; and the code of the user-error if it is told nothing.
(import "alga:extension/user" "get-user" (func $user (param i32)))
(import "alga:extension/user-v2" "get-user" (func $user2 (param i32)))
(data (i32.const 512) "=")
(data (i32.const 513) "\0a")
(global $end (mut i32) (i32.const 65536))
(func $put (param $at i32) (param $length i32)
  (memory.copy (global.get $end) (local.get $at) (local.get $length))
  (global.set $end (i32.add (global.get $end) (local.get $length))))
(func $line (param $at i32)
  (call $put (i32.load (local.get $at)) (i32.load offset=4 (local.get $at)))
  (call $put (i32.const 513) (i32.const 1)))
(func (export "handler") (param $request i32) (result i32)
  (local $at i32) (local $left i32) (local $first i32)
  (local.set $first
    (i32.eq (i32.const 49)
      (i32.load8_u (i32.sub (i32.add (i32.load offset=60 (local.get $request)) (i32.load offset=64 (local.get $request))) (i32.const 1)))))
  (if (local.get $first) (then (call $user (i32.const 0))) (else (call $user2 (i32.const 0))))
  (if (i32.load8_u (i32.const 0))
    (then
      (i32.store8 (i32.const 4) (i32.add (i32.load8_u (i32.const 4)) (i32.const 48)))
      (call $put (i32.const 4) (i32.const 1)))
    (else
      ;; Tenant, client's name, id, e-mail address, name, type.
      (local.set $at (i32.const 4))
      (loop $next
        (call $line (local.get $at))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br_if $next (i32.lt_u (local.get $at) (i32.const 52))))
      (if (i32.eqz (local.get $first))
        (then
          (if (i32.load8_u (i32.const 52)) (then (call $line (i32.const 56))))
          (local.set $at (i32.load (i32.const 64)))
          (local.set $left (i32.load (i32.const 68)))
          (block $done
            (loop $next
              (br_if $done (i32.eqz (local.get $left)))
              (call $put (i32.load (local.get $at)) (i32.load offset=4 (local.get $at)))
              (call $put (i32.const 512) (i32.const 1))
              (call $line (i32.add (local.get $at) (i32.const 8)))
              (local.set $at (i32.add (local.get $at) (i32.const 16)))
              (local.set $left (i32.sub (local.get $left) (i32.const 1)))
              (br $next)))))))
  (call $respond (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 65536)
    (i32.sub (global.get $end) (i32.const 65536))))
