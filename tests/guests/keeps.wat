;; Keeps what it is sent, in the namespace "n", under the url it is called by. GET answers the
;; value, POST puts the body and answers the new revision as a digit, PUT does so where revision
;; 1 is, DELETE deletes, and PATCH answers the keys after the one in the body, each with a line
;; feed. An error is answered as the status 460 and its case.
(import "alga:extension/storage" "get" (func $get (param i32 i32 i32 i32 i32)))
(import "alga:extension/storage" "put" (func $put (param i32 i32 i32 i32 i32 i32 i32 i64 i32)))
(import "alga:extension/storage" "delete" (func $delete (param i32 i32 i32 i32 i32)))
(import "alga:extension/storage" "list-entries" (func $list (param i32 i32 i32 i32 i32 i32)))
(data (i32.const 0) "n\0a")

;; The answers of the host are at 512.
(func $failed (param $case i32) (result i32)
  (call $respond (i32.add (i32.const 460) (local.get $case)) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))

(func $answer (param $at i32) (param $length i32) (result i32)
  (call $respond (i32.const 200) (i32.const 0) (i32.const 0) (local.get $at) (local.get $length)))

;; A line for each key, at the end of the heap.
(func $keys (param $entry i32) (param $left i32) (result i32)
  (local $start i32) (local $end i32)
  (local.set $start (call $cabi_realloc (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 65536)))
  (local.set $end (local.get $start))
  (block $done
    (loop $next
      (br_if $done (i32.eqz (local.get $left)))
      (memory.copy (local.get $end) (i32.load offset=8 (local.get $entry)) (i32.load offset=12 (local.get $entry)))
      (local.set $end (i32.add (local.get $end) (i32.load offset=12 (local.get $entry))))
      (memory.copy (local.get $end) (i32.const 1) (i32.const 1))
      (local.set $end (i32.add (local.get $end) (i32.const 1)))
      (local.set $entry (i32.add (local.get $entry) (i32.const 40)))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br $next)))
  (call $answer (local.get $start) (i32.sub (local.get $end) (local.get $start))))

(func (export "handler") (param $request i32) (result i32)
  (local $method i32) (local $key i32) (local $length i32) (local $body i32) (local $size i32)
  (local.set $method (i32.load16_u (i32.load offset=52 (local.get $request))))
  (local.set $key (i32.load offset=60 (local.get $request)))
  (local.set $length (i32.load offset=64 (local.get $request)))
  (local.set $body (i32.load offset=80 (local.get $request)))
  (local.set $size (i32.load offset=84 (local.get $request)))
  (if (i32.eq (local.get $method) (i32.const 0x4547)) ;; GE
    (then
      (call $get (i32.const 0) (i32.const 1) (local.get $key) (local.get $length) (i32.const 512))
      (if (i32.load8_u (i32.const 512))
        (then (return (call $failed (i32.load8_u (i32.const 520))))))
      (return (call $answer (i32.load (i32.const 536)) (i32.load (i32.const 540))))))
  (if (i32.eq (local.get $method) (i32.const 0x4544)) ;; DE
    (then
      (call $delete (i32.const 0) (i32.const 1) (local.get $key) (local.get $length) (i32.const 512))
      (if (i32.load8_u (i32.const 512))
        (then (return (call $failed (i32.load8_u (i32.const 513))))))
      (return (call $answer (i32.const 0) (i32.const 0)))))
  (if (i32.eq (local.get $method) (i32.const 0x4150)) ;; PA
    (then
      (call $list (i32.const 0) (i32.const 1)
        (i32.ne (local.get $size) (i32.const 0)) (local.get $body) (local.get $size) (i32.const 512))
      (if (i32.load8_u (i32.const 512))
        (then (return (call $failed (i32.load8_u (i32.const 516))))))
      (return (call $keys (i32.load (i32.const 516)) (i32.load (i32.const 520))))))
  (call $put (i32.const 0) (i32.const 1) (local.get $key) (local.get $length)
    (local.get $body) (local.get $size)
    (i32.eq (local.get $method) (i32.const 0x5550)) (i64.const 1) (i32.const 512)) ;; PU
  (if (i32.load8_u (i32.const 512))
    (then (return (call $failed (i32.load8_u (i32.const 520))))))
  (i32.store8 (i32.const 600) (i32.add (i32.const 48) (i32.load8_u (i32.const 552))))
  (call $answer (i32.const 600) (i32.const 1)))
