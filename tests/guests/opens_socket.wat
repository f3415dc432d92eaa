;; Asks for a socket, as tools for scripts do when the script opens one.
(import "wasi:sockets/tcp-create-socket@0.2.3" "create-tcp-socket" (func $create (param i32 i32)))
(import "wasi:sockets/tcp@0.2.3" "[method]tcp-socket.subscribe" (func $subscribe (param i32) (result i32)))
(import "wasi:sockets/tcp@0.2.3" "[method]tcp-socket.start-bind" (func $bind (param i32 i32 i32)))
(import "wasi:sockets/tcp@0.2.3" "[resource-drop]tcp-socket" (func $drop (param i32)))
(func (export "handler") (param $request i32) (result i32)
  (call $create (i32.const 0) (i32.const 64))
  (call $respond (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 64) (i32.const 8)))
