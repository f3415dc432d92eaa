//! The catalogue of metrics, held against what a busy appliance says, and what is made of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::bundle_builder::BundleBuilder;
use crate::support::collector::Collector;
use crate::support::guests;
use crate::support::internet::{Script, Server};

/// By the name that queries have: its type and its labels.
type Catalogue = BTreeMap<String, (String, BTreeSet<String>)>;

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The rows of docs/METRICS.md.
fn documented() -> Catalogue {
    let document = file("docs/METRICS.md");
    let mut catalogue = Catalogue::new();
    for row in document.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, labels, says, when] = cells[..] else { panic!("{row}") };
        assert!(!says.is_empty() && !when.is_empty(), "{row}");
        let labels = labels.split(',').map(|label| label.trim().trim_matches('`').to_owned());
        let labels = labels.filter(|label| !label.is_empty()).collect();
        let old = catalogue.insert(name.trim_matches('`').to_owned(), (kind.to_owned(), labels));
        assert_eq!(old, None, "{name} is there twice");
    }
    catalogue
}

/// What the text of `/metrics` has.
fn exposed(text: &str) -> Catalogue {
    let mut catalogue = Catalogue::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (family, kind) = line.split_once(' ').unwrap();
        let suffix = match kind {
            "counter" => "_total",
            "info" => "_info",
            "gauge" | "histogram" => "",
            other => panic!("{family} is a {other}"),
        };
        catalogue.insert(format!("{family}{suffix}"), (kind.to_owned(), BTreeSet::new()));
    }
    for sample in text.lines().filter(|line| !line.starts_with('#')) {
        let name = sample.split(['{', ' ']).next().unwrap();
        let of =
            |suffix: &&str| name.strip_suffix(suffix).filter(|name| catalogue.contains_key(*name));
        let name = ["_bucket", "_count", "_sum"].iter().find_map(of).unwrap_or(name).to_owned();
        let (_, known) = catalogue.get_mut(&name).unwrap_or_else(|| panic!("{sample} has no type"));
        let labels =
            sample.split_once('{').map_or("", |(_, rest)| rest.split_once("} ").unwrap().0);
        let labels = labels.split("\",").filter_map(|pair| Some(pair.split_once("=\"")?.0));
        known.extend(labels.filter(|label| *label != "le").map(str::to_owned));
    }
    catalogue
}

