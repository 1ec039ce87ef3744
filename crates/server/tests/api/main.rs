//! Black-box tests: the whole service over real HTTP, on every engine.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests: a broken expectation fails the test"
)]

mod answer;
mod app;
mod person;

mod budgets;
mod caches;
mod canaries;
mod clocks;
mod costs;
mod devices;
mod django_passwords;
mod enumeration;
mod examples;
mod google;
mod grants;
mod held;
mod identifier;
mod input;
mod keys;
mod limits;
mod lossy_network;
mod lost_answers;
mod messages;
mod metrics;
mod not_me;
mod outstanding;
mod pairs;
mod passkeys;
mod password;
mod put_back;
mod registration;
mod repeated_proofs;
mod second_factors;
mod sessions;
mod sign_in;
mod silent_numbers;
mod slow_guessing;
mod surface;
