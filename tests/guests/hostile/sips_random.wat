;; Asks for randomness for ever, in pieces that are allowed.
(import "wasi:random/random@0.2.3" "get-random-bytes" (func $random (param i64 i32)))
(func (export "handler") (param $request i32) (result i32)
  (loop $more
    (call $random (i64.const 65536) (i32.const 0))
    (global.set $heap (i32.const 4096))
    (br $more))
  (unreachable))
