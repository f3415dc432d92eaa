;; Fills as much memory as it gets, in single instructions that nothing interrupts.
(func (export "handler") (param $request i32) (result i32)
  (loop $more
    (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
  (loop $forever
    (memory.fill (i32.const 0) (i32.const 165)
      (i32.shl (i32.sub (memory.size) (i32.const 1)) (i32.const 16)))
    (br $forever))
  (unreachable))
