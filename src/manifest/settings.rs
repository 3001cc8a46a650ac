//! Decodes the nested settings of the Platform API, and checks them against the tables in `model::settings`.
//!
//! The result is a JSON merge patch over the live values: an absent member stays unchanged, and a null removes a member
//! if the API allows it. Required members may be absent, because the live value may have them.

use std::collections::BTreeMap;

use serde_json::{Map as JsonMap, Value as Json, json};

use super::collector::{DiagnosticCollector, Problem, Span};
use super::decode::{self, Fields, Shape};
use super::diagnostic::Code;
use super::tree::{Key, Node, Value};
use super::{id, scalar};
use crate::model::settings::{self, Default, EXPERIENCE_CONTROLS, Kind, SERVICE, SettingField, VOICE_CONFIG};
use crate::model::{Place, did_you_mean};

/// Returns true if a service has a setting with this name on the Platform API.
pub(super) fn is_setting(name: &str) -> bool {
    settings::field(SERVICE, name).is_some()
}

/// Returns true if `voice_config` has a member with this name.
pub(super) fn is_voice_setting(name: &str) -> bool {
    settings::field(VOICE_CONFIG, name).is_some()
}

/// Decodes the settings of a service. Returns the values, and the place of each setting in the file.
pub(super) fn decode(
    problems: &mut DiagnosticCollector,
    fields: Fields<'_>,
) -> (JsonMap<String, Json>, BTreeMap<String, Place>) {
    let (mut values, mut places) = (JsonMap::new(), BTreeMap::new());
    for field in SERVICE {
        if let Some((key, node)) = fields.map.entry(field.name)
            && let Some(value) = member(problems, field.name, field, key, node)
        {
            values.insert(field.name.to_owned(), value);
            places.insert(field.name.to_owned(), problems.place(key.span));
        }
    }
    (values, places)
}

/// Decodes the `experience_controls` of a model preference.
pub(super) fn experience_controls(
    problems: &mut DiagnosticCollector,
    node: &Node,
) -> Option<JsonMap<String, Json>> {
    object(problems, "experience_controls", node, EXPERIENCE_CONTROLS)
}

/// Decodes one field of the settings. Keeps a null if the API lets a null remove the field, and reports a null if the
/// field needs a value.
fn member(
    problems: &mut DiagnosticCollector,
    path: &str,
    field: &SettingField,
    key: &Key,
    node: &Node,
) -> Option<Json> {
    if node.value == Value::Null {
        if !field.nullable {
            problems.push(not_nullable(path, field, key.span));
            return None;
        }
        return Some(Json::Null);
    }
    let value = value(problems, path, &field.kind, node)?;
    // This is a warning and not an error. The API limits only the length, and a private exchange may use other numbers.
    if field.name == "forward_to"
        && let Json::String(number) = &value
        && !id::is_e164(number)
    {
        let message = format!("`{path}` is not a phone number in E.164 format");
        problems.push(Problem::warning(Code::BadPhoneNumber, node.span, message).label(id::E164));
    }
    Some(value)
}

fn not_nullable(path: &str, field: &SettingField, span: Span) -> Problem {
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
    Problem::error(Code::NoValue, span, format!("`{path}` can't be removed"))
        .label(match default {
            Some(default) => format!("use `{default}`, the default, instead"),
            None => "set a value".to_owned(),
        })
        .help("remove the key to keep the live value")
}

/// Formats a default value as YAML in flow style.
fn flow(values: &JsonMap<String, Json>) -> String {
    let members = values.iter().map(|(key, value)| match value {
        Json::Object(inner) => format!("{key}: {}", flow(inner)),
        Json::String(text) => format!("{key}: {text}"),
        other => format!("{key}: {other}"),
    });
    format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
}

fn value(problems: &mut DiagnosticCollector, path: &str, kind: &Kind, node: &Node) -> Option<Json> {
    match kind {
        Kind::Boolean => decode::boolean(problems, node).map(Json::Bool),
        Kind::Integer { min, max } => integer(problems, path, node, *min, *max),
        Kind::Number { min, max } => number(problems, path, node, *min, *max),
        Kind::Text { min, max } => {
            let text = decode::text(problems, node)?;
            let fits = decode::check_length(problems, node.span, &format!("`{path}`"), text, (*min, *max));
            fits.then(|| json!(text))
        }
        Kind::OneOf(words) => {
            decode::word(problems, node, &format!("`{path}`"), words).map(|word| json!(word))
        }
        Kind::List(of) => list(problems, path, of, node),
        Kind::TextOrList => match &node.value {
            Value::List(_) => list(problems, path, &Kind::Text { min: 0, max: usize::MAX }, node),
            Value::Map(_) => {
                problems.push(decode::wrong_type(node, "a string, or a list of strings"));
                None
            }
            _ => decode::text(problems, node).map(|text| json!(text)),
        },
        Kind::Map { of, most } => map(problems, path, of, *most, node),
        Kind::Any => Some(decode::json(problems, node)),
        Kind::Object(fields) => object(problems, path, node, fields).map(Json::Object),
    }
}

fn list(problems: &mut DiagnosticCollector, path: &str, of: &Kind, node: &Node) -> Option<Json> {
    let what = if matches!(of, Kind::Text { .. }) { "strings" } else { "values" };
    let items = decode::list(problems, node, what)?;
    Some(items.iter().filter_map(|item| value(problems, path, of, item)).collect())
}

