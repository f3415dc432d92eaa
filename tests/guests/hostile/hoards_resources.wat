;; Makes things of its own, one more than an execution may have handles, and drops none.
(import "[export]plugboard:guests/holds" "[resource-new]thing" (func $new (param i32) (result i32)))
(func (export "handler") (param $request i32) (result i32)
  (local $made i32)
  (loop $more
    (drop (call $new (i32.const 1)))
    (local.set $made (i32.add (local.get $made) (i32.const 1)))
    (br_if $more (i32.lt_u (local.get $made) (i32.const 1001))))
  (call $respond (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
