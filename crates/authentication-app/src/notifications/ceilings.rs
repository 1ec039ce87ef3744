//! Ceilings over all messages: what one attacker with a thousand addresses, and a thousand recipients each
//! asked for once, runs into.

use authentication_domain::accounts::Identifier;
use time::{Duration, OffsetDateTime};

use super::Notifications;
use crate::{
    ports::{Ceiling, CeilingClaim, Channel, StoreError},
    retry::retrying,
};

/// The numbers. Configuration sets them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ceilings {
    /// Mails a day.
    pub mails_a_day: u32,
    /// Text messages a day.
    pub texts_a_day: u32,
    /// How many digits after the country's calling code make a range of numbers.
    pub range_digits: u8,
    /// Text messages an hour to one range.
    pub texts_an_hour_to_a_range: u32,
    /// Text messages a day to one range.
    pub texts_a_day_to_a_range: u32,
}

impl Default for Ceilings {
    fn default() -> Self {
        Self {
            mails_a_day: 100_000,
            texts_a_day: 10_000,
            range_digits: 2,
            texts_an_hour_to_a_range: 500,
            texts_a_day_to_a_range: 3_000,
        }
    }
}

impl Ceilings {
    /// What a message to this recipient has to fit under. The narrowest first: a range that is full takes
    /// nothing from everybody's day.
    fn over(&self, to: &Identifier) -> Vec<Ceiling> {
        let ceiling = |scope: String, window, most| Ceiling {
            scope,
            window,
            most,
        };
        let (hour, day) = (Duration::HOUR, Duration::DAY);
        match to {
            Identifier::Email(_) => vec![ceiling("email:day".to_owned(), day, self.mails_a_day)],
            Identifier::Phone(number) => {
                let range = number.range(self.range_digits.into());
                let (an_hour, a_day) = (self.texts_an_hour_to_a_range, self.texts_a_day_to_a_range);
                vec![
                    ceiling(format!("sms:{range}:hour"), hour, an_hour),
                    ceiling(format!("sms:{range}:day"), day, a_day),
                    ceiling("sms:day".to_owned(), day, self.texts_a_day),
                ]
            }
        }
    }
}

impl Notifications {
    /// Counts a message under every ceiling over it. The end of the full window if there is no room; what
    /// was counted under narrower ceilings before stays, on the safe side.
    pub(super) async fn find_room(
        &self,
        to: &Identifier,
        now: OffsetDateTime,
    ) -> Result<Option<OffsetDateTime>, StoreError> {
        for ceiling in self.ceilings.over(to) {
            let store = &self.base.store;
            let claim = retrying(|| store.claim_message(&ceiling, now)).await?;
            if let CeilingClaim::Full { until, first } = claim {
                if first {
                    tracing::warn!(
                        scope = ceiling.scope,
                        most = ceiling.most,
                        channel = Channel::of(to).as_str(),
                        "a ceiling of messages is reached; codes under it are dropped"
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

    fn scopes(to: &str, range_digits: u8) -> Vec<String> {
        let ceilings = Ceilings {
            range_digits,
            ..Ceilings::default()
        };
        let over = ceilings.over(&Identifier::parse(to).unwrap()).into_iter();
        over.map(|ceiling| ceiling.scope).collect()
    }

    #[test]
    fn a_message_is_counted_where_it_belongs_and_under_no_name() {
        assert_eq!(scopes("ada@example.com", 2), ["email:day"]);
        assert_eq!(
            scopes("+2348012345678", 2),
            ["sms:+23480:hour", "sms:+23480:day", "sms:day"]
        );
        assert_eq!(
            scopes("+12025550123", 3),
            ["sms:+1202:hour", "sms:+1202:day", "sms:day"]
        );
        assert_eq!(
            scopes("+33612345678", 0),
            ["sms:+33:hour", "sms:+33:day", "sms:day"]
        );
    }
}
