;; Answers 307: to the installs of the host.
(data (i32.const 0) "location/api/v1/installs")
(func (export "handler") (param $request i32) (result i32)
  (i32.store (i32.const 64) (i32.const 0))
  (i32.store (i32.const 68) (i32.const 8))
  (i32.store (i32.const 72) (i32.const 8))
  (i32.store (i32.const 76) (i32.const 16))
  (call $respond (i32.const 307) (i32.const 64) (i32.const 1) (i32.const 24) (i32.const 0)))
