//! Text messages, over providers that accept them by HTTPS.

mod answer;
mod body;
mod client;
mod gateway;
mod twilio;

pub use body::BodyTemplate;
pub use client::{GatewayUrl, InvalidGateway};
pub use gateway::{GatewayConfig, HttpGateway};
pub use twilio::{Twilio, TwilioConfig};
