;; Answers with the status that the url `/NNNNN` names.
(func (export "handler") (param $request i32) (result i32)
  (local $at i32) (local $end i32) (local $status i32)
  (local.set $at (i32.load offset=60 (local.get $request)))
  (local.set $end (i32.add (local.get $at) (i32.load offset=64 (local.get $request))))
  (local.set $at (i32.add (local.get $at) (i32.const 1)))
  (block $done
    (loop $digit
      (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
      (local.set $status
        (i32.add (i32.mul (local.get $status) (i32.const 10))
          (i32.sub (i32.load8_u (local.get $at)) (i32.const 48))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br $digit)))
  (call $respond (local.get $status) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
