//! The pace of security notices of one kind to one account owner.
//!
//! The first event is reported immediately. Events soon after it are collected into one summary, and the
//! interval between notices grows while events continue. No event is dropped, and none waits longer than
//! [`NoticePace::longest`].

use time::{Duration, OffsetDateTime};

/// The intervals for one kind of notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoticePace {
    /// The minimum interval after the first notice.
    pub first: Duration,
    /// The interval grows by the factor [`Self::GROWTH`] with each notice, up to this maximum.
    pub longest: Duration,
}

/// What has been sent of one kind of notice to one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoticeState {
    /// When the last notice was sent, or when the open summary is due.
    pub told_at: OffsetDateTime,
    /// The minimum interval until the next notice.
    pub spacing: Duration,
    /// Whether a summary is open. It collects events until it is sent.
    pub is_open: bool,
}

/// How one more event is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telling {
    /// In a notice that is sent immediately.
    AtOnce,
    /// In a new summary.
    Later {
        /// When the summary is due.
        due: OffsetDateTime,
    },
    /// In the summary that is already open.
    Gathered,
}

impl NoticePace {
    /// For actions on an account: the owner is notified within four hours, however many there are.
    pub const ACT: Self = Self {
        first: Duration::minutes(15),
        longest: Duration::hours(4),
    };
    /// For failed attempts, which any stranger can repeat without end: at most once a day in the long run.
    pub const ATTEMPT: Self = Self {
        first: Duration::minutes(15),
        longest: Duration::DAY,
    };
    /// The growth factor of the interval.
    pub const GROWTH: i32 = 4;
    /// After this long without a notice, the interval starts at the first value again.
    pub const QUIET: Duration = Duration::DAY;

    /// The state and the decision after one more event. The reference for the single conditional write of the
    /// stores.
    pub fn after(
        &self,
        before: Option<NoticeState>,
        now: OffsetDateTime,
    ) -> (NoticeState, Telling) {
        let Some(before) = before else {
            return (self.anew(now), Telling::AtOnce);
        };
        if before.is_open {
            return (before, Telling::Gathered);
        }
        if before.told_at + Self::QUIET <= now {
            return (self.anew(now), Telling::AtOnce);
        }
        let spacing = (before.spacing * Self::GROWTH).min(self.longest);
        if before.told_at + before.spacing <= now {
            let told = NoticeState {
                told_at: now,
                spacing,
                is_open: false,
            };
            return (told, Telling::AtOnce);
        }
        // A clock that was set back does not extend the wait beyond the interval.
        let due = before.told_at.min(now) + before.spacing;
        let opened = NoticeState {
            told_at: due,
            spacing,
            is_open: true,
        };
        (opened, Telling::Later { due })
    }

    const fn anew(&self, now: OffsetDateTime) -> NoticeState {
        NoticeState {
            told_at: now,
            spacing: self.first,
            is_open: false,
        }
    }
}

impl NoticeState {
    /// The state after the open summary was sent.
    #[must_use]
    pub const fn sent(self, now: OffsetDateTime) -> Self {
        Self {
            told_at: now,
            spacing: self.spacing,
            is_open: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);

    /// When notices are sent if an event happens every `every` for `lasts`.
    fn notices(pace: NoticePace, every: Duration, lasts: Duration) -> Vec<Duration> {
        let (mut state, mut now, mut sent) = (None, NOW, Vec::new());
        while now < NOW + lasts {
            if let Some(open) = state.filter(|it: &NoticeState| it.is_open && it.told_at <= now) {
                sent.push(open.told_at - NOW);
                state = Some(open.sent(open.told_at));
            }
            let (after, telling) = pace.after(state, now);
            if telling == Telling::AtOnce {
                sent.push(now - NOW);
            }
            state = Some(after);
            now += every;
        }
        sent
    }

    #[test]
    fn the_first_is_told_at_once_and_a_burst_after_it_once_more() {
        let burst = notices(NoticePace::ACT, Duration::SECOND, Duration::seconds(20));
        assert_eq!(burst, [Duration::ZERO]);
        let (told, first) = NoticePace::ACT.after(None, NOW);
        let (opened, second) = NoticePace::ACT.after(Some(told), NOW + Duration::SECOND);
        let due = NOW + Duration::minutes(15);
        assert_eq!((first, second), (Telling::AtOnce, Telling::Later { due }));
        let (after, third) = NoticePace::ACT.after(Some(opened), due);
        assert_eq!(
            (after, third),
            (opened, Telling::Gathered),
            "until it is sent"
        );
    }

    #[test]
    fn a_stranger_who_never_stops_is_told_of_once_a_day() {
        let every = Duration::minutes(15);
        let week = notices(NoticePace::ATTEMPT, every, Duration::WEEK);
        let minutes: Vec<_> = week.iter().map(|it| it.whole_minutes()).collect();
        let day = 24 * 60;
        let grown = [0, 15, 75, 315, 315 + 16 * 60];
        assert_eq!(minutes[..5], grown, "{minutes:?}");
        assert_eq!(minutes[5], grown[4] + day);
        assert!(minutes.len() <= 12, "{minutes:?}");
    }

    #[test]
    fn of_acts_that_never_stop_the_owner_hears_every_four_hours() {
        let day = notices(NoticePace::ACT, Duration::MINUTE, Duration::DAY);
        assert_eq!(day.len(), 8, "{day:?}");
        let apart = day.windows(2).map(|two| two[1] - two[0]);
        assert!(apart.max() <= Some(Duration::hours(4)), "{day:?}");
    }

    #[test]
    fn after_a_quiet_day_it_begins_afresh() {
        let grown = NoticeState {
            told_at: NOW,
            spacing: Duration::hours(4),
            is_open: false,
        };
        let (after, telling) = NoticePace::ACT.after(Some(grown), NOW + Duration::DAY);
        assert_eq!(telling, Telling::AtOnce);
        assert_eq!(after.spacing, NoticePace::ACT.first);
    }

    #[test]
    fn a_clock_that_was_set_back_holds_nothing_up() {
        let told = NoticeState {
            told_at: NOW + Duration::DAY,
            spacing: Duration::minutes(15),
            is_open: false,
        };
        let (_, telling) = NoticePace::ACT.after(Some(told), NOW);
        let due = NOW + Duration::minutes(15);
        assert_eq!(telling, Telling::Later { due });
    }
}
