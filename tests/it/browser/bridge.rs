//! What the page around a frame passes on of the frame's calls, and what it refuses: it has the
//! operator's session.

use super::*;

const NAME: &str = "com.example.doors";
const BAD_ROUTE: &str = "Bad route";
/// What a call that reached the handler is answered: it points to the API of the host.
const SENT: &str = "Proxy error: redirects are not followed";

/// Asks its host for everything at once that a page may not have, one group after the other.
const PAGE: &str = r#"
const own = new URLSearchParams(location.search).get("extensionId");
const waiting = new Map();
const answered = [];
let next = 0;
const ask = (payload) => new Promise((resolve) => {
  const id = String(next++);
  waiting.set(id, resolve);
  parent.postMessage({ alga: true, version: "1", type: "apiproxy", request_id: id, payload }, "*");
});
addEventListener("message", async ({ data }) => {
  if (data === "witness") {
    answered.length = 0;
    await ask({ route: "/../" });
    document.getElementById("witness").textContent = JSON.stringify(answered);
  }
  if (data?.type !== "apiproxy_response") return;
  const { body, error } = data.payload;
  answered.push(data.request_id === "foreign" ? "foreign" : "own");
  waiting.get(data.request_id)?.(error ?? `answered: ${atob(body)}`);
});
// Until less than the number of a second was asked.
const tried = async (payload) => {
  for (;;) {
    const answer = await ask(payload);
    if (!answer.startsWith("More than")) return answer;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
};
const sized = (length) => ({ route: "/away", body: btoa("x".repeat(length)) });

const crowd = await Promise.all(Array.from({ length: 21 }, () => ask({ route: "/../" })));
const routes = {};
for (const route of ROUTES) routes[route] = await tried({ route, method: "GET" });
const results = {
  own,
  crowd,
  routes,
  neighbor: await tried({ route: `/../${own}2/away`, method: "GET" }),
  number: await tried({ route: 5, method: "GET" }),
  method: await tried({ route: "/away", method: "OPTIONS" }),
  query: await tried({ route: "/away?next=..%2f%5c..", method: "GET" }),
  largest: await tried(sized(1024 * 1024)),
  larger: await tried(sized(1024 * 1024 + 1)),
};
document.getElementById("results").textContent = JSON.stringify(results);
"#;

/// Routes that leave the folder of the extension; and some that do not, each of which only one
/// of the checks sees.
fn bad_routes() -> Vec<String> {
    let long = "a".repeat(8192);
    let routes = [
        "/../../v1/installs",
        "../../v1/installs",
        "/%2e%2e/%2E%2e/v1/installs",
        r"/..\..\v1/installs",
        "/.\t./.\t./v1/installs",
        "/a/%2e%2e/away",
        "/a%2faway",
        "/a%5Caway",
        r"/a\away",
        "/a\taway",
        "/a\u{7f}way",
        &format!("/{long}"),
    ];
    routes.map(str::to_owned).to_vec()
}

/// A page with the frame of the extension, and what the frame came to.
async fn opened() -> (Stage, Value) {
    let stage = Stage::set().await;
    stage.sign_in().await;
    let routes = serde_json::to_string(&bad_routes()).unwrap();
    let bundle = BundleBuilder::new(NAME, "1.0.0")
        .page(
            "<!doctype html><pre id=results></pre><pre id=witness></pre>\
             <script type=module src=doors.js></script>",
        )
        .file("ui/doors.js", PAGE.replace("ROUTES", &routes))
        .component(crate::support::guests::extension("redirects"))
        .endpoint("GET", "/away")
        .endpoint("POST", "/away");
    let archive = bundle.build();
    stage.upload(&archive, &crate::support::test_app::sign_with(key(), &archive)).await;
    stage.press("Install and enable").await;
    stage.find("a[href^='/admin/open/']").await.click().await.unwrap();
    stage.find("iframe").await.enter_frame().await.unwrap();
    let results = text_of(&stage, "#results").await;
    (stage, serde_json::from_str(&results).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_gets_no_further_than_its_own_extension() {
    let (stage, results) = opened().await;

    let crowd = results["crowd"].as_array().unwrap();
    assert!(crowd[..20].iter().all(|answer| answer == BAD_ROUTE), "{crowd:?}");
    assert_eq!(crowd[20], "More than 20 calls in a second");
    for route in bad_routes() {
        assert_eq!(results["routes"][&route], BAD_ROUTE, "{route:?}");
    }
    assert_eq!([&results["neighbor"], &results["number"]], [BAD_ROUTE, BAD_ROUTE]);
    assert_eq!(results["method"], "Bad method");
    assert_eq!([&results["query"], &results["largest"]], [SENT, SENT]);
    assert_eq!(results["larger"], "The body is over 1 MiB");
    let own = format!("/api/ext-proxy/{}/away", results["own"].as_str().unwrap());
    assert_eq!(fetched(&stage).await, [&*own, &*own]);
    stage.browser.clone().close().await.ok();
}

/// The paths below `/api` that the page around the frame has asked for.
async fn fetched(stage: &Stage) -> Vec<String> {
    const ENTRIES: &str = "return performance.getEntriesByType('resource')
        .map(({ name }) => new URL(name).pathname).filter((path) => path.startsWith('/api/'))";
    stage.browser.enter_parent_frame().await.unwrap();
    let paths = stage.browser.execute(ENTRIES, Vec::new()).await.unwrap();
    serde_json::from_value(paths).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_frame_is_answered_and_not_the_page_around_it() {
    // Messages of a window come in the order they were sent, and so do the answers to both.
    const FOREIGN: &str = "postMessage({ alga: true, version: '1', type: 'apiproxy',
        request_id: 'foreign', payload: { route: '/../' } }, '*');
        document.getElementById('extension-frame').contentWindow.postMessage('witness', '*')";
    let (stage, _) = opened().await;
    stage.browser.enter_parent_frame().await.unwrap();

    stage.browser.execute(FOREIGN, Vec::new()).await.unwrap();

    stage.find("iframe").await.enter_frame().await.unwrap();
    assert_eq!(text_of(&stage, "#witness").await, r#"["own"]"#);
    stage.browser.clone().close().await.ok();
}
