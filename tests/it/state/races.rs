//! Many writers of one value: each revision is won by one of them.

use super::*;

const WRITERS: u32 = 8;
const EACH: u32 = 40;

/// Adds 1 to the number that is kept, over and over until a put wins; gives the revision won.
async fn add_one(state: &State, owner: &Arc<InstallLabels>) -> u64 {
    loop {
        let bytes = Owner::of(owner);
        let counter = place("n", "counter");
        let found = state.read(move |txn| values::get(txn, &bytes, &counter, NOW)).await.unwrap();
        let found = found.unwrap();
        let number = u32::from_le_bytes(found.value.try_into().unwrap()) + 1;
        let limits = state.limits().clone();
        let put = Put::new(place("n", "counter"), number.to_le_bytes().into(), &limits).unwrap();
        let (put, owner) = (put.if_revision(Some(found.revision)), Arc::clone(owner));
        let write = state.write(move |txn| values::put(txn, &owner, &put, &limits, NOW));
        match write.await.unwrap() {
            Putting::Done(revision) => return revision,
            Putting::Conflict => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_writers_who_expect_the_same_revision_one_wins() {
    let state = in_memory(&StateConfig::default());
    let owner = labels("default", InstallId::random());
    let (first, whose) = (state.clone(), Arc::clone(&owner));
    let put_first = move || put(&first, &whose, "counter", &0_u32.to_le_bytes());
    tokio::task::spawn_blocking(put_first).await.unwrap().unwrap();

    let writers = (0..WRITERS).map(|_| {
        let (state, owner) = (state.clone(), Arc::clone(&owner));
        tokio::spawn(async move {
            let mut won = Vec::new();
            for _ in 0..EACH {
                won.push(add_one(&state, &owner).await);
            }
            won
        })
    });
    let mut won = BTreeSet::new();
    for writer in writers.collect::<Vec<_>>() {
        won.extend(writer.await.unwrap());
    }

    let total = u64::from(WRITERS * EACH);
    assert_eq!(won, (2..=total + 1).collect(), "each revision was won once");
    let (entries, _) = look(&state, &owner);
    assert_eq!(entries[0].value, (WRITERS * EACH).to_le_bytes(), "no addition was lost");
}
