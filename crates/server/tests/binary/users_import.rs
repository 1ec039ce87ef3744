//! `users import`, as operators use it.

mod at_once;
mod from_django;
mod lines;
pub(crate) mod place;
mod refused;
mod signs_in;
mod twice;
