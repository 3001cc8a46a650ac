//! Protects integers of more than 64 bits from being rounded.
//!
//! JSON allows integers of any length, and servers in Python store them exactly. Our JSON parser would round such an
//! integer to the nearest float. A write that contains the whole version set would then change the integer on the
//! server. So each of these integers is replaced by a string before the answer is parsed, and a request that contains
//! such a string is not sent.

/// The beginning of the string that replaces an integer of more than 64 bits.
const MARK: &str = "<integer of more than 64 bits: ";
/// The end of the string that replaces an integer of more than 64 bits.
const END: &str = ">";
/// The minimum number of digits of an integer that may need more than 64 bits.
const MIN_DIGITS: usize = 19;

/// Returns true if the body of a request contains a string that replaced an integer of more than 64 bits.
pub(super) fn contains_long_integer(body: &str) -> bool {
    body.contains(MARK)
}

/// Returns a JSON document with each integer of more than 64 bits replaced by a string. Everything else stays
/// unchanged. A document that is not JSON is returned unchanged.
pub(super) fn long_integers_as_texts(document: Vec<u8>) -> Vec<u8> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&byte) = document.get(at) {
        match byte {
            b'"' => at = end_of_text(&document, at + 1),
            b'-' | b'0'..=b'9' => {
                let length = document[at..].iter().take_while(|byte| is_of_number(**byte)).count();
                if length >= MIN_DIGITS && is_long_integer(&document[at..at + length]) {
                    found.push(at..at + length);
                }
                at += length;
            }
            _ => at += 1,
        }
    }
    if found.is_empty() {
        return document;
    }
    let (mut out, mut from) = (Vec::with_capacity(document.len() + 64 * found.len()), 0);
    for range in found {
        out.extend_from_slice(&document[from..range.start]);
        out.push(b'"');
        out.extend_from_slice(MARK.as_bytes());
        out.extend_from_slice(&document[range.clone()]);
        out.extend_from_slice(END.as_bytes());
        out.push(b'"');
        from = range.end;
    }
    out.extend_from_slice(&document[from..]);
    out
}

/// Returns the position after the closing quote of a JSON string. `at` is the position after its opening quote.
fn end_of_text(document: &[u8], mut at: usize) -> usize {
    while let Some(next) = memchr::memchr2(b'"', b'\\', document.get(at..).unwrap_or_default()) {
        at += next;
        if document[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    document.len()
}

fn is_of_number(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E')
}

/// Returns true if the text is an integer that fits neither `i64` nor `u64`.
fn is_long_integer(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_integer = digits.bytes().all(|byte| byte.is_ascii_digit());
    is_integer && text.parse::<i64>().is_err() && text.parse::<u64>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(document: &str) -> String {
        String::from_utf8(long_integers_as_texts(document.as_bytes().to_vec())).expect("a text")
    }

    #[test]
    fn integers_of_more_than_64_bits_become_texts() {
        assert_eq!(
            read(r#"{"a":[123456789012345678901234,-9223372036854775809],"b":18446744073709551616}"#),
            concat!(
                r#"{"a":["<integer of more than 64 bits: 123456789012345678901234>","#,
                r#""<integer of more than 64 bits: -9223372036854775809>"],"#,
                r#""b":"<integer of more than 64 bits: 18446744073709551616>"}"#
            )
        );
        let value: serde_json::Value =
            serde_json::from_str(&read("[123456789012345678901234]")).expect("JSON");
        assert!(
            contains_long_integer(&value.to_string()) && !contains_long_integer(&format!("[{}]", u64::MAX))
        );
    }

    #[test]
    fn everything_else_stays_unchanged() {
        for document in [
            r#"{"a":18446744073709551615,"b":-9223372036854775808,"c":9007199254740993}"#,
            r#"{"a":123456789012345678901234.5,"b":1e24,"c":0.12345678901234567890123}"#,
            r#"{"123456789012345678901234":"123456789012345678901234","a":"\"123456789012345678901234"}"#,
            r#"{"a":"cut off 123456789012345678901234"#,
            "<html>404</html>",
            "\"\\",
            "",
        ] {
            assert_eq!(read(document), document);
        }
    }
}