/// The metrics of an appliance to which everything has happened once.
async fn busy() -> String {
    let server = Server::start(Script::body("hello")).await;
    let (collector, entry) = (Collector::start().await, server.entry("api.example.com"));
    let app = collector.app(|config| {
        config.egress.allowlist = vec![entry.parse().unwrap()];
        config.host_callbacks.ui_proxy_base_url = format!("http://{}", server.address);
        config.runner.breaker_failures = 1;
    });
    let app = app.await;
    app.internet.name("api.example.com", &["127.77.0.1"]);
    let bundle = |name: &str, guest: &str, capability: &str| {
        BundleBuilder::new(&format!("com.example.{name}"), "1.0.0")
            .component(guests::extension(guest))
            .capabilities(&[capability])
            .manifest("egress", json!([entry]))
            .endpoint("POST", "/a")
    };
    for bundle in [
        bundle("calls", "calls", "cap:http.fetch"),
        bundle("asks", "asks_host", "cap:ui.proxy"),
        bundle("traps", "traps", "cap:log.emit"),
    ] {
        app.install(&bundle).await;
    }
    for name in ["calls", "asks", "traps", "traps"] {
        let call = app.call(Method::POST, &format!("/api/ext/com.example.{name}/a"));
        call.body(format!("{entry}/x")).send().await;
    }
    app.app.sweep().await.unwrap();
    app.app.traces.flush().await;

    let answer = app.get("/metrics").await;

    assert_eq!(
        answer.header("content-type"),
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    answer.text()
}

#[tokio::test]
async fn every_metric_is_in_the_catalogue_and_nothing_else_is() {
    let text = busy().await;

    assert_eq!(exposed(&text), documented());
}

/// OpenMetrics 1.0: a unit is the end of the name, a counter ends with `_total`, every
/// family has its own lines in one place, and the text ends with `# EOF`.
#[tokio::test]
async fn the_text_is_open_metrics() {
    let text = busy().await;

    assert!(text.ends_with("\n# EOF\n") && text.matches("# EOF").count() == 1);
    let mut families = BTreeSet::new();
    for block in text.split("# HELP ").skip(1) {
        let name = block.split(' ').next().unwrap();
        assert!(families.insert(name.to_owned()), "{name} is there twice");
        assert!(block.contains(&format!("\n# TYPE {name} ")), "{block}");
        if let Some(unit) = block.lines().find_map(|line| line.strip_prefix("# UNIT ")) {
            let (family, unit) = unit.split_once(' ').unwrap();
            assert!(family == name && name.ends_with(&format!("_{unit}")), "{block}");
        }
        for sample in block.lines().skip(1).filter(|line| !line.starts_with('#')) {
            assert!(sample.starts_with(name), "{sample} is not of {name}");
            let value = sample.rsplit(' ').next().unwrap();
            assert!(value.parse::<f64>().is_ok(), "{sample}");
        }
    }
    assert!(families.len() > 30, "{families:?}");
}

/// The metrics that an expression asks for, as far as they can be ours.
fn asked(expression: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = expression.split(|c: char| !is_word(c));
    let ours = |word: &&str| {
        ["http_", "plugboard_", "process_", "store_", "components_"]
            .iter()
            .any(|prefix| word.starts_with(prefix))
    };
    words.filter(ours).map(str::to_owned).collect()
}

/// Whether the catalogue has the metric, with the suffixes of a histogram.
fn is_documented(catalogue: &Catalogue, name: &str) -> bool {
    let histogram = ["_bucket", "_count", "_sum"].iter().find_map(|end| name.strip_suffix(end));
    catalogue.contains_key(name)
        || histogram.is_some_and(|name| catalogue.get(name).is_some_and(|row| row.0 == "histogram"))
}

fn check(expression: &str) {
    let (catalogue, asked) = (documented(), asked(expression));
    assert!(!asked.is_empty(), "{expression} asks for nothing");
    for name in asked {
        assert!(is_documented(&catalogue, &name), "{name} is not in the catalogue: {expression}");
    }
    for (open, close) in [('(', ')'), ('{', '}'), ('[', ']')] {
        assert_eq!(expression.matches(open).count(), expression.matches(close).count());
    }
}

#[test]
fn every_panel_of_the_dashboard_asks_for_metrics_that_there_are() {
    let dashboard: Value = serde_json::from_str(&file("packaging/grafana/plugboard.json")).unwrap();
    let source = &dashboard["templating"]["list"][0];
    assert_eq!((&source["type"], &source["query"]), (&json!("datasource"), &json!("prometheus")));
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();

    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        assert!(panel["title"].is_string() && panel["description"].is_string(), "{panel}");
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"]["uid"], "${datasource}");
            let expression = target["expr"].as_str().unwrap();
            check(expression);
            // A share of what has not happened yet is 0, not "No data".
            if let (Some("stat"), Some((part, _))) =
                (panel["type"].as_str(), expression.split_once(" / "))
            {
                assert!(part.contains("or vector(0)"), "{expression}");
            }
        }
    }
    assert!(ids.len() > 15, "{ids:?}");
}

#[test]
fn every_alert_asks_for_metrics_that_there_are() {
    let rules = file("packaging/prometheus/plugboard.rules.yml");
    let alerts = rules.matches("- alert: ").count();
    let expressions: Vec<_> =
        rules.lines().filter_map(|line| line.trim_start().strip_prefix("expr: ")).collect();

    assert!(alerts > 5 && expressions.len() == alerts);
    for expression in expressions {
        check(expression);
    }
}
