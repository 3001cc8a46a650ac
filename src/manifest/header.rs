//! Checks which HTTP headers `amigops.yaml` is allowed to set.

use super::decode;

/// Headers that amigops or its HTTP client sets, or that apply to one connection only.
const RESERVED: &[&str] = &[
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

/// Headers that can make a server treat a request as a different one, such as a `GET` as a `DELETE`. They are refused,
/// so that commands that only read can't change anything.
const OVERRIDES: &[&str] = &[
    "forwarded",
    "x-forwarded-host",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-host",
    "x-original-url",
    "x-rewrite-url",
];

/// Words that suggest a credential. A header probably carries a credential if one of these words is a part of its name
/// between dashes, such as `key` in `x-key-id`.
const CREDENTIAL_WORDS: &[&str] = &["auth", "bearer", "jwt", "key", "keys", "pass", "session", "signature"];

/// Returns true if a header's name suggests that it carries a credential.
pub(super) fn carries_credential(name: &str) -> bool {
    let name = name.trim().to_ascii_lowercase().replace('_', "-");
    decode::names_credential(&name) || name.split('-').any(|word| CREDENTIAL_WORDS.contains(&word))
}

/// Returns the reason why `amigops.yaml` can't set a header, or `None` if it can. Does not check for credentials,
/// because [`carries_credential`] does that.
pub(super) fn refusal(name: &str) -> Option<&'static str> {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(token) {
        return Some("not a valid header name");
    }
    let name = name.to_ascii_lowercase();
    if RESERVED.contains(&name.as_str()) {
        return Some("amigops sets this header itself");
    }
    // Servers treat `_` like `-`.
    OVERRIDES
        .contains(&name.replace('_', "-").as_str())
        .then_some("this header could make a server treat a request as a different one")
}

#[cfg(test)]
mod tests {
    use super::{carries_credential, refusal};

    #[test]
    fn harmless_headers_can_be_set() {
        for name in
            ["x-mongo-cluster-name", "X-Note", "x-request-source", "traceparent", "x-author", "x-keyboard"]
        {
            assert!(!carries_credential(name) && refusal(name).is_none(), "{name}");
        }
    }

    #[test]
    fn credentials_and_reserved_headers_are_refused() {
        for name in [
            "authorization",
            "AUTHORIZATION",
            "Proxy-Authorization",
            "cookie",
            "Set-Cookie2",
            "x-api-key",
            "X-API-KEY-ID",
            "x_api_key",
            "x-user-id",
            "X-Auth",
            "x-auth-key",
            "x-amz-security-token",
            "x-goog-iam-authorization-token",
            "x-session-id",
            "idempotency-key",
            "x-jwt",
            " authorization",
        ] {
            assert!(carries_credential(name), "{name}");
        }
        for name in [
            "Host",
            "hOST",
            "connection",
            "Transfer-Encoding",
            "content-length",
            "TE",
            "upgrade",
            "keep-alive",
            "proxy-connection",
            "Trailer",
            "expect",
            "X-HTTP-Method-Override",
            "x_http_method_override",
            "X-Forwarded-Host",
            "",
            "a b",
            "a:b",
            "host\r\nx",
            "höst",
        ] {
            assert!(refusal(name).is_some(), "{name:?}");
        }
    }
}
