//! Access control: the roles, permissions and guards that all bounded contexts share.

mod guards;
mod permission;
mod principal;
mod proofs;
mod role;

pub use guards::{
    AllOf, AnyOf, Denial, Guard, HasPermission, IsAdmin, IsAssistant, IsClient, IsEditor, IsOwner,
    IsReviewer, IsSales, IsStaff, IsSupport, IsVendor, Not,
};
pub use permission::Permission;
pub use principal::{Account, Principal, Session};
pub use proofs::{AuthenticationMethod, MethodReferences, MissingProofs, Proof, Proofs, Renewal};
pub use role::{Role, Roles, UnknownRole};
