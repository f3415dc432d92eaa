;; Never answers.
(func (export "handler") (param $request i32) (result i32)
  (loop $forever (br $forever))
  (unreachable))
