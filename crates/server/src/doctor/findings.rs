//! What a check found.

use std::{fmt, io};

use serde::Serialize;

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Health {
    /// As it should be.
    Ok,
    /// It works, and somebody should know.
    Warn,
    /// It does not work.
    Fail,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        })
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// What was looked at.
    pub(crate) check: &'static str,
    /// How it is.
    pub(crate) health: Health,
    /// What was seen.
    pub(crate) seen: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) advice: Option<String>,
}

impl Finding {
    pub(crate) fn ok(check: &'static str, seen: impl Into<String>) -> Self {
        Self::of(check, Health::Ok, seen.into())
    }

    pub(crate) fn warns(check: &'static str, seen: impl Into<String>) -> Self {
        Self::of(check, Health::Warn, seen.into())
    }

    pub(crate) fn fails(check: &'static str, seen: impl Into<String>) -> Self {
        Self::of(check, Health::Fail, seen.into())
    }

    /// Nothing is well that leaves somebody without a next step.
    #[must_use]
    pub(crate) fn do_this(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    fn of(check: &'static str, health: Health, seen: String) -> Self {
        Self {
            check,
            health,
            seen,
            advice: None,
        }
    }
}

/// A line each.
pub(crate) fn print(findings: &[Finding], to: &mut impl io::Write) -> io::Result<()> {
    for finding in findings {
        let Finding {
            check,
            health,
            seen,
            advice,
        } = finding;
        write!(to, "{health:5} {check:14} {seen}")?;
        match advice {
            Some(advice) => writeln!(to, " -> {advice}")?,
            None => writeln!(to)?,
        }
    }
    Ok(())
}
