//! Whatever the order in which callers ask, loads go on, values change and time passes.

use authentication_app::caching::Figures;
use proptest::prelude::*;
use time::Duration;
use tokio::task::JoinHandle;

use super::{
    cached::{Bed, Failure, INTENT, NEAR_ITS_END},
    store::{SlowStore, settle},
};

#[derive(Debug, Clone)]
enum Step {
    /// Somebody asks.
    Ask,
    /// Somebody who asked goes away.
    GoAway(usize),
    /// A load that waits goes on.
    Load(usize),
    /// The value changes, and the cache is told.
    Change,
    /// The value may have changed, and nobody knows which.
    ForgetEverything,
    /// Time passes.
    Pass(Duration),
}

fn step() -> impl Strategy<Value = Step> {
    let spans = [
        Duration::SECOND,
        NEAR_ITS_END,
        INTENT.ttl - NEAR_ITS_END,
        INTENT.ttl,
    ];
    prop_oneof![
        6 => Just(Step::Ask),
        1 => any::<usize>().prop_map(Step::GoAway),
        5 => any::<usize>().prop_map(Step::Load),
        3 => Just(Step::Change),
        1 => Just(Step::ForgetEverything),
        2 => proptest::sample::select(spans.to_vec()).prop_map(Step::Pass),
    ]
}

/// Who asks, and the last change that was announced before they did.
struct Caller {
    announced: u64,
    answer: JoinHandle<Result<u64, Failure>>,
}

struct Run {
    bed: Bed,
    announced: u64,
    callers: Vec<Caller>,
}

impl Run {
    async fn take(&mut self, step: Step) {
        match step {
            Step::Ask => {
                let bed = self.bed.clone();
                self.callers.push(Caller {
                    announced: self.announced,
                    answer: tokio::spawn(async move { bed.get().await }),
                });
            }
            Step::GoAway(which) if !self.callers.is_empty() => {
                let which = which % self.callers.len();
                self.callers.remove(which).answer.abort();
            }
            Step::Load(which) => drop(self.bed.store.let_one_go_on(which)),
            Step::Change => {
                let version = self.bed.store.change();
                self.bed.cached.forget(&"key");
                self.announced = version;
            }
            Step::ForgetEverything => {
                let version = self.bed.store.change();
                self.bed.cached.forget_everything();
                self.announced = version;
            }
            Step::Pass(span) => self.bed.clock.advance(span),
            Step::GoAway(_) => {}
        }
        settle().await;
    }

    /// Lets everybody get an answer.
    async fn end(self) {
        self.bed.store.hurry();
        for caller in self.callers {
            let answer = caller.answer.await.unwrap().unwrap();
            assert!(
                answer >= caller.announced,
                "got {answer} after {} was announced",
                caller.announced
            );
        }
        assert_eq!(self.bed.get().await.unwrap(), self.bed.store.version());
        // That may have begun a refresh.
        settle().await;
        let Figures {
            loads,
            early_refreshes,
            misses,
            ..
        } = self.bed.figures();
        assert_eq!(self.bed.store.begun(), loads + early_refreshes);
        assert!(loads <= misses);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn nobody_gets_what_was_announced_not_to_be_true_before_they_asked(
        steps in prop::collection::vec(step(), 1..60)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let bed = Bed::with(SlowStore::slow());
            let mut run = Run { bed, announced: 0, callers: Vec::new() };
            for step in steps {
                run.take(step).await;
            }
            run.end().await;
        });
    }
}
