;; Keeps values by `wasi:keyvalue`. Its url is `/a?`, what to do, a bucket and a key, as `/a?g0key`:
;;   g get (404: none)   s set to the body   d delete   e exists (0 or 1)   i count up by 5
;;   l all keys, a line each, and `.` for each page   c keys from a cursor that nobody gave
;;   S set the key and its first letter to the body   G get both (`-`: none)   D delete both
;;   B get 1001 keys
;; Buckets: 0 is "", 1 is "default", 2 is "other", 3 has a name that is too long, 4 is "n" and
;; its key always `/a?k`.
;; An error is the status 460 and its case, with its text.
(import "wasi:keyvalue/store@0.2.0-draft" "open" (func $open (param i32 i32 i32)))
(import "wasi:keyvalue/store@0.2.0-draft" "[method]bucket.get" (func $get (param i32 i32 i32 i32)))
(import "wasi:keyvalue/store@0.2.0-draft" "[method]bucket.set" (func $set (param i32 i32 i32 i32 i32 i32)))
(import "wasi:keyvalue/store@0.2.0-draft" "[method]bucket.delete" (func $delete (param i32 i32 i32 i32)))
(import "wasi:keyvalue/store@0.2.0-draft" "[method]bucket.exists" (func $exists (param i32 i32 i32 i32)))
(import "wasi:keyvalue/store@0.2.0-draft" "[method]bucket.list-keys" (func $list (param i32 i32 i64 i32)))
(import "wasi:keyvalue/store@0.2.0-draft" "[resource-drop]bucket" (func $drop_bucket (param i32)))
(import "wasi:keyvalue/atomics@0.2.0-draft" "increment" (func $increment (param i32 i32 i32 i64 i32)))
(import "wasi:keyvalue/batch@0.2.0-draft" "get-many" (func $get_many (param i32 i32 i32 i32)))
(import "wasi:keyvalue/batch@0.2.0-draft" "set-many" (func $set_many (param i32 i32 i32 i32)))
(import "wasi:keyvalue/batch@0.2.0-draft" "delete-many" (func $delete_many (param i32 i32 i32 i32)))
(data (i32.const 0) "defaultother01\0a.-n/a?k")

;; The answers of the host are at 512, lists for it at 600.
(func $answer (param $status i32) (param $at i32) (param $length i32) (result i32)
  (call $respond (local.get $status) (i32.const 0) (i32.const 0) (local.get $at) (local.get $length)))

;; The error whose case is at $at.
(func $failed (param $at i32) (result i32)
  (local $text i32)
  (local.set $text (i32.add (local.get $at) (i32.const 4)))
  (if (i32.ne (i32.load8_u (local.get $at)) (i32.const 2))
    (then (return (call $answer (i32.add (i32.const 460) (i32.load8_u (local.get $at))) (i32.const 0) (i32.const 0)))))
  (call $answer (i32.const 462) (i32.load (local.get $text)) (i32.load offset=4 (local.get $text))))

(func $is (param $what i32) (param $letter i32) (result i32)
  (i32.eq (local.get $what) (local.get $letter)))

(global $start (mut i32) (i32.const 0))
(global $end (mut i32) (i32.const 0))
(func $begin
  (global.set $start (call $cabi_realloc (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 65536)))
  (global.set $end (global.get $start)))
(func $put (param $from i32) (param $length i32)
  (memory.copy (global.get $end) (local.get $from) (local.get $length))
  (global.set $end (i32.add (global.get $end) (local.get $length))))
(func $written (result i32)
  (call $answer (i32.const 200) (global.get $start) (i32.sub (global.get $end) (global.get $start))))

(func $keys (param $bucket i32) (param $has_cursor i32) (param $cursor i64) (result i32)
  (local $key i32) (local $left i32)
  (call $begin)
  (loop $page
    (call $list (local.get $bucket) (local.get $has_cursor) (local.get $cursor) (i32.const 512))
    (if (i32.load8_u (i32.const 512)) (then (return (call $failed (i32.const 520)))))
    (call $put (i32.const 15) (i32.const 1))
    (local.set $key (i32.load (i32.const 520)))
    (local.set $left (i32.load (i32.const 524)))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $left)))
        (call $put (i32.load (local.get $key)) (i32.load offset=4 (local.get $key)))
        (call $put (i32.const 14) (i32.const 1))
        (local.set $key (i32.add (local.get $key) (i32.const 8)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br $next)))
    (local.set $has_cursor (i32.load8_u (i32.const 528)))
    (local.set $cursor (i64.load (i32.const 536)))
    (br_if $page (local.get $has_cursor)))
  (call $written))

;; One of what `get-many` answers.
(func $one (param $at i32)
  (if (i32.load8_u (local.get $at))
    (then (call $put (i32.load offset=12 (local.get $at)) (i32.load offset=16 (local.get $at))))
    (else (call $put (i32.const 16) (i32.const 1)))))

