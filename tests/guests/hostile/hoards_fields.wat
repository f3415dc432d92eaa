;; Adds the same header for ever.
(module
  (import "wasi:http/types@0.2.3" "[constructor]fields" (func $fields (result i32)))
  (import "wasi:http/types@0.2.3" "[method]fields.append" (func $append (param i32 i32 i32 i32 i32 i32)))
  (memory (export "memory") 1)
  (global $heap (mut i32) (i32.const 4096))
  (data (i32.const 512) "x-ext-a")
  (func (export "cabi_realloc") (param i32 i32 i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (global.set $heap (i32.add (local.get $at) (local.get $size)))
    (local.get $at))
  (func (export "wasi:http/incoming-handler@0.2.3#handle") (param i32 i32)
    (local $made i32)
    (local.set $made (call $fields))
    (loop $more
      (call $append (local.get $made) (i32.const 512) (i32.const 7)
        (i32.const 512) (i32.const 7) (i32.const 0))
      (br $more))))
