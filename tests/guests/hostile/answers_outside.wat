;; Says that its answer is behind the end of its memory.
(func (export "handler") (param $request i32) (result i32) (i32.const -16))
