;; Reads the secret `api_key` and does with it what the last letter of the path says: `a`
;; answers with it, or with the code of the error; `n` answers with all names, a line for each;
;; `l` logs it, bare and in a sentence; `e` writes it to standard error, in two pieces, and
;; traps; `h` answers with it in a header, behind a line feed, which is no header.
(import "alga:extension/secrets" "get" (func $get (param i32 i32 i32)))
(import "alga:extension/secrets" "list-keys" (func $names (param i32)))
(import "alga:extension/logging" "log-info" (func $log (param i32 i32)))
(import "wasi:cli/stderr@0.2.3" "get-stderr" (func $stderr (result i32)))
(import "wasi:io/streams@0.2.3" "[method]output-stream.blocking-write-and-flush" (func $write (param i32 i32 i32 i32)))
(data (i32.const 0) "api_key")
(data (i32.const 16) "the key is \0a")
(data (i32.const 32) "x-key")
(global $end (mut i32) (i32.const 65536))
(func $put (param $at i32) (param $length i32)
  (memory.copy (global.get $end) (local.get $at) (local.get $length))
  (global.set $end (i32.add (global.get $end) (local.get $length))))
(func $answer (result i32)
  (call $respond (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 65536)
    (i32.sub (global.get $end) (i32.const 65536))))
(func $answer_names (result i32)
  (local $name i32) (local $left i32)
  (call $names (i32.const 64))
  (local.set $name (i32.load (i32.const 64)))
  (local.set $left (i32.load (i32.const 68)))
  (block $done
    (loop $next
      (br_if $done (i32.eqz (local.get $left)))
      (call $put (i32.load (local.get $name)) (i32.load offset=4 (local.get $name)))
      (call $put (i32.const 27) (i32.const 1))
      (local.set $name (i32.add (local.get $name) (i32.const 8)))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br $next)))
  (call $answer))
(func (export "handler") (param $request i32) (result i32)
  (local $does i32) (local $at i32) (local $length i32) (local $half i32)
  (local.set $does
    (i32.load8_u (i32.sub (i32.add (i32.load offset=60 (local.get $request)) (i32.load offset=64 (local.get $request))) (i32.const 1))))
  (if (i32.eq (local.get $does) (i32.const 110)) (then (return (call $answer_names)))) ;; n
  (call $get (i32.const 0) (i32.const 7) (i32.const 64))
  (if (i32.load8_u (i32.const 64))
    (then
      (i32.store8 (i32.const 68) (i32.add (i32.load8_u (i32.const 68)) (i32.const 48)))
      (call $put (i32.const 68) (i32.const 1))
      (return (call $answer))))
  (local.set $at (i32.load (i32.const 68)))
  (local.set $length (i32.load (i32.const 72)))
  (if (i32.eq (local.get $does) (i32.const 108)) ;; l
    (then
      (call $log (local.get $at) (local.get $length))
      (call $put (i32.const 16) (i32.const 11))
      (call $put (local.get $at) (local.get $length))
      (call $log (i32.const 65536) (i32.sub (global.get $end) (i32.const 65536)))
      (return (call $answer))))
  (if (i32.eq (local.get $does) (i32.const 101)) ;; e
    (then
      (local.set $half (i32.shr_u (local.get $length) (i32.const 1)))
      (call $write (call $stderr) (local.get $at) (local.get $half) (i32.const 80))
      (call $write (call $stderr) (i32.add (local.get $at) (local.get $half))
        (i32.sub (local.get $length) (local.get $half)) (i32.const 80))
      (unreachable)))
  (if (i32.eq (local.get $does) (i32.const 104)) ;; h
    (then
      (call $put (i32.const 27) (i32.const 1))
      (call $put (local.get $at) (local.get $length))
      (i32.store (i32.const 96) (i32.const 32))
      (i32.store (i32.const 100) (i32.const 5))
      (i32.store (i32.const 104) (i32.const 65536))
      (i32.store (i32.const 108) (i32.sub (global.get $end) (i32.const 65536)))
      (return (call $respond (i32.const 200) (i32.const 96) (i32.const 1) (i32.const 0) (i32.const 0)))))
  (call $put (local.get $at) (local.get $length))
  (call $answer))
