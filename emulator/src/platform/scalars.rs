//! Reads strings, numbers, booleans and UUIDs by the rules of the lax mode of pydantic, a Python validation library.
//! For example, this mode also accepts a number in a string. If a value is invalid, each function adds an error and
//! returns `None`.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

use crate::api::problems::{At, RequestProblems};

/// A regular expression, and the pattern that error messages show for it.
pub(super) type Pattern = (&'static LazyLock<Option<Regex>>, &'static str);

/// Reads a string that has from `least` to `most` characters, and that matches the pattern if there is one.
pub(super) fn text(
    problems: &mut RequestProblems,
    at: &At,
    value: &Value,
    (least, most): (usize, usize),
    pattern: Option<Pattern>,
) -> Option<String> {
    let Some(text) = value.as_str() else {
        problems.add("string_type", at, "Input should be a valid string", value);
        return None;
    };
    let length = text.chars().count();
    let characters = |count: usize| if count == 1 { "character" } else { "characters" };
    if length > most {
        let message = format!("String should have at most {most} {}", characters(most));
        problems.add_with("string_too_long", at, message, value, &json!({"max_length": most}));
        return None;
    }
    if length < least {
        let message = format!("String should have at least {least} {}", characters(least));
        problems.add_with("string_too_short", at, message, value, &json!({"min_length": least}));
        return None;
    }
    if let Some((regex, shown)) = pattern
        && !regex.as_ref().is_some_and(|regex| regex.is_match(text))
    {
        let message = format!("String should match pattern '{shown}'");
        problems.add_with("string_pattern_mismatch", at, message, value, &json!({"pattern": shown}));
        return None;
    }
    Some(text.to_owned())
}

/// Reads a whole number from `least` to `most`. A bound that is `None` does not apply. The value from the client can be
/// a JSON number, a string or a boolean.
pub(super) fn integer(
    problems: &mut RequestProblems,
    at: &At,
    value: &Value,
    least: Option<i64>,
    most: Option<i64>,
) -> Option<Value> {
    let whole = match value {
        Value::Bool(truth) => i128::from(*truth),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(whole), _, _) => i128::from(whole),
            (_, Some(whole), _) => i128::from(whole),
            (_, _, Some(float)) if float.fract() != 0.0 => {
                let message = "Input should be a valid integer, got a number with a fractional part";
                problems.add("int_from_float", at, message, value);
                return None;
            }
            (_, _, Some(float)) if float.abs() < 9e18 => float as i128,
            _ => {
                let message = "Unable to parse input string as an integer, exceeded maximum size";
                problems.add("int_parsing_size", at, message, value);
                return None;
            }
        },
        Value::String(text) => match whole(text) {
            Some(whole) => whole,
            None => {
                let message = "Input should be a valid integer, unable to parse string as an integer";
                problems.add("int_parsing", at, message, value);
                return None;
            }
        },
        _ => {
            problems.add("int_type", at, "Input should be a valid integer", value);
            return None;
        }
    };
    if let Some(most) = most.filter(|most| whole > i128::from(*most)) {
        above(problems, at, value, &most.to_string(), &json!(most));
        return None;
    }
    if let Some(least) = least.filter(|least| whole < i128::from(*least)) {
        below(problems, at, value, &least.to_string(), &json!(least));
        return None;
    }
    Some(i64::try_from(whole).map_or_else(|_| json!(u64::try_from(whole).unwrap_or(u64::MAX)), Value::from))
}

fn above(problems: &mut RequestProblems, at: &At, value: &Value, bound: &str, context: &Value) {
    let message = format!("Input should be less than or equal to {bound}");
    problems.add_with("less_than_equal", at, message, value, &json!({ "le": context }));
}

fn below(problems: &mut RequestProblems, at: &At, value: &Value, bound: &str, context: &Value) {
    let message = format!("Input should be greater than or equal to {bound}");
    problems.add_with("greater_than_equal", at, message, value, &json!({ "ge": context }));
}

/// Parses a whole number. The string may have spaces around the number, single underscores between digits, and a
/// decimal point that only zeros follow.
fn whole(text: &str) -> Option<i128> {
    let text = without_underscores(text)?;
    let digits = match text.split_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0') => whole,
        Some(_) => return None,
        None => &text,
    };
    digits.parse().ok().filter(|whole| (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(whole))
}

fn without_underscores(text: &str) -> Option<String> {
    let text = text.trim();
    if text.starts_with('_') || text.ends_with('_') || text.contains("__") {
        return None;
    }
    Some(text.replace('_', ""))
}

/// Reads a number within bounds. `None` stands for no bounds. The value from the client can be a JSON number, a string
/// or a boolean.
pub(super) fn number(
    problems: &mut RequestProblems,
    at: &At,
    value: &Value,
    bounds: Option<(f64, f64)>,
) -> Option<Value> {
    let number = match value {
        Value::Bool(truth) => f64::from(u8::from(*truth)),
        Value::Number(number) => number.as_f64().unwrap_or(f64::INFINITY),
        Value::String(text) => match without_underscores(text).and_then(|text| text.parse().ok()) {
            Some(number) => number,
            None => {
                let message = "Input should be a valid number, unable to parse string as a number";
                problems.add("float_parsing", at, message, value);
                return None;
            }
        },
        _ => {
            problems.add("float_type", at, "Input should be a valid number", value);
            return None;
        }
    };
    if let Some((least, most)) = bounds {
        if number > most {
            above(problems, at, value, &most.to_string(), &json!(most));
            return None;
        }
        // NaN is outside any bounds.
        if number < least || number.is_nan() {
            below(problems, at, value, &least.to_string(), &json!(least));
            return None;
        }
    }
    // JSON can't express infinity, so infinity becomes null, which means that there is no value.
    Some(json!(number))
}

