//! The formats of ids and phone numbers.

use super::collector::{DiagnosticCollector, Problem, Span};
use super::diagnostic::Code;
use super::tree::shortened;
use crate::model::Api;

/// Checks the format of an id, and returns the id in lower case, as the API writes it. Reports an id in a wrong format,
/// and returns `None` for it.
pub(super) fn check(problems: &mut DiagnosticCollector, span: Span, text: &str, api: Api) -> Option<String> {
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let (valid, of, label) = match api {
        Api::Classic => (
            text.len() == 24 && text.bytes().all(hex),
            "Classic",
            "expected 24 hexadecimal digits (0–9, a–f)",
        ),
        Api::Platform => {
            (is_uuid(text), "Platform", "expected a UUID such as 3fa85f64-5717-4562-b3fc-2c963f66afa6")
        }
    };
    if !valid {
        let message = format!("`{}` is not an id of the {of} API", shortened(text));
        problems.push(Problem::error(Code::BadId, span, message).label(label));
        return None;
    }
    // UUIDs are equal in any case. The API returns them in lower case.
    Some(text.to_lowercase())
}

/// Returns true if a string is a UUID: five groups of hexadecimal digits, in upper or lower case.
fn is_uuid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

/// The label that reports show beside a string that is not a valid phone number.
pub(super) const E164: &str = "expected `+`, the country code and the number, such as \"+12025550100\"";

/// Returns true if a string is a phone number in E.164 format, which matches `^\+[1-9]\d{1,14}$`.
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
    fn uuids_have_five_groups() {
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
    fn phone_numbers_are_e164() {
        for good in ["+12", "+12025550100", "+123456789012345"] {
            assert!(is_e164(good), "{good}");
        }
        for bad in ["", "+", "+1", "12025550100", "+02025550100", "+1234567890123456", "+1 202", "+١٢٣"] {
            assert!(!is_e164(bad), "{bad}");
        }
    }
}
