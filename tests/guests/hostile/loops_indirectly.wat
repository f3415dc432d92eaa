;; Calls itself through a table for ever, without a deeper stack.
(type $step (func))
(table 1 funcref)
(elem (i32.const 0) $nothing)
(func $nothing)
(func (export "handler") (param $request i32) (result i32)
  (loop $forever
    (call_indirect (type $step) (i32.const 0))
    (br $forever))
  (unreachable))
