//! Whose doing it is that an answer is late, and what counts then.

use std::sync::Mutex;
use std::{future, io};

use futures_util::{FutureExt, stream};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};

use super::*;
use crate::config::RunnerConfig;
use crate::model::{ContentHash, TargetWorld};
use crate::runner::ending::{InLine, Observer, Outcome};
use crate::runner::invocation::{ExecutionContext, Invocation};
use crate::runner::request_body::{RequestBody, Upload};
use crate::runner::{Runner, RunnerParts};

/// A guest of `wasi:http` that returns at once, without an answer.
const RETURNS: &str = r#"(component
    (import "wasi:http/types@0.2.3" (instance $types
        (export "incoming-request" (type (sub resource)))
        (export "response-outparam" (type (sub resource)))))
    (alias export $types "incoming-request" (type $request))
    (alias export $types "response-outparam" (type $out))
    (core module $module (func (export "handle") (param i32 i32)))
    (core instance $instance (instantiate $module))
    (func $handle (param "request" (own $request)) (param "response-out" (own $out))
        (canon lift (core func $instance "handle")))
    (instance $handler (export "handle" (func $handle)))
    (export "wasi:http/incoming-handler@0.2.3" (instance $handler)))"#;

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Who is late after `allowed_ms`, of which the guest has waited for its client `waited_ms`.
fn late(deadline_ms: u64, most_ms: u64, allowed_ms: u64, waited_ms: u64) -> Late {
    let (deadline, most) = (ms(deadline_ms), ms(most_ms));
    UntilBegun { started: Instant::now(), deadline, most }.late(ms(allowed_ms), ms(waited_ms))
}

#[test]
fn a_client_that_takes_all_the_time_there_is_is_late_and_not_the_guest() {
    assert_eq!(late(100, 400, 400, 390), Late::Client(ms(400)));
    assert_eq!(late(100, 400, 400, 301), Late::Client(ms(400)));
    assert_eq!(late(400, 400, 400, 390), Late::Client(ms(400)));
}

#[test]
fn a_guest_that_takes_its_own_time_is_late_however_long_its_client_took() {
    assert_eq!(late(100, 400, 100, 0), Late::Guest(ms(100)));
    assert_eq!(late(100, 400, 350, 250), Late::Guest(ms(350)));
    assert_eq!(late(100, 400, 400, 300), Late::Guest(ms(400)));
}

#[test]
fn a_guest_that_waits_a_little_for_its_client_and_then_loops_is_late() {
    assert_eq!(late(400, 400, 400, 1), Late::Guest(ms(400)));
    assert_eq!(late(400, 400, 400, 200), Late::Guest(ms(400)));
}

/// What comes of waiting for a guest whose client sends nothing, once it has computed so long.
async fn waited_for(computed: Duration) -> Late {
    let never = StreamBody::new(stream::pending::<io::Result<Frame<Bytes>>>());
    let mut upload = Upload::new(never, 5);
    assert!(upload.frame().now_or_never().is_none(), "it asks for its body");
    let time = Timekeeper::new(ms(1_000));
    time.pretend(computed);
    let until = UntilBegun { started: Instant::now(), deadline: ms(20), most: ms(40) };
    let (_reply, mut answer) = oneshot::channel();
    until.wait(Some(&upload.watch()), &time, &mut answer).await.map(drop).unwrap_err()
}

#[tokio::test]
async fn who_computes_does_not_wait_for_the_client_though_it_has_asked_for_the_body() {
    assert_eq!(waited_for(Duration::ZERO).await, Late::Client(ms(40)));
    assert_eq!(waited_for(ms(20)).await, Late::Guest(ms(20)));
}

/// Asks for an answer whose time has been over for long; it comes later, if at all.
async fn answered(is_settled: bool) -> Answered {
    let executors = Executors::start(1).unwrap();
    let time = Arc::new(Timekeeper::new(ms(1_000)));
    let work = executors.spawn(Arc::clone(&time), false, future::pending());
    let started = Instant::now() - Duration::from_secs(10);
    let until = UntilBegun { started, deadline: ms(1), most: ms(1) };
    let (reply, answer) = oneshot::channel();
    if is_settled {
        time.settle();
    }
    let awaited = Awaited { work, time: Arc::clone(&time), until, upload: None, answer };
    let ends = async {
        if time.settle().is_none() {
            reply.send(Err(ExecuteError::Gone)).unwrap();
        }
    };
    tokio::join!(awaited.answered(), ends).0
}

#[tokio::test]
async fn an_answer_that_is_on_its_way_is_waited_for_and_no_other() {
    assert!(matches!(answered(true).await, Err(ExecuteError::Gone)));
    assert!(matches!(answered(false).await, Err(ExecuteError::Deadline(_))));
}

/// How an execution is told to have ended that returns when nobody waits any more because of
/// `late`, or when somebody does.
async fn told(late: Option<Late>) -> Outcome {
    let config = RunnerConfig { slots: 1, ..RunnerConfig::default() };
    let runner = Runner::new(&config, RunnerParts::default()).unwrap();
    let invocation = Invocation::sample();
    let (hash, world) = (invocation.content_hash, invocation.world);
    runner.prepare(hash, world, wat::parse_str(RETURNS).unwrap().into()).await.unwrap();
    let slot = runner.slots.acquire(&invocation.context.install).await.unwrap();
    let ended = Arc::new(Mutex::new(None));
    let tells = Arc::clone(&ended);
    let observer = Observer::new(move |ended, _| *tells.lock().unwrap() = Some(ended.outcome));

    let component = runner.components.get(&hash).unwrap();
    let (execution, request) = runner.execution(invocation, component, slot, InLine::new(observer));
    if let Some(late) = late {
        assert!(execution.time.expire(late));
    }
    let (reply, _answer) = Reply::new(runner.executors.outbox());
    execution.run(request, reply).await;

    ended.lock().unwrap().take().unwrap()
}

#[tokio::test]
async fn what_a_guest_answers_when_nobody_waits_any_more_does_not_count() {
    assert_eq!(told(None).await, Outcome::BadResponse);
    assert_eq!(told(Some(Late::Guest(ms(1)))).await, Outcome::Deadline);
    assert_eq!(told(Some(Late::Client(ms(1)))).await, Outcome::Caller);
}

impl Invocation {
    /// A request for a guest of `wasi:http`.
    fn sample() -> Box<Self> {
        let request = GuestRequest {
            method: http::Method::GET,
            path_and_query: "/".to_owned(),
            authority: "localhost".to_owned(),
            headers: http::HeaderMap::new(),
            body: RequestBody::Whole(Bytes::new()),
        };
        Box::new(Self {
            content_hash: ContentHash::of(b"a bundle"),
            world: TargetWorld::WasiHttp,
            context: ExecutionContext::sample(),
            request: Box::new(request),
            grants: Arc::default(),
            allowance: Arc::default(),
            settings: Arc::default(),
            secrets: None,
            user: None,
            deadline: ms(20_000),
            stream: StreamLimits { total: ms(20_000), idle: ms(20_000) },
            max_response_bytes: 1_000,
            observer: Observer::default(),
        })
    }
}
