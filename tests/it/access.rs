//! Who may call what: every route with every kind of credential, default deny.
//!
//! `expected` is the table, written from what each access word promises and not
//! from the guard; the walk sends a request for every row of the route table.

mod credentials;
mod csrf;
mod headers;

use axum::http::{Method, StatusCode};
use plugboard::model::ScopeKind;
use plugboard::web::access::Access;
use plugboard::web::routes::{Route, table};

use crate::support::bundle_builder::BundleBuilder;
use crate::support::guests;
use crate::support::test_app::{Answer, TestApp};
use credentials::{Credential, Credentials};

/// What became of a request, before any handler's own answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Allowed,
    Unauthenticated,
    Forbidden,
    SignIn,
    SetupRequired,
}

/// What an answer says about access. Everything a handler says is `Allowed`.
fn class_of(method: &Method, answer: &Answer) -> Class {
    let is_safe = matches!(*method, Method::GET | Method::HEAD);
    match answer.status {
        StatusCode::UNAUTHORIZED => Class::Unauthenticated,
        StatusCode::FORBIDDEN => Class::Forbidden,
        StatusCode::SEE_OTHER if is_safe && answer.header("location").starts_with("/sign-in") => {
            Class::SignIn
        }
        StatusCode::SERVICE_UNAVAILABLE => Class::SetupRequired,
        _ => Class::Allowed,
    }
}

/// The table: what `credential` gets at a route.
fn expected(path: &str, access: Access, method: &Method, credential: Credential) -> Class {
    use Credential::{BadToken, Local, Nothing};
    let is_safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    match (access, credential) {
        // There is nothing to set up a second time.
        (Access::Always, _) if path == "/setup" && is_safe => Class::SignIn,
        (Access::Public, BadToken(_)) => Class::Unauthenticated,
        // No address of the walk is signed, and no credential helps.
        (Access::SignedAddress, _) | (Access::Page, Local) => Class::Forbidden,
        // Tokens only: these clients are no browsers and not on the host.
        (Access::ApiKey(_), credential) => match credential {
            Credential::Token(scopes) => class_of_token(access, scopes),
            _ => Class::Unauthenticated,
        },
        // Forms of people without a session: only a page of ours may send them.
        (Access::Always | Access::Public, _) => {
            let is_form = !is_safe && ["/setup", "/sign-in"].contains(&path);
            if is_form && !credential.is_same_origin() { Class::Forbidden } else { Class::Allowed }
        }
        (Access::Page, Nothing) if is_safe => Class::SignIn,
        (_, Nothing | BadToken(_)) => Class::Unauthenticated,
        (_, Credential::Token(scopes)) => class_of_token(access, scopes),
        (_, Local) => Class::Allowed,
        (_, session) => class_of_session(access, is_safe, session),
    }
}

fn class_of_token(access: Access, scopes: &[ScopeKind]) -> Class {
    let needed = match access {
        Access::Scope(kind) | Access::ScopeStepUp(kind) | Access::ApiKey(kind) => kind,
        Access::Endpoint => ScopeKind::ExtInvoke,
        Access::Metrics => ScopeKind::MetricsRead,
        // What no token may do.
        Access::Always
        | Access::Public
        | Access::OperatorStepUp
        | Access::SignedAddress
        | Access::Page => {
            return Class::Forbidden;
        }
    };
    if scopes.contains(&needed) { Class::Allowed } else { Class::Forbidden }
}

fn class_of_session(access: Access, is_safe: bool, session: Credential) -> Class {
    let needs_password = matches!(access, Access::ScopeStepUp(_) | Access::OperatorStepUp);
    let foreign = !session.is_same_origin() && (!is_safe || access == Access::Endpoint);
    let forged = !is_safe && session == Credential::SessionWithoutCsrfToken;
    let stale = needs_password && session == Credential::SessionOfLongAgo;
    match access {
        // An unsafe method reads nothing here: `/metrics` has none.
        Access::Metrics => Class::Allowed,
        _ if foreign || forged || stale => Class::Forbidden,
        _ => Class::Allowed,
    }
}

/// Whether errors are problems there: existing clients know other shapes.
fn path_is_for_machines(path: &str, access: Access) -> bool {
    let is_compatible = matches!(access, Access::ApiKey(_) | Access::SignedAddress)
        || path.starts_with("/api/ext-debug/");
    !is_compatible && (path.starts_with("/api/") || path.starts_with("/ext-ui/"))
}

