//! Tombstones: invalidations that are remembered for as long as an older load could still bring back what they removed.
//!
//! Invalidations are numbered. A ticket is the number of the latest invalidation before its load began. A snapshot is
//! overtaken if its session has ended, if its account changed under a higher number, or if tombstones with a higher
//! number were dropped, because those might have concerned it. So a load of any duration is judged correctly. The TTL
//! of tombstones only decides how long a load may take without being refused needlessly.

use std::collections::{HashMap, VecDeque};

use authentication_app::ports::{Invalidation, LoadTicket};
use authentication_domain::{accounts::AccountId, sessions::SessionId};
use time::{Duration, OffsetDateTime};

/// The tombstones of one cache, bounded in number and age.
pub(crate) struct Tombstones {
    /// The number of the latest invalidation.
    newest: u64,
    /// Tickets below this number are refused: tombstones up to it have been dropped.
    floor: u64,
    ended: HashMap<SessionId, u64>,
    changed: HashMap<AccountId, u64>,
    /// Sorted by age, oldest first.
    by_age: VecDeque<Tombstone>,
    life: Duration,
    most: usize,
}

struct Tombstone {
    number: u64,
    until: OffsetDateTime,
    of: Subject,
}

enum Subject {
    Session(SessionId),
    Account(AccountId),
}

impl Tombstones {
    /// Keeps each tombstone for `life`, and at most `most` of them.
    pub(crate) fn new(life: Duration, most: usize) -> Self {
        Self {
            newest: 0,
            floor: 0,
            ended: HashMap::new(),
            changed: HashMap::new(),
            by_age: VecDeque::new(),
            life,
            most,
        }
    }

    pub(crate) fn ticket(&self, now: OffsetDateTime) -> LoadTicket {
        LoadTicket {
            number: self.newest,
            begun: now,
        }
    }

    /// Whether an invalidation after the ticket concerns the session or the account, or may have concerned it.
    pub(crate) fn overtook(
        &self,
        ticket: LoadTicket,
        session: SessionId,
        account: AccountId,
    ) -> bool {
        ticket.number < self.floor
            || self.ended.contains_key(&session)
            || self
                .changed
                .get(&account)
                .is_some_and(|number| *number > ticket.number)
    }

    /// Overtakes all loads so far of these sessions and accounts.
    pub(crate) fn add(&mut self, invalidation: &Invalidation, now: OffsetDateTime) {
        self.newest += 1;
        let number = self.newest;
        let until = now + self.life;
        for session in &invalidation.ended {
            self.ended.insert(*session, number);
            self.by_age.push_back(Tombstone {
                number,
                until,
                of: Subject::Session(*session),
            });
        }
        for account in &invalidation.changed {
            self.changed.insert(*account, number);
            self.by_age.push_back(Tombstone {
                number,
                until,
                of: Subject::Account(*account),
            });
        }
        self.give_up_old_ones(now);
    }

    /// Overtakes all loads so far.
    pub(crate) fn overtake_everything(&mut self) {
        self.newest += 1;
        self.floor = self.newest;
    }

    fn give_up_old_ones(&mut self, now: OffsetDateTime) {
        while let Some(oldest) = self.by_age.front() {
            if self.by_age.len() <= self.most && now < oldest.until {
                return;
            }
            self.floor = self.floor.max(oldest.number);
            // A later tombstone of the same session or account stays.
            match oldest.of {
                Subject::Session(session) if self.ended.get(&session) == Some(&oldest.number) => {
                    self.ended.remove(&session);
                }
                Subject::Account(account) if self.changed.get(&account) == Some(&oldest.number) => {
                    self.changed.remove(&account);
                }
                Subject::Session(_) | Subject::Account(_) => {}
            }
            self.by_age.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::Id;
    use time::macros::datetime;
    use uuid::Uuid;

    const NOW: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);
    const LIFE: Duration = Duration::minutes(1);
    const ALICE: AccountId = Id::from_uuid(Uuid::from_u128(1));
    const BOB: AccountId = Id::from_uuid(Uuid::from_u128(2));

    fn session(number: u128) -> SessionId {
        Id::from_uuid(Uuid::from_u128(number))
    }

    #[test]
    fn a_change_overtakes_the_loads_before_it_and_not_those_after() {
        let mut tombstones = Tombstones::new(LIFE, 10);
        let before = tombstones.ticket(NOW);
        tombstones.add(&Invalidation::of_account(ALICE), NOW);
        let after = tombstones.ticket(NOW);
        assert!(tombstones.overtook(before, session(1), ALICE));
        assert!(!tombstones.overtook(after, session(1), ALICE));
        assert!(!tombstones.overtook(before, session(2), BOB));
    }

    #[test]
    fn a_load_that_outlived_the_tombstones_is_not_believed() {
        let mut tombstones = Tombstones::new(LIFE, 10);
        let before = tombstones.ticket(NOW);
        tombstones.add(&Invalidation::of_account(ALICE), NOW);
        let between = tombstones.ticket(NOW);
        tombstones.add(&Invalidation::of_account(BOB), NOW + LIFE);
        assert!(
            tombstones.changed.len() == 1,
            "Alice's tombstone is given up"
        );
        assert!(tombstones.overtook(before, session(1), ALICE));
        assert!(!tombstones.overtook(between, session(1), ALICE));
    }

    #[test]
    fn a_flood_of_tombstones_is_bounded_and_stays_right() {
        let mut tombstones = Tombstones::new(LIFE, 10);
        let before = tombstones.ticket(NOW);
        tombstones.add(&Invalidation::of_sessions([session(0)]), NOW);
        tombstones.add(&Invalidation::of_sessions((1..=100).map(session)), NOW);
        assert_eq!(tombstones.by_age.len(), 10);
        assert_eq!(tombstones.ended.len(), 10);
        assert!(tombstones.overtook(before, session(0), ALICE));
    }

    #[test]
    fn the_older_of_two_tombstones_leaves_without_the_younger() {
        let mut tombstones = Tombstones::new(LIFE, 10);
        tombstones.add(&Invalidation::of_account(ALICE), NOW);
        let between = tombstones.ticket(NOW);
        tombstones.add(&Invalidation::of_account(ALICE), NOW + LIFE / 2);
        tombstones.add(&Invalidation::of_account(BOB), NOW + LIFE);
        assert!(tombstones.overtook(between, session(1), ALICE));
    }
}
