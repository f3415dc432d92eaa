;; Answers what an earlier execution left in memory, a global and a table: 0.
(global $seen (mut i32) (i32.const 0))
(table $table 1 funcref)
(elem declare func $mark)
(func $mark)
(func (export "handler") (param $request i32) (result i32)
  (local $sum i32)
  (local.set $sum
    (i32.add (i32.add (global.get $seen) (i32.load8_u (i32.const 100000)))
      (i32.eqz (ref.is_null (table.get $table (i32.const 0))))))
  (global.set $seen (i32.const 1))
  (i32.store8 (i32.const 100000) (i32.const 1))
  (table.set $table (i32.const 0) (ref.func $mark))
  (call $respond (i32.add (i32.const 200) (local.get $sum)) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
