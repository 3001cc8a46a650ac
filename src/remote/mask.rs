//! Takes our own secrets out of what a server says. May import `model` only.
//!
//! A server or a proxy may repeat the token or the key of a request: in an error, in a name, in any field. It is taken
//! out of the answer's bytes before they are read, so that no later place (a report, a plan file, a log) has to know.

use memchr::memmem::{find, find_iter};

/// The text that replaces a secret in data. A request that would write it is not sent ([`holds_mask`]): it would destroy
/// the value that the mask stands for.
const DATA_MASK: &str = "***credential***";

/// Shorter keys are made up (the sandbox's is a word), and taking them out would take words out.
const SHORTEST_SECRET: usize = 12;

/// Whether a request's body repeats a mask.
pub(super) fn holds_mask(body: &serde_json::Value) -> bool {
    find(body.to_string().as_bytes(), DATA_MASK.as_bytes()).is_some()
}

/// Takes secrets out of a JSON document.
pub(super) fn without_in_data(mut bytes: Vec<u8>, secrets: &[&str]) -> Vec<u8> {
    let secrets = secrets.iter().filter(|secret| secret.len() >= SHORTEST_SECRET);
    let secrets: Vec<&[u8]> = secrets.map(|secret| secret.as_bytes()).collect();
    if secrets.is_empty() {
        return bytes;
    }
    // Some encoders escape `/`, `+` or `-`, which need not be: the same document, without that.
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

/// A JSON document in which no visible ASCII character is escaped that need not be.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        let (byte, length) = match after {
            _ if byte != b'\\' => (Some(byte), 1),
            [b'/', ..] => (Some(b'/'), 2),
            [b'u', digits @ ..] => match ascii(digits) {
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

/// The visible ASCII character that four hexadecimal digits stand for, unless it must be escaped.
fn ascii(digits: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(digits.get(..4)?).ok()?;
    let code = u8::try_from(u16::from_str_radix(digits, 16).ok()?).ok()?;
    (code.is_ascii_graphic() && !matches!(code, b'"' | b'\\')).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "s3cret/key+of-acme";

    fn data(body: &str) -> String {
        String::from_utf8(without_in_data(body.as_bytes().to_vec(), &["", "word", KEY])).expect("a text")
    }

    #[test]
    fn secrets_are_taken_out_however_they_are_escaped() {
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
    fn what_holds_no_secret_stays_as_it_is() {
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
    fn a_masked_secret_is_not_written() {
        let read: serde_json::Value =
            serde_json::from_str(&data(&format!(r#"{{"a":["{KEY}"]}}"#))).expect("JSON");
        assert!(holds_mask(&read) && !holds_mask(&serde_json::json!({"a": "***"})));
    }
}