/// The methods to try on a row.
fn methods(route: &Route) -> Vec<Method> {
    match route.method {
        "*" => vec![Method::GET, Method::HEAD, Method::POST, Method::DELETE],
        "GET" => vec![Method::GET, Method::HEAD],
        other => vec![other.parse().unwrap()],
    }
}

async fn installed() -> TestApp {
    let app = TestApp::start().await;
    let hello = BundleBuilder::new("com.example.hello", "1.0.0")
        .component(guests::extension("answers"))
        .endpoint("GET", "/greeting");
    app.install(&hello).await;
    app
}

#[tokio::test]
async fn every_route_answers_every_kind_of_credential_as_the_table_says() {
    let app = installed().await;
    let credentials = Credentials::make(&app).await;
    let (mut wrong, mut walked) = (Vec::new(), 0);

    for route in table() {
        for method in methods(&route) {
            for credential in credentials.all() {
                let answer = credentials.send(&app, &route, &method, credential).await;
                let found = class_of(&method, &answer);
                let wanted = expected(route.path, route.access, &method, credential);
                walked += 1;
                let is_problem = answer.header("content-type") == "application/problem+json";
                let is_plain = path_is_for_machines(route.path, route.access)
                    && answer.status.is_client_error();
                if found != wanted || is_plain && !is_problem {
                    let Route { path, access, .. } = route;
                    let status = answer.status;
                    wrong.push(format!(
                        "{method} {path} ({access:?}) with {credential:?}: {wanted:?} expected, \
                         {found:?} found ({status} {})",
                        answer.text().chars().take(160).collect::<String>()
                    ));
                }
            }
        }
    }

    assert!(wrong.is_empty(), "{} of {walked}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(walked > 1_000, "{walked}");
}

#[tokio::test]
async fn who_is_refused_is_told_which_token_would_do() {
    let app = installed().await;
    let scopes = ["install:read:com.other.*", "install:write:com.other.*"];
    let other = app.make_token("default", &scopes).await;
    let hello = serde_json::json!({"name": "com.example.hello"});
    let get = |path: &str| app.call(Method::GET, path).token(&other);

    for (call, scope) in [
        (get("/api/v1/tokens"), "token:write"),
        (get("/metrics").header("x-forwarded-for", "192.0.2.1"), "metrics:read"),
        (get("/api/v1/extensions/com.example.hello"), "install:read:com.example.hello"),
        (get("/api/ext/com.example.hello/greeting"), "ext:invoke:com.example.hello"),
        (
            app.call(Method::POST, "/api/v1/installs").token(&other).json(hello),
            "install:write:com.example.hello",
        ),
    ] {
        let answer = call.send().await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{scope}");
        let hint = format!(
            "make a token with this scope: `plugboard token create --name NAME --scope {scope}`"
        );
        assert_eq!(answer.json()["hint"], hint);
    }
}

#[tokio::test]
async fn a_token_that_is_good_for_nothing_leads_to_the_list_of_those_that_are() {
    let app = installed().await;
    let hint = "`plugboard token list` shows which are good; `plugboard token create` makes one";

    let bearer = app.call(Method::GET, "/api/v1/installs").token("plug_aaaaaaaa_x").send().await;
    let key = app.call(Method::POST, "/api/ext-bundles/finalize").anonymous();
    let key = key.header("x-api-key", "plug_aaaaaaaa_x").send().await;

    assert_eq!(bearer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(bearer.json()["hint"], hint);
    assert_eq!(key.status, StatusCode::UNAUTHORIZED);
    assert!(key.json()["error"].as_str().unwrap().ends_with(hint), "{}", key.text());
}

#[tokio::test]
async fn before_set_up_only_set_up_and_health_answer() {
    let app = TestApp::start_empty();
    let open = ["/setup", "/api/v1/setup", "/static/{*path}", "/healthz", "/readyz"];

    for route in table() {
        for method in methods(&route) {
            let path = credentials::fill(&route, "secret");
            let answer = app.call(method.clone(), &path).anonymous().send().await;

            let is_led = answer.header("location") == "/setup";
            let closed = is_led || class_of(&method, &answer) == Class::SetupRequired;
            assert_eq!(closed, !open.contains(&route.path), "{method} {path}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn an_address_without_a_route_is_unknown_to_everyone() {
    let app = installed().await;

    for path in ["/api/v1/nothing", "/admin", "/admin/nothing", "/api/ext", "/.git/config", "/a"] {
        for call in [app.call(Method::GET, path), app.call(Method::GET, path).anonymous()] {
            assert_eq!(call.send().await.status, StatusCode::NOT_FOUND, "{path}");
        }
    }
}

#[tokio::test]
async fn a_method_that_a_route_does_not_have_is_refused_with_those_it_has() {
    let app = installed().await;

    for (method, path, allow) in [
        (Method::DELETE, "/healthz", "GET,HEAD"),
        (Method::PATCH, "/api/v1/installs", "GET,HEAD,POST"),
        (Method::POST, "/admin/extensions", "GET,HEAD"),
    ] {
        let answer = app.call(method.clone(), path).send().await;

        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        assert_eq!(answer.header("allow"), allow, "{method} {path}");
    }
}

#[tokio::test]
async fn a_token_is_refused_where_a_browser_would_put_it() {
    let app = installed().await;
    let token = app.make_token("default", &["install:read"]).await;
    let call = |path: &str| app.call(Method::GET, path).anonymous();

    let typed = app
        .call(Method::GET, "/api/v1/installs")
        .token(&token)
        .header("sec-fetch-mode", "navigate")
        .send()
        .await;
    let query = call(&format!("/api/v1/installs?token={token}&access_token={token}")).send().await;
    let cookie = call("/api/v1/installs").header("cookie", &format!("plugboard={token}"));
    let basic = call("/api/v1/installs").header("authorization", &format!("Basic {token}"));

    assert_eq!(typed.status, StatusCode::UNAUTHORIZED);
    assert_eq!(query.status, StatusCode::UNAUTHORIZED);
    assert_eq!(cookie.send().await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(basic.send().await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn pages_cannot_be_framed_and_are_never_stored() {
    let app = installed().await;

    for route in table().iter().filter(|route| !route.path.starts_with("/ext-ui/")) {
        let path = credentials::fill(route, "secret");
        let method = methods(route).remove(0);
        let answer = app.call(method, &path).anonymous().send().await;

        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin", "{path}");
        assert!(answer.header("content-security-policy").contains("default-src 'none'"), "{path}");
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{path}");
        if answer.status != StatusCode::OK {
            assert!(answer.header("cache-control").contains("no-store"), "{path}");
        }
    }
}

#[test]
fn these_routes_are_public() {
    let public: Vec<_> = table()
        .iter()
        .filter(|route| matches!(route.access, Access::Always | Access::Public))
        .map(|route| format!("{:?} {} {}", route.access, route.method, route.path))
        .collect();

    insta::assert_snapshot!(public.join("\n"), @r"
    Always GET /healthz
    Always GET /readyz
    Always GET /static/{*path}
    Public GET /ext-ui/{name}/{hash}/{*path}
    Always POST /api/v1/setup
    Public GET /api/v1/manifest.schema.json
    Public GET /
    Always GET /setup
    Always POST /setup
    Public GET /sign-in
    Public POST /sign-in
    Public GET /sign-in/{secret}
    ");
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is as long as the table")]
fn the_route_table_is_this() {
    let rows: Vec<_> = table()
        .iter()
        .map(|route| format!("{:<6} {:<45} {:?}", route.method, route.path, route.access))
        .collect();

    insta::assert_snapshot!(rows.join("\n"), @r"
    GET    /healthz                                      Always
    GET    /readyz                                       Always
    GET    /metrics                                      Metrics
    GET    /static/{*path}                               Always
    *      /api/ext/{extension}                          Endpoint
    *      /api/ext/{extension}/                         Endpoint
    *      /api/ext/{extension}/{*path}                  Endpoint
    *      /api/ext-proxy/{extension}                    Endpoint
    *      /api/ext-proxy/{extension}/                   Endpoint
    *      /api/ext-proxy/{extension}/{*path}            Endpoint
    GET    /ext-ui/{name}/{hash}/{*path}                 Public
    POST   /api/v1/setup                                 Always
    GET    /api/v1/manifest.schema.json                  Public
    PUT    /api/v1/bundles                               Scope(BundlePublish)
    POST   /api/v1/bundles                               Scope(BundlePublish)
    GET    /api/v1/extensions                            Scope(InstallRead)
    GET    /api/v1/extensions/{name}                     Scope(InstallRead)
    GET    /api/v1/extensions/{name}/versions/{version}  Scope(InstallRead)
    GET    /api/v1/installs                              Scope(InstallRead)
    POST   /api/v1/installs                              Scope(InstallWrite)
    GET    /api/v1/installs/{id}                         Scope(InstallRead)
    DELETE /api/v1/installs/{id}                         Scope(InstallWrite)
    GET    /api/v1/state                                 Scope(InstallRead)
    GET    /api/v1/installs/{id}/state                   Scope(InstallWrite)
    POST   /api/v1/installs/{id}/state                   Scope(InstallWrite)
    DELETE /api/v1/installs/{id}/state                   Scope(InstallWrite)
    GET    /api/v1/installs/{id}/logs                    Scope(InstallRead)
    GET    /api/v1/installs/{id}/usage                   Scope(InstallRead)
    POST   /api/v1/installs/{id}/enable                  Scope(InstallWrite)
    POST   /api/v1/installs/{id}/disable                 Scope(InstallWrite)
    PUT    /api/v1/installs/{id}/version                 Scope(InstallWrite)
    PUT    /api/v1/installs/{id}/settings                Scope(InstallWrite)
    GET    /api/v1/limits                                Scope(BundlePublish)
    OPTIONS /api/v1/uploads                               Scope(BundlePublish)
    GET    /api/v1/uploads                               Scope(BundlePublish)
    POST   /api/v1/uploads                               Scope(BundlePublish)
    GET    /api/v1/uploads/{id}                          Scope(BundlePublish)
    PATCH  /api/v1/uploads/{id}                          Scope(BundlePublish)
    DELETE /api/v1/uploads/{id}                          Scope(BundlePublish)
    POST   /api/v1/uploads/presigned                     Scope(BundlePublish)
    GET    /api/v1/uploads/{id}/parts                    Scope(BundlePublish)
    POST   /api/v1/uploads/{id}/parts                    Scope(BundlePublish)
    POST   /api/v1/uploads/{id}/publish                  Scope(BundlePublish)
    GET    /api/v1/installs/{id}/egress                  Scope(InstallRead)
    PUT    /api/v1/installs/{id}/egress                  Scope(InstallWrite)
    POST   /api/v1/installs/{id}/egress/learning         Scope(InstallWrite)
    POST   /api/v1/installs/{id}/egress/learning/stop    Scope(InstallWrite)
    POST   /api/v1/installs/{id}/egress/learning/accept  Scope(InstallWrite)
    GET    /admin/installs/{id}/egress                   Page
    POST   /admin/installs/{id}/egress                   Page
    POST   /admin/installs/{id}/egress/learning          Page
    POST   /admin/installs/{id}/egress/learning/stop     Page
    POST   /admin/installs/{id}/egress/learning/accept   Page
    GET    /api/v1/installs/{id}/secrets                 Scope(InstallRead)
    PUT    /api/v1/installs/{id}/secrets/{key}           Scope(InstallWrite)
    DELETE /api/v1/installs/{id}/secrets/{key}           Scope(InstallWrite)
    POST   /api/v1/master-key/rotate                     OperatorStepUp
    DELETE /api/v1/extensions/{name}/versions/{version}  Scope(BundlePublish)
    POST   /api/v1/extensions/{name}/versions/{version}/yank Scope(BundlePublish)
    POST   /api/v1/extensions/{name}/versions/{version}/unyank Scope(BundlePublish)
    GET    /api/v1/extensions/{name}/versions/{version}/bundle Scope(InstallRead)
    GET    /api/v1/extensions/{name}/versions/{version}/manifest Scope(InstallRead)
    GET    /api/v1/extensions/{name}/versions/{version}/signatures Scope(InstallRead)
    POST   /api/v1/extensions/{name}/versions/{version}/signatures Scope(BundlePublish)
    GET    /api/v1/extensions/{name}/versions/{version}/signatures/{id} Scope(InstallRead)
    GET    /api/v1/extensions/{name}/versions/{version}/attachments Scope(InstallRead)
    GET    /api/v1/extensions/{name}/versions/{version}/attachments/{kind} Scope(InstallRead)
    PUT    /api/v1/extensions/{name}/versions/{version}/attachments/{kind} Scope(BundlePublish)
    DELETE /api/v1/extensions/{name}/versions/{version}/attachments/{kind} Scope(BundlePublish)
    GET    /api/v1/quarantine                            Scope(BundlePublish)
    GET    /api/v1/quarantine/{hash}                     Scope(BundlePublish)
    DELETE /api/v1/quarantine/{hash}                     Scope(TrustWrite)
    POST   /api/v1/quarantine/{hash}/signatures          Scope(BundlePublish)
    POST   /api/v1/quarantine/{hash}/approve             ScopeStepUp(TrustWrite)
    GET    /api/v1/trust/keys                            Scope(TrustWrite)
    POST   /api/v1/trust/keys                            ScopeStepUp(TrustWrite)
    DELETE /api/v1/trust/keys/{id}                       ScopeStepUp(TrustWrite)
    GET    /api/v1/tokens                                Scope(TokenWrite)
    POST   /api/v1/tokens                                ScopeStepUp(TokenWrite)
    DELETE /api/v1/tokens/{id}                           Scope(TokenWrite)
    GET    /api/v1/audit                                 Scope(AuditRead)
    GET    /api/v1/operators                             OperatorStepUp
    POST   /api/v1/operators                             OperatorStepUp
    PUT    /api/v1/operators/{name}/password             OperatorStepUp
    GET    /api/v1/tenants                               OperatorStepUp
    POST   /api/v1/tenants                               OperatorStepUp
    GET    /api/ext-debug/stream                         Scope(InstallRead)
    POST   /api/ext-debug/stream                         Scope(InstallRead)
    POST   /api/ext-bundles/upload-proxy                 ApiKey(BundlePublish)
    POST   /api/ext-bundles/finalize                     ApiKey(BundlePublish)
    POST   /api/ext-bundles/abort                        ApiKey(BundlePublish)
    POST   /api/ext-bundles/initiate-upload              ApiKey(BundlePublish)
    PUT    /api/ext-bundles/uploads/{id}                 SignedAddress
    POST   /api/v1/extensions/install                    ApiKey(InstallWrite)
    POST   /api/v1/extensions/uninstall                  ApiKey(InstallWrite)
    POST   /api/v1/extensions/update                     ApiKey(InstallWrite)
    GET    /                                             Public
    GET    /setup                                        Always
    POST   /setup                                        Always
    GET    /sign-in                                      Public
    POST   /sign-in                                      Public
    GET    /sign-in/{secret}                             Public
    POST   /sign-out                                     Page
    GET    /admin/step-up                                Page
    POST   /admin/step-up                                Page
    GET    /admin/extensions                             Page
    GET    /admin/extensions/{name}                      Page
    GET    /admin/extensions/{name}/versions             Page
    GET    /admin/extensions/{name}/settings             Page
    GET    /admin/extensions/{name}/secrets              Page
    GET    /admin/extensions/{name}/logs                 Page
    GET    /admin/extensions/{name}/files                Page
    GET    /admin/extensions/{name}/versions/{version}/attachments Page
    GET    /admin/extensions/{name}/versions/{version}/yank Page
    POST   /admin/extensions/{name}/versions/{version}/yank Page
    POST   /admin/extensions/{name}/versions/{version}/unyank Page
    GET    /admin/extensions/{name}/versions/{version}/remove Page
    POST   /admin/extensions/{name}/versions/{version}/remove Page
    GET    /admin/upload                                 Page
    POST   /admin/upload                                 Page
    POST   /admin/installs                               Page
    POST   /admin/installs/{id}/enable                   Page
    GET    /admin/installs/{id}/disable                  Page
    POST   /admin/installs/{id}/disable                  Page
    GET    /admin/installs/{id}/upgrade                  Page
    POST   /admin/installs/{id}/upgrade                  Page
    POST   /admin/installs/{id}/settings                 Page
    POST   /admin/installs/{id}/secrets                  Page
    GET    /admin/installs/{id}/secrets/{key}/remove     Page
    POST   /admin/installs/{id}/secrets/{key}/remove     Page
    GET    /admin/installs/{id}/uninstall                Page
    POST   /admin/installs/{id}/uninstall                Page
    GET    /admin/open/{id}                              Page
    GET    /admin/audit                                  Page
    GET    /admin/storage                                Page
    ");
}
