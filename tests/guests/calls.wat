;; Calls what its request body names, with the method of its request: answers the status and
;; the body that came back, or 418 and the number of the error.
(import "alga:extension/http" "fetch" (func $fetch (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
(func (export "handler") (param $request i32) (result i32)
  (call $fetch
    (i32.load offset=52 (local.get $request)) (i32.load offset=56 (local.get $request))
    (i32.load offset=80 (local.get $request)) (i32.load offset=84 (local.get $request))
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
    (i32.const 0))
  (if (i32.load8_u (i32.const 0))
    (then
      (i32.store8 (i32.const 64) (i32.add (i32.const 48) (i32.load8_u (i32.const 4))))
      (return (call $respond (i32.const 418) (i32.const 0) (i32.const 0) (i32.const 64) (i32.const 1)))))
  (call $respond (i32.load16_u (i32.const 4)) (i32.const 0) (i32.const 0)
    (i32.load (i32.const 20)) (i32.load (i32.const 24))))
