;; Answers with a body that is not in its memory.
(func (export "handler") (param $request i32) (result i32)
  (call $respond (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 131000) (i32.const 200000)))
