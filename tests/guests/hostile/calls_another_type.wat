;; Calls a function of one type as one of another.
(type $wanted (func (param i64) (result i64)))
(table 1 funcref)
(elem (i32.const 0) $given)
(func $given)
(func (export "handler") (param $request i32) (result i32)
  (i32.wrap_i64 (call_indirect (type $wanted) (i64.const 1) (i32.const 0))))
