//! The normal form in which values are compared, so that equal meanings never look like a change.
//! Imports nothing of ours.

use serde_json::Value;

/// A text as the servers keep it: without white space around it.
pub fn trimmed(text: &str) -> &str {
    text.trim()
}

/// Whether two JSON values mean the same: numbers by value (`1` is `1.0`), a member that is null is a
/// member that is missing, the order of members does not count.
pub fn same_json(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(x, y)| same_json(x, y))
        }
        (Value::Object(a), Value::Object(b)) => a
            .keys()
            .chain(b.keys())
            .all(|key| same_json(a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null))),
        _ => left == right,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::same_json;

    #[test]
    fn meaning_decides() {
        let same = [
            (json!(1), json!(1.0)),
            (json!({"a": null}), json!({})),
            (json!({"a": 1, "b": [1.0]}), json!({"b": [1], "a": 1.0})),
        ];
        for (left, right) in same {
            assert!(same_json(&left, &right) && same_json(&right, &left), "{left} and {right} mean the same");
        }
        let different = [
            (json!("1"), json!(1)),
            (json!([1, 2]), json!([2, 1])),
            (json!({"a": 0}), json!({})),
            (json!(null), json!(0)),
        ];
        for (left, right) in different {
            assert!(!same_json(&left, &right) && !same_json(&right, &left), "{left} and {right} differ");
        }
    }
}
