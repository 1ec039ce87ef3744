//! Global ceilings on messages: a bound for an attacker with a thousand addresses, or with a thousand recipients
//! that each get one message.

use authentication_domain::{accounts::Identifier, protection::NoticePace};
use time::{Duration, OffsetDateTime};

use super::Notifications;
use crate::{
    ports::{Ceiling, CeilingClaim, Channel, MessageKind, StoreError},
    retry::retrying,
};

/// The ceilings, as configured.
///
/// Notices have separate ceilings, so that no number of notices can block a code. Notices of acts that anybody can
/// trigger for any account (a failed sign-in) get at most half of them, so that no number of failures can block the
/// notice of a changed password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ceilings {
    /// Mails with codes per day.
    pub mails_a_day: u32,
    /// Text messages with codes per day.
    pub texts_a_day: u32,
    /// How many digits after the country calling code identify a number range.
    pub range_digits: u8,
    /// Text messages with codes per hour to one range.
    pub texts_an_hour_to_a_range: u32,
    /// Text messages with codes per day to one range.
    pub texts_a_day_to_a_range: u32,
    /// Mails with notices per day.
    pub notice_mails_a_day: u32,
    /// Text messages with notices per day.
    pub notice_texts_a_day: u32,
    /// Text messages with notices per day to one range.
    pub notice_texts_a_day_to_a_range: u32,
}

impl Default for Ceilings {
    fn default() -> Self {
        Self {
            mails_a_day: 100_000,
            texts_a_day: 10_000,
            range_digits: 2,
            texts_an_hour_to_a_range: 500,
            texts_a_day_to_a_range: 3_000,
            notice_mails_a_day: 100_000,
            notice_texts_a_day: 10_000,
            notice_texts_a_day_to_a_range: 3_000,
        }
    }
}

/// The group of ceilings under which a message is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Share {
    Codes,
    Notices,
    /// Notices of acts that anybody can trigger.
    Attempts,
}

impl Share {
    fn of(kind: MessageKind) -> Self {
        match kind {
            MessageKind::Code { .. } => Self::Codes,
            _ if kind.pace() == Some(NoticePace::ATTEMPT) => Self::Attempts,
            _ => Self::Notices,
        }
    }
}

impl Ceilings {
    /// The ceilings for a message to this recipient, narrowest first, so that a full range uses nothing of the
    /// global quota.
    fn over(&self, to: &Identifier, share: Share) -> Vec<Ceiling> {
        let ceiling = |scope: &str, window, most| Ceiling {
            scope: scope.to_owned(),
            window,
            most,
        };
        let (hour, day) = (Duration::HOUR, Duration::DAY);
        let mut over = Vec::new();
        match (to, share) {
            (Identifier::Email(_), Share::Codes) => {
                over.push(ceiling("email:day", day, self.mails_a_day));
            }
            (Identifier::Phone(number), Share::Codes) => {
                let range = number.range(self.range_digits.into());
                let (an_hour, a_day) = (self.texts_an_hour_to_a_range, self.texts_a_day_to_a_range);
                over.push(ceiling(&format!("sms:{range}:hour"), hour, an_hour));
                over.push(ceiling(&format!("sms:{range}:day"), day, a_day));
                over.push(ceiling("sms:day", day, self.texts_a_day));
            }
            (Identifier::Email(_), _) => {
                let most = self.notice_mails_a_day;
                if share == Share::Attempts {
                    over.push(ceiling("email:attempts:day", day, most.div_ceil(2)));
                }
                over.push(ceiling("email:notices:day", day, most));
            }
            (Identifier::Phone(number), _) => {
                let range = number.range(self.range_digits.into());
                let (of_range, most) =
                    (self.notice_texts_a_day_to_a_range, self.notice_texts_a_day);
                if share == Share::Attempts {
                    let scope = format!("sms:{range}:attempts:day");
                    over.push(ceiling(&scope, day, of_range.div_ceil(2)));
                    over.push(ceiling("sms:attempts:day", day, most.div_ceil(2)));
                }
                over.push(ceiling(&format!("sms:{range}:notices:day"), day, of_range));
                over.push(ceiling("sms:notices:day", day, most));
            }
        }
        over
    }
}

impl Notifications {
    /// Counts a message under every ceiling that applies. If one is full, returns the end of its window; the counts
    /// under narrower ceilings stay, which is the safe side.
    pub(super) async fn find_room(
        &self,
        to: &Identifier,
        kind: MessageKind,
        now: OffsetDateTime,
    ) -> Result<Option<OffsetDateTime>, StoreError> {
        for ceiling in self.ceilings.over(to, Share::of(kind)) {
            let store = &self.base.store;
            let claim = retrying(|| store.claim_message(&ceiling, now)).await?;
            if let CeilingClaim::Full { until, first } = claim {
                if first {
                    tracing::warn!(
                        scope = ceiling.scope,
                        most = ceiling.most,
                        channel = Channel::of(to).as_str(),
                        "a ceiling of messages is reached; codes under it are dropped, notices wait"
                    );
                }
                return Ok(Some(until));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(to: &str, range_digits: u8, share: Share) -> Vec<String> {
        let ceilings = Ceilings {
            range_digits,
            ..Ceilings::default()
        };
        let over = ceilings.over(&Identifier::parse(to).unwrap(), share);
        over.into_iter().map(|ceiling| ceiling.scope).collect()
    }

    #[test]
    fn a_message_is_counted_where_it_belongs_and_under_no_name() {
        let codes = |to, digits| scopes(to, digits, Share::Codes);
        assert_eq!(codes("ada@example.com", 2), ["email:day"]);
        assert_eq!(
            codes("+2348012345678", 2),
            ["sms:+23480:hour", "sms:+23480:day", "sms:day"]
        );
        assert_eq!(
            codes("+12025550123", 3),
            ["sms:+1202:hour", "sms:+1202:day", "sms:day"]
        );
        assert_eq!(
            codes("+33612345678", 0),
            ["sms:+33:hour", "sms:+33:day", "sms:day"]
        );
    }

    #[test]
    fn no_notice_is_counted_with_a_code() {
        let kinds = MessageKind::notices();
        for (to, kind) in kinds.flat_map(|kind| [("ada@example.com", kind), ("+12025550123", kind)])
        {
            let codes = scopes(to, 2, Share::Codes);
            let notices = scopes(to, 2, Share::of(kind));
            assert!(!notices.is_empty());
            assert!(notices.iter().all(|it| !codes.contains(it)), "{kind:?}");
        }
    }

    #[test]
    fn what_strangers_set_off_leaves_half_for_the_other_notices() {
        let ceilings = Ceilings {
            notice_mails_a_day: 7,
            ..Ceilings::default()
        };
        let to = Identifier::parse("ada@example.com").unwrap();
        let over = ceilings.over(&to, Share::of(MessageKind::SignInLocked));
        let over: Vec<_> = over.iter().map(|it| (it.scope.as_str(), it.most)).collect();
        assert_eq!(over, [("email:attempts:day", 4), ("email:notices:day", 7)]);
        let over = ceilings.over(&to, Share::of(MessageKind::PasswordChanged));
        assert_eq!(over.len(), 1);
    }
}
