//! Guards: authorization checks on a [`Principal`] as types, so that a function signature can require them.
//!
//! The same guard works in a handler's signature and in a use case. Guards are asynchronous, since a guard of
//! another bounded context may need a lookup ("has bought this"). Combine them with [`AnyOf`], [`AllOf`] and
//! [`Not`].

use std::future::{Future, ready};

use super::{Account, Permission, Principal, Role};
use crate::Id;

/// Why access is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// No further proof would help. Gives no reason: that belongs in the log, not in the response.
    #[error("not allowed")]
    NotAllowed,
    /// Access would be allowed after sign-in with a second factor.
    #[error("a second factor is needed")]
    SecondFactorRequired,
}

impl Denial {
    /// Returns `Ok` if `allowed`.
    ///
    /// # Errors
    /// [`Denial::NotAllowed`] otherwise.
    pub const fn unless(allowed: bool) -> Result<(), Self> {
        if allowed {
            Ok(())
        } else {
            Err(Self::NotAllowed)
        }
    }

    /// Returns `Ok` if a role allows it and the session has the proofs that the role requires.
    const fn unless_role(allows: bool, who: &Principal) -> Result<(), Self> {
        match (allows, who.lacks_second_factor) {
            (false, _) => Err(Self::NotAllowed),
            (true, true) => Err(Self::SecondFactorRequired),
            (true, false) => Ok(()),
        }
    }
}

/// An authorization check on the acting principal.
///
/// A guard that needs more than the principal holds it: an id ([`IsOwner`]), or a port of its bounded
/// context. A guard that needs nothing else is `Default` and can appear in a signature.
pub trait Guard: Send + Sync {
    /// # Errors
    /// [`Denial`] when access is denied.
    fn check(&self, who: &Principal) -> impl Future<Output = Result<(), Denial>> + Send;
}

