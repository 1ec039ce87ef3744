//! What is compared: the rows that open an account.

use testkit::Engine;

use super::Two;

impl Two {
    /// All that opens the account.
    pub(super) async fn state(&self, account: &str) -> Vec<String> {
        let id = account.replace('-', "");
        let hex = |column: &str| match self.engine {
            Engine::Embedded => format!("hex({column})"),
            Engine::Production => format!("encode({column}, 'hex')"),
        };
        let row = match self.engine {
            Engine::Embedded => format!("hex(a.id) = '{}'", id.to_uppercase()),
            Engine::Production => format!("a.id = '{id}'"),
        };
        let of = |table: &str, column: &str, and: &str| {
            format!("(SELECT {column} FROM {table} WHERE account_id = a.id {and})")
        };
        let parts = [
            (
                "identifier#",
                of(
                    "identifier_index",
                    &format!("MIN({})", hex("digest")),
                    "AND reserved_until IS NULL",
                ),
            ),
            (
                "identifiers",
                of("identifier_index", "COUNT(*)", "AND reserved_until IS NULL"),
            ),
            (
                "reserved",
                of(
                    "identifier_index",
                    "COUNT(*)",
                    "AND reserved_until IS NOT NULL",
                ),
            ),
            ("password#", of("password_credentials", "password_hash", "")),
            ("reset over", of("password_credentials", "reset_over", "")),
            (
                "locked",
                of(
                    "password_credentials",
                    "CASE WHEN locked_until_reset_at IS NULL THEN 'no' ELSE 'yes' END",
                    "",
                ),
            ),
            ("app#", of("totp_factors", &hex("secret"), "")),
            ("apps", of("totp_factors", "COUNT(secret)", "")),
            (
                "recovery codes#",
                of("recovery_codes", &format!("MIN({})", hex("digest")), ""),
            ),
            ("recovery codes", of("recovery_codes", "COUNT(*)", "")),
            ("passkeys", of("passkeys", "COUNT(*)", "")),
            ("identities", of("federated_identities", "COUNT(*)", "")),
            (
                "sessions",
                of("sessions", "COUNT(*)", "AND ended_at IS NULL"),
            ),
            ("devices", of("devices", "COUNT(*)", "")),
            ("waiting", of("pending_sign_ins", "COUNT(*)", "")),
        ];
        let mut state = Vec::new();
        for (name, expression) in parts {
            let sql = format!(
                "SELECT COALESCE(CAST({expression} AS text), '-') FROM accounts a WHERE {row}"
            );
            let rows = self.bed.app.database().rows(&sql).await;
            let value: String = rows[0].try_get_by_index(0).unwrap();
            state.push(format!("{name}={value}"));
        }
        state
    }
}
