//! Generates JSON Schemas from Rust types.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::Value;

use super::tidy;

/// Generates the schema of a type, and tidies it for editors. The schemas of nested types are copied into it, so it
/// contains no references.
pub(super) fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    tidy::tidy(&mut schema);
    schema
}

/// Returns the schema of a pin: a version number, `latest` or null.
pub(super) fn pin(_: &mut SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "anyOf": [
            {"type": "integer", "minimum": 1, "maximum": u32::MAX},
            {"type": "string", "enum": ["latest"]},
            {"type": "null"},
        ],
    })
}
