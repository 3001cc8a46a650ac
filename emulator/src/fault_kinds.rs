//! The kinds and keys of fault files, defined once for the reader and for the JSON Schema.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::fault_file::Faults;

/// The longest delay and the longest time for a slow body.
pub(super) const MAX_MILLIS: u64 = 600_000;
/// The longest `Retry-After`: one year.
pub(super) const MAX_SECONDS: u64 = 31_536_000;
/// The methods of both APIs.
pub(super) const METHODS: &[&str] = &["DELETE", "GET", "PATCH", "POST", "PUT"];
/// The keys that select requests. Every kind of fault has them.
pub(super) const WHEN: &[&str] = &["method", "path", "nth", "times"];

/// A kind of fault, by its name in fault files.
pub(super) struct Kind {
    pub(super) name: &'static str,
    about: &'static str,
    /// The keys of this kind, in addition to [`WHEN`].
    pub(super) takes: &'static [&'static str],
    /// The key that is required.
    pub(super) needs: Option<&'static str>,
}

const fn plain(name: &'static str, about: &'static str) -> Kind {
    Kind { name, about, takes: &[], needs: None }
}

const fn timed(name: &'static str, about: &'static str) -> Kind {
    Kind { name, about, takes: &["millis"], needs: Some("millis") }
}

/// All kinds of faults.
pub(super) const KINDS: &[Kind] = &[
    plain(
        "refuse",
        "Refuses the connection. A server can't do this once it was reached, and treats it as `lose_request`.",
    ),
    plain("lose_request", "Aborts the connection without processing the request."),
    plain("lose_answer", "Processes the request, then aborts the connection without an answer."),
    plain(
        "cut_answer",
        "Processes the request, then aborts the connection in the middle of the answer's body.",
    ),
    plain(
        "garble",
        "Processes the request, then sends only the first half of the answer's body as if it were complete.",
    ),
    timed("delay", "Processes and answers the request after a delay."),
    timed("dribble", "Processes the request, then sends the answer's body slowly, in chunks."),
    plain("close", "Processes the request, then answers with `Connection: close`."),
    Kind {
        name: "hide",
        about: "Processes the request, then omits one service from the list in the answer and from its total.",
        takes: &["service"],
        needs: Some("service"),
    },
    Kind {
        name: "answer",
        about: "Sends this answer instead of the request's own.",
        takes: &["status", "processed", "headers", "retry_after", "retry_after_date", "body"],
        needs: Some("status"),
    },
];

/// The JSON Schema of a key.
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
        "times" => {
            with_default(number("The number of matching requests in a row to affect.", 1, None), json!(1))
        }
        "millis" => number("The time in milliseconds.", 0, Some(MAX_MILLIS)),
        "service" => json!({
            "description": "The name or the id of the service to omit.",
            "type": "string", "minLength": 1,
        }),
        "status" => number("The status.", 200, Some(599)),
        "processed" => with_default(
            json!({"description": "Whether the request is processed first.", "type": "boolean"}),
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

/// The JSON Schema of a rule with this kind of fault.
fn branch(kind: &Kind) -> Value {
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
