//! What the list says of an install that is left alone.

use super::server::Server;
use crate::support::bundle_builder::BundleBuilder;
use crate::support::guests;

#[test]
fn an_install_that_is_left_alone_is_listed_as_failing() {
    let server = Server::ready_with(&[("PLUGBOARD_RUNNER__BREAKER_FAILURES", "2")]);
    let bundle = BundleBuilder::new("com.example.traps", "1.0.0").endpoint("GET", "/a");
    server.install(&bundle, &guests::extension("traps"));
    let working = server.desk.ok("list").stdout;

    let answers = [(); 3].map(|()| server.get("/api/ext/com.example.traps/a").0);

    assert_eq!(answers, [502, 502, 503]);
    let failing = server.desk.ok("list").stdout;
    assert!(working.contains("● enabled"), "{working}");
    assert!(failing.contains("◌ failing since 20"), "{failing}");
    let listed = server.desk.ok("list --json").json();
    assert_eq!(listed["installs"][0]["failing"]["failures"], 2, "{listed}");
}