macro_rules! role_guards {
    ($($(#[$doc:meta])* $name:ident => |$roles:ident| $test:expr;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default)]
        pub struct $name;
        impl Guard for $name {
            fn check(&self, who: &Principal) -> impl Future<Output = Result<(), Denial>> + Send {
                let $roles = who.roles;
                ready(Denial::unless_role($test, who))
            }
        }
    )+};
}

role_guards! {
    /// Has the vendor role.
    IsVendor => |roles| roles.contains(Role::Vendor);
    /// Has any staff role.
    IsStaff => |roles| roles.is_staff();
    /// Has the support role itself; a higher role is not enough. Use [`AnyOf`] to admit admins as well.
    IsSupport => |roles| roles.contains(Role::Support);
    /// Has the reviewer role.
    IsReviewer => |roles| roles.contains(Role::Reviewer);
    /// Has the assistant role.
    IsAssistant => |roles| roles.contains(Role::Assistant);
    /// Has the editor role.
    IsEditor => |roles| roles.contains(Role::Editor);
    /// Has the sales role.
    IsSales => |roles| roles.contains(Role::Sales);
    /// Has the admin role.
    IsAdmin => |roles| roles.contains(Role::Admin);
}

/// Has the client role, which never requires a second factor.
#[derive(Debug, Clone, Copy, Default)]
pub struct IsClient;

impl Guard for IsClient {
    fn check(&self, who: &Principal) -> impl Future<Output = Result<(), Denial>> + Send {
        ready(Denial::unless(who.roles.contains(Role::Client)))
    }
}

/// Owns the resource.
#[derive(Debug, Clone, Copy)]
pub struct IsOwner(Id<Account>);

impl IsOwner {
    /// A guard for a resource that belongs to `owner`.
    pub const fn of(owner: Id<Account>) -> Self {
        Self(owner)
    }
}
impl Guard for IsOwner {
    fn check(&self, who: &Principal) -> impl Future<Output = Result<(), Denial>> + Send {
        ready(Denial::unless(who.account == self.0))
    }
}

/// Has a permission through any role.
#[derive(Debug, Clone, Copy)]
pub struct HasPermission(pub Permission);

impl Guard for HasPermission {
    fn check(&self, who: &Principal) -> impl Future<Output = Result<(), Denial>> + Send {
        ready(Denial::unless_role(who.roles.allow(self.0), who))
    }
}

/// At least one of two guards passes. Nest it for more.
#[derive(Debug, Clone, Copy, Default)]
pub struct AnyOf<A, B>(pub A, pub B);

impl<A: Guard, B: Guard> Guard for AnyOf<A, B> {
    async fn check(&self, who: &Principal) -> Result<(), Denial> {
        match self.0.check(who).await {
            Ok(()) => Ok(()),
            Err(first) => {
                let second = self.1.check(who).await;
                second.map_err(|second| {
                    if second == Denial::NotAllowed {
                        first
                    } else {
                        second
                    }
                })
            }
        }
    }
}

/// Both guards pass. Nest it for more.
#[derive(Debug, Clone, Copy, Default)]
pub struct AllOf<A, B>(pub A, pub B);

impl<A: Guard, B: Guard> Guard for AllOf<A, B> {
    async fn check(&self, who: &Principal) -> Result<(), Denial> {
        self.0.check(who).await?;
        self.1.check(who).await
    }
}

/// The guard does not pass.
#[derive(Debug, Clone, Copy, Default)]
pub struct Not<G>(pub G);

impl<G: Guard> Guard for Not<G> {
    async fn check(&self, who: &Principal) -> Result<(), Denial> {
        Denial::unless(self.0.check(who).await.is_err())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;
    use crate::access::{AuthenticationMethod, Proofs, Roles};
    use time::OffsetDateTime;
    use uuid::Uuid;

    /// No guard in these tests waits, so one poll gives the result.
    fn now(guard: &impl Guard, who: &Principal) -> Result<(), Denial> {
        match pin!(guard.check(who)).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => answer,
            Poll::Pending => panic!("a guard without a lookup must not wait"),
        }
    }

    fn passes(guard: &impl Guard, who: &Principal) -> bool {
        now(guard, who).is_ok()
    }

    fn principal(roles: impl IntoIterator<Item = Role>) -> Principal {
        Principal {
            account: Id::from_uuid(Uuid::from_u128(1)),
            session: Id::from_uuid(Uuid::from_u128(2)),
            roles: Roles::from_iter(roles),
            proofs: Proofs::only(AuthenticationMethod::Password, OffsetDateTime::UNIX_EPOCH),
            has_second_factor: false,
            lacks_second_factor: false,
        }
    }

    #[test]
    fn every_role_guard_asks_for_exactly_its_role() {
        for role in Role::ALL {
            let who = principal([role]);
            assert_eq!(passes(&IsClient, &who), role == Role::Client);
            assert_eq!(passes(&IsVendor, &who), role == Role::Vendor);
            assert_eq!(passes(&IsSupport, &who), role == Role::Support);
            assert_eq!(passes(&IsReviewer, &who), role == Role::Reviewer);
            assert_eq!(passes(&IsAssistant, &who), role == Role::Assistant);
            assert_eq!(passes(&IsEditor, &who), role == Role::Editor);
            assert_eq!(passes(&IsSales, &who), role == Role::Sales);
            assert_eq!(passes(&IsAdmin, &who), role == Role::Admin);
            assert_eq!(passes(&IsStaff, &who), role.is_staff());
        }
    }

    #[test]
    fn a_role_waits_for_the_second_factor_that_it_asks_for() {
        let lacking = Principal {
            lacks_second_factor: true,
            ..principal([Role::Client, Role::Support])
        };
        let ask = |guard: &dyn Fn(&Principal) -> Result<(), Denial>| guard(&lacking);
        assert_eq!(ask(&|who| now(&IsClient, who)), Ok(()));
        assert_eq!(ask(&|who| now(&IsOwner::of(who.account), who)), Ok(()));
        assert_eq!(ask(&|who| now(&IsAdmin, who)), Err(Denial::NotAllowed));
        let missing = Err(Denial::SecondFactorRequired);
        assert_eq!(ask(&|who| now(&IsStaff, who)), missing);
        assert_eq!(ask(&|who| now(&AnyOf(IsSupport, IsAdmin), who)), missing);
        assert_eq!(ask(&|who| now(&AnyOf(IsAdmin, IsSupport), who)), missing);
        assert_eq!(
            ask(&|who| now(&HasPermission(Permission::UsersRead), who)),
            missing
        );
        assert!(!lacking.may(Permission::UsersRead));
    }

    #[test]
    fn guards_compose() {
        let vendor = principal([Role::Vendor]);
        assert!(passes(&AnyOf(IsStaff, IsVendor), &vendor));
        assert!(!passes(&AnyOf(IsStaff, IsClient), &vendor));
        assert!(passes(&AllOf(IsVendor, Not(IsStaff)), &vendor));
        assert!(!passes(&AllOf(IsVendor, IsStaff), &vendor));
        assert!(passes(
            &AnyOf(IsAdmin, IsOwner::of(vendor.account)),
            &vendor
        ));
        assert!(!passes(
            &IsOwner::of(Id::from_uuid(Uuid::from_u128(9))),
            &vendor
        ));
        assert!(passes(
            &HasPermission(Permission::AuditRead),
            &principal([Role::Support])
        ));
    }
}
