//! Races: many tasks that do the same at the same moment.

use std::{future::Future, sync::Arc};

use tokio::{sync::Barrier, task::JoinSet};

/// The default number of racing tasks.
pub const RIVALS: usize = 50;
/// The default number of rounds of a race: a single favourable order proves little.
pub const ROUNDS: usize = 5;

/// Runs the futures that `rival` makes in separate tasks, released together. Returns their results in the order of
/// their numbers, which begin with 0.
pub async fn at_once<T, F>(rivals: usize, rival: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let start = Arc::new(Barrier::new(rivals));
    let mut tasks = JoinSet::new();
    for number in 0..rivals {
        let start = Arc::clone(&start);
        let work = rival(number);
        tasks.spawn(async move {
            start.wait().await;
            (number, work.await)
        });
    }
    let mut answers = tasks.join_all().await;
    answers.sort_by_key(|(number, _)| *number);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// [`at_once`] with [`RIVALS`] tasks.
pub async fn fifty_at_once<T, F>(rival: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    at_once(RIVALS, rival).await
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn all_rivals_are_there_before_the_first_begins() {
        crate::runtime::run(async {
            let waiting = Arc::new(AtomicUsize::new(0));
            let seen = at_once(8, |number| {
                let waiting = Arc::clone(&waiting);
                waiting.fetch_add(1, Ordering::SeqCst);
                async move { (number, waiting.load(Ordering::SeqCst)) }
            })
            .await;
            let expected: Vec<_> = (0..8).map(|number| (number, 8)).collect();
            assert_eq!(seen, expected);
        });
    }
}
