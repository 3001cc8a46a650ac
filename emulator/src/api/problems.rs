//! Collects the validation errors of a request. The answer lists all errors in the format of pydantic, a Python
//! validation library. Each error has its location in the request.

use serde_json::{Map, Value, json};

use crate::api::refusal::Refusal;

/// The maximum depth of nesting in a request's body. The row that is stored from a body has a few more levels, and
/// `serde_json` reads at most 128 levels.
const DEEPEST: usize = 100;

/// The location of a value in a request, such as `["body", "tags", "team"]`.
#[derive(Clone, Debug)]
pub(crate) struct At(Vec<Value>);

impl At {
    /// Returns an empty location, for values that do not come from a request.
    pub(crate) fn nowhere() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn body() -> Self {
        Self(vec![json!("body")])
    }

    pub(crate) fn query(name: &str) -> Self {
        Self(vec![json!("query"), json!(name)])
    }

    pub(crate) fn path(name: &str) -> Self {
        Self(vec![json!("path"), json!(name)])
    }

    pub(crate) fn header(name: &str) -> Self {
        Self(vec![json!("header"), json!(name)])
    }

    pub(crate) fn then(&self, step: impl Into<Value>) -> Self {
        let mut place = self.0.clone();
        place.push(step.into());
        Self(place)
    }
}

/// The validation errors that were found in a request, in the format of the answer.
#[derive(Debug, Default)]
pub(crate) struct RequestProblems(Vec<Value>);

impl RequestProblems {
    /// Adds an error at the location `at`. `kind` is pydantic's name for this kind of error.
    pub(crate) fn add(&mut self, kind: &str, at: &At, message: impl Into<String>, input: &Value) {
        self.0.push(json!({"type": kind, "loc": at.0, "msg": message.into(), "input": input}));
    }

    /// Adds an error with the field `ctx`, which contains the values that the error's message mentions.
    pub(crate) fn add_with(
        &mut self,
        kind: &str,
        at: &At,
        message: impl Into<String>,
        input: &Value,
        context: &Value,
    ) {
        self.0
            .push(json!({"type": kind, "loc": at.0, "msg": message.into(), "input": input, "ctx": context}));
    }

    /// Adds all errors from another list.
    pub(crate) fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Returns the location and the message of the first error as one string.
    pub(crate) fn first(&self) -> String {
        let Some(problem) = self.0.first() else { return String::new() };
        let steps = problem["loc"].as_array().map(Vec::as_slice).unwrap_or_default();
        let shown = |step: &Value| step.as_str().map_or_else(|| step.to_string(), str::to_owned);
        let place: Vec<String> = steps.iter().map(shown).collect();
        format!("{}: {}", place.join("."), problem["msg"].as_str().unwrap_or_default())
    }

    /// Returns `Ok` if there are no errors. Otherwise returns the refusal that lists all of them.
    pub(crate) fn done(&mut self) -> Result<(), Refusal> {
        if self.0.is_empty() { Ok(()) } else { Err(self.refusal()) }
    }

    /// Returns the refusal that lists all errors, and empties the list.
    pub(crate) fn refusal(&mut self) -> Refusal {
        Refusal::Invalid(std::mem::take(&mut self.0))
    }
}

/// Parses a request's body, which must be a JSON object, and returns its fields. Refuses the request if the body is
/// anything else, or is nested too deeply.
pub(crate) fn object(content_type: Option<&str>, body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    let mut problems = RequestProblems::default();
    if body.is_empty() {
        problems.add("missing", &At::body(), "Field required", &Value::Null);
        return Err(problems.refusal());
    }
    // This error is answered with 422, like other validation errors. The vendor's schema does not list status 400 for
    // every endpoint.
    let Ok(text) = std::str::from_utf8(body) else {
        problems.add("json_invalid", &At::body(), "JSON decode error: not UTF-8", &json!({}));
        return Err(problems.refusal());
    };
    let wants_object = "Input should be a valid dictionary or object to extract fields from";
    if !content_type.is_none_or(is_json) {
        problems.add("model_attributes_type", &At::body(), wants_object, &json!(text));
        return Err(problems.refusal());
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(fields)) if fields.values().all(|value| is_shallow(value, DEEPEST)) => Ok(fields),
        Ok(Value::Object(_)) => {
            let reason = format!("nested deeper than {DEEPEST} levels");
            problems.add_with(
                "json_invalid",
                &At::body(),
                "JSON decode error",
                &json!({}),
                &json!({"error": reason}),
            );
            Err(problems.refusal())
        }
        Ok(other) => {
            problems.add("model_attributes_type", &At::body(), wants_object, &other);
            Err(problems.refusal())
        }
        Err(error) => {
            let (at, context) = (At::body().then(error.column()), json!({"error": error.to_string()}));
            problems.add_with("json_invalid", &at, "JSON decode error", &json!({}), &context);
            Err(problems.refusal())
        }
    }
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn is_shallow(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels > 0 && items.iter().all(|item| is_shallow(item, levels - 1)),
        Value::Object(fields) => levels > 0 && fields.values().all(|item| is_shallow(item, levels - 1)),
        _ => true,
    }
}

/// A function that reads one value of a request. If the value is invalid, the function adds an error and returns
/// `None`.
pub(crate) type Read<T> = fn(&mut RequestProblems, &At, &Value) -> Option<T>;

/// Reads a required field with the function `read`. If the field is missing, adds an error and returns `None`.
pub(crate) fn required<T>(
    problems: &mut RequestProblems,
    at: &At,
    fields: &Map<String, Value>,
    name: &str,
    read: Read<T>,
) -> Option<T> {
    match fields.get(name) {
        Some(value) => read(problems, &at.then(name), value),
        None => {
            problems.add("missing", &at.then(name), "Field required", &Value::Object(fields.clone()));
            None
        }
    }
}

/// Reads an optional field with the function `read`. Returns `None` if the field is missing or null.
pub(crate) fn optional<T>(
    problems: &mut RequestProblems,
    at: &At,
    fields: &Map<String, Value>,
    name: &str,
    read: Read<T>,
) -> Option<T> {
    let value = fields.get(name).filter(|value| !value.is_null())?;
    read(problems, &at.then(name), value)
}

#[cfg(test)]
impl RequestProblems {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn kinds(&self) -> Vec<&str> {
        self.0.iter().filter_map(|problem| problem["type"].as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_must_be_json_objects() {
        let status = |kind, body: &[u8]| object(kind, body).map_err(|refusal| refusal.status()).err();
        assert_eq!(status(None, b"{}"), None);
        assert_eq!(status(Some("application/json; charset=utf-8"), b"{}"), None);
        assert_eq!(status(Some("application/merge-patch+json"), b"{}"), None);
        assert_eq!(status(Some("text/plain"), b"{}"), Some(422));
        assert_eq!(status(None, b""), Some(422));
        assert_eq!(status(None, b"[]"), Some(422));
        assert_eq!(status(None, b"{\"a\": \xff}"), Some(422));
        let deep = |levels: usize| format!("{{\"a\": {}{}}}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(status(None, deep(100).as_bytes()), None);
        assert_eq!(status(None, deep(101).as_bytes()), Some(422));
    }
}
