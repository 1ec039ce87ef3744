//! The result of a browser's `PublicKeyCredential.toJSON()` (W3C Web Authentication Level 3 §5.1), as far as it is
//! used. Browsers add members from release to release, so unknown members are allowed here, and only here.

use authentication_app::ports::{AssertionAnswer, AttestationAnswer};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use garde::Validate;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{FieldError, Problem, ingress::Refusals};

/// `RegistrationResponseJSON`: the response of the device to an enrolment. Other members are ignored.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(as = RegistrationCredential)]
pub(crate) struct RegistrationCredentialBody {
    /// The id of the credential, base64url without padding.
    #[garde(length(max = 1364))]
    #[schema(
        max_length = 1364,
        pattern = "^[A-Za-z0-9_-]+$",
        example = "5f0c1e9aezcPTyaIqgHC0w"
    )]
    id: String,
    /// The same as `id`.
    #[serde(rename = "rawId")]
    #[garde(length(max = 1364))]
    #[schema(
        max_length = 1364,
        pattern = "^[A-Za-z0-9_-]+$",
        example = "5f0c1e9aezcPTyaIqgHC0w"
    )]
    raw_id: String,
    /// Always `public-key`.
    #[serde(rename = "type")]
    #[garde(length(max = 32))]
    #[schema(max_length = 32, example = "public-key")]
    kind: String,
    #[garde(dive)]
    response: AttestationResponseBody,
}

/// `AuthenticatorAttestationResponseJSON`.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(as = AttestationResponse)]
pub(crate) struct AttestationResponseBody {
    #[serde(rename = "clientDataJSON")]
    #[garde(length(max = 4096))]
    #[schema(
        max_length = 4096,
        pattern = "^[A-Za-z0-9_-]+$",
        example = "eyJ0eXBlIjoid2ViYXV0aG4uZ2V0In0"
    )]
    client_data: String,
    #[serde(rename = "attestationObject")]
    #[garde(length(max = 12_288))]
    #[schema(max_length = 12_288, pattern = "^[A-Za-z0-9_-]+$", example = "oA")]
    attestation_object: String,
    /// How the device can be reached. Unknown values are ignored.
    #[serde(default)]
    #[garde(length(max = 16))]
    #[schema(value_type = Vec<String>, max_items = 16, example = json!(["internal", "hybrid"]))]
    transports: Vec<Value>,
}

/// `AuthenticationResponseJSON`: the response of the device to a sign-in. Other members are ignored.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(as = AuthenticationCredential)]
pub(crate) struct AuthenticationCredentialBody {
    /// The id of the credential, base64url without padding.
    #[garde(length(max = 1364))]
    #[schema(
        max_length = 1364,
        pattern = "^[A-Za-z0-9_-]+$",
        example = "5f0c1e9aezcPTyaIqgHC0w"
    )]
    id: String,
    /// The same as `id`.
    #[serde(rename = "rawId")]
    #[garde(length(max = 1364))]
    #[schema(
        max_length = 1364,
        pattern = "^[A-Za-z0-9_-]+$",
        example = "5f0c1e9aezcPTyaIqgHC0w"
    )]
    raw_id: String,
    /// Always `public-key`.
    #[serde(rename = "type")]
    #[garde(length(max = 32))]
    #[schema(max_length = 32, example = "public-key")]
    kind: String,
    #[garde(dive)]
    response: AssertionResponseBody,
}

/// `AuthenticatorAssertionResponseJSON`.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(as = AssertionResponse)]
pub(crate) struct AssertionResponseBody {
    #[serde(rename = "clientDataJSON")]
    #[garde(length(max = 4096))]
    #[schema(
        max_length = 4096,
        pattern = "^[A-Za-z0-9_-]+$",
        example = "eyJ0eXBlIjoid2ViYXV0aG4uZ2V0In0"
    )]
    client_data: String,
    #[serde(rename = "authenticatorData")]
    #[garde(length(max = 4096))]
    #[schema(
        max_length = 4096,
        pattern = "^[A-Za-z0-9_-]+$",
        example = "SZYN5YgOjGh0NBcPZHZgWw"
    )]
    authenticator_data: String,
    #[garde(length(max = 2048))]
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "MEUCIQDx")]
    signature: String,
    /// The user handle; null or absent if the device didn't send one.
    #[serde(default, rename = "userHandle")]
    #[garde(length(max = 128))]
    #[schema(
        max_length = 128,
        pattern = "^[A-Za-z0-9_-]*$",
        example = "AZorPE1ef4CRorPE1eb3CA"
    )]
    user_handle: Option<String>,
}

impl RegistrationCredentialBody {
    pub(crate) fn into_answer(self) -> Result<AttestationAnswer, Problem> {
        let mut refusals = Refusals::default();
        let id = refusals.keep(credential_id(&self.id, &self.raw_id));
        let kind = refusals.keep(public_key(&self.kind));
        let response = self.response;
        let client_data = refusals.keep(decoded(
            "credential.response.clientDataJSON",
            &response.client_data,
        ));
        let object = refusals.keep(decoded(
            "credential.response.attestationObject",
            &response.attestation_object,
        ));
        match (id, kind, client_data, object) {
            (Some(credential_id), Some(()), Some(client_data), Some(attestation_object)) => {
                let names = response.transports.iter().filter_map(Value::as_str);
                Ok(AttestationAnswer {
                    credential_id,
                    client_data,
                    attestation_object,
                    transports: names.map(str::to_owned).collect(),
                })
            }
            _ => Err(refusals.into()),
        }
    }
}

