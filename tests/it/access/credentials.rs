//! Every kind of credential, and the request that a route gets with it.

use axum::http::Method;
use plugboard::app::sign_in::csrf_token;
use plugboard::app::tokens::TokenRequest;
use plugboard::model::{Scope, ScopeKind, TenantId};
use plugboard::web::{routes::Route, server::Peer};
use secrecy::ExposeSecret;

use crate::support::test_app::{Answer, Call, ORIGIN, TestApp, local};
use crate::support::tokens::with_another_secret;

/// What a request is sent with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credential {
    Nothing,
    /// As a page of the appliance sends it.
    Session,
    SessionWithoutCsrfToken,
    /// From another port of this host, as an attacker's page there would.
    SessionSameSite,
    SessionCrossSite,
    /// Everything right, but the password was entered too long ago.
    SessionOfLongAgo,
    Token(&'static [ScopeKind]),
    /// Expired, revoked, made up, a good one with another secret.
    BadToken(usize),
    /// The admin socket.
    Local,
}

/// The tokens that the walk uses.
pub(super) struct Credentials {
    /// One for each scope, and last one with all.
    good: Vec<(&'static [ScopeKind], String)>,
    bad: Vec<String>,
}

/// Each scope alone, then all: indexes into it are the tokens.
static SCOPES: [ScopeKind; 8] = ScopeKind::ALL;

impl Credential {
    /// Whether a form of an anonymous page would be taken from it.
    pub(super) fn is_same_origin(self) -> bool {
        use Credential::{Session, SessionOfLongAgo, SessionWithoutCsrfToken};
        matches!(self, Session | SessionWithoutCsrfToken | SessionOfLongAgo)
    }
}

impl Credentials {
    /// Makes the tokens, and lets one of them expire.
    pub(super) async fn make(app: &TestApp) -> Self {
        let mut good = Vec::new();
        for scopes in SCOPES.chunks(1).chain([&SCOPES[..]]) {
            good.push((scopes, token(app, scopes, 90).await));
        }
        let revoked = token(app, &SCOPES, 90).await;
        app.app.revoke_token(&local(), &revoked[5..13]).await.unwrap();
        let expired = token(app, &SCOPES, 1).await;
        app.clock.advance(24 * 60 * 60);
        let made_up = format!("{}_000000", &revoked[..57]);
        let (_, with_all) = good.last().unwrap();
        let guessed = with_another_secret(with_all);
        Self { good, bad: vec![expired, revoked, made_up, guessed] }
    }

    pub(super) fn all(&self) -> Vec<Credential> {
        use Credential::{
            BadToken, Local, Nothing, Session, SessionCrossSite, SessionOfLongAgo, SessionSameSite,
            SessionWithoutCsrfToken, Token,
        };
        let sessions =
            [Session, SessionWithoutCsrfToken, SessionSameSite, SessionCrossSite, SessionOfLongAgo];
        let mut all = vec![Nothing, Local];
        all.extend(sessions);
        all.extend(self.good.iter().map(|(scopes, _)| Token(scopes)));
        all.extend((0..self.bad.len()).map(BadToken));
        all
    }

    /// A request for a route; nothing that its path names exists, but the extension.
    pub(super) async fn send(
        &self,
        app: &TestApp,
        route: &Route,
        method: &Method,
        credential: Credential,
    ) -> Answer {
        let path = fill(route, &app.sign_in_link());
        let stranger = Peer::Tcp(([192, 0, 2, 7], 50_000).into());
        let call = app.call(method.clone(), &path).anonymous().peer(stranger);
        let call = match credential {
            Credential::Nothing => with_form(call, route, ""),
            Credential::Local => with_form(call, route, "").peer(Peer::Unix { uid: 0 }),
            Credential::Token(scopes) => {
                let (_, token) = self.good.iter().find(|(own, _)| *own == scopes).unwrap();
                with_form(call, route, "").token(token)
            }
            Credential::BadToken(index) => with_form(call, route, "").token(&self.bad[index]),
            session => with_session(app, call, route, session).await,
        };
        call.send().await
    }
}

async fn token(app: &TestApp, scopes: &[ScopeKind], days: u32) -> String {
    let scopes = scopes.iter().map(|kind| Scope { kind: *kind, names: None }).collect();
    let tenant = TenantId::default_tenant();
    let request =
        TokenRequest { name: "walk".to_owned(), tenant, scopes, days: Some(days), user: None };
    let created = app.app.create_token(&local(), request).await.unwrap();
    created.secret.expose_secret().to_owned()
}

async fn with_session<'a>(
    app: &TestApp,
    call: Call<'a>,
    route: &Route,
    session: Credential,
) -> Call<'a> {
    let cookie = app.session().await;
    let site = match session {
        Credential::SessionSameSite => "same-site",
        Credential::SessionCrossSite => "cross-site",
        _ => "same-origin",
    };
    if session == Credential::SessionOfLongAgo {
        app.clock.advance(601);
    }
    let call = call.session(&cookie).header("sec-fetch-site", site).header("origin", ORIGIN);
    let token = csrf_token(cookie.split_once('=').unwrap().1);
    if session == Credential::SessionWithoutCsrfToken {
        with_form(call, route, "")
    } else {
        with_form(call, route, &token).header("x-csrf-token", &token)
    }
}

/// The body that a page's form has: `csrf_token` and nothing else that is needed.
fn with_form<'a>(call: Call<'a>, route: &Route, token: &str) -> Call<'a> {
    let is_page = !route.path.starts_with("/api/");
    match (is_page, route.method, route.path) {
        (true, "POST", "/admin/upload") => {
            call.multipart(&[("csrf_token", token.as_bytes()), ("bundle", b"x")])
        }
        (true, "POST", _) => call.form(&[("csrf_token", token)]),
        _ => call,
    }
}

/// The path of a route with its parameters filled in.
pub(super) fn fill(route: &Route, link: &str) -> String {
    let hash = format!("sha256:{}", "0".repeat(64));
    let id = match route.path {
        path if ["/installs/", "/open/", "/uploads/"].iter().any(|of| path.contains(of)) => {
            "11111111-2222-4333-8444-555555555555"
        }
        path if path.contains("/trust/") => &hash,
        _ => "aaaaaaaa",
    };
    let parameters = [
        ("{extension}", "com.example.hello"),
        ("{name}", "com.example.none"),
        ("{version}", "1.0.0"),
        ("{hash}", &hash),
        ("{secret}", link),
        ("{*path}", "nothing"),
        ("{kind}", "sbom"),
        ("{id}", id),
        ("{key}", "api_key"),
    ];
    let filled = |path: String, (name, value): &(&str, &str)| path.replace(name, value);
    parameters.iter().fold(route.path.to_owned(), filled)
}