/// Decodes a mapping whose keys the user may choose. A null removes an entry, so it doesn't count towards the limit
/// `most`.
fn map(problems: &mut DiagnosticCollector, path: &str, of: &Kind, most: usize, node: &Node) -> Option<Json> {
    let map = decode::mapping(problems, node, &format!("`{path}` by name"))?;
    let count = map.entries.iter().filter(|(_, node)| node.value != Value::Null).count();
    if count > most {
        let message = format!("`{path}` has {count} entries, but at most {most} are allowed");
        problems.push(Problem::error(Code::TooMany, node.span, message));
    }
    let mut values = JsonMap::new();
    for (key, node) in &map.entries {
        let read = match node.value {
            Value::Null => Some(Json::Null),
            _ => value(problems, &format!("{path}.{}", key.name), of, node),
        };
        if let Some(read) = read {
            values.insert(key.name.clone(), read);
        }
    }
    Some(Json::Object(values))
}

fn object(
    problems: &mut DiagnosticCollector,
    path: &str,
    node: &Node,
    fields: &[SettingField],
) -> Option<JsonMap<String, Json>> {
    let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
    let what = format!("`{path}`");
    let members = Fields::open(problems, node, &Shape { what: &what, keys: &names, help: "" })?;
    let mut values = JsonMap::new();
    for (key, node) in &members.map.entries {
        if let Some(field) = settings::field(fields, &key.name)
            && let Some(value) = member(problems, &format!("{path}.{}", key.name), field, key, node)
        {
            values.insert(key.name.clone(), value);
        }
    }
    Some(values)
}

/// Decodes a whole number between `min` and `max`. Accepts `3.0` as 3.
fn integer(problems: &mut DiagnosticCollector, path: &str, node: &Node, min: i64, max: i64) -> Option<Json> {
    /// The limit above which floating-point numbers can't represent every whole number.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let expected = match (min, max) {
        (i64::MIN, i64::MAX) => "a whole number".to_owned(),
        _ => format!("a whole number from {min} to {max}"),
    };
    let number = any_number(problems, node, &expected)?;
    let exact = |number: &f64| number.fract() == 0.0 && number.abs() < EXACT;
    let whole = number.as_i64().or_else(|| number.as_f64().filter(exact).map(|number| number as i64));
    let fitting = whole.filter(|number| (min..=max).contains(number));
    if fitting.is_none() {
        problems.push(out_of_bounds(path, node, &expected));
    }
    fitting.map(|number| json!(number))
}

fn number(problems: &mut DiagnosticCollector, path: &str, node: &Node, min: f64, max: f64) -> Option<Json> {
    let expected = match (min, max) {
        (f64::MIN, f64::MAX) => "a number".to_owned(),
        _ => format!("a number from {min} to {max}"),
    };
    let number = any_number(problems, node, &expected)?;
    if !number.as_f64().is_some_and(|number| (min..=max).contains(&number)) {
        problems.push(out_of_bounds(path, node, &expected));
        return None;
    }
    Some(Json::Number(number))
}

fn out_of_bounds(path: &str, node: &Node, expected: &str) -> Problem {
    let message = format!("`{path}` must be {expected}, not {}", node.describe());
    Problem::error(Code::BadValue, node.span, message).label(format!("expected {expected}"))
}

/// Decodes any number that JSON can express, without a minimum or maximum.
fn any_number(problems: &mut DiagnosticCollector, node: &Node, expected: &str) -> Option<serde_json::Number> {
    match &node.value {
        Value::Number(_) => match decode::json(problems, node) {
            Json::Number(number) => Some(number),
            _ => None,
        },
        other => {
            let problem = decode::wrong_type(node, expected);
            problems.push(match other {
                Value::Text(text) if matches!(scalar::resolve(text), Value::Number(_)) => {
                    problem.label(format!("write the value without quotes: {text}"))
                }
                Value::Text(text) if scalar::yaml_1_1_type(text) == Some("a number") => problem
                    .help("YAML 1.2 reads this as a string: write only decimal digits to mean a number"),
                _ => problem,
            });
            None
        }
    }
}

/// Checks that a path leads to a setting. Otherwise, errors with the path that the user probably meant, or with `None`
/// if no path is similar.
pub(super) fn check_path(parts: &[&str]) -> Result<(), Option<String>> {
    check_path_in_fields(SERVICE, parts, &[])
}

fn check_path_in_fields(
    fields: &[SettingField],
    parts: &[&str],
    before: &[&str],
) -> Result<(), Option<String>> {
    let [name, rest @ ..] = parts else { return Ok(()) };
    match settings::field(fields, name) {
        Some(field) => check_path_in_kind(&field.kind, rest, &[before, &[*name]].concat()),
        None => {
            let known = did_you_mean(name, fields.iter().map(|field| field.name));
            Err(known.map(|known| [before, &[known], rest].concat().join(".")))
        }
    }
}

fn check_path_in_kind(kind: &Kind, parts: &[&str], before: &[&str]) -> Result<(), Option<String>> {
    match (kind, parts) {
        (_, []) => Ok(()),
        (Kind::Object(fields), _) => check_path_in_fields(fields, parts, before),
        (Kind::Any, _) if parts.iter().all(|part| !part.is_empty()) => Ok(()),
        (Kind::Map { of, .. }, [key, rest @ ..]) if !key.is_empty() => {
            check_path_in_kind(of, rest, &[before, &[*key]].concat())
        }
        _ => Err(None),
    }
}
