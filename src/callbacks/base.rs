//! The address that the operator has given, and what is put behind it.

use http::Uri;
use http::uri::{Authority, Scheme};

use super::route::Route;

/// A server, and the path on it that all routes are below.
#[derive(Clone, Debug)]
pub(super) struct Base {
    scheme: Scheme,
    authority: Authority,
    /// Without a slash at its end.
    prefix: String,
}

impl Base {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let url = url::Url::parse(text).ok()?;
        let uri: Uri = url.as_str().parse().ok()?;
        let (scheme, authority) = (uri.scheme()?.clone(), uri.authority()?.clone());
        Some(Self { scheme, authority, prefix: uri.path().trim_end_matches('/').to_owned() })
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    pub(super) fn server(&self) -> (&str, u16) {
        let usual = if self.is_encrypted() { 443 } else { 80 };
        (self.authority.host(), self.authority.port_u16().unwrap_or(usual))
    }

    /// The server comes from the base and from nowhere else; a route is only a path.
    pub(super) fn uri(&self, route: &Route) -> Option<Uri> {
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(format!("{}{}", self.prefix, route.as_str()))
            .build()
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_put_behind_the_base_with_one_slash() {
        let extension = "com.example.a".parse().unwrap();
        for (base, route, uri) in [
            ("https://app.test", "/api/a?b=c", "https://app.test/api/a?b=c"),
            ("https://app.test/", "api/a", "https://app.test/api/a"),
            ("http://10.0.0.1:3000/x/", "a", "http://10.0.0.1:3000/x/com.example.a/a"),
            ("http://[::1]:3000/x", "/a/", "http://[::1]:3000/x/com.example.a/a/"),
        ] {
            let route = Route::of_guest(route, &extension).unwrap();
            assert_eq!(Base::parse(base).unwrap().uri(&route).unwrap().to_string(), uri);
        }
    }
}
