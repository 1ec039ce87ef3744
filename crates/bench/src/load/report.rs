//! Prints the results for human readers.

use super::{Findings, Limit, OnStores, phases::Row};

pub(super) fn head(findings: &Findings) {
    let Findings {
        machine,
        seconds,
        connections,
        argon2,
        ..
    } = findings;
    println!("{machine}");
    println!(
        "{seconds} s a measurement, {connections} connections, load generator on the same cores"
    );
    println!();
    println!(
        "argon2id alone, m=19456 t=2 p=1, {} threads: argon2-rust {:.1}/s, RustCrypto argon2 {:.1}/s",
        argon2.threads, argon2.argon2_rust, argon2.rust_crypto
    );
}

pub(super) fn stores(limit: &Limit, found: &OnStores) {
    println!();
    println!("== {}", found.stores);
    println!(
        "ready {:.0} ms after the start (the first one, on an empty store, {:.0} ms); \
         {:.1} MiB before the first request, {:.1} MiB at the most",
        found.start_ms, found.first_start_ms, found.idle_mib, found.most_mib
    );
    println!();
    println!(
        "{:<18} {:>8} {:>6} {:>9} {:>9} {:>9} {:>9} {:>9} {:>11} {:>11} {:>11}",
        "",
        "answers",
        "errors",
        "a second",
        "p50 ms",
        "p90 ms",
        "p99 ms",
        "max ms",
        "service ms",
        "postgres ms",
        "redis ms"
    );
    for row in &found.rows {
        println!("{}", line(row));
    }
    println!();
    ratios(limit, found);
}

fn line(row: &Row) -> String {
    let cpu = |value: Option<f64>| match value {
        Some(value) if !value.is_nan() => format!("{value:.4}"),
        _ => "-".to_owned(),
    };
    format!(
        "{:<18} {:>8} {:>6} {:>9.1} {:>9.2} {:>9.2} {:>9.2} {:>9.2} {:>11} {:>11} {:>11}",
        row.name,
        row.answers,
        row.errors,
        row.a_second,
        row.p50,
        row.p90,
        row.p99,
        row.most,
        cpu(Some(row.service_cpu)),
        cpu(row.postgres_cpu),
        cpu(row.redis_cpu),
    )
}

/// The ratios that the design and the documentation refer to.
fn ratios(limit: &Limit, found: &OnStores) {
    let row = |name: &str| found.rows.iter().find(|row| row.name == name);
    if let Some(login) = row("login") {
        println!(
            "login:    {:.1} % of what the fastest argon2id alone allows ({:.1}/s)",
            100.0 * login.a_second / limit.fastest(),
            limit.fastest()
        );
    }
    if let (Some(me), Some(live)) = (row("me"), row("health/live")) {
        println!(
            "me:       {:.2} times the CPU of health/live",
            me.service_cpu / live.service_cpu
        );
    }
    if let Some(refresh) = row("token/refresh") {
        let both = refresh.service_cpu + refresh.postgres_cpu.unwrap_or(0.0);
        println!("refresh:  {both:.3} ms of CPU, service and database together");
    }
    if let Some(bare) = &found.bare_update {
        println!(
            "          the same UPDATE from a bare driver: {:.3} ms of PostgreSQL, {:.3} ms of the driver, \
             {:.0} a second",
            bare.postgres_cpu, bare.driver_cpu, bare.a_second
        );
    }
}
