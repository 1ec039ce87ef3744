//! The measured routes, in sequence.

use std::{thread, time::Duration};

use serde::Serialize;

use super::{
    Options,
    clients::{Applying, Fixed, Proving, Refreshing, shares},
    drive::{Client, Driven, drive},
};
use crate::{
    Result,
    http::get,
    people::{self, Member},
    processes::{Cpu, Family},
    service::Service,
    statistics::quantile,
};

/// One line of the report. Times are in milliseconds.
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
    /// Processor time per response of the service, then of PostgreSQL and of Redis.
    pub(super) service_cpu: f64,
    pub(super) postgres_cpu: Option<f64>,
    pub(super) redis_cpu: Option<f64>,
}

/// The processes whose processor time is counted.
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

    /// Measures the cost of `work`.
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
    let service_family = service.family();
    let mut run = Run {
        options,
        service,
        meter: Meter {
            service: service_family,
            stores,
        },
        rows: Vec::new(),
    };
    let members = run.people()?;
    let of_each = |client: fn(&[Member]) -> Fixed| -> Vec<Fixed> {
        shares(&members, options.connections).map(client).collect()
    };
    run.measure("health/live", &mut of_each(|_| Fixed::live()))?;
    // One call for everybody, so that every session is cached.
    for member in &members {
        let request = get("/api/v1/me", Some(&member.access_token));
        service.connect()?.send(&request)?.expect(200)?;
    }
    run.measure("me", &mut of_each(Fixed::me))?;
    let shares = shares(&members, options.connections);
    let mut refreshing: Vec<_> = shares.map(Refreshing::new).collect();
    run.measure("token/refresh", &mut refreshing)?;
    run.measure("login", &mut of_each(Fixed::log_in))?;
    run.me_amid_sign_ins(&members, &mut of_each(Fixed::log_in))?;
    Ok(run.rows)
}

struct Run<'a> {
    options: &'a Options,
    service: &'a Service,
    meter: Meter,
    rows: Vec<Row>,
}

impl Run<'_> {
    /// Measures these clients, if the run includes the row.
    fn measure(&mut self, name: &'static str, clients: &mut [impl Client]) -> Result<()> {
        if self.options.wants(name) {
            let duration = self.options.duration();
            let work = || drive(self.service, clients, duration, Duration::ZERO);
            self.rows.push(self.meter.row(name, work)?);
        }
        Ok(())
    }

    /// Creates signed-in people. Their registration is measured too, if the run includes it.
    fn people(&mut self) -> Result<Vec<Member>> {
        let mut members = Vec::new();
        if self.options.wants("register") || self.options.wants("verify-otp") {
            members = self.newcomers()?;
        }
        let missing = self.options.people.saturating_sub(members.len());
        let others: Vec<_> = (0..missing)
            .map(|number| format!("more-{number}@example.com"))
            .collect();
        members.extend(people::register(&mut self.service.connect()?, &others)?);
        Ok(members)
    }

    fn newcomers(&mut self) -> Result<Vec<Member>> {
        let (service, connections) = (self.service, self.options.connections);
        let mut applying: Vec<_> = (0..connections).map(Applying::new).collect();
        self.measure("register", &mut applying)?;
        let applicants: Vec<_> = applying.into_iter().flat_map(|it| it.applicants).collect();
        // Only as many as the run needs, because the mailbox does not keep all messages.
        let wanted = applicants.len().min(self.options.people.max(1));
        let applicants = applicants.get(..wanted).unwrap_or_default();
        let codes = people::codes_of(&mut service.connect()?, applicants)?;
        let mut proving: Vec<_> = shares(applicants, connections)
            .map(|share| Proving::new(share, &codes))
            .collect::<Result<_>>()?;
        // Completes all registrations, without a time limit.
        let work = || drive(service, &mut proving, Duration::MAX, Duration::ZERO);
        self.rows.push(self.meter.row("verify-otp", work)?);
        Ok(proving.into_iter().flat_map(|it| it.members).collect())
    }

    /// `GET /me` from two people at their own pace, while `flood` signs in as fast as possible. The processor
    /// time includes the sign-ins.
    fn me_amid_sign_ins(&mut self, members: &[Member], flood: &mut [Fixed]) -> Result<()> {
        let name = "me amid sign-ins";
        if !self.options.wants(name) {
            return Ok(());
        }
        let mut me: Vec<_> = shares(members, 2).map(Fixed::me).collect();
        let (duration, pace) = (self.options.duration(), Duration::from_millis(5));
        let service = self.service;
        let mut row = self.meter.row(name, || {
            thread::scope(|scope| {
                let flood = scope.spawn(|| drive(service, flood, duration, Duration::ZERO));
                let calm = drive(service, &mut me, duration, pace)?;
                flood
                    .join()
                    .unwrap_or_else(|_| Err("a client panicked".into()))?;
                Ok(calm)
            })
        })?;
        (row.service_cpu, row.postgres_cpu, row.redis_cpu) = (f64::NAN, None, None);
        self.rows.push(row);
        Ok(())
    }
}
