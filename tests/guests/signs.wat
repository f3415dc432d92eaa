;; Calls what its request body names, with a secret that it never reads: asks for `api_key` and
;; says something of its own in `authorization`. Logs the body that came back, and answers with
;; status, fields and body; or 418 and the number of the error.
(import "alga:extension/http" "fetch" (func $fetch (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
(import "alga:extension/logging" "log-info" (func $log (param i32 i32)))
(data (i32.const 128) "x-plugboard-secret")
(data (i32.const 160) "api_key")
(data (i32.const 176) "authorization")
(data (i32.const 192) "Bearer of-the-guest")
(data (i32.const 224) "\80\00\00\00\12\00\00\00\a0\00\00\00\07\00\00\00\b0\00\00\00\0d\00\00\00\c0\00\00\00\13\00\00\00")
(func (export "handler") (param $request i32) (result i32)
  (call $fetch
    (i32.load offset=52 (local.get $request)) (i32.load offset=56 (local.get $request))
    (i32.load offset=80 (local.get $request)) (i32.load offset=84 (local.get $request))
    (i32.const 224) (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0)
    (i32.const 0))
  (if (i32.load8_u (i32.const 0))
    (then
      (i32.store8 (i32.const 64) (i32.add (i32.const 48) (i32.load8_u (i32.const 4))))
      (return (call $respond (i32.const 418) (i32.const 0) (i32.const 0) (i32.const 64) (i32.const 1)))))
  (call $log (i32.load (i32.const 20)) (i32.load (i32.const 24)))
  (call $respond (i32.load16_u (i32.const 4)) (i32.load (i32.const 8)) (i32.load (i32.const 12))
    (i32.load (i32.const 20)) (i32.load (i32.const 24))))
