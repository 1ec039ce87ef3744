//! Rate limits: a call is counted before anything else is done with it.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use authentication_domain::{
    accounts::{AccountId, Identifier},
    protection::{Quota, RouteClass},
    sessions::DeviceToken,
};
use time::Duration;
use tokio::sync::OnceCell;

use crate::{
    Foundation,
    ports::{Throttle, ThrottleKey, ThrottleOutcome, ThrottleRequest},
};

/// One window after a call was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowStatus {
    /// `address`, `subject`, `device` or `sending`, for `RateLimit-Policy`.
    pub name: &'static str,
    /// The limit of the window.
    pub quota: Quota,
    /// The state after the call.
    pub outcome: ThrottleOutcome,
}

/// All windows of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LimitStatus {
    /// The address window comes first. Empty for a call without limits.
    pub windows: Vec<WindowStatus>,
}

impl LimitStatus {
    /// The window that refused the call, if any; of several, the one with the longest wait.
    pub fn refused(&self) -> Option<&WindowStatus> {
        self.windows
            .iter()
            .filter(|window| !window.outcome.allowed)
            .max_by_key(|window| window.outcome.reset_after)
    }
}

/// Counts calls: shared by all nodes if there is a shared counter, and on each node separately while that is
/// unavailable.
#[derive(Clone)]
pub struct Limits {
    base: Arc<Foundation>,
    shared: Option<Arc<dyn Throttle>>,
    own: Arc<dyn Throttle>,
}

impl Limits {
    /// Called once, by the composition root.
    pub const fn new(
        base: Arc<Foundation>,
        shared: Option<Arc<dyn Throttle>>,
        own: Arc<dyn Throttle>,
    ) -> Self {
        Self { base, shared, own }
    }

    /// Counts a call for the client's address (`None` for an exempt network) and for the signed-in account, if any.
    /// Takes one round trip; if one window refuses the call, it is counted in none.
    pub async fn count_call(
        &self,
        class: RouteClass,
        address: Option<IpAddr>,
        account: Option<AccountId>,
    ) -> LimitStatus {
        let limit = class.limit();
        let by_address = address.zip(limit.by_address).map(|(address, quota)| {
            let network = network_of(address).to_string();
            let digest = self.base.macs.fingerprint(network.as_bytes());
            ("address", format!("a:{}", short(digest)), quota)
        });
        let by_account = account.zip(limit.by_subject).map(|(account, quota)| {
            let account = account.as_uuid().simple();
            ("subject", format!("u:{account}"), quota)
        });
        let windows = by_address.into_iter().chain(by_account).collect();
        self.count(class.as_str(), windows).await
    }

    /// Counts a call of a route that sends messages, for the signed-in account, in a separate window of the route.
    /// `route` names it in keys.
    pub async fn count_sending(
        &self,
        route: &str,
        quota: Quota,
        account: AccountId,
    ) -> LimitStatus {
        let account = account.as_uuid().simple();
        let window = ("sending", format!("u:{account}"), quota);
        self.count(&format!("send:{route}"), vec![window]).await
    }

    /// Counts a call for an identifier, whether or not an account has it.
    pub async fn count_identifier(
        &self,
        class: RouteClass,
        identifier: &Identifier,
    ) -> LimitStatus {
        let window = class.limit().by_subject.map(|quota| {
            let subject = self.base.index.keys_of(identifier).subject;
            ("subject", format!("i:{}", short(subject.0)), quota)
        });
        self.count(class.as_str(), window.into_iter().collect())
            .await
    }

    /// Counts a call for an identifier with a device token, before anything is read, in a window of that token.
    /// Whether the token belongs to the owner's device can only be verified with the account. Until then nothing is
    /// counted for the identifier, whose window others can fill ([`AttemptWindow`]).
    pub async fn count_device(
        &self,
        class: RouteClass,
        identifier: &Identifier,
        token: &DeviceToken,
    ) -> LimitStatus {
        let window = class.limit().by_device.map(|quota| {
            let subject = short(self.base.index.keys_of(identifier).subject.0);
            let token = short(self.base.macs.fingerprint(token.to_text().as_bytes()));
            ("device", format!("d:{subject}:{token}"), quota)
        });
        self.count(class.as_str(), window.into_iter().collect())
            .await
    }

    /// Counts a call in windows, each given by its name, its caller and its quota.
    async fn count(&self, scope: &str, windows: Vec<(&'static str, String, Quota)>) -> LimitStatus {
        if windows.is_empty() {
            return LimitStatus::default();
        }
        let requests: Vec<_> = windows
            .iter()
            .map(|(_, whom, quota)| ThrottleRequest {
                key: ThrottleKey(format!("{scope}:{whom}")),
                quota: *quota,
            })
            .collect();
        let outcomes = self.ask(&requests).await;
        let windows = windows.into_iter().zip(outcomes);
        let windows = windows.map(|((name, _, quota), outcome)| WindowStatus {
            name,
            quota,
            outcome,
        });
        LimitStatus {
            windows: windows.collect(),
        }
    }

    async fn ask(&self, requests: &[ThrottleRequest]) -> Vec<ThrottleOutcome> {
        if let Some(shared) = &self.shared
            && let Ok(outcomes) = shared.count(requests).await
        {
            return outcomes;
        }
        // The counters in this node's memory do not fail.
        self.own.count(requests).await.unwrap_or_default()
    }
}

/// The window of an identifier, for an attempt with an unverified device token. Counted once it is known that the
/// device is not a known one, and before anything costly is done.
pub struct AttemptWindow {
    limits: Limits,
    class: RouteClass,
    counted: OnceCell<LimitStatus>,
}

impl AttemptWindow {
    /// A window in which nothing is counted yet.
    pub fn new(limits: Limits, class: RouteClass) -> Self {
        Self {
            limits,
            class,
            counted: OnceCell::new(),
        }
    }

    /// Counts the attempt once, even if called repeatedly; returns how long to wait if it is over the limit.
    pub(crate) async fn count(&self, identifier: &Identifier) -> Option<Duration> {
        let count = || self.limits.count_identifier(self.class, identifier);
        let status = self.counted.get_or_init(count).await;
        status.refused().map(|window| window.outcome.reset_after)
    }

    /// The state after the attempt; no window if it was not counted.
    pub fn status(&self) -> LimitStatus {
        self.counted.get().cloned().unwrap_or_default()
    }
}

impl fmt::Debug for AttemptWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttemptWindow")
            .field("class", &self.class)
            .finish_non_exhaustive()
    }
}

/// Half of a digest suffices to identify the caller, and keeps keys short.
fn short(digest: [u8; 32]) -> String {
    let half = digest.first_chunk().copied().unwrap_or_default();
    format!("{:032x}", u128::from_be_bytes(half))
}

/// The network that an address is counted as: itself for IPv4, its /64 for IPv6 (one household or host has that
/// many addresses).
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let prefix = u128::from(v6) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(prefix))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::network_of;

    #[test]
    fn an_ipv6_host_is_its_network_and_a_mapped_one_is_its_ipv4() {
        let network = |text: &str| network_of(text.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(network("192.0.2.1"), "192.0.2.1");
    }
}
