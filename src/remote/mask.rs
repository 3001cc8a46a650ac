//! Masks our own secrets in answers.
//!
//! A server or a proxy may repeat the token or key of a request in any field of its answer. Secrets are masked in the
//! bytes of the answer before it is parsed. So later code (reports, plan files, logs) never gets them.

use memchr::memmem::{find, find_iter};

/// The string that replaces a secret in an answer. A request that contains it is not sent ([`contains_mask`]), because
/// it would overwrite the value that was masked.
const DATA_MASK: &str = "***credential***";

/// The minimum length of a secret that is masked. Shorter keys are not real secrets (the sandbox's key is a word), and
/// masking them would mask ordinary words.
const MIN_SECRET_LENGTH: usize = 12;

/// Returns true if the body of a request contains the string that replaces a secret.
pub(super) fn contains_mask(body: &str) -> bool {
    body.contains(DATA_MASK)
}

/// Returns a JSON document with each secret replaced by [`DATA_MASK`].
pub(super) fn mask_secrets(mut bytes: Vec<u8>, secrets: &[&str]) -> Vec<u8> {
    let secrets = secrets.iter().filter(|secret| secret.len() >= MIN_SECRET_LENGTH);
    let secrets: Vec<&[u8]> = secrets.map(|secret| secret.as_bytes()).collect();
    if secrets.is_empty() {
        return bytes;
    }
    // Some JSON encoders escape `/`, `+` or `-`, although JSON does not require it. Unescape these characters, so that
    // secrets that contain them are found.
    if find(&bytes, b"\\/").is_some() || find(&bytes, b"\\u00").is_some() {
        let plain = unescaped(&bytes);
        if secrets.iter().any(|secret| find(&plain, secret).is_some()) {
            bytes = plain;
        }
    }
    for secret in secrets {
        bytes = replace(bytes, secret, DATA_MASK.as_bytes());
    }
    bytes
}

fn replace(text: Vec<u8>, part: &[u8], by: &[u8]) -> Vec<u8> {
    if find(&text, part).is_none() {
        return text;
    }
    let (mut replaced, mut from) = (Vec::with_capacity(text.len()), 0);
    for at in find_iter(&text, part) {
        replaced.extend_from_slice(&text[from..at]);
        replaced.extend_from_slice(by);
        from = at + part.len();
    }
    replaced.extend_from_slice(&text[from..]);
    replaced
}

/// Returns the JSON document with visible ASCII characters unescaped, except where JSON requires an escape.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        let (byte, length) = match after {
            _ if byte != b'\\' => (Some(byte), 1),
            [b'/', ..] => (Some(b'/'), 2),
            [b'u', digits @ ..] => match needless_escape(digits) {
                Some(character) => (Some(character), 6),
                None => (None, 2),
            },
            _ => (None, rest.len().min(2)),
        };
        match byte {
            Some(byte) => plain.push(byte),
            None => plain.extend_from_slice(&rest[..length]),
        }
        rest = &rest[length..];
    }
    plain
}

/// Returns the visible ASCII character that four hexadecimal digits stand for, or `None` if it must stay escaped.
fn needless_escape(digits: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(digits.get(..4)?).ok()?;
    let code = u8::try_from(u16::from_str_radix(digits, 16).ok()?).ok()?;
    (code.is_ascii_graphic() && !matches!(code, b'"' | b'\\')).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "s3cret/key+of-acme";

    fn data(body: &str) -> String {
        String::from_utf8(mask_secrets(body.as_bytes().to_vec(), &["", "word", KEY])).expect("a text")
    }

    #[test]
    fn escaped_secrets_are_masked() {
        for written in [
            KEY,
            "s3cret\\/key+of-acme",
            "s3cret/key\\u002Bof\\u002dacme",
            "\\u0073\\u0033cret\\/key+of-acme",
        ] {
            let body = format!(r#"{{"a":"Bearer {written}, {written}"}}"#);
            assert_eq!(data(&body), r#"{"a":"Bearer ***credential***, ***credential***"}"#, "{written}");
        }
    }

    #[test]
    fn documents_without_secrets_stay_unchanged() {
        for body in [r#"{"a":"\/ \u002B \u00e9 \\u002D \" word"}"#, "", "\\", "\\u00", "s3cret/key+of-acm"] {
            assert_eq!(data(body), body);
        }
    }

    #[test]
    fn an_escaped_backslash_escapes_nothing() {
        assert_eq!(
            String::from_utf8(unescaped(br"\\u002D \u002D \\\/ \n \u005c \u0022")).expect("a text"),
            r"\\u002D - \\/ \n \u005c \u0022"
        );
    }

    #[test]
    fn masks_are_found_in_request_bodies() {
        let read: serde_json::Value =
            serde_json::from_str(&data(&format!(r#"{{"a":["{KEY}"]}}"#))).expect("JSON");
        assert!(contains_mask(&read.to_string()) && !contains_mask(r#"{"a":"***"}"#));
    }
}
