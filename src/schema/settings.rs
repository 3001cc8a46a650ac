//! Converts the tables of Platform settings (`crate::model::settings`) to JSON Schemas.

use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::tidy;
use crate::model::settings::{Default, EXPERIENCE_CONTROLS, Kind, SettingField, normal};

/// The sentence that is added to the description of a nullable field.
pub(super) const NULLABLE: &str = " `~` removes it.";

/// Returns the schemas of an object's members, by name. In a file, every member may be null, even if the API does not
/// accept null. Null removes the value that the member has in the defaults or in the document.
pub(super) fn properties(fields: &[SettingField]) -> Map<String, Value> {
    fields.iter().map(|field| (field.name.to_owned(), member(field))).collect()
}

/// Returns the schema of `experience_controls` of a model preference.
pub(super) fn experience_controls(_: &mut SchemaGenerator) -> Schema {
    let mut schema = kind(&Kind::Object(EXPERIENCE_CONTROLS));
    tidy::nullable(&mut schema);
    Schema::try_from(schema).unwrap_or_default()
}

fn member(field: &SettingField) -> Value {
    let mut schema = kind(&field.kind);
    tidy::nullable(&mut schema);
    schema["description"] = json!(describe(field));
    if let Some(default) = default(field) {
        schema["default"] = default;
    }
    schema
}

/// Returns the description of a field. It says what the field does, whether it is required, and what null means.
fn describe(field: &SettingField) -> String {
    let mut text = String::new();
    let mut letters = field.about.chars();
    text.extend(letters.next().map(|first| first.to_ascii_uppercase()));
    text.push_str(letters.as_str());
    text.push('.');
    if field.required {
        text.push_str(" Required by the API.");
    }
    if field.nullable {
        text.push_str(NULLABLE);
    }
    text
}

fn default(field: &SettingField) -> Option<Value> {
    match field.default {
        Default::Nothing => None,
        Default::Boolean(value) => Some(json!(value)),
        Default::Integer(value) => Some(json!(value)),
        Default::Word(value) => Some(json!(value)),
        Default::Fields => Some(match &field.kind {
            Kind::Object(fields) => Value::Object(normal(fields, &Map::new())),
            _ => json!({}),
        }),
    }
}

fn kind(of: &Kind) -> Value {
    match of {
        Kind::Boolean => json!({"type": "boolean"}),
        Kind::Integer { min, max } => {
            let bound = |value: i64, none: i64| (value != none).then(|| json!(value));
            bounded("integer", bound(*min, i64::MIN), bound(*max, i64::MAX))
        }
        Kind::Number { min, max } => {
            let bound = |value: f64, none: f64| (value != none).then(|| number(value));
            bounded("number", bound(*min, f64::MIN), bound(*max, f64::MAX))
        }
        Kind::Text { min, max } => {
            let mut schema = json!({"type": "string"});
            if *min > 0 {
                schema["minLength"] = json!(min);
            }
            if *max < usize::MAX {
                schema["maxLength"] = json!(max);
            }
            schema
        }
        Kind::OneOf(words) => json!({"type": "string", "enum": words}),
        Kind::List(of) => json!({"type": "array", "items": kind(of)}),
        Kind::TextOrList => {
            json!({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]})
        }
        Kind::Map { of, most } => {
            let mut of = kind(of);
            tidy::nullable(&mut of);
            let mut schema = json!({"type": "object", "additionalProperties": of});
            if *most < usize::MAX {
                schema["maxProperties"] = json!(most);
            }
            schema
        }
        Kind::Any => json!({}),
        Kind::Object(fields) => {
            json!({"type": "object", "properties": properties(fields), "additionalProperties": false})
        }
    }
}

/// Converts a number to JSON. A whole number becomes an integer: `2`, not `2.0`.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 1e9 { json!(value as i64) } else { json!(value) }
}

fn bounded(name: &str, min: Option<Value>, max: Option<Value>) -> Value {
    let mut schema = json!({"type": name});
    for (key, bound) in [("minimum", min), ("maximum", max)] {
        if let Some(bound) = bound {
            schema[key] = bound;
        }
    }
    schema
}
