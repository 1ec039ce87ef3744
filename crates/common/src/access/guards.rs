//! Guards: questions about a [`Principal`] that are types, so that a signature can ask them.
//!
//! The same guard stands in a handler's signature and inside a use case. Guards are asynchronous, since
//! another bounded context's guard may have to look something up ("has bought this"); they compose with
//! [`AnyOf`], [`AllOf`] and [`Not`].

use std::future::{Future, ready};

use super::{Account, Permission, Principal, Role};
use crate::Id;

/// The principal may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// Whatever they prove. Says nothing more: the reason is for the log, not for the person.
    #[error("not allowed")]
    NotAllowed,
    /// They might, had they signed in with a second factor.
    #[error("a second factor is needed")]
    SecondFactorRequired,
}

impl Denial {
    /// `Ok` if `allowed`.
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

    /// `Ok` if a role of theirs allows it, and they proved what that role asks for.
    const fn unless_role(allows: bool, who: &Principal) -> Result<(), Self> {
        match (allows, who.lacks_second_factor) {
            (false, _) => Err(Self::NotAllowed),
            (true, true) => Err(Self::SecondFactorRequired),
            (true, false) => Ok(()),
        }
    }
}

/// A question about the one who acts.
///
/// A guard that needs something beside the principal holds it: an id ([`IsOwner`]), or a port of the
/// bounded context that wrote it. One that needs nothing is `Default` and can stand in a signature.
pub trait Guard: Send + Sync {
    /// # Errors
    /// [`Denial`] when the principal may not.
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
    /// Sells.
    IsVendor => |roles| roles.contains(Role::Vendor);
    /// Any staff role.
    IsStaff => |roles| roles.is_staff();
    /// Support, and nobody who merely outranks it: ask for [`AnyOf`] to let admins in.
    IsSupport => |roles| roles.contains(Role::Support);
    /// Reviewer.
    IsReviewer => |roles| roles.contains(Role::Reviewer);
    /// Assistant.
    IsAssistant => |roles| roles.contains(Role::Assistant);
    /// Editor.
    IsEditor => |roles| roles.contains(Role::Editor);
    /// Sales.
    IsSales => |roles| roles.contains(Role::Sales);
    /// Admin.
    IsAdmin => |roles| roles.contains(Role::Admin);
}

/// Buys. No role asks for a second factor of its own for that.
#[derive(Debug, Clone, Copy, Default)]
pub struct IsClient;

impl Guard for IsClient {
    fn check(&self, who: &Principal) -> impl Future<Output = Result<(), Denial>> + Send {
        ready(Denial::unless(who.roles.contains(Role::Client)))
    }
}

/// The thing belongs to the one who acts.
#[derive(Debug, Clone, Copy)]
pub struct IsOwner(Id<Account>);

impl IsOwner {
    /// Of a thing that belongs to `owner`.
    pub const fn of(owner: Id<Account>) -> Self {
        Self(owner)
    }
}
impl Guard for IsOwner {
    fn check(&self, who: &Principal) -> impl Future<Output = Result<(), Denial>> + Send {
        ready(Denial::unless(who.account == self.0))
    }
}

/// Holds a permission through any role.
#[derive(Debug, Clone, Copy)]
pub struct HasPermission(pub Permission);

impl Guard for HasPermission {
    fn check(&self, who: &Principal) -> impl Future<Output = Result<(), Denial>> + Send {
        ready(Denial::unless_role(who.roles.allow(self.0), who))
    }
}

/// At least one of two guards lets the principal pass; nest for more.
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

/// Both guards let the principal pass; nest for more.
#[derive(Debug, Clone, Copy, Default)]
pub struct AllOf<A, B>(pub A, pub B);

impl<A: Guard, B: Guard> Guard for AllOf<A, B> {
    async fn check(&self, who: &Principal) -> Result<(), Denial> {
        self.0.check(who).await?;
        self.1.check(who).await
    }
}

/// The guard does not let the principal pass.
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

    /// None of the guards here ever waits, so one poll is the answer.
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
