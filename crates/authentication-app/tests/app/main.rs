//! The use cases and what they stand on, with the embedded adapters and with fakes of outward ports: the
//! order of effects, and what a failure leaves behind.
//!
//! Here and not beside the code, where testkit would bring a second copy of this crate along.

mod caching;
