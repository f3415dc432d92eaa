;; Answers how much it finds that it did not put there, in memory, a table and a global: eight
;; bytes. Then it leaves as much as it can. With a longer path than `/` it leaves that first,
;; which shows that it finds what there is.
(table $table 64 funcref)
(global $seen (mut i64) (i64.const 0))
(elem declare func $mark)
(func $mark)
(func (export "handler") (param $request i32) (result i32)
  (local $at i32) (local $end i32) (local $found i64)
  (drop (memory.grow (i32.const 32)))
  (local.set $end (i32.shl (memory.size) (i32.const 16)))
  (local.set $found (global.get $seen))
  (if (i32.gt_u (i32.load offset=64 (local.get $request)) (i32.const 1))
    (then
      (memory.fill (i32.const 16384) (i32.const 0x5a) (i32.sub (local.get $end) (i32.const 16384)))
      (table.fill $table (i32.const 0) (ref.func $mark) (i32.const 64))))
  ;; The request lies below.
  (local.set $at (i32.const 16384))
  (loop $next
    (if (i64.ne (i64.load (local.get $at)) (i64.const 0))
      (then (local.set $found (i64.add (local.get $found) (i64.const 1)))))
    (local.set $at (i32.add (local.get $at) (i32.const 8)))
    (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
  (local.set $at (i32.const 0))
  (loop $next
    (if (i32.eqz (ref.is_null (table.get $table (local.get $at))))
      (then (local.set $found (i64.add (local.get $found) (i64.const 1)))))
    (local.set $at (i32.add (local.get $at) (i32.const 1)))
    (br_if $next (i32.lt_u (local.get $at) (i32.const 64))))
  (memory.fill (i32.const 16384) (i32.const 0x5a) (i32.sub (local.get $end) (i32.const 16384)))
  (table.fill $table (i32.const 0) (ref.func $mark) (i32.const 64))
  (global.set $seen (i64.const 1))
  (i64.store (i32.const 512) (local.get $found))
  (call $respond (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 512) (i32.const 8)))
