//! scrypt (RFC 7914), with the parameters in Django's order.

use authentication_app::ports::{HashError, HashRefused};
use common::constant_time;
use scrypt::Params;
use zeroize::Zeroizing;

use super::{number, output, salt};

/// Output length of Django's hashes in bytes.
const OUTPUT_BYTES: usize = 64;
/// Maximum memory in bytes, `128 N r`: Django's own take 16 MiB, and OpenSSL allows it no more than 32.
const MAX_BYTES: u64 = 64 << 20;
/// Maximum work, `N r p`: Django's own is 655,360. The maximum takes about a second.
const MAX_WORK: u64 = 1 << 22;

pub(in crate::passwords) struct Scrypt {
    params: Params,
    memory_kib: u32,
    salt: String,
    output: Vec<u8>,
}

impl Scrypt {
    pub(super) fn parse(rest: &str) -> Result<Self, HashRefused> {
        let mut parts = rest.splitn(5, '$');
        let mut part = || parts.next().ok_or(HashRefused::Malformed);
        let n = number(part()?)?;
        let salt = salt(part()?)?;
        let (r, p) = (number(part()?)?, number(part()?)?);
        let output = output(part()?, OUTPUT_BYTES)?;
        let blocks = u64::from(n) * u64::from(r);
        if blocks > MAX_BYTES / 128 || blocks.saturating_mul(p.into()) > MAX_WORK {
            return Err(HashRefused::TooCostly);
        }
        if !n.is_power_of_two() || n < 2 {
            return Err(HashRefused::Malformed);
        }
        let log_n = u8::try_from(n.ilog2()).map_err(|_| HashRefused::Malformed)?;
        let params = Params::new(log_n, r, p).map_err(|_| HashRefused::Malformed)?;
        let memory_kib = u32::try_from(blocks / 8).map_err(|_| HashRefused::TooCostly)?;
        Ok(Self {
            params,
            memory_kib,
            salt,
            output,
        })
    }

    /// The memory in KiB that it needs beside the thread's buffer, which it does not use.
    pub(super) fn memory_kib(&self) -> u32 {
        self.memory_kib
    }

    pub(super) fn matches(&self, password: &[u8]) -> Result<bool, HashError> {
        let mut computed = Zeroizing::new([0; OUTPUT_BYTES]);
        scrypt::scrypt(password, self.salt.as_bytes(), &self.params, &mut *computed)
            .map_err(|_| HashError::Failed)?;
        Ok(constant_time::is_equal(
            computed.as_slice(),
            self.output.as_slice(),
        ))
    }
}
