;; The rest of every extension-world guest: `guests.rs` appends it to the file.
;; Byte 0 to 1023 belong to the guest, then comes the response, then the heap.

(memory (export "memory") 2)
(global $heap (mut i32) (i32.const 4096))

;; A heap that only grows: every execution has a memory of its own.
(func $cabi_realloc (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
  (local $at i32)
  (local.set $at
    (i32.and
      (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
      (i32.sub (i32.const 0) (local.get $align))))
  (global.set $heap (i32.add (local.get $at) (local.get $size)))
  (if (i32.gt_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536)))
    (then
      (if (i32.eq (memory.grow (i32.shr_u (i32.add (local.get $size) (i32.const 131071)) (i32.const 16))) (i32.const -1))
        (then (unreachable)))))
  (local.get $at))

;; Writes an execute-response to 1024 and answers its address.
(func $respond (param $status i32) (param $headers i32) (param $count i32) (param $body i32) (param $length i32) (result i32)
  (i32.store16 (i32.const 1024) (local.get $status))
  (i32.store (i32.const 1028) (local.get $headers))
  (i32.store (i32.const 1032) (local.get $count))
  (i32.store8 (i32.const 1036) (i32.const 1))
  (i32.store (i32.const 1040) (local.get $body))
  (i32.store (i32.const 1044) (local.get $length))
  (i32.const 1024))
