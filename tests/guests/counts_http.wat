;; Counts `n` of the bucket "" up by 1 and answers the status 200 and the sum, in the world
;; `wasi:http/proxy`; 599 for an error.
(module
  (import "wasi:keyvalue/store@0.2.0-draft" "open" (func $open (param i32 i32 i32)))
  (import "wasi:keyvalue/atomics@0.2.0-draft" "increment" (func $increment (param i32 i32 i32 i64 i32)))
  (import "wasi:http/types@0.2.3" "[constructor]fields" (func $fields (result i32)))
  (import "wasi:http/types@0.2.3" "[constructor]outgoing-response" (func $response (param i32) (result i32)))
  (import "wasi:http/types@0.2.3" "[method]outgoing-response.set-status-code" (func $status (param i32 i32) (result i32)))
  (import "wasi:http/types@0.2.3" "[static]response-outparam.set" (func $set (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "n")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 8192))

  (func $count (result i32)
    (call $open (i32.const 0) (i32.const 0) (i32.const 64))
    (if (i32.load8_u (i32.const 64)) (then (return (i32.const 399))))
    (call $increment (i32.load (i32.const 68)) (i32.const 0) (i32.const 1) (i64.const 1) (i32.const 64))
    (if (i32.load8_u (i32.const 64)) (then (return (i32.const 399))))
    (i32.load (i32.const 72)))

  (func (export "wasi:http/incoming-handler@0.2.3#handle") (param $in i32) (param $out i32)
    (local $made i32)
    (local.set $made (call $response (call $fields)))
    (drop (call $status (local.get $made) (i32.add (i32.const 200) (call $count))))
    (call $set (local.get $out) (i32.const 0) (local.get $made)
      (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))))
