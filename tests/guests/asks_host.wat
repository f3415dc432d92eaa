;; Asks the host application for `me`, and answers with what came; or with 500 and the code of
;; the error.
(import "alga:extension/ui-proxy" "call-route" (func $call (param i32 i32 i32 i32 i32 i32)))
(data (i32.const 0) "me")
(func (export "handler") (param i32) (result i32)
  (call $call (i32.const 0) (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64))
  (if (i32.load8_u (i32.const 64))
    (then
      (i32.store8 (i32.const 68) (i32.add (i32.load8_u (i32.const 68)) (i32.const 48)))
      (return (call $respond (i32.const 500) (i32.const 0) (i32.const 0) (i32.const 68) (i32.const 1)))))
  (call $respond (i32.const 200) (i32.const 0) (i32.const 0)
    (i32.load (i32.const 68)) (i32.load (i32.const 72))))
