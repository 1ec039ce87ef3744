//! Events for other systems as signed HTTP calls (Standard Webhooks).
//!
//! It must never know what an event means or who is asking.
