//! Measures every request of the public listener.

use std::{sync::Arc, time::Instant};

use actix_web::{body::MessageBody, dev::ServiceResponse};

use crate::{
    ports::{AnsweredRequest, HttpMeter},
    problem::Problem,
    routes::RouteSpec,
};

/// A request in progress. If it is dropped before its answer, its client has disconnected.
pub(super) struct Metering {
    meter: Arc<dyn HttpMeter>,
    begun: Instant,
    open: bool,
}

impl Metering {
    pub(super) fn begin(meter: &Arc<dyn HttpMeter>) -> Self {
        meter.began();
        Self {
            meter: Arc::clone(meter),
            begun: Instant::now(),
            open: true,
        }
    }

    /// Records the answer when its head is ready.
    pub(super) fn end(mut self, answer: &ServiceResponse<impl MessageBody>) {
        self.open = false;
        let problem = answer
            .response()
            .error()
            .and_then(|error| error.as_error::<Problem>());
        self.meter.answered(&AnsweredRequest {
            route: RouteSpec::of(answer.request()),
            method: answer.request().method(),
            status: answer.status(),
            refused_with: problem.map(Problem::code),
            took: self.begun.elapsed(),
        });
    }
}

impl Drop for Metering {
    fn drop(&mut self) {
        if self.open {
            self.meter.abandoned();
        }
    }
}
