//! Headers that cross to a guest and back.

use super::*;

fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &'static str)| {
        (HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    pairs.iter().map(pair).collect()
}

#[test]
fn credentials_and_forwarding_never_reach_a_guest() {
    let sent = map(&[
        ("cookie", "a=1"),
        ("authorization", "Bearer x"),
        ("x-forwarded-for", "1.2.3.4"),
        ("x-alga-admin", "true"),
        ("x-alga-tenant", "other"),
        ("range", "bytes=0-1"),
        ("accept", "*/*"),
        ("x-ext-trace", "1"),
    ]);

    let seen = to_guest(&sent);

    let mut names: Vec<_> = seen.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "x-ext-trace"]);
}

#[test]
fn a_guest_cannot_set_cookies_policies_or_cors() {
    let answered = map(&[
        ("set-cookie", "a=1"),
        ("access-control-allow-origin", "*"),
        ("content-security-policy", "x"),
        ("strict-transport-security", "x"),
        ("clear-site-data", "x"),
        ("service-worker-allowed", "/"),
        ("refresh", "0"),
        ("link", "x"),
        ("content-type", "text/plain"),
    ]);

    let kept = from_guest(&answered, true);

    assert_eq!(kept.len(), 2);
    assert_eq!(kept[header::CONTENT_TYPE], "text/plain");
    assert_eq!(kept[header::CACHE_CONTROL], "private, no-store");
}

#[test]
fn a_location_stays_on_this_host() {
    for (value, kept) in [
        ("/a/b?c", true),
        ("a/b", true),
        ("?x=1", true),
        ("//evil.test", false),
        ("/\\evil.test", false),
        ("https://evil.test", false),
        ("javascript:alert(1)", false),
        ("/\t/evil.test", false),
        (" //evil.test", false),
    ] {
        let location = HeaderMap::from_iter([(header::LOCATION, HeaderValue::from_static(value))]);
        let headers = from_guest(&location, true);
        assert_eq!(headers.contains_key(header::LOCATION), kept, "{value}");
    }
}

#[test]
fn what_is_for_one_caller_is_not_for_shared_caches() {
    for (value, for_one) in [
        ("public, max-age=60", "private, no-store"),
        ("max-age=60 ,\tPublic", "private, no-store"),
        ("S-MaxAge=60", "private, no-store"),
        ("max-age=60", "private, max-age=60"),
        ("max-age=60, must-revalidate", "private, max-age=60, must-revalidate"),
        ("private=\"x-ext-page\", max-age=60", "private, private=\"x-ext-page\", max-age=60"),
        ("max-age=60, x-public=1", "private, max-age=60, x-public=1"),
        ("no-cache", "private, no-cache"),
        ("Private , max-age=60", "Private , max-age=60"),
        ("no-store", "no-store"),
    ] {
        let answered = map(&[("cache-control", value)]);
        let kept = |is_public| from_guest(&answered, is_public)[header::CACHE_CONTROL].clone();

        assert_eq!(kept(true), value);
        assert_eq!(kept(false), for_one, "{value}");
    }
}
