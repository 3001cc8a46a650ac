//! The kinds and keys of fault files, defined once for the reader and for the JSON Schema.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::fault_file::Faults;

/// The longest delay and the longest time for a slow body.
pub(super) const MOST_MILLIS: u64 = 600_000;
/// The longest `Retry-After`: one year.
pub(super) const MOST_SECONDS: u64 = 31_536_000;
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
    plain("refuse", "No connection. A server that is reached can't do this: it is as `lose_request`."),
    plain("lose_request", "The connection dies, and nothing was done."),
    plain("lose_answer", "What the request asks for is done; then the connection dies without an answer."),
    plain("cut_answer", "It is done; the connection dies in the middle of the answer's body."),
    plain("garble", "It is done; the first half of the answer's body comes as if it were all."),
    timed("delay", "It is done and answered so much later."),
    timed("dribble", "It is done; the answer's body comes bit by bit."),
    plain("close", "It is done and answered with `Connection: close`."),
    Kind {
        name: "hide",
        about: "It is done; a list in the answer leaves one service out, and counts one less.",
        takes: &["service"],
        needs: Some("service"),
    },
    Kind {
        name: "answer",
        about: "This is the answer, whatever the request asks for.",
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
            json!({"description": "The requests' method. Absent: any.", "enum": METHODS, "type": "string"})
        }
        "path" => json!({
            "description": "A part of the requests' path with its query, as sent: `/service`, `/v1/acme/`. Absent: any.",
            "type": "string", "minLength": 1,
        }),
        "nth" => with_default(number("The first of these requests that it happens to.", 1, None), json!(1)),
        "times" => with_default(number("How many of them in a row it happens to.", 1, None), json!(1)),
        "millis" => number("How many milliseconds it takes.", 0, Some(MOST_MILLIS)),
        "service" => json!({
            "description": "The name or the id of the service that the list leaves out.",
            "type": "string", "minLength": 1,
        }),
        "status" => number("The status.", 200, Some(599)),
        "processed" => with_default(
            json!({"description": "Whether what the request asks for is done before.", "type": "boolean"}),
            json!(false),
        ),
        "headers" => json!({
            "description": "Headers, by name; the length is counted by the server.",
            "type": "object", "additionalProperties": {"type": "string"},
        }),
        "retry_after" => number("`Retry-After` in seconds.", 0, Some(MOST_SECONDS)),
        "retry_after_date" => {
            number("`Retry-After` as the date that is so many seconds away.", 0, Some(MOST_SECONDS))
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
            "description": "What goes wrong with which requests.",
            "type": "object",
            "additionalProperties": false,
            "required": ["faults"],
            "properties": {"faults": {
                "description": "The rules. All of them count; to a request happens what the first that is due says.",
                "type": "array",
                "items": {"oneOf": KINDS.iter().map(branch).collect::<Vec<_>>()},
            }},
        })
    }
}
