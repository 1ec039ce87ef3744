//! The routes that are measured, one after the other.

use std::{thread, time::Duration};

use serde::Serialize;
use serde_json::json;

use super::{
    Options,
    drive::{Client, Driven, drive},
};
use crate::{
    Result,
    http::{Answer, get, post},
    people::{self, Applicant, Member, PASSWORD},
    processes::{Cpu, Family},
    service::Service,
    statistics::quantile,
};

/// One line of the report. Milliseconds.
#[derive(Serialize)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) answers: usize,
    pub(super) errors: u64,
    pub(super) a_second: f64,
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    pub(super) most: f64,
    /// Of the service, for each answer; then of PostgreSQL, and of Redis.
    pub(super) service_cpu: f64,
    pub(super) postgres_cpu: Option<f64>,
    pub(super) redis_cpu: Option<f64>,
}

/// Whose processor time is counted.
struct Meter {
    service: Family,
    stores: [Option<Family>; 2],
}

impl Meter {
    fn read(&self) -> Result<(Cpu, [Option<Cpu>; 2])> {
        let [postgres, redis] = self.stores;
        let postgres = postgres.map(Family::cpu).transpose()?;
        Ok((
            self.service.cpu()?,
            [postgres, redis.map(Family::cpu).transpose()?],
        ))
    }

    /// Measures what `work` costs.
    fn row(&self, name: &'static str, work: impl FnOnce() -> Result<Driven>) -> Result<Row> {
        let (service, [postgres, redis]) = self.read()?;
        let mut driven = work()?;
        let (service_after, [postgres_after, redis_after]) = self.read()?;
        driven.took.sort_unstable_by(f64::total_cmp);
        let answers = driven.took.len();
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52 answers")]
        let each = answers.max(1) as f64;
        let spent = |cpu: Cpu| cpu.0 * 1e3 / each;
        let at = |part| quantile(&driven.took, part);
        Ok(Row {
            name,
            answers,
            errors: driven.errors,
            a_second: each / driven.seconds.max(f64::EPSILON),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            most: at(1.0),
            service_cpu: spent(service_after - service),
            postgres_cpu: postgres.zip(postgres_after).map(|(a, b)| spent(b - a)),
            redis_cpu: redis.zip(redis_after).map(|(a, b)| spent(b - a)),
        })
    }
}

pub(super) fn run(
    options: &Options,
    service: &Service,
    stores: [Option<Family>; 2],
) -> Result<Vec<Row>> {
    let meter = Meter {
        service: service.family(),
        stores,
    };
    let (duration, steady) = (options.duration(), Duration::ZERO);
    let mut rows = Vec::new();

    let mut asking: Vec<_> = (0..options.connections).map(Applying::new).collect();
    rows.push(meter.row("register", || drive(service, &mut asking, duration, steady))?);
    let applicants: Vec<_> = asking.into_iter().flat_map(|it| it.applicants).collect();

    // As many as the mailbox keeps and a run needs.
    let wanted = applicants.len().min(options.people.max(1));
    let applicants = applicants.get(..wanted).unwrap_or_default();
    let codes = people::codes_of(&mut service.connect()?, applicants)?;
    let mut proving: Vec<_> = shares(applicants, options.connections)
        .map(|share| Proving::new(share, &codes))
        .collect::<Result<_>>()?;
    // Everybody, however long it takes.
    rows.push(meter.row("verify-otp", || {
        drive(service, &mut proving, Duration::MAX, steady)
    })?);
    let mut members: Vec<_> = proving.into_iter().flat_map(|it| it.members).collect();
    let missing = options.people.saturating_sub(members.len());
    let others: Vec<_> = (0..missing)
        .map(|it| format!("more-{it}@example.com"))
        .collect();
    members.extend(people::register(&mut service.connect()?, &others)?);

    let mut live = clients(&members, options, |_| Fixed::live());
    rows.push(meter.row("health/live", || {
        drive(service, &mut live, duration, steady)
    })?);
    let mut me = clients(&members, options, |share| Fixed::me(share));
    // Once for everybody, so that every session is warm.
    for member in &members {
        let request = get("/api/v1/me", Some(&member.access_token));
        service.connect()?.send(&request)?.expect(200)?;
    }
    rows.push(meter.row("me", || drive(service, &mut me, duration, steady))?);
    let mut refreshing = clients(&members, options, Refreshing::new);
    rows.push(meter.row("token/refresh", || {
        drive(service, &mut refreshing, duration, steady)
    })?);
    let mut signing_in = clients(&members, options, |share| Fixed::log_in(share));
    rows.push(meter.row("login", || {
        drive(service, &mut signing_in, duration, steady)
    })?);
    rows.push(me_amid_sign_ins(&meter, options, service, &members)?);
    Ok(rows)
}

