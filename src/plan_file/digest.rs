//! SHA-256 fingerprints of JSON values.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use crate::model::DesiredService;

/// Returns the SHA-256 of a JSON value, in hexadecimal digits. Object keys are sorted, so equal values have equal
/// fingerprints.
pub(super) fn of(value: &Value) -> String {
    let bytes = ring::digest::digest(&ring::digest::SHA256, value.to_string().as_bytes());
    let mut text = String::with_capacity(64);
    for byte in bytes.as_ref() {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Returns the fingerprint of a manifest's content. It does not depend on the file, its comments or its layout.
pub(super) fn of_manifest(service: &DesiredService) -> String {
    of(&value(service))
}

/// Converts a value to JSON. The conversion could fail only for maps with keys that are not strings, and no converted
/// value contains such a map.
pub(super) fn value(of: &impl Serialize) -> Value {
    serde_json::to_value(of).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::of;

    #[test]
    fn equal_values_have_equal_fingerprints() {
        let (one, other) = (json!({"a": 1, "b": [null]}), json!({"b": [null], "a": 1}));
        assert_eq!(of(&one), of(&other));
        assert_eq!(of(&json!("")), "12ae32cb1ec02d01eda3581b127c1fee3b0dc53572ed6baf239721a03d82e126");
        assert_ne!(of(&one), of(&json!({"a": 1, "b": []})));
    }
}
