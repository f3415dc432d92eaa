//! Every kind of guest that means harm, once. `cli::hostile` has a thousand of them.

use super::*;
use crate::support::hostile::{self, Ending, Hostile};

/// What became of one execution of a hostile guest.
#[derive(Debug)]
enum Outcome {
    Unusable(PrepareError),
    Executed(Result<Answered, ExecuteError>),
}

/// Executes a hostile guest on a runner of its own.
async fn outcome(kind: &Hostile) -> Outcome {
    // Nothing but time ends the one, and nothing of it the other.
    let ms = if matches!(kind.ending, Ending::Time) { 500 } else { 20_000 };
    let config = RunnerConfig { cpu_ms: ms, ..small() };
    match Stage::prepared(&config, kind.world(), kind.component()).await {
        Ok(stage) => Outcome::Executed(stage.call_within(kind.path, ms).await),
        Err(error) => Outcome::Unusable(error),
    }
}

fn is_expected(outcome: &Outcome, ending: Ending) -> bool {
    match (outcome, ending) {
        (Outcome::Unusable(error), Ending::Unusable(part)) => error.to_string().contains(part),
        (Outcome::Unusable(_), _) => false,
        (Outcome::Executed(executed), ending) => match (executed, ending) {
            (Err(ExecuteError::Deadline(_) | ExecuteError::Cpu(_)), Ending::Time)
            | (Err(ExecuteError::Memory(_)), Ending::Memory)
            | (Err(ExecuteError::BadResponse(_)), Ending::NoResponse)
            | (Err(ExecuteError::ResponseTooLarge { .. }), Ending::TooLarge)
            | (Ok(_), Ending::Response) => true,
            (Err(ExecuteError::Trap(text)), Ending::Trap(part)) => text.contains(part),
            _ => false,
        },
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_ends_as_it_should() {
    let mut wrong = Vec::new();
    for kind in hostile::kinds() {
        let outcome = outcome(&kind).await;
        if !is_expected(&outcome, kind.ending) {
            wrong.push(format!("{}{}: {outcome:?}, not {:?}", kind.guest, kind.path, kind.ending));
        }
    }

    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
