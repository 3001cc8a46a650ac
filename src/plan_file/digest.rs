//! Fingerprints of documents. May import `model`.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use crate::model::DesiredService;

/// SHA-256 of a value's JSON, in hexadecimal digits. Keys of objects are in order, so that equal values have
/// equal fingerprints.
pub(super) fn of(value: &Value) -> String {
    let bytes = ring::digest::digest(&ring::digest::SHA256, value.to_string().as_bytes());
    let mut text = String::with_capacity(64);
    for byte in bytes.as_ref() {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The fingerprint of what a manifest says of its service: places in files, comments and layout don't count.
pub(super) fn of_manifest(service: &DesiredService) -> String {
    of(&value(service))
}

/// A value as JSON. Nothing of ours has maps whose keys aren't texts, which alone could fail.
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
