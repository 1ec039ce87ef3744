//! How often the owner of an account is told of the same thing.
//!
//! The first act is told at once. What follows soon after is gathered into one summary, and the spacing between
//! notices grows for as long as it goes on. No act is left out, and none waits longer than [`NoticePace::longest`].

use time::{Duration, OffsetDateTime};

/// The numbers, for one kind of notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoticePace {
    /// After the first notice, no other one goes for so long.
    pub first: Duration,
    /// The spacing grows by [`Self::GROWTH`] with each notice, up to this.
    pub longest: Duration,
}

/// What was told of one kind to one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoticeState {
    /// When the last notice went, or the summary that is open will go.
    pub told_at: OffsetDateTime,
    /// No other one goes for so long after it.
    pub spacing: Duration,
    /// A summary is open: it takes in what happens until it is sent.
    pub is_open: bool,
}

/// What is to be done about one more act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telling {
    /// It is told now.
    AtOnce,
    /// It opens a summary.
    Later {
        /// When the summary is due.
        due: OffsetDateTime,
    },
    /// It went into the summary that is open.
    Gathered,
}

impl NoticePace {
    /// Of what was done to an account: the owner hears of it within four hours, however much goes on.
    pub const ACT: Self = Self {
        first: Duration::minutes(15),
        longest: Duration::hours(4),
    };
    /// Of what failed, and any stranger can repeat for ever: once a day in the end.
    pub const ATTEMPT: Self = Self {
        first: Duration::minutes(15),
        longest: Duration::DAY,
    };
    /// How the spacing grows.
    pub const GROWTH: i32 = 4;
    /// After so long without a notice the spacing is the first one again.
    pub const QUIET: Duration = Duration::DAY;

    /// What follows from one more act. The reference for what stores do in one conditional write.
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
        // A clock that was set back makes nobody wait longer than the spacing.
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
    /// The open summary was sent.
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

    /// When notices go out, if an act happens every `every` for `lasts`.
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
