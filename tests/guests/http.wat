;; A `wasi:http` guest of many moods: the first letter of the path says which.
;;
;;   /answers   201, "hello" and a finished body
;;   /empty     204 without a body
;;   /forgets   as /answers, but no handle is ever dropped or finished
;;   /never     returns without a response
;;   /refuses   answers an error code
;;   /traps     fails after half of the body
;;   /loops     never ends after half of the body
;;   /big       writes bodies without end
;;   /dials     sends a request and answers the code of the error
;;   /wrong     as /answers, with the status 600
;;   /heads     as /answers, with 65 headers
(module
  (import "wasi:http/types@0.2.3" "[constructor]fields" (func $fields (result i32)))
  (import "wasi:http/types@0.2.3" "[method]fields.append" (func $append (param i32 i32 i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.3" "[method]incoming-request.path-with-query" (func $path (param i32 i32)))
  (import "wasi:http/types@0.2.3" "[constructor]outgoing-response" (func $response (param i32) (result i32)))
  (import "wasi:http/types@0.2.3" "[method]outgoing-response.set-status-code" (func $status (param i32 i32) (result i32)))
  (import "wasi:http/types@0.2.3" "[method]outgoing-response.body" (func $body (param i32 i32)))
  (import "wasi:http/types@0.2.3" "[method]outgoing-body.write" (func $stream (param i32 i32)))
  (import "wasi:http/types@0.2.3" "[static]outgoing-body.finish" (func $finish (param i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.3" "[static]response-outparam.set" (func $set (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.3" "[constructor]outgoing-request" (func $request (param i32) (result i32)))
  (import "wasi:http/types@0.2.3" "[method]outgoing-request.set-authority" (func $authority (param i32 i32 i32 i32) (result i32)))
  (import "wasi:http/types@0.2.3" "[method]outgoing-request.set-path-with-query" (func $set_path (param i32 i32 i32 i32) (result i32)))
  (import "wasi:http/types@0.2.3" "[method]future-incoming-response.subscribe" (func $subscribe (param i32) (result i32)))
  (import "wasi:http/types@0.2.3" "[method]future-incoming-response.get" (func $get (param i32 i32)))
  (import "wasi:http/outgoing-handler@0.2.3" "handle" (func $send (param i32 i32 i32 i32)))
  (import "wasi:io/poll@0.2.3" "[method]pollable.block" (func $block (param i32)))
  (import "wasi:io/streams@0.2.3" "[method]output-stream.blocking-write-and-flush" (func $write (param i32 i32 i32 i32)))
  (import "wasi:io/streams@0.2.3" "[resource-drop]output-stream" (func $drop_stream (param i32)))

  (memory (export "memory") 2)
  (global $heap (mut i32) (i32.const 8192))
  (global $extra (mut i32) (i32.const 0))
  (data (i32.const 512) "hello127.0.0.1:1/")
  (data (i32.const 536) "x-ext-a")

  (func (export "cabi_realloc") (param i32 i32 i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (global.set $heap (i32.add (local.get $at) (local.get $size)))
    (local.get $at))

  ;; Hands over a response and answers its body.
  (func $begin (param $out i32) (param $code i32) (result i32)
    (local $made i32) (local $opened i32)
    (local.set $made (call $fields))
    (loop $more
      (if (global.get $extra)
        (then
          (call $append (local.get $made) (i32.const 536) (i32.const 7) (i32.const 512) (i32.const 5) (i32.const 0))
          (global.set $extra (i32.sub (global.get $extra) (i32.const 1)))
          (br $more))))
    (local.set $made (call $response (local.get $made)))
    (drop (call $status (local.get $made) (local.get $code)))
    (call $body (local.get $made) (i32.const 0))
    (local.set $opened (i32.load (i32.const 4)))
    (call $set (local.get $out) (i32.const 0) (local.get $made)
      (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
    (local.get $opened))

  (func $writer (param $body i32) (result i32)
    (call $stream (local.get $body) (i32.const 0))
    (i32.load (i32.const 4)))

  (func $dial (result i32)
    (local $made i32) (local $future i32)
    (local.set $made (call $request (call $fields)))
    (drop (call $authority (local.get $made) (i32.const 1) (i32.const 517) (i32.const 11)))
    (drop (call $set_path (local.get $made) (i32.const 1) (i32.const 528) (i32.const 1)))
    (call $send (local.get $made) (i32.const 0) (i32.const 0) (i32.const 0))
    ;; result<future, error-code>: refused at once, or later through the future.
    (if (i32.load8_u (i32.const 0)) (then (return (i32.load8_u (i32.const 8)))))
    (local.set $future (i32.load (i32.const 8)))
    (call $block (call $subscribe (local.get $future)))
    (call $get (local.get $future) (i32.const 0))
    ;; option at 0, result at 8, inner result at 16, error code at 24.
    (i32.load8_u (i32.const 24)))

  (func (export "wasi:http/incoming-handler@0.2.3#handle") (param $in i32) (param $out i32)
    (local $mood i32) (local $body i32) (local $stream i32)
    (call $path (local.get $in) (i32.const 0))
    (local.set $mood (i32.load8_u offset=1 (i32.load (i32.const 4))))
    (if (i32.eq (local.get $mood) (i32.const 110)) (then (return)))                     ;; n
    (if (i32.eq (local.get $mood) (i32.const 114))                                      ;; r
      (then
        (call $set (local.get $out) (i32.const 1) (i32.const 36)
          (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
        (return)))
    (if (i32.eq (local.get $mood) (i32.const 101))                                      ;; e
      (then
        (call $finish (call $begin (local.get $out) (i32.const 204)) (i32.const 0) (i32.const 0) (i32.const 0))
        (return)))
    (if (i32.eq (local.get $mood) (i32.const 100))                                      ;; d
      (then (i32.store8 (i32.const 512) (call $dial))))
    (if (i32.eq (local.get $mood) (i32.const 104)) (then (global.set $extra (i32.const 65)))) ;; h
    (local.set $body (call $begin (local.get $out)
      (select (i32.const 600) (i32.const 201) (i32.eq (local.get $mood) (i32.const 119))))) ;; w
    (local.set $stream (call $writer (local.get $body)))
    (if (i32.eq (local.get $mood) (i32.const 98))                                       ;; b
      (then
        (loop $more
          (call $write (local.get $stream) (i32.const 512) (i32.const 4096) (i32.const 0))
          (br_if $more (i32.eqz (i32.load8_u (i32.const 0)))))))
    (call $write (local.get $stream) (i32.const 512) (i32.const 5) (i32.const 0))
    (if (i32.eq (local.get $mood) (i32.const 116)) (then (unreachable)))                ;; t
    (if (i32.eq (local.get $mood) (i32.const 108)) (then (loop $forever (br $forever)))) ;; l
    (if (i32.eq (local.get $mood) (i32.const 102)) (then (return)))                     ;; f
    (call $drop_stream (local.get $stream))
    (call $finish (local.get $body) (i32.const 0) (i32.const 0) (i32.const 0))))
