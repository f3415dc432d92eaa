;; Answers the bytes of its argument's strings: url, then body if there is one.
(func (export "handler") (param $request i32) (result i32)
  (if (result i32) (i32.load8_u offset=76 (local.get $request))
    (then (call $respond (i32.const 201)
      (i32.load offset=68 (local.get $request)) (i32.load offset=72 (local.get $request))
      (i32.load offset=80 (local.get $request)) (i32.load offset=84 (local.get $request))))
    (else (call $respond (i32.const 200)
      (i32.load offset=68 (local.get $request)) (i32.load offset=72 (local.get $request))
      (i32.load offset=60 (local.get $request)) (i32.load offset=64 (local.get $request))))))
