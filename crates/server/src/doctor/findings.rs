//! The findings of the checks.

use std::{fmt, io};

use serde::Serialize;

/// The health of what was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Health {
    /// As expected.
    Ok,
    /// It works, but needs attention.
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

/// One line of the output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// The name of the check.
    pub(crate) check: &'static str,
    /// The result.
    pub(crate) health: Health,
    /// The observation.
    pub(crate) seen: String,
    /// The recommended action.
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

    /// Adds the recommended action. Every warning and failure should have one.
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

/// Prints one line per finding.
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
