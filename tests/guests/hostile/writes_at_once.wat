;; Writes more line feeds to standard error at once than `check-write` promises.
(import "wasi:cli/stderr@0.2.3" "get-stderr" (func $stderr (result i32)))
(import "wasi:io/streams@0.2.3" "[method]output-stream.write" (func $write (param i32 i32 i32 i32)))
(func (export "handler") (param $request i32) (result i32)
  (memory.fill (i32.const 8192) (i32.const 10) (i32.const 4097))
  (call $write (call $stderr) (i32.const 8192) (i32.const 4097) (i32.const 512))
  (call $respond (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
