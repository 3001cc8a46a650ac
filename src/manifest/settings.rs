//! Platform's nested settings, checked against the tables of the model. Imports `model`.
//!
//! What is read serves as a JSON merge patch over the live values: a member that isn't there is left
//! alone, and a null takes one away, where the API can do that. A member that an object can't do without
//! is not asked for here: the live value may have it.

use std::collections::BTreeMap;

use serde_json::{Map as JsonMap, Value as Json, json};

use super::decode::{self, Fields, Shape};
use super::diagnostic::Code;
use super::sink::{Problem, Sink, Span};
use super::tree::{Key, Node, Value};
use super::{id, scalar};
use crate::model::settings::{self, Default, EXPERIENCE_CONTROLS, Field, Kind, SERVICE, VOICE_CONFIG};
use crate::model::{Place, did_you_mean};

/// Whether a service has a setting of this name on the Platform API.
pub(super) fn is_setting(name: &str) -> bool {
    settings::field(SERVICE, name).is_some()
}

/// Whether this is a member of `voice_config`.
pub(super) fn is_of_voice(name: &str) -> bool {
    settings::field(VOICE_CONFIG, name).is_some()
}

/// The settings among a service's members, and where each is declared.
pub(super) fn decode(
    sink: &mut Sink,
    fields: Fields<'_>,
) -> (JsonMap<String, Json>, BTreeMap<String, Place>) {
    let (mut values, mut places) = (JsonMap::new(), BTreeMap::new());
    for field in SERVICE {
        if let Some((key, node)) = fields.map.entry(field.name)
            && let Some(value) = member(sink, field.name, field, key, node)
        {
            values.insert(field.name.to_owned(), value);
            places.insert(field.name.to_owned(), sink.place(key.span));
        }
    }
    (values, places)
}

/// The `experience_controls` of a model preference.
pub(super) fn experience_controls(sink: &mut Sink, node: &Node) -> Option<JsonMap<String, Json>> {
    object(sink, "experience_controls", node, EXPERIENCE_CONTROLS)
}

/// One field. A null is kept where it takes something away, and an error where something must stand.
fn member(sink: &mut Sink, path: &str, field: &Field, key: &Key, node: &Node) -> Option<Json> {
    if node.value == Value::Null {
        if !field.nullable {
            sink.push(no_null(path, field, key.span));
            return None;
        }
        return Some(Json::Null);
    }
    let value = value(sink, path, &field.kind, node)?;
    // The API bounds the length only, and a number of another form may still be one of a private exchange.
    if field.name == "forward_to"
        && let Json::String(number) = &value
        && !id::is_e164(number)
    {
        let message = format!("`{path}` isn't a phone number in E.164 form");
        sink.push(Problem::warning(Code::BadPhoneNumber, node.span, message).label(id::E164));
    }
    Some(value)
}

fn no_null(path: &str, field: &Field, span: Span) -> Problem {
    let default = match field.default {
        Default::Nothing => None,
        Default::Boolean(value) => Some(value.to_string()),
        Default::Integer(value) => Some(value.to_string()),
        Default::Word(value) => Some(value.to_owned()),
        Default::Fields => Some(match &field.kind {
            Kind::Object(fields) => flow(&settings::normal(fields, &JsonMap::new())),
            _ => "{}".to_owned(),
        }),
    };
    Problem::error(Code::NoValue, span, format!("`{path}` can't be taken away"))
        .label(match default {
            Some(default) => format!("write `{default}`, the default, instead"),
            None => "write a value".to_owned(),
        })
        .help("leave the key out where the live value is to stay as it is")
}

/// A default as people would write it.
fn flow(values: &JsonMap<String, Json>) -> String {
    let members = values.iter().map(|(key, value)| match value {
        Json::Object(inner) => format!("{key}: {}", flow(inner)),
        Json::String(text) => format!("{key}: {text}"),
        other => format!("{key}: {other}"),
    });
    format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
}

fn value(sink: &mut Sink, path: &str, kind: &Kind, node: &Node) -> Option<Json> {
    match kind {
        Kind::Boolean => decode::boolean(sink, node).map(Json::Bool),
        Kind::Integer { min, max } => integer(sink, path, node, *min, *max),
        Kind::Number { min, max } => number(sink, path, node, *min, *max),
        Kind::Text { min, max } => {
            let text = decode::text(sink, node)?;
            let fits = decode::check_length(sink, node.span, &format!("`{path}`"), text, (*min, *max));
            fits.then(|| json!(text))
        }
        Kind::OneOf(words) => decode::word(sink, node, &format!("`{path}`"), words).map(|word| json!(word)),
        Kind::List(of) => list(sink, path, of, node),
        Kind::TextOrList => match &node.value {
            Value::List(_) => list(sink, path, &Kind::Text { min: 0, max: usize::MAX }, node),
            Value::Map(_) => {
                sink.push(decode::wrong_type(node, "a text, or a list of texts"));
                None
            }
            _ => decode::text(sink, node).map(|text| json!(text)),
        },
        Kind::Map { of, most } => map(sink, path, of, *most, node),
        Kind::Any => Some(decode::json(sink, node)),
        Kind::Object(fields) => object(sink, path, node, fields).map(Json::Object),
    }
}

