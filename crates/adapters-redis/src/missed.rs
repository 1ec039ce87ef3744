//! Invalidations that Redis has not confirmed yet.

use std::collections::HashMap;

use authentication_app::ports::Invalidation;
use authentication_domain::{accounts::AccountId, sessions::SessionId};

/// How many are remembered one by one. With more the whole cache is doubted instead.
const MOST: usize = 4_096;

/// What this node has yet to tell Redis, numbered in the order it came up.
#[derive(Debug, Default)]
pub(crate) struct Missed {
    latest: u64,
    ended: HashMap<SessionId, u64>,
    changed: HashMap<AccountId, u64>,
    everything: Option<u64>,
}

/// Some of it, as it is told at once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) what: What,
    up_to: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum What {
    These(Invalidation),
    Everything,
}

impl Missed {
    pub(crate) fn add(&mut self, invalidation: &Invalidation) {
        self.latest += 1;
        self.ended.extend(
            invalidation
                .ended
                .iter()
                .map(|session| (*session, self.latest)),
        );
        self.changed.extend(
            invalidation
                .changed
                .iter()
                .map(|account| (*account, self.latest)),
        );
        if self.everything.is_some() || self.ended.len() + self.changed.len() > MOST {
            self.doubt_everything();
        }
    }

    pub(crate) fn add_everything(&mut self) {
        self.latest += 1;
        self.doubt_everything();
    }

    /// All there is to tell now, if there is anything.
    pub(crate) fn batch(&self) -> Option<Batch> {
        let what = if self.everything.is_some() {
            What::Everything
        } else if self.is_empty() {
            return None;
        } else {
            What::These(Invalidation {
                ended: self.ended.keys().copied().collect(),
                changed: self.changed.keys().copied().collect(),
            })
        };
        Some(Batch {
            what,
            up_to: self.latest,
        })
    }

    /// Redis knows; what came up again since the batch was made stays.
    pub(crate) fn confirm(&mut self, batch: &Batch) {
        self.ended.retain(|_, number| *number > batch.up_to);
        self.changed.retain(|_, number| *number > batch.up_to);
        self.everything = self.everything.filter(|number| *number > batch.up_to);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.everything.is_none() && self.ended.is_empty() && self.changed.is_empty()
    }

    fn doubt_everything(&mut self) {
        self.everything = Some(self.latest);
        self.ended.clear();
        self.changed.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::Id;
    use uuid::Uuid;

    fn session(number: usize) -> SessionId {
        Id::from_uuid(Uuid::from_u128(number as u128))
    }

    fn ended(number: usize) -> Invalidation {
        Invalidation::of_sessions([session(number)])
    }

    #[test]
    fn what_was_confirmed_is_not_told_again() {
        let mut missed = Missed::default();
        missed.add(&ended(1));
        let batch = missed.batch().unwrap();
        assert_eq!(batch.what, What::These(ended(1)));
        missed.confirm(&batch);
        assert!(missed.is_empty());
        assert_eq!(missed.batch(), None);
    }

    #[test]
    fn what_came_up_again_while_it_was_told_is_told_again() {
        let mut missed = Missed::default();
        missed.add(&ended(1));
        let batch = missed.batch().unwrap();
        missed.add(&ended(1));
        missed.confirm(&batch);
        assert_eq!(missed.batch().unwrap().what, What::These(ended(1)));
    }

    #[test]
    fn too_much_to_remember_is_everything() {
        let mut missed = Missed::default();
        missed.add(&Invalidation::of_sessions((0..MOST).map(session)));
        assert!(matches!(missed.batch().unwrap().what, What::These(_)));
        missed.add(&ended(MOST));
        let batch = missed.batch().unwrap();
        assert_eq!(batch.what, What::Everything);
        missed.add(&ended(1));
        missed.confirm(&batch);
        assert_eq!(
            missed.batch().unwrap().what,
            What::Everything,
            "one came after the batch"
        );
    }

    #[test]
    fn naming_nothing_leaves_nothing_to_tell() {
        let mut missed = Missed::default();
        missed.add(&Invalidation::default());
        assert_eq!(missed.batch(), None);
    }
}
