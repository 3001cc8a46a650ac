//! Compares JSON values by their meaning, so that a plan does not show a change if only the form of a value differs.
//! Also creates and applies merge patches.

use serde_json::{Map, Number, Value};

/// Returns the string without white space at its ends, as the servers store it.
pub fn trimmed(text: &str) -> &str {
    text.trim()
}

/// Returns true if two JSON values have the same meaning. Numbers are compared by value (`1` equals `1.0`). A null
/// member and an empty object are equal to a missing member. The order of members doesn't matter.
pub fn same_json(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => a == b || is_same_number(a, b),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(x, y)| same_json(x, y))
        }
        (Value::Object(a), Value::Object(b)) => a
            .keys()
            .chain(b.keys())
            .all(|key| same_json(a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null))),
        (Value::Null, Value::Object(members)) | (Value::Object(members), Value::Null) => {
            members.values().all(|member| same_json(member, &Value::Null))
        }
        _ => left == right,
    }
}

/// Returns true if two JSON numbers, each an integer or a float, are exactly equal. An integer beyond 2^53 may be
/// rounded when it is converted to a float, which would make different numbers look equal. So the float is also
/// converted to an integer and compared.
fn is_same_number(a: &Number, b: &Number) -> bool {
    let is_exactly = |float: &Number, whole: i128| {
        float.as_f64().is_some_and(|float| float == whole as f64 && float as i128 == whole)
    };
    match (a.as_i128(), b.as_i128()) {
        (Some(a), Some(b)) => a == b,
        (Some(whole), None) => is_exactly(b, whole),
        (None, Some(whole)) => is_exactly(a, whole),
        (None, None) => a.as_f64() == b.as_f64(),
    }
}

/// Returns the merge patch that turns `before` into `after`. [`merged`] applied to `before` and this patch returns
/// `after`.
pub fn patch(before: &Map<String, Value>, after: &Map<String, Value>) -> Map<String, Value> {
    let mut result = Map::new();
    for (key, after) in after {
        match (before.get(key), after) {
            (Some(before), after) if before == after => {}
            (Some(Value::Object(before)), Value::Object(after)) => {
                result.insert(key.clone(), Value::Object(patch(before, after)));
            }
            _ => {
                result.insert(key.clone(), after.clone());
            }
        }
    }
    let removed = before.keys().filter(|key| !after.contains_key(*key));
    result.extend(removed.map(|key| (key.clone(), Value::Null)));
    result
}

/// Applies a JSON merge patch (RFC 7396) to the object `under`, and returns the result. Members that are not in the
/// patch stay, a null removes a member, objects are merged member by member, and every other value is replaced.
pub fn merged(under: &Map<String, Value>, patch: &Map<String, Value>) -> Map<String, Value> {
    let mut result = under.clone();
    for (key, value) in patch {
        match value {
            Value::Null => {
                result.remove(key);
            }
            Value::Object(patch) => {
                let empty = Map::new();
                let under = under.get(key).and_then(Value::as_object).unwrap_or(&empty);
                result.insert(key.clone(), Value::Object(merged(under, patch)));
            }
            _ => {
                result.insert(key.clone(), value.clone());
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{merged, patch, same_json};

    #[test]
    fn patch_is_the_difference() {
        let object = |value: serde_json::Value| value.as_object().cloned().unwrap_or_default();
        let before = object(json!({"a": {"b": 1, "c": 2}, "d": [1], "e": 5, "same": {"x": 1}}));
        let after = object(json!({"a": {"b": 1, "c": 3}, "d": [2], "f": {"g": 1}, "same": {"x": 1}}));
        let difference = patch(&before, &after);
        assert_eq!(difference, object(json!({"a": {"c": 3}, "d": [2], "e": null, "f": {"g": 1}})));
        assert_eq!(merged(&before, &difference), after);
    }

    #[test]
    fn merged_applies_a_patch_at_every_depth() {
        let object = |value: serde_json::Value| value.as_object().cloned().unwrap_or_default();
        let under = object(json!({"a": {"b": 1, "c": 2}, "d": [1, 2], "e": 5}));
        let patch = object(json!({"a": {"b": null, "x": {"y": null, "z": 0}}, "d": [3], "e": null, "f": 1}));
        let wanted = object(json!({"a": {"c": 2, "x": {"z": 0}}, "d": [3], "f": 1}));
        assert_eq!(merged(&under, &patch), wanted);
    }

    #[test]
    fn same_json_compares_by_meaning() {
        let same = [
            (json!(1), json!(1.0)),
            (json!({"a": null}), json!({})),
            (json!({"a": {"b": null}}), json!({})),
            (json!({}), json!(null)),
            (json!({"a": 1, "b": [1.0]}), json!({"b": [1], "a": 1.0})),
            (json!(9_007_199_254_740_993_u64), json!(9_007_199_254_740_993_i64)),
            (json!(9_007_199_254_740_992_u64), json!(9_007_199_254_740_992.0)),
            (json!(0.0), json!(-0.0)),
        ];
        for (left, right) in same {
            assert!(same_json(&left, &right) && same_json(&right, &left), "{left} and {right} mean the same");
        }
        let different = [
            (json!("1"), json!(1)),
            (json!(9_007_199_254_740_993_u64), json!(9_007_199_254_740_992_u64)),
            (json!(9_007_199_254_740_993_u64), json!(9_007_199_254_740_992.0)),
            (json!(u64::MAX), json!(u64::MAX as f64)),
            (json!(i64::MIN), json!(i64::MIN + 1)),
            (json!([1, 2]), json!([2, 1])),
            (json!({"a": 0}), json!({})),
            (json!(null), json!(0)),
        ];
        for (left, right) in different {
            assert!(!same_json(&left, &right) && !same_json(&right, &left), "{left} and {right} differ");
        }
    }
}
