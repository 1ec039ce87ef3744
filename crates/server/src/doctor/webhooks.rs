//! Whether the host names of webhooks resolve to addresses that may be called. No webhook is called.

use std::net::IpAddr;

use adapters_webhooks::Reach;
use tokio::net::lookup_host;

use super::{Finding, side_by_side};
use crate::config::Config;

const CHECK: &str = "webhooks";

pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let webhooks = config.events.webhooks.iter();
    let looks = webhooks.filter_map(|webhook| {
        let (name, target) = (webhook.name.clone(), webhook.target.clone()?);
        let reach = config.events.reach.clone();
        let look = {
            let name = name.clone();
            async move {
                let (host, port) = target.server();
                let resolved = lookup_host((host, port)).await;
                let addresses = resolved.map(|all| all.map(|it| it.ip()).collect::<Vec<_>>());
                judge(&name, host, &addresses.unwrap_or_default(), &reach)
            }
        };
        Some((name, look))
    });
    side_by_side(CHECK, looks).await
}

fn judge(name: &str, host: &str, addresses: &[IpAddr], reach: &Reach) -> Finding {
    let usable = addresses.iter().filter(|ip| reach.allows(**ip)).count();
    let advice = format!(
        "correct events.webhooks.{name}.url, or its name in the DNS, or list its network in \
         events.webhook_networks; events for it wait meanwhile"
    );
    if addresses.is_empty() {
        Finding::fails(
            CHECK,
            format!("{name}: {host} is not known to the resolver"),
        )
        .do_this(advice)
    } else if usable == 0 {
        Finding::fails(
            CHECK,
            format!("{name}: {host} stands for no address that may be called"),
        )
        .do_this(advice)
    } else {
        let addresses = if usable == 1 { "address" } else { "addresses" };
        Finding::ok(
            CHECK,
            format!("{name}: {host} resolves to {usable} {addresses}; nothing was sent to it"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Health;

    #[test]
    fn it_is_said_that_nobody_was_called() {
        let seen = |addresses: &[&str]| {
            let addresses: Vec<IpAddr> = addresses.iter().map(|it| it.parse().unwrap()).collect();
            judge("shop", "hooks.example.com", &addresses, &Reach::default()).seen
        };
        assert_eq!(
            seen(&["1.1.1.1"]),
            "shop: hooks.example.com resolves to 1 address; nothing was sent to it"
        );
        assert_eq!(
            seen(&["1.1.1.1", "1.0.0.1"]),
            "shop: hooks.example.com resolves to 2 addresses; nothing was sent to it"
        );
    }

    #[test]
    fn a_name_has_to_stand_for_something_that_may_be_called() {
        let networks = ["10.20.0.0/16".parse().unwrap()];
        let of = |addresses: &[&str], loopback| {
            let addresses: Vec<IpAddr> = addresses.iter().map(|it| it.parse().unwrap()).collect();
            let reach = Reach {
                networks: networks.to_vec(),
                loopback,
            };
            judge("shop", "hooks.example.com", &addresses, &reach).health
        };
        assert_eq!(of(&["10.20.3.4"], false), Health::Ok);
        assert_eq!(of(&["93.184.216.34", "10.0.0.1"], false), Health::Ok);
        assert_eq!(of(&["10.0.0.1", "127.0.0.1", "::1"], false), Health::Fail);
        assert_eq!(of(&["127.0.0.1"], true), Health::Ok);
        assert_eq!(of(&[], true), Health::Fail);
    }
}
