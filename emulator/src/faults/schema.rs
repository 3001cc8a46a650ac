//! Builds the JSON Schema of fault files.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::file::Faults;
use super::kinds::{FaultKind, KINDS, MAX_MILLIS, MAX_SECONDS, METHODS, WHEN};

/// Returns the JSON Schema for the value of a key in a fault file.
fn key(name: &str) -> Value {
    let number = |about: &str, least: u64, most: Option<u64>| {
        let mut schema = json!({"description": about, "type": "integer", "minimum": least});
        if let Some(most) = most {
            schema["maximum"] = json!(most);
        }
        schema
    };
    match name {
        "method" => {
            json!({"description": "The method of the requests. Absent: any.", "enum": METHODS, "type": "string"})
        }
        "path" => json!({
            "description": "A part of the path and query of the requests, as sent: `/service`, `/v1/acme/`. Absent: any.",
            "type": "string", "minLength": 1,
        }),
        "nth" => {
            with_default(number("The number of the first matching request to affect.", 1, None), json!(1))
        }
        "times" => with_default(
            number("The number of consecutive matching requests that get the fault.", 1, None),
            json!(1),
        ),
        "millis" => number("The time in milliseconds.", 0, Some(MAX_MILLIS)),
        "service" => json!({
            "description": "The name or the id of the service to omit.",
            "type": "string", "minLength": 1,
        }),
        "status" => number("The status.", 200, Some(599)),
        "processed" => with_default(
            json!({"description": "True if the request is processed first.", "type": "boolean"}),
            json!(false),
        ),
        "headers" => json!({
            "description": "Headers by name. The server sets the length itself.",
            "type": "object", "additionalProperties": {"type": "string"},
        }),
        "retry_after" => number("`Retry-After` in seconds.", 0, Some(MAX_SECONDS)),
        "retry_after_date" => {
            number("`Retry-After` as the date that is this many seconds from now.", 0, Some(MAX_SECONDS))
        }
        _ => with_default(json!({"description": "The body.", "type": "string"}), json!("")),
    }
}

fn with_default(mut schema: Value, default: Value) -> Value {
    schema["default"] = default;
    schema
}

/// Returns the JSON Schema of a rule that injects this kind of fault.
fn branch(kind: &FaultKind) -> Value {
    let mut properties = Map::from_iter([("fault".to_owned(), json!({"const": kind.name}))]);
    properties.extend(WHEN.iter().chain(kind.takes).map(|name| ((*name).to_owned(), key(name))));
    let required: Vec<_> = std::iter::once("fault").chain(kind.needs).collect();
    json!({
        "description": kind.about, "type": "object", "additionalProperties": false,
        "required": required, "properties": properties,
    })
}

impl JsonSchema for Faults {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Faults".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "description": "Faults to inject into requests.",
            "type": "object",
            "additionalProperties": false,
            "required": ["faults"],
            "properties": {"faults": {
                "description": "The rules. Each rule counts its matching requests. The first rule that selects a request applies.",
                "type": "array",
                "items": {"oneOf": KINDS.iter().map(branch).collect::<Vec<_>>()},
            }},
        })
    }
}
