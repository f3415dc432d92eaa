//! Bounds of what is recorded. What a collector gets is tested with one, in `tests/it/traces`.

use super::*;
use crate::model::SystemClock;

/// Traces that nobody takes before the test waits for something.
fn traces() -> Traces {
    let config = OtlpConfig { endpoint: "http://127.0.0.1:1".to_owned(), ..OtlpConfig::default() };
    Traces::start(&config, Arc::new(SystemClock)).unwrap()
}

fn begin(traces: &Traces) -> Trace {
    traces.begin(None, true, || Span::new(Kind::Server, "call"))
}

fn incoming(flags: &str) -> IncomingTrace {
    let text = format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}");
    IncomingTrace { context: text.parse().unwrap(), state: None }
}

#[tokio::test]
async fn a_call_has_so_many_parts_and_no_more() {
    let traces = traces();
    let trace = begin(&traces);
    let id = trace.id();

    let parts: Vec<_> =
        (0..CHILDREN + 3).map(|_| trace.part(|| Span::new(Kind::Internal, "part"))).collect();

    // A server that is called in a part without a span is called in the whole.
    let whole = trace.0.as_ref().unwrap().context;
    assert_eq!(parts.last().unwrap().context(), Some(whole));
    let first = parts[0].context().unwrap();
    assert!(first.span != whole.span && Some(first.trace) == id);
    drop((parts, trace));
    assert_eq!(traces.counts().unwrap().over_limit, 3);
    let inner = traces.0.as_ref().unwrap();
    assert_eq!(QUEUE_SPANS - inner.queue.capacity(), CHILDREN as usize + 1);
}

#[tokio::test]
async fn what_does_not_fit_into_the_queue_is_counted_and_dropped() {
    let traces = traces();

    for _ in 0..QUEUE_SPANS + 7 {
        drop(begin(&traces));
    }

    let counts = traces.counts().unwrap();
    assert_eq!(counts, SpanCounts { queue_full: 7, ..SpanCounts::default() });
}

#[tokio::test]
async fn a_span_ends_when_the_last_who_knows_of_it_is_gone() {
    let traces = traces();
    let queued = || QUEUE_SPANS - traces.0.as_ref().unwrap().queue.capacity();
    let trace = begin(&traces);
    let part = trace.part(|| Span::new(Kind::Internal, "part"));

    drop(trace);
    assert_eq!(queued(), 0);
    drop(part);
    assert_eq!(queued(), 2);
}

#[tokio::test]
async fn a_part_that_came_to_nothing_can_be_forgotten() {
    let traces = traces();
    let trace = begin(&traces);

    trace.part(|| Span::new(Kind::Internal, "queue")).forget();

    assert_eq!(QUEUE_SPANS, traces.0.as_ref().unwrap().queue.capacity());
}

#[test]
fn without_a_collector_and_a_parent_a_trace_is_nothing() {
    let traces = Traces::default();
    let describe = || -> Span { panic!("nobody asks") };

    let trace = traces.begin(None, true, describe);
    trace.note(|_| panic!("nobody asks"));
    let part = trace.part(describe);

    assert!(trace.0.is_none() && part.0.is_none() && part.context().is_none());
    assert_eq!((trace.id(), traces.counts()), (None, None));
}

#[test]
fn without_a_collector_what_the_caller_said_is_handed_on() {
    for flags in ["00", "01"] {
        let trace = Traces::default().begin(Some(incoming(flags)), true, || panic!("nobody asks"));

        let part = trace.part(|| panic!("nobody asks"));

        assert_eq!(part.context(), Some(incoming(flags).context));
        assert_eq!(trace.id(), Some(incoming(flags).context.trace));
    }
}

#[test]
fn a_collector_that_cannot_be_reached_as_it_is_set_is_refused_at_the_start() {
    let config = |change: fn(&mut OtlpConfig)| {
        let mut config =
            OtlpConfig { endpoint: "https://127.0.0.1:1".to_owned(), ..OtlpConfig::default() };
        change(&mut config);
        Sender::new(&config).err().map(|error| error.to_string())
    };

    assert_eq!(config(|_| ()), None);
    let error = config(|config| config.ca_file = "/nowhere".into()).unwrap();
    assert!(error.starts_with("telemetry.otlp.ca_file: "), "{error}");
    let error = config(|config| config.headers = "x".to_owned().into()).unwrap();
    assert_eq!(error, "telemetry.otlp.headers: they cannot be headers");
}
