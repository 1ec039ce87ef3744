//! Messages as they reach people: through a real mail server and a double of an SMS gateway that fail in
//! every way there is.

mod caps;
mod gathered;
mod mail;
mod once;
mod parked;
mod setup;
mod stumbles;
