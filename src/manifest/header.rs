//! Which headers `amigops.yaml` may set. Imports nothing of ours.

use super::decode;

/// Headers that the tool or its HTTP client sets, or that are about one connection only.
const OWN: &[&str] = &[
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

/// Headers by which a server takes a request for another one than it is: a `GET` for a `DELETE`, or one path for
/// another. Commands that only read must only read.
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

/// Words between the dashes of a header's name that say that it carries a credential.
const CREDENTIAL_WORDS: &[&str] = &["auth", "bearer", "jwt", "key", "keys", "pass", "session", "signature"];

/// Whether a header carries a credential, as far as its name tells.
pub(super) fn carries_credential(name: &str) -> bool {
    let name = name.trim().to_ascii_lowercase().replace('_', "-");
    decode::names_credential(&name) || name.split('-').any(|word| CREDENTIAL_WORDS.contains(&word))
}

/// Why a header that carries no credential can't be set; none where it can.
pub(super) fn refusal(name: &str) -> Option<&'static str> {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(token) {
        return Some("not the name of a header");
    }
    let name = name.to_ascii_lowercase();
    if OWN.contains(&name.as_str()) {
        return Some("the tool sets it itself");
    }
    // Servers take `_` for `-`.
    OVERRIDES
        .contains(&name.replace('_', "-").as_str())
        .then_some("a server could take a request for another one by it")
}

#[cfg(test)]
mod tests {
    use super::{carries_credential, refusal};

    #[test]
    fn headers_that_may_be_set() {
        for name in
            ["x-mongo-cluster-name", "X-Note", "x-request-source", "traceparent", "x-author", "x-keyboard"]
        {
            assert!(!carries_credential(name) && refusal(name).is_none(), "{name}");
        }
    }

    #[test]
    fn headers_that_may_not() {
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
