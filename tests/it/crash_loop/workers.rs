//! Clients that work at once, each on one extension after another, until the appliance is gone.

use futures_util::future::join_all;

use super::appliance::{Appliance, DataFolder};
use super::check;
use super::client::{Client, Story};

/// All of them.
pub(super) struct Workers(Vec<Worker>);

struct Worker {
    number: usize,
    /// Those that were told that all of it was done.
    done: Vec<Client>,
    current: Client,
}

impl Workers {
    /// As many, let in at the first start of an appliance.
    pub(super) async fn let_in(appliance: &Appliance, folder: &DataFolder, count: usize) -> Self {
        let mut first = Client::with_extension(&extension(0, 0));
        first.find_way_in(appliance, folder).await;
        let mut workers: Vec<_> = (1..count)
            .map(|number| Worker::new(number, Client::beside(&first, &extension(number, 0))))
            .collect();
        workers.push(Worker::new(0, first));
        Self(workers)
    }

    /// Publishes, sends in parts, installs and upgrades until the appliance does not answer.
    pub(super) async fn work(&mut self, appliance: &Appliance) {
        join_all(self.0.iter_mut().map(|worker| worker.work(appliance))).await;
    }

    /// Ends what was begun.
    pub(super) async fn finish(&mut self, appliance: &Appliance, case: &str) {
        for worker in &mut self.0 {
            let ended = worker.current.go_on(appliance).await;
            ended.unwrap_or_else(|problem| panic!("{case}: a repeated call failed: {problem}"));
            assert_eq!(worker.current.story, Story::complete(), "{case}");
        }
    }

    /// Holds what is there against what every one of them was told, and is told by looking.
    pub(super) async fn check(&self, appliance: &Appliance, folder: &DataFolder, case: &str) {
        for client in self.clients() {
            check::what_was_told_is_true(client, appliance, folder, case).await;
        }
        check::every_visible_version_is_whole(&self.0[0].current, appliance, folder, case).await;
    }

    /// The uploads that go on after a start.
    pub(super) fn uploads(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|worker| worker.current.upload.as_deref())
    }

    /// How many versions were acknowledged.
    pub(super) fn published(&self) -> usize {
        let story = |client: &Client| client.story;
        let of = |story: Story| usize::from(story.published) + usize::from(story.published_next);
        self.clients().map(story).map(of).sum()
    }

    fn clients(&self) -> impl Iterator<Item = &Client> {
        self.0.iter().flat_map(|worker| worker.done.iter().chain([&worker.current]))
    }
}

impl Worker {
    fn new(number: usize, current: Client) -> Self {
        Self { number, done: Vec::new(), current }
    }

    async fn work(&mut self, appliance: &Appliance) {
        loop {
            if let Err(problem) = self.current.go_on(appliance).await {
                assert!(appliance.is_doomed(), "{problem}");
                return;
            }
            let next = extension(self.number, self.done.len() + 1);
            let next = Client::beside(&self.current, &next);
            self.done.push(std::mem::replace(&mut self.current, next));
        }
    }
}

fn extension(worker: usize, number: usize) -> String {
    format!("com.example.w{worker}.n{number}")
}
