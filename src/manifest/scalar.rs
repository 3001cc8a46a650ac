//! Converts plain (unquoted) scalars to values, by the core schema of YAML 1.2.
//!
//! `NO`, `on` and `yes` are strings in YAML 1.2. They were booleans only in YAML 1.1.

use super::tree::{Number, Value};

/// Returns the value of a plain (unquoted) scalar.
pub(super) fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    match number(text) {
        Some(json) => Value::Number(Number { raw: text.to_owned(), json }),
        None => Value::Text(text.to_owned()),
    }
}

/// Parses a number. The outer `None` means that the text is not a number. The inner `None` means that JSON can't
/// express the number.
fn number(text: &str) -> Option<Option<serde_json::Number>> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Some(None);
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            let valid = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
            return valid.then(|| u64::from_str_radix(digits, radix).ok().map(Into::into));
        }
    }
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    if unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(integer(text));
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let exponent_ok = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    let some_digit = !whole.is_empty() || !fraction.is_empty();
    (some_digit && digits(whole) && digits(fraction) && exponent_ok)
        .then(|| text.parse::<f64>().ok().and_then(serde_json::Number::from_f64))
}

fn integer(text: &str) -> Option<serde_json::Number> {
    let text = text.strip_prefix('+').unwrap_or(text);
    text.parse::<u64>().map(Into::into).or_else(|_| text.parse::<i64>().map(Into::into)).ok()
}

/// Returns the type that YAML 1.1 gives to a plain scalar that is a string in YAML 1.2: "a boolean" or "a number". Returns
/// `None` if both versions read the scalar as a string.
pub(super) fn yaml_1_1_type(text: &str) -> Option<&'static str> {
    const BOOLEANS: &[&str] =
        &["y", "Y", "yes", "Yes", "YES", "n", "N", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF"];
    if BOOLEANS.contains(&text) {
        return Some("a boolean");
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    is_yaml_1_1_number(unsigned).then_some("a number")
}

/// Returns true if YAML 1.1 reads a text as a number. The text must not begin with a sign. The digits can be separated
/// by `_`, and `:` separates the places of a number in base 60.
fn is_yaml_1_1_number(text: &str) -> bool {
    let has = |digits: &str, radix: u32| {
        digits.contains(|c: char| c.is_digit(radix)) && digits.chars().all(|c| c == '_' || c.is_digit(radix))
    };
    if let Some(digits) = text.strip_prefix("0b") {
        return has(digits, 2);
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return has(digits, 16);
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return false;
    }
    let is_place = |place: &str| {
        matches!(place.len(), 1 | 2) && place.parse::<u8>().is_ok_and(|place| place < 60) && has(place, 10)
    };
    let (whole, fraction) = text.rsplit_once('.').unwrap_or((text, ""));
    if whole.contains(':') {
        let mut places = whole.split(':');
        let first = places.next().unwrap_or_default();
        return has(first, 10) && places.all(is_place) && (fraction.is_empty() || has(fraction, 10));
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let (fraction, exponent) = fraction.split_once(['e', 'E']).unwrap_or((fraction, "0"));
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    let is_part = |part: &str| part.is_empty() || has(part, 10);
    has(&format!("{whole}{fraction}"), 10) && is_part(whole) && is_part(fraction) && has(exponent, 10)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Value, resolve, yaml_1_1_type};

    #[test]
    fn texts_that_were_numbers_or_booleans_in_yaml_1_1_are_found() {
        for text in ["yes", "No", "ON", "off", "y", "N"] {
            assert_eq!(yaml_1_1_type(text), Some("a boolean"), "{text}");
        }
        for text in [
            "1_000", "-1_0", "0b11", "+0b1", "-0x1F", "0x_F", "0_7", "12:30", "1:0:59", "1_0.5", "12:30.5",
            "1_0.5e+3",
        ] {
            assert_eq!(resolve(text), Value::Text(text.to_owned()), "{text}");
            assert_eq!(yaml_1_1_type(text), Some("a number"), "{text}");
        }
        let texts = [
            "yEs",
            "nO",
            "maybe",
            "1.2.3",
            "2026-11-22",
            "0b",
            "0b12",
            "0x",
            "_1",
            "1:60",
            "a:30",
            "1_000 kg",
            ".",
            "-",
            "",
            "_",
            "12:30:",
            "1e",
            "é",
            "Ѩ<",
            "10.0.0.1",
            "+1 202 555",
            "0o18",
        ];
        for text in texts {
            assert_eq!(yaml_1_1_type(text), None, "{text}");
        }
    }

    #[test]
    fn scalars_resolve_by_the_core_schema() {
        for text in ["", "~", "null", "NULL"] {
            assert_eq!(resolve(text), Value::Null, "{text:?}");
        }
        for (text, value) in [("true", true), ("FALSE", false)] {
            assert_eq!(resolve(text), Value::Bool(value), "{text:?}");
        }
        let texts = [
            "NO",
            "yes",
            "on",
            "off",
            "y",
            "2026-11-22",
            "1_000",
            "0x",
            "0xZZ",
            "1e",
            "e1",
            ".",
            "-",
            "+",
            "1.2.3",
            "12:30",
            "- 1",
            "١",
            "infinity",
            "nan",
            "-0x1",
        ];
        for text in texts {
            assert_eq!(resolve(text), Value::Text(text.to_owned()));
        }
        let numbers = [
            ("0", json!(0)),
            ("0123", json!(123)),
            ("-7", json!(-7)),
            ("+7", json!(7)),
            ("0x1F", json!(31)),
            ("0o17", json!(15)),
            ("1.5", json!(1.5)),
            (".5", json!(0.5)),
            ("5.", json!(5.0)),
            ("1e3", json!(1000.0)),
            ("18446744073709551615", json!(u64::MAX)),
        ];
        for (text, value) in numbers {
            let Value::Number(number) = resolve(text) else { panic!("{text} is a number") };
            assert_eq!(number.json.map(serde_json::Value::Number), Some(value), "{text}");
        }
        let too_long = ["18446744073709551616", "-9223372036854775809", "0x1FFFFFFFFFFFFFFFF"];
        for text in [".inf", "-.INF", ".nan", "1e999"].into_iter().chain(too_long) {
            assert!(matches!(resolve(text), Value::Number(number) if number.json.is_none()), "{text}");
        }
    }
}
