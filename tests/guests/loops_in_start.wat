;; Never even starts.
(func $start (loop $forever (br $forever)))
(start $start)
(func (export "handler") (param $request i32) (result i32) (unreachable))
