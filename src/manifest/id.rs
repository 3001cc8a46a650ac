//! The forms of what the two APIs hand out and people write into files: ids and phone numbers. Imports
//! `model`.

use super::diagnostic::Code;
use super::sink::{Problem, Sink, Span};
use super::tree::shortened;
use crate::model::Api;

/// An id as the API spells it; another form is reported.
pub(super) fn check(sink: &mut Sink, span: Span, text: &str, api: Api) -> Option<String> {
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let (valid, of, label) = match api {
        Api::Classic => {
            (text.len() == 24 && text.bytes().all(hex), "Classic", "24 digits are expected, each 0–9 or a–f")
        }
        Api::Platform => {
            (is_uuid(text), "Platform", "a UUID is expected, such as 3fa85f64-5717-4562-b3fc-2c963f66afa6")
        }
    };
    if !valid {
        let message = format!("`{}` is no id of the {of} API", shortened(text));
        sink.push(Problem::error(Code::BadId, span, message).label(label));
        return None;
    }
    // UUIDs are the same in any case; the API answers with lower-case ones.
    Some(text.to_lowercase())
}

/// Five groups of hexadecimal digits in any case.
fn is_uuid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

/// What is said of a text that isn't one.
pub(super) const E164: &str = "`+`, the country and the number are expected, such as \"+12025550100\"";

/// `^\+[1-9]\d{1,14}$`
pub(super) fn is_e164(text: &str) -> bool {
    let Some(digits) = text.strip_prefix('+') else { return false };
    (2..=15).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::{is_e164, is_uuid};

    #[test]
    fn uuids() {
        for good in ["3fa85f64-5717-4562-b3fc-2c963f66afa6", "3FA85F64-5717-4562-B3FC-2C963F66AFA6"] {
            assert!(is_uuid(good), "{good}");
        }
        for bad in [
            "",
            "3fa85f6457174562b3fc2c963f66afa6",
            "{3fa85f64-5717-4562-b3fc-2c963f66afa6}",
            "3fa85f64-5717-4562-b3fc-2c963f66afa",
            "3fa85f64-5717-4562-b3fc-2c963f66afag",
            "3fa85f64-5717-4562-b3fc-2c963f66afa6-",
            "3fa85f645-717-4562-b3fc-2c963f66afa6",
        ] {
            assert!(!is_uuid(bad), "{bad}");
        }
    }

    #[test]
    fn phone_numbers() {
        for good in ["+12", "+12025550100", "+123456789012345"] {
            assert!(is_e164(good), "{good}");
        }
        for bad in ["", "+", "+1", "12025550100", "+02025550100", "+1234567890123456", "+1 202", "+١٢٣"] {
            assert!(!is_e164(bad), "{bad}");
        }
    }
}
