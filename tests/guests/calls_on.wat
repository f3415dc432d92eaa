;; Calls nine times what its request body names, with the method of its request: answers 418,
;; how many calls were answered, and the number of the last error.
(import "alga:extension/http" "fetch" (func $fetch (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
(func (export "handler") (param $request i32) (result i32)
  (local $left i32) (local $answered i32) (local $error i32)
  (local.set $left (i32.const 9))
  (loop $again
    (call $fetch
      (i32.load offset=52 (local.get $request)) (i32.load offset=56 (local.get $request))
      (i32.load offset=80 (local.get $request)) (i32.load offset=84 (local.get $request))
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0))
    (if (i32.load8_u (i32.const 0))
      (then (local.set $error (i32.load8_u (i32.const 4))))
      (else (local.set $answered (i32.add (local.get $answered) (i32.const 1)))))
    (local.set $left (i32.sub (local.get $left) (i32.const 1)))
    (br_if $again (local.get $left)))
  (i32.store8 (i32.const 64) (i32.add (i32.const 48) (local.get $answered)))
  (i32.store8 (i32.const 65) (i32.add (i32.const 48) (local.get $error)))
  (call $respond (i32.const 418) (i32.const 0) (i32.const 0) (i32.const 64) (i32.const 2)))
