;; Opens the same stream again and again, and closes none.
(import "wasi:cli/stderr@0.2.3" "get-stderr" (func $stderr (result i32)))
(func (export "handler") (param $request i32) (result i32)
  (loop $more
    (drop (call $stderr))
    (br $more))
  (unreachable))
