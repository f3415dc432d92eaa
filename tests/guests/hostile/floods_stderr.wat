;; Writes to standard error for ever, without a line feed.
(import "wasi:cli/stderr@0.2.3" "get-stderr" (func $stderr (result i32)))
(import "wasi:io/streams@0.2.3" "[method]output-stream.blocking-write-and-flush" (func $write (param i32 i32 i32 i32)))
(func (export "handler") (param $request i32) (result i32)
  (local $stream i32)
  (local.set $stream (call $stderr))
  (loop $more
    (call $write (local.get $stream) (i32.const 0) (i32.const 4096) (i32.const 8000))
    (br $more))
  (unreachable))