impl AuthenticationCredentialBody {
    pub(crate) fn into_answer(self) -> Result<AssertionAnswer, Problem> {
        let mut refusals = Refusals::default();
        let id = refusals.keep(credential_id(&self.id, &self.raw_id));
        let kind = refusals.keep(public_key(&self.kind));
        let response = self.response;
        let client_data = refusals.keep(decoded(
            "credential.response.clientDataJSON",
            &response.client_data,
        ));
        let data = refusals.keep(decoded(
            "credential.response.authenticatorData",
            &response.authenticator_data,
        ));
        let signature = refusals.keep(decoded(
            "credential.response.signature",
            &response.signature,
        ));
        let handle = response.user_handle.filter(|handle| !handle.is_empty());
        let handle = handle.map(|handle| decoded("credential.response.userHandle", &handle));
        let handle = refusals.keep(handle.transpose());
        match (id, kind, client_data, data, signature, handle) {
            (
                Some(credential_id),
                Some(()),
                Some(client_data),
                Some(authenticator_data),
                Some(signature),
                Some(user_handle),
            ) => Ok(AssertionAnswer {
                credential_id,
                client_data,
                authenticator_data,
                signature,
                user_handle,
            }),
            _ => Err(refusals.into()),
        }
    }
}

/// The credential id, which both members contain. Two different ids would be two credentials.
fn credential_id(id: &str, raw_id: &str) -> Result<Vec<u8>, FieldError> {
    if id == raw_id {
        decoded("credential.id", id)
    } else {
        Err(FieldError::new(
            "credential.rawId",
            "invalid_format",
            "id and rawId must be the same",
        ))
    }
}

fn public_key(kind: &str) -> Result<(), FieldError> {
    if kind == "public-key" {
        Ok(())
    } else {
        Err(FieldError::new(
            "credential.type",
            "invalid_format",
            "must be public-key",
        ))
    }
}

/// Decodes base64url without padding, in its canonical form only: the same bytes must not have a second encoding.
fn decoded(field: &'static str, text: &str) -> Result<Vec<u8>, FieldError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    bytes.filter(|bytes| !bytes.is_empty()).ok_or_else(|| {
        FieldError::new(
            field,
            "invalid_format",
            "send it as the browser's toJSON() returns it: base64url without padding",
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn assertion(change: impl FnOnce(&mut Value)) -> Result<AssertionAnswer, Problem> {
        let mut credential = json!({
            "id": "AQID", "rawId": "AQID", "type": "public-key",
            "authenticatorAttachment": "platform", "clientExtensionResults": {},
            "response": {
                "clientDataJSON": "e30", "authenticatorData": "AA", "signature": "AQ",
                "userHandle": "Bw",
            },
        });
        change(&mut credential);
        let body: AuthenticationCredentialBody = serde_json::from_value(credential).unwrap();
        body.into_answer()
    }

    #[test]
    fn an_answer_is_read_as_browsers_write_it() {
        let answer = assertion(|_| {}).unwrap();
        assert_eq!(answer.credential_id, [1, 2, 3]);
        assert_eq!(answer.client_data, b"{}");
        assert_eq!(answer.user_handle, Some(vec![7]));
        for nothing in [Value::Null, json!("")] {
            let answer = assertion(|it| it["response"]["userHandle"] = nothing).unwrap();
            assert_eq!(answer.user_handle, None);
        }
    }

    /// T25: other encodings of the same bytes.
    #[test]
    fn there_is_one_spelling_of_an_answer() {
        for (member, spelling) in [
            ("clientDataJSON", "e30="),
            ("authenticatorData", "AA=="),
            ("signature", "+/8"),
            ("signature", "AR"),
            ("signature", ""),
            ("userHandle", "Bw=="),
        ] {
            let refused = assertion(|it| it["response"][member] = json!(spelling));
            let refused = refused.expect_err("another spelling is refused");
            assert_eq!(refused.errors().len(), 1, "{member} {spelling}");
        }
        for (member, value) in [("id", "AQIE"), ("rawId", "AQIE"), ("type", "password")] {
            assert!(assertion(|it| it[member] = json!(value)).is_err());
        }
    }

    #[test]
    fn transports_that_nobody_knows_are_passed_over() {
        let body: RegistrationCredentialBody = serde_json::from_value(json!({
            "id": "AQID", "rawId": "AQID", "type": "public-key",
            "response": {
                "clientDataJSON": "e30", "attestationObject": "oA", "publicKeyAlgorithm": -7,
                "transports": ["internal", 7, "carrier-pigeon"],
            },
        }))
        .unwrap();
        let answer = body.into_answer().unwrap();
        assert_eq!(answer.transports, ["internal", "carrier-pigeon"]);
    }
}
