;; A `wasi:http` guest that streams: the first letter of the path says what.
;;
;;   /ticks     an event stream that never ends, one frame every 20 ms
;;   /echo      sends the request body back while it arrives
;;   /idle      one frame, and then nothing for an hour
;;   /breaks    one frame, a pause, and a trap
;;   /short     announces ten bytes, sends a frame of six, pauses and returns
;;   /announced announces six bytes and sends them before it pauses and traps
;;   /counts    reads the request body to its end and answers its length, 8 bytes
;;   /much/N    answers N times 64 KiB
;;   /refuses   answers without reading the request body
;;   /pauses    waits an hour before it answers
;;   /quits     asks for the request body once, and waits an hour before it answers
;;   /loops     computes for ever
;;   /done      answers 204, pauses and returns
;;   /nothing   answers 204, pauses and traps
;;   /wrong     as /breaks, with the status 600 and without the trap
;;   /heads     the same with 65 headers in place of that status
;;   /zero      announces no bytes and sends none before it pauses and traps
(module
  (import "wasi:http/types@0.2.3" "[constructor]fields" (func $fields (result i32)))
  (import "wasi:http/types@0.2.3" "[method]fields.append" (func $append (param i32 i32 i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.3" "[method]incoming-request.path-with-query" (func $path (param i32 i32)))
  (import "wasi:http/types@0.2.3" "[method]incoming-request.consume" (func $consume (param i32 i32)))
  (import "wasi:http/types@0.2.3" "[method]incoming-body.stream" (func $read_stream (param i32 i32)))
  (import "wasi:http/types@0.2.3" "[constructor]outgoing-response" (func $response (param i32) (result i32)))
  (import "wasi:http/types@0.2.3" "[method]outgoing-response.set-status-code" (func $status (param i32 i32) (result i32)))
  (import "wasi:http/types@0.2.3" "[method]outgoing-response.body" (func $body (param i32 i32)))
  (import "wasi:http/types@0.2.3" "[method]outgoing-body.write" (func $write_stream (param i32 i32)))
  (import "wasi:http/types@0.2.3" "[static]outgoing-body.finish" (func $finish (param i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.3" "[static]response-outparam.set" (func $set (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))
  (import "wasi:clocks/monotonic-clock@0.2.3" "subscribe-duration" (func $after (param i64) (result i32)))
  (import "wasi:io/poll@0.2.3" "[method]pollable.block" (func $block (param i32)))
  (import "wasi:io/poll@0.2.3" "[resource-drop]pollable" (func $drop_pollable (param i32)))
  (import "wasi:io/streams@0.2.3" "[method]input-stream.skip" (func $try_skip (param i32 i64 i32)))
  (import "wasi:io/streams@0.2.3" "[method]input-stream.blocking-skip" (func $skip (param i32 i64 i32)))
  (import "wasi:io/streams@0.2.3" "[method]output-stream.check-write" (func $room (param i32 i32)))
  (import "wasi:io/streams@0.2.3" "[method]output-stream.subscribe" (func $subscribe (param i32) (result i32)))
  (import "wasi:io/streams@0.2.3" "[method]output-stream.write" (func $write (param i32 i32 i32 i32)))
  (import "wasi:io/streams@0.2.3" "[method]output-stream.blocking-write-and-flush" (func $write_now (param i32 i32 i32 i32)))
  (import "wasi:io/streams@0.2.3" "[method]output-stream.blocking-splice" (func $splice (param i32 i32 i64 i32)))
  (import "wasi:io/streams@0.2.3" "[resource-drop]output-stream" (func $drop_stream (param i32)))

  (memory (export "memory") 4)
  (global $heap (mut i32) (i32.const 8192))
  (global $out (mut i32) (i32.const 0))
  (global $body (mut i32) (i32.const 0))
  (global $stream (mut i32) (i32.const 0))
  (global $code (mut i32) (i32.const 200))
  (global $extra (mut i32) (i32.const 0))
  (data (i32.const 512) "content-typetext/event-streamcontent-length106")
  (data (i32.const 640) "data\n\n")
  (data (i32.const 648) "x-ext-a")

  (func (export "cabi_realloc") (param i32 i32 i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (global.set $heap (i32.add (local.get $at) (local.get $size)))
    (local.get $at))

  ;; Hands over a response; with a length, if there are digits for one.
  (func $begin (param $digits i32) (param $count i32)
    (local $headers i32) (local $made i32)
    (local.set $headers (call $fields))
    (call $append (local.get $headers) (i32.const 512) (i32.const 12) (i32.const 524) (i32.const 17) (i32.const 0))
    (if (local.get $count)
      (then (call $append (local.get $headers) (i32.const 541) (i32.const 14) (local.get $digits) (local.get $count) (i32.const 0))))
    (loop $more
      (if (global.get $extra)
        (then
          (call $append (local.get $headers) (i32.const 648) (i32.const 7) (i32.const 640) (i32.const 4) (i32.const 0))
          (global.set $extra (i32.sub (global.get $extra) (i32.const 1)))
          (br $more))))
    (local.set $made (call $response (local.get $headers)))
    (drop (call $status (local.get $made) (global.get $code)))
    (call $body (local.get $made) (i32.const 0))
    (global.set $body (i32.load (i32.const 4)))
    (call $set (global.get $out) (i32.const 0) (local.get $made)
      (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
    (call $write_stream (global.get $body) (i32.const 0))
    (global.set $stream (i32.load (i32.const 4))))

  (func $end
    (call $drop_stream (global.get $stream))
    (call $finish (global.get $body) (i32.const 0) (i32.const 0) (i32.const 0)))

  ;; A write that fails, as when nobody reads any more, is a trap.
  (func $frame
    (call $write_now (global.get $stream) (i32.const 640) (i32.const 6) (i32.const 0))
    (if (i32.load8_u (i32.const 0)) (then (unreachable))))

  (func $pause (param $ns i64)
    (local $pollable i32)
    (local.set $pollable (call $after (local.get $ns)))
    (call $block (local.get $pollable))
    (call $drop_pollable (local.get $pollable)))

  (func $upload (param $in i32) (result i32)
    (call $consume (local.get $in) (i32.const 0))
    (call $read_stream (i32.load (i32.const 4)) (i32.const 0))
    (i32.load (i32.const 4)))

  ;; result<u64, stream-error> at 0: the error is at 8, and 1 is the end.
  (func $is_over (result i32)
    (if (i32.eqz (i32.load8_u (i32.const 0))) (then (return (i32.const 0))))
    (if (i32.eqz (i32.load8_u (i32.const 8))) (then (unreachable)))
    (i32.const 1))

  (func $echo (param $in i32)
    (local $upload i32)
    (local.set $upload (call $upload (local.get $in)))
    (loop $more
      (call $splice (global.get $stream) (local.get $upload) (i64.const 65536) (i32.const 0))
      (br_if $more (i32.eqz (call $is_over)))))

  (func $count (param $in i32)
    (local $upload i32) (local $count i64)
    (local.set $upload (call $upload (local.get $in)))
    (loop $more
      (call $skip (local.get $upload) (i64.const 65536) (i32.const 0))
      (if (i32.eqz (call $is_over))
        (then
          (local.set $count (i64.add (local.get $count) (i64.load (i32.const 8))))
          (br $more))))
    (call $begin (i32.const 0) (i32.const 0))
    (i64.store (i32.const 1024) (local.get $count))
    (call $write_now (global.get $stream) (i32.const 1024) (i32.const 8) (i32.const 0)))

  (func $piece
    (local $pollable i32)
    (loop $full
      (call $room (global.get $stream) (i32.const 0))
      (if (i32.load8_u (i32.const 0)) (then (unreachable)))
      (if (i64.lt_u (i64.load (i32.const 8)) (i64.const 65536))
        (then
          (local.set $pollable (call $subscribe (global.get $stream)))
          (call $block (local.get $pollable))
          (call $drop_pollable (local.get $pollable))
          (br $full))))
    (call $write (global.get $stream) (i32.const 65536) (i32.const 65536) (i32.const 0)))

  ;; The number at the end of a text.
  (func $number (param $at i32) (param $end i32) (result i32)
    (local $number i32)
    (loop $digits
      (if (i32.lt_u (local.get $at) (local.get $end))
        (then
          (local.set $number (i32.add (i32.mul (local.get $number) (i32.const 10))
            (i32.sub (i32.load8_u (local.get $at)) (i32.const 48))))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br $digits))))
    (local.get $number))

  (func (export "wasi:http/incoming-handler@0.2.3#handle") (param $in i32) (param $answer i32)
    (local $mood i32) (local $at i32) (local $left i32)
    (global.set $out (local.get $answer))
    (call $path (local.get $in) (i32.const 0))
    (local.set $at (i32.load (i32.const 4)))
    (local.set $mood (i32.load8_u offset=1 (local.get $at)))
    (local.set $left (i32.load (i32.const 8)))
    (if (i32.eq (local.get $mood) (i32.const 108)) (then (loop $ever (br $ever))))      ;; l
    (if (i32.eq (local.get $mood) (i32.const 112))                                      ;; p
      (then (call $pause (i64.const 3600000000000))))
    (if (i32.eq (local.get $mood) (i32.const 113))                                      ;; q
      (then
        (call $try_skip (call $upload (local.get $in)) (i64.const 1) (i32.const 0))
        (call $pause (i64.const 3600000000000))))
    (if (i32.eq (local.get $mood) (i32.const 99))                                       ;; c
      (then (call $count (local.get $in)) (call $end) (return)))
    (if (i32.eq (local.get $mood) (i32.const 115))                                      ;; s
      (then
        (call $begin (i32.const 555) (i32.const 2))
        (call $frame)
        (call $pause (i64.const 20000000))
        (return)))
    (if (i32.eq (local.get $mood) (i32.const 97))                                       ;; a
      (then
        (call $begin (i32.const 557) (i32.const 1))
        (call $frame)
        (call $pause (i64.const 20000000))
        (unreachable)))
    (if (i32.or (i32.eq (local.get $mood) (i32.const 100)) (i32.eq (local.get $mood) (i32.const 110)))
      (then                                                                             ;; d, n
        (global.set $code (i32.const 204))
        (call $begin (i32.const 0) (i32.const 0))
        (call $end)
        (call $pause (i64.const 20000000))
        (if (i32.eq (local.get $mood) (i32.const 110)) (then (unreachable)))
        (return)))
    (if (i32.eq (local.get $mood) (i32.const 122))                                      ;; z
      (then
        (call $begin (i32.const 556) (i32.const 1))
        (call $end)
        (call $pause (i64.const 20000000))
        (unreachable)))
    (if (i32.eq (local.get $mood) (i32.const 119)) (then (global.set $code (i32.const 600)))) ;; w
    (if (i32.eq (local.get $mood) (i32.const 104)) (then (global.set $extra (i32.const 64)))) ;; h
    (call $begin (i32.const 0) (i32.const 0))
    (if (i32.or (i32.eq (local.get $mood) (i32.const 119)) (i32.eq (local.get $mood) (i32.const 104)))
      (then (call $frame) (call $pause (i64.const 20000000))))
    (if (i32.eq (local.get $mood) (i32.const 116))                                      ;; t
      (then (loop $ticks (call $frame) (call $pause (i64.const 20000000)) (br $ticks))))
    (if (i32.eq (local.get $mood) (i32.const 101)) (then (call $echo (local.get $in)))) ;; e
    (if (i32.eq (local.get $mood) (i32.const 105))                                      ;; i
      (then (call $frame) (call $pause (i64.const 3600000000000))))
    (if (i32.eq (local.get $mood) (i32.const 98))                                       ;; b
      (then (call $frame) (call $pause (i64.const 20000000)) (unreachable)))
    (if (i32.eq (local.get $mood) (i32.const 109))                                      ;; m
      (then
        (local.set $left (call $number
          (i32.add (local.get $at) (i32.const 6)) (i32.add (local.get $at) (local.get $left))))
        (loop $pieces
          (if (local.get $left)
            (then
              (call $piece)
              (local.set $left (i32.sub (local.get $left) (i32.const 1)))
              (br $pieces))))))
    (if (i32.eq (local.get $mood) (i32.const 114)) (then (call $frame)))                ;; r
    (call $end)))