(func (export "handler") (param $request i32) (result i32)
  (local $url i32) (local $what i32) (local $which i32) (local $bucket i32)
  (local $key i32) (local $length i32) (local $body i32) (local $size i32)
  (local.set $url (i32.load offset=60 (local.get $request)))
  (local.set $what (i32.load8_u offset=3 (local.get $url)))
  (local.set $which (i32.load8_u offset=4 (local.get $url)))
  (local.set $key (i32.add (local.get $url) (i32.const 5)))
  (local.set $length (i32.sub (i32.load offset=64 (local.get $request)) (i32.const 5)))
  (local.set $body (i32.load offset=80 (local.get $request)))
  (local.set $size (i32.load offset=84 (local.get $request)))
  (if (i32.eq (local.get $which) (i32.const 48)) (then (call $open (i32.const 0) (i32.const 0) (i32.const 512))))
  (if (i32.eq (local.get $which) (i32.const 49)) (then (call $open (i32.const 0) (i32.const 7) (i32.const 512))))
  (if (i32.eq (local.get $which) (i32.const 50)) (then (call $open (i32.const 7) (i32.const 5) (i32.const 512))))
  (if (i32.eq (local.get $which) (i32.const 51))
    (then
      (memory.fill (i32.const 600) (i32.const 120) (i32.const 129))
      (call $open (i32.const 600) (i32.const 129) (i32.const 512))))
  (if (i32.eq (local.get $which) (i32.const 52))
    (then
      (call $open (i32.const 17) (i32.const 1) (i32.const 512))
      (local.set $key (i32.const 18))
      (local.set $length (i32.const 4))))
  (if (i32.load8_u (i32.const 512)) (then (return (call $failed (i32.const 516)))))
  (local.set $bucket (i32.load (i32.const 516)))

  (if (call $is (local.get $what) (i32.const 103)) ;; g
    (then
      (call $get (local.get $bucket) (local.get $key) (local.get $length) (i32.const 512))
      (if (i32.load8_u (i32.const 512)) (then (return (call $failed (i32.const 516)))))
      (if (i32.eqz (i32.load8_u (i32.const 516)))
        (then (return (call $answer (i32.const 404) (i32.const 0) (i32.const 0)))))
      (return (call $answer (i32.const 200) (i32.load (i32.const 520)) (i32.load (i32.const 524))))))
  (if (call $is (local.get $what) (i32.const 115)) ;; s
    (then
      (call $set (local.get $bucket) (local.get $key) (local.get $length) (local.get $body) (local.get $size) (i32.const 512))
      (if (i32.load8_u (i32.const 512)) (then (return (call $failed (i32.const 516)))))
      (call $drop_bucket (local.get $bucket))
      (return (call $answer (i32.const 200) (i32.const 0) (i32.const 0)))))
  (if (call $is (local.get $what) (i32.const 100)) ;; d
    (then
      (call $delete (local.get $bucket) (local.get $key) (local.get $length) (i32.const 512))
      (if (i32.load8_u (i32.const 512)) (then (return (call $failed (i32.const 516)))))
      (return (call $answer (i32.const 200) (i32.const 0) (i32.const 0)))))
  (if (call $is (local.get $what) (i32.const 101)) ;; e
    (then
      (call $exists (local.get $bucket) (local.get $key) (local.get $length) (i32.const 512))
      (if (i32.load8_u (i32.const 512)) (then (return (call $failed (i32.const 516)))))
      (return (call $answer (i32.const 200) (i32.add (i32.const 12) (i32.load8_u (i32.const 516))) (i32.const 1)))))
  (if (call $is (local.get $what) (i32.const 105)) ;; i
    (then
      (call $increment (local.get $bucket) (local.get $key) (local.get $length) (i64.const 5) (i32.const 512))
      (if (i32.load8_u (i32.const 512)) (then (return (call $failed (i32.const 520)))))
      (return (call $answer (i32.const 200) (i32.const 520) (i32.const 8)))))
  (if (call $is (local.get $what) (i32.const 108)) ;; l
    (then (return (call $keys (local.get $bucket) (i32.const 0) (i64.const 0)))))
  (if (call $is (local.get $what) (i32.const 99)) ;; c
    (then (return (call $keys (local.get $bucket) (i32.const 1) (i64.const 1)))))
  (if (call $is (local.get $what) (i32.const 66)) ;; B
    (then
      (call $get_many (local.get $bucket) (i32.const 98304) (i32.const 1001) (i32.const 512))
      (if (i32.load8_u (i32.const 512)) (then (return (call $failed (i32.const 516)))))
      (return (call $answer (i32.const 200) (i32.const 0) (i32.const 0)))))
  (if (call $is (local.get $what) (i32.const 83)) ;; S
    (then
      (i32.store (i32.const 600) (local.get $key))
      (i32.store (i32.const 604) (local.get $length))
      (i32.store (i32.const 608) (local.get $body))
      (i32.store (i32.const 612) (local.get $size))
      (i32.store (i32.const 616) (local.get $key))
      (i32.store (i32.const 620) (i32.const 1))
      (i32.store (i32.const 624) (local.get $body))
      (i32.store (i32.const 628) (local.get $size))
      (call $set_many (local.get $bucket) (i32.const 600) (i32.const 2) (i32.const 512))
      (if (i32.load8_u (i32.const 512)) (then (return (call $failed (i32.const 516)))))
      (return (call $answer (i32.const 200) (i32.const 0) (i32.const 0)))))
  ;; G and D
  (i32.store (i32.const 600) (local.get $key))
  (i32.store (i32.const 604) (local.get $length))
  (i32.store (i32.const 608) (local.get $key))
  (i32.store (i32.const 612) (i32.const 1))
  (if (call $is (local.get $what) (i32.const 68))
    (then
      (call $delete_many (local.get $bucket) (i32.const 600) (i32.const 2) (i32.const 512))
      (if (i32.load8_u (i32.const 512)) (then (return (call $failed (i32.const 516)))))
      (return (call $answer (i32.const 200) (i32.const 0) (i32.const 0)))))
  (call $get_many (local.get $bucket) (i32.const 600) (i32.const 2) (i32.const 512))
  (if (i32.load8_u (i32.const 512)) (then (return (call $failed (i32.const 516)))))
  (call $begin)
  (call $one (i32.load (i32.const 516)))
  (call $one (i32.add (i32.load (i32.const 516)) (i32.const 20)))
  (call $written))