/// Reads a boolean. The value from the client can be a JSON boolean, 0 or 1, or a string such as `yes`.
pub(super) fn boolean(problems: &mut RequestProblems, at: &At, value: &Value) -> Option<bool> {
    let read = match value {
        Value::Bool(truth) => return Some(*truth),
        Value::String(text) => truth(text),
        Value::Number(number) => match number.as_f64() {
            Some(number) if number == 0.0 || number == 1.0 => Some(number == 1.0),
            Some(number) if number.fract() == 0.0 => None,
            _ => {
                problems.add("bool_type", at, "Input should be a valid boolean", value);
                return None;
            }
        },
        _ => {
            problems.add("bool_type", at, "Input should be a valid boolean", value);
            return None;
        }
    };
    if read.is_none() {
        let message = "Input should be a valid boolean, unable to interpret input";
        problems.add("bool_parsing", at, message, value);
    }
    read
}

fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" | "t" | "y" => Some(true),
        "false" | "0" | "no" | "off" | "f" | "n" => Some(false),
        _ => None,
    }
}

/// Reads a string that must be one of the strings in `known`.
pub(super) fn literal(
    problems: &mut RequestProblems,
    at: &At,
    value: &Value,
    known: &[&str],
) -> Option<String> {
    let found = value.as_str().filter(|text| known.contains(text));
    if found.is_none() {
        let quoted: Vec<String> = known.iter().map(|text| format!("'{text}'")).collect();
        let expected = match quoted.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => String::new(),
        };
        let message = format!("Input should be {expected}");
        problems.add_with("literal_error", at, message, value, &json!({ "expected": expected }));
    }
    found.map(str::to_owned)
}

/// Reads a UUID, and returns it in lower case with hyphens.
pub(super) fn uuid(problems: &mut RequestProblems, at: &At, value: &Value) -> Option<String> {
    let Some(text) = value.as_str() else {
        let message = "UUID input should be a string, bytes or UUID object";
        problems.add("uuid_type", at, message, value);
        return None;
    };
    match super::uuid::parse(text) {
        Ok(id) => Some(id),
        Err(reason) => {
            let message = format!("Input should be a valid UUID, {reason}");
            problems.add_with("uuid_parsing", at, message, value, &json!({ "error": reason }));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Scalar<T> = fn(&mut RequestProblems, &At, &Value) -> Option<T>;

    #[track_caller]
    fn reads<T>(read: Scalar<T>, value: &Value) -> Result<T, String> {
        let mut problems = RequestProblems::default();
        let found = read(&mut problems, &At::body(), value);
        assert_eq!(found.is_none(), !problems.is_empty(), "a problem is noted exactly when nothing is read");
        found.ok_or_else(|| problems.kinds().join(" "))
    }

    #[test]
    fn integers_are_coerced() {
        let within: Scalar<Value> = |p, at, value| integer(p, at, value, Some(1), Some(10));
        for fine in [json!(3), json!("3"), json!(" 3 "), json!("3.0"), json!("+3"), json!("0_3"), json!(3.0)]
        {
            assert_eq!(reads(within, &fine), Ok(json!(3)), "{fine}");
        }
        assert_eq!(reads(within, &json!(true)), Ok(json!(1)));
        let refused = [
            (json!("3.5"), "int_parsing"),
            (json!("1e1"), "int_parsing"),
            (json!(""), "int_parsing"),
            (json!("_3"), "int_parsing"),
            (json!(3.5), "int_from_float"),
            (json!(1e30), "int_parsing_size"),
            (json!(null), "int_type"),
            (json!([]), "int_type"),
            (json!(0), "greater_than_equal"),
            (json!(false), "greater_than_equal"),
            (json!("11"), "less_than_equal"),
            (json!(u64::MAX), "less_than_equal"),
        ];
        for (value, kind) in refused {
            assert_eq!(reads(within, &value), Err(kind.to_owned()), "{value}");
        }
        let any: Scalar<Value> = |p, at, value| integer(p, at, value, None, None);
        assert_eq!(reads(any, &json!(u64::MAX)), Ok(json!(u64::MAX)));
        assert_eq!(reads(any, &json!(i64::MIN)), Ok(json!(i64::MIN)));
    }

    #[test]
    fn numbers_become_floats() {
        let within: Scalar<Value> = |p, at, value| number(p, at, value, Some((0.0, 2.0)));
        for fine in [json!(1), json!("1"), json!("1.0"), json!(" 1 "), json!("1e0"), json!(true)] {
            assert_eq!(reads(within, &fine).map(|value| value.to_string()), Ok("1.0".to_owned()), "{fine}");
        }
        let refused = [
            (json!("x"), "float_parsing"),
            (json!(null), "float_type"),
            (json!("nan"), "greater_than_equal"),
            (json!(-0.1), "greater_than_equal"),
            (json!(2.1), "less_than_equal"),
            (json!("inf"), "less_than_equal"),
        ];
        for (value, kind) in refused {
            assert_eq!(reads(within, &value), Err(kind.to_owned()), "{value}");
        }
    }

    #[test]
    fn booleans_are_coerced() {
        for fine in [json!(true), json!("T"), json!("YES"), json!("on"), json!(1), json!(1.0), json!("1")] {
            assert_eq!(reads(boolean, &fine), Ok(true), "{fine}");
        }
        for (value, kind) in [
            (json!(" true "), "bool_parsing"),
            (json!(2), "bool_parsing"),
            (json!(0.5), "bool_type"),
            (json!(null), "bool_type"),
        ] {
            assert_eq!(reads(boolean, &value), Err(kind.to_owned()), "{value}");
        }
    }
}
