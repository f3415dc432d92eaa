//! Paths with two readings.

use super::*;

#[test]
fn ambiguous_paths_are_refused() {
    for path in ["a/../b", "%2e%2e/b", "a%2fb", "a%5cb", "a%00", "a//b", "a%252e", "./a", "a%0ab"]
        .into_iter()
        .chain(["a%3fb=1", "a%23b", "/", "/a", "//"])
    {
        assert!(guest_path(&format!("/api/ext/x/{path}")).is_err(), "{path}");
    }
    assert_eq!(guest_path("/api/ext/x/a%20b/c").unwrap(), "/a b/c");
    assert_eq!(guest_path("/api/ext/x/a-b/c_d/").unwrap(), "/a-b/c_d/");
    assert_eq!(guest_path("/api/ext/x").unwrap(), "/");
    assert_eq!(guest_path("/api/ext/x/").unwrap(), "/");
}
