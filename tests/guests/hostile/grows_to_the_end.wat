;; Asks for all memory that there can be, at once, and then for half of what it was refused.
(func (export "handler") (param $request i32) (result i32)
  (local $pages i32)
  (local.set $pages (i32.const 65534))
  (loop $less
    (if (i32.eq (memory.grow (local.get $pages)) (i32.const -1))
      (then
        (local.set $pages (i32.shr_u (local.get $pages) (i32.const 1)))
        (br_if $less (local.get $pages)))))
  (memory.fill (i32.const 65536) (i32.const 1) (i32.shl (local.get $pages) (i32.const 16)))
  (unreachable))