fn list(sink: &mut Sink, path: &str, of: &Kind, node: &Node) -> Option<Json> {
    let what = if matches!(of, Kind::Text { .. }) { "texts" } else { "values" };
    let items = decode::list(sink, node, what)?;
    Some(items.iter().filter_map(|item| value(sink, path, of, item)).collect())
}

/// Names of the user's own. A null among them takes an entry away, so that it doesn't count.
fn map(sink: &mut Sink, path: &str, of: &Kind, most: usize, node: &Node) -> Option<Json> {
    let map = decode::mapping(sink, node, &format!("`{path}` by name"))?;
    let count = map.entries.iter().filter(|(_, node)| node.value != Value::Null).count();
    if count > most {
        let message = format!("`{path}` has {count} entries, {most} are the most");
        sink.push(Problem::error(Code::TooMany, node.span, message));
    }
    let mut values = JsonMap::new();
    for (key, node) in &map.entries {
        let read = match node.value {
            Value::Null => Some(Json::Null),
            _ => value(sink, &format!("{path}.{}", key.name), of, node),
        };
        if let Some(read) = read {
            values.insert(key.name.clone(), read);
        }
    }
    Some(Json::Object(values))
}

fn object(sink: &mut Sink, path: &str, node: &Node, fields: &[Field]) -> Option<JsonMap<String, Json>> {
    let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
    let what = format!("`{path}`");
    let members = Fields::open(sink, node, &Shape { what: &what, keys: &names, help: "" })?;
    let mut values = JsonMap::new();
    for (key, node) in &members.map.entries {
        if let Some(field) = settings::field(fields, &key.name)
            && let Some(value) = member(sink, &format!("{path}.{}", key.name), field, key, node)
        {
            values.insert(key.name.clone(), value);
        }
    }
    Some(values)
}

/// A whole number; `3.0` is one.
fn integer(sink: &mut Sink, path: &str, node: &Node, min: i64, max: i64) -> Option<Json> {
    /// From here on not every whole number has a floating-point form of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let expected = match (min, max) {
        (i64::MIN, i64::MAX) => "a whole number".to_owned(),
        _ => format!("a whole number from {min} to {max}"),
    };
    let number = any_number(sink, node, &expected)?;
    let exact = |number: &f64| number.fract() == 0.0 && number.abs() < EXACT;
    let whole = number.as_i64().or_else(|| number.as_f64().filter(exact).map(|number| number as i64));
    let fitting = whole.filter(|number| (min..=max).contains(number));
    if fitting.is_none() {
        sink.push(out_of_bounds(path, node, &expected));
    }
    fitting.map(|number| json!(number))
}

fn number(sink: &mut Sink, path: &str, node: &Node, min: f64, max: f64) -> Option<Json> {
    let expected = match (min, max) {
        (f64::MIN, f64::MAX) => "a number".to_owned(),
        _ => format!("a number from {min} to {max}"),
    };
    let number = any_number(sink, node, &expected)?;
    if !number.as_f64().is_some_and(|number| (min..=max).contains(&number)) {
        sink.push(out_of_bounds(path, node, &expected));
        return None;
    }
    Some(Json::Number(number))
}

fn out_of_bounds(path: &str, node: &Node, expected: &str) -> Problem {
    let message = format!("`{path}` is {expected}, not {}", node.describe());
    Problem::error(Code::BadValue, node.span, message).label(format!("expected {expected}"))
}

/// A number that JSON can carry, whatever its bounds.
fn any_number(sink: &mut Sink, node: &Node, expected: &str) -> Option<serde_json::Number> {
    match &node.value {
        Value::Number(_) => match decode::json(sink, node) {
            Json::Number(number) => Some(number),
            _ => None,
        },
        other => {
            let problem = decode::wrong_type(node, expected);
            sink.push(match other {
                Value::Text(text) if matches!(scalar::resolve(text), Value::Number(_)) => {
                    problem.label(format!("write it without quotes: {text}"))
                }
                _ => problem,
            });
            None
        }
    }
}

/// Whether a path leads to a setting. If not: the path that was probably meant.
pub(super) fn check_path(parts: &[&str]) -> Result<(), Option<String>> {
    within(SERVICE, parts, &[])
}

fn within(fields: &[Field], parts: &[&str], before: &[&str]) -> Result<(), Option<String>> {
    let [name, rest @ ..] = parts else { return Ok(()) };
    match settings::field(fields, name) {
        Some(field) => below(&field.kind, rest, &[before, &[*name]].concat()),
        None => {
            let known = did_you_mean(name, fields.iter().map(|field| field.name));
            Err(known.map(|known| [before, &[known], rest].concat().join(".")))
        }
    }
}

fn below(kind: &Kind, parts: &[&str], before: &[&str]) -> Result<(), Option<String>> {
    match (kind, parts) {
        (_, []) => Ok(()),
        (Kind::Object(fields), _) => within(fields, parts, before),
        (Kind::Any, _) if parts.iter().all(|part| !part.is_empty()) => Ok(()),
        (Kind::Map { of, .. }, [key, rest @ ..]) if !key.is_empty() => {
            below(of, rest, &[before, &[*key]].concat())
        }
        _ => Err(None),
    }
}
