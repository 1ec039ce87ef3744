//! `users import`, as operators use it.

mod at_once;
mod from_django;
mod lines;
mod place;
mod refused;
mod signs_in;
mod twice;