/// `GET /me` from two people at their own pace, while all connections sign in as fast as they can. What it
/// costs is not told apart from the sign-ins.
fn me_amid_sign_ins(
    meter: &Meter,
    options: &Options,
    service: &Service,
    members: &[Member],
) -> Result<Row> {
    let mut flood = clients(members, options, |share| Fixed::log_in(share));
    let mut me: Vec<_> = shares(members, 2).map(Fixed::me).collect();
    let (duration, pace) = (options.duration(), Duration::from_millis(5));
    let mut row = meter.row("me amid sign-ins", || {
        thread::scope(|scope| {
            let flood = scope.spawn(|| drive(service, &mut flood, duration, Duration::ZERO));
            let calm = drive(service, &mut me, duration, pace)?;
            flood
                .join()
                .unwrap_or_else(|_| Err("a client panicked".into()))?;
            Ok(calm)
        })
    })?;
    (row.service_cpu, row.postgres_cpu, row.redis_cpu) = (f64::NAN, None, None);
    Ok(row)
}

/// The people of each connection; nobody is of two.
fn shares<T>(all: &[T], connections: usize) -> impl Iterator<Item = &[T]> {
    all.chunks(all.len().div_ceil(connections.max(1)).max(1))
}

fn clients<C>(members: &[Member], options: &Options, client: impl Fn(&[Member]) -> C) -> Vec<C> {
    shares(members, options.connections).map(client).collect()
}

/// The same few requests over and over.
struct Fixed {
    requests: Vec<Vec<u8>>,
    next: usize,
}

impl Fixed {
    fn of(requests: Vec<Vec<u8>>) -> Self {
        Self { requests, next: 0 }
    }

    fn live() -> Self {
        Self::of(vec![get("/health/live", None)])
    }

    fn me(members: &[Member]) -> Self {
        let request = |member: &Member| get("/api/v1/me", Some(&member.access_token));
        Self::of(members.iter().map(request).collect())
    }

    fn log_in(members: &[Member]) -> Self {
        let request = |member: &Member| {
            post(
                "/api/v1/auth/login",
                &people::credentials(&member.email, PASSWORD),
            )
        };
        Self::of(members.iter().map(request).collect())
    }
}

impl Client for Fixed {
    fn next(&mut self) -> Option<Vec<u8>> {
        let request = self.requests.get(self.next % self.requests.len().max(1));
        self.next += 1;
        request.cloned()
    }

    fn take(&mut self, answer: &Answer) -> bool {
        answer.status == 200
    }
}

/// Newcomers up to the code.
struct Applying {
    connection: usize,
    email: String,
    applicants: Vec<Applicant>,
}

impl Applying {
    fn new(connection: usize) -> Self {
        Self {
            connection,
            email: String::new(),
            applicants: Vec::new(),
        }
    }
}

impl Client for Applying {
    fn next(&mut self) -> Option<Vec<u8>> {
        let (connection, number) = (self.connection, self.applicants.len());
        self.email = format!("person-{connection}-{number}@example.com");
        let body = people::registration(&self.email);
        Some(post("/api/v1/auth/register", &body))
    }

    fn take(&mut self, answer: &Answer) -> bool {
        let applicant = (answer.status == 202)
            .then(|| Applicant::from(self.email.clone(), answer).ok())
            .flatten();
        let is_expected = applicant.is_some();
        self.applicants.extend(applicant);
        is_expected
    }
}

/// Newcomers with their codes.
struct Proving {
    waiting: Vec<(String, Vec<u8>)>,
    email: String,
    members: Vec<Member>,
}

impl Proving {
    fn new(
        applicants: &[Applicant],
        codes: &std::collections::HashMap<String, String>,
    ) -> Result<Self> {
        let mut waiting = Vec::new();
        for applicant in applicants {
            let code = codes.get(&applicant.email).ok_or("no code")?;
            let request = post("/api/v1/auth/verify-otp", &people::proof(applicant, code));
            waiting.push((applicant.email.clone(), request));
        }
        Ok(Self {
            waiting,
            email: String::new(),
            members: Vec::new(),
        })
    }
}

impl Client for Proving {
    fn next(&mut self) -> Option<Vec<u8>> {
        let (email, request) = self.waiting.pop()?;
        self.email = email;
        Some(request)
    }

    fn take(&mut self, answer: &Answer) -> bool {
        let member = (answer.status == 201)
            .then(|| Member::from(&self.email, answer).ok())
            .flatten();
        let is_expected = member.is_some();
        self.members.extend(member);
        is_expected
    }
}

/// Every session in turn, each with the token of its last answer.
struct Refreshing {
    tokens: Vec<String>,
    current: usize,
}

impl Refreshing {
    fn new(members: &[Member]) -> Self {
        Self {
            tokens: members.iter().map(|it| it.refresh_token.clone()).collect(),
            current: 0,
        }
    }
}

impl Client for Refreshing {
    fn next(&mut self) -> Option<Vec<u8>> {
        self.current = (self.current + 1) % self.tokens.len().max(1);
        let token = self.tokens.get(self.current)?;
        let body = json!({"refresh_token": token});
        Some(post("/api/v1/auth/token/refresh", &body))
    }

    fn take(&mut self, answer: &Answer) -> bool {
        let successor = answer
            .text("/refresh_token")
            .or_else(|_| answer.text("/tokens/refresh_token"));
        match (successor, self.tokens.get_mut(self.current)) {
            (Ok(successor), Some(token)) if answer.status == 200 => {
                *token = successor;
                true
            }
            _ => false,
        }
    }
}
