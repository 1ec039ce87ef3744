//! Metrics of requests to the public listener: count, duration, status, and requests in progress.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use actix_web::http::Method;
use api_http::{
    ProblemCode,
    ports::AnsweredRequest,
    routes::{self, RouteSpec},
};
use opentelemetry::{
    KeyValue,
    metrics::{Histogram, Meter},
};

use super::counts::{Named, Series};

/// Buckets from a tenth of the fastest route to the deadline of a request.
const SECONDS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Status classes, by the first digit.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
/// Requests without a matching route share one name, and are counted by standard methods only.
const NO_ROUTE: &str = "unmatched";
const METHODS: [&str; 10] = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    OTHER_METHOD,
];
const OTHER_METHOD: &str = "_OTHER";

type Labels = [KeyValue; 3];

pub(super) struct Requests {
    duration: Histogram<f64>,
    active: Arc<AtomicI64>,
    refusals: Series,
    abandoned: Series,
    /// The labels of all possible series. Rows are the routes, and after them the methods of unmatched requests;
    /// columns are the status classes.
    labels: Vec<[Labels; CLASSES.len()]>,
}

impl Requests {
    pub(super) fn new(meter: &Meter) -> Self {
        let active = Arc::new(AtomicI64::new(0));
        let shown = Arc::clone(&active);
        let _active = meter
            .i64_observable_up_down_counter("http.server.active_requests")
            .with_description("Requests under way on the public listener")
            .with_callback(move |observer| observer.observe(shown.load(Ordering::Relaxed), &[]))
            .build();
        let codes = ProblemCode::ALL.iter();
        let refusals = Series::register(
            meter,
            &Named {
                name: "http.server.refusals",
                meaning: "Requests refused, by the code of the problem document",
            },
            codes
                .map(|code| vec![KeyValue::new("code", code.as_str())])
                .collect(),
        );
        let abandoned = Series::register(
            meter,
            &Named {
                name: "http.server.abandoned_requests",
                meaning: "Requests whose client went away before the answer",
            },
            vec![Vec::new()],
        );
        let with_route = routes::all()
            .iter()
            .map(|spec| (method_word(&spec.method.as_http()), spec.path));
        let without = METHODS.into_iter().map(|method| (method, NO_ROUTE));
        Self {
            duration: meter
                .f64_histogram("http.server.request.duration")
                .with_unit("s")
                .with_description(
                    "Requests of the public listener, from their head to the answer's",
                )
                .with_boundaries(SECONDS.to_vec())
                .build(),
            active,
            refusals,
            abandoned,
            labels: with_route
                .chain(without)
                .map(|(method, route)| labels_of(method, route))
                .collect(),
        }
    }

    pub(super) fn began(&self) {
        self.active.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn abandoned(&self) {
        self.active.fetch_sub(1, Ordering::Relaxed);
        self.abandoned.add(0);
    }

    pub(super) fn answered(&self, request: &AnsweredRequest<'_>) {
        self.active.fetch_sub(1, Ordering::Relaxed);
        if let Some(code) = request.refused_with {
            self.refusals.add(code as usize);
        }
        let class = usize::from(request.status.as_u16() / 100).saturating_sub(1);
        let row = self.labels.get(row_of(request));
        if let Some(labels) = row.and_then(|row| row.get(class)) {
            self.record(request.took, labels);
        }
    }

    fn record(&self, took: Duration, labels: &Labels) {
        self.duration.record(took.as_secs_f64(), labels);
    }
}

fn row_of(request: &AnsweredRequest<'_>) -> usize {
    let of_route = request.route.and_then(RouteSpec::position);
    of_route.unwrap_or_else(|| {
        let word = method_word(request.method);
        let of_method = METHODS.iter().position(|method| *method == word);
        routes::all().len() + of_method.unwrap_or(METHODS.len() - 1)
    })
}

fn labels_of(method: &'static str, route: &'static str) -> [Labels; CLASSES.len()] {
    CLASSES.map(|class| {
        [
            KeyValue::new("method", method),
            KeyValue::new("route", route),
            KeyValue::new("status", class),
        ]
    })
}

/// The label for a method. Other than standard methods share one, because a client can invent methods of any
/// length.
fn method_word(method: &Method) -> &'static str {
    let known = METHODS.into_iter().find(|word| *word == method.as_str());
    known.unwrap_or(OTHER_METHOD)
}
