;; Asks for a table of two thousand million elements.
(table $table 1 funcref)
(func (export "handler") (param $request i32) (result i32)
  (drop (table.grow $table (ref.null func) (i32.const 2000000000)))
  (call $respond (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
