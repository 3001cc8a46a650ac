//! The reference of all keys, in Markdown, from the schemas. Imports the forms of the files.
//!
//! A page holds hand-written text and, between `<!-- keys of NAME … -->` and `<!-- end -->`, tables that are
//! written anew.

use serde_json::{Map, Value};

use super::File;

const BEGIN: &str = "<!-- keys of ";
const END: &str = "<!-- end -->";
/// The order that people read keys in; what isn't here comes last.
const ORDER: &[&str] = &[
    "version",
    "manifests",
    "defaults",
    "environments",
    "default_environment",
    "ownership",
    "unmanaged_version_sets",
    "guardrails",
    "api",
    "organization",
    "workspace",
    "base_url",
    "headers",
    "credentials",
    "dialect",
    "state",
    "seed",
    "limits",
    "service",
    "agent",
    "context_graph",
    "description",
    "active",
    "keyterms",
    "tags",
    "version_sets",
    "agent_version",
    "context_graph_version",
    "llm_model_preferences",
    "llm_name",
    "params",
    "experience_controls",
    "depends_on",
    "smoke",
    "lifecycle",
    "api_keys",
    "agents",
    "context_graphs",
    "services",
];

/// A page that asks for keys that nobody knows, or doesn't say where they end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// No such set of keys.
    #[error("there are no keys of `{0}`; known are {known}", known = TABLES.map(|(name, _)| name).join(", "))]
    Unknown(String),
    /// A begin without an end.
    #[error("the keys of `{0}` have no `{END}`")]
    NoEnd(String),
}

type Table = (&'static str, fn() -> Vec<Row>);

/// What a page can ask for.
const TABLES: [Table; 8] = [
    ("project", || rows(&File::Project.schema(), &["defaults", "environments"])),
    ("environments", environments),
    ("service", || rows(&File::Service.schema(), SETTINGS)),
    ("settings", || {
        let schema = File::Service.schema();
        all_rows(&schema).into_iter().filter(|row| SETTINGS.contains(&row.key.as_str())).collect()
    }),
    ("voice_config", || rows(&File::Service.schema()["properties"]["voice_config"], &[])),
    ("escalation_policy", || rows(&File::Service.schema()["properties"]["escalation_policy"], &[])),
    ("experience_controls", || {
        let schema = File::Service.schema();
        let set = &schema["properties"]["version_sets"]["additionalProperties"];
        let preference = &set["properties"]["llm_model_preferences"]["additionalProperties"];
        rows(&preference["properties"]["experience_controls"], &[])
    }),
    ("seed", || rows(&File::Seed.schema(), &[])),
];

/// What has tables of its own.
const SETTINGS: &[&str] = &[
    "channel_type",
    "environment",
    "tool_capacity",
    "safety_filters_enabled",
    "voice_config",
    "escalation_policy",
    "experience_controls",
];

/// A page with its tables as they are now.
///
/// # Errors
///
/// The page asks for a table that isn't known, or doesn't say where one ends.
pub fn renew(page: &str) -> Result<String, PageError> {
    let (mut renewed, mut rest) = (String::new(), page);
    while let Some(at) = rest.find(BEGIN) {
        let after = &rest[at + BEGIN.len()..];
        let name = after.split([' ', ':', '\n']).next().unwrap_or_default();
        let Some((_, rows)) = TABLES.iter().find(|(known, _)| *known == name) else {
            return Err(PageError::Unknown(name.to_owned()));
        };
        let no_end = || PageError::NoEnd(name.to_owned());
        let line = after.find('\n').ok_or_else(no_end)?;
        let end = after.find(END).ok_or_else(no_end)?;
        let (begin, _) = rest.split_at(at + BEGIN.len() + line + 1);
        renewed.push_str(begin);
        renewed.push('\n');
        renewed.push_str(&table(&rows()));
        renewed.push('\n');
        rest = &after[end..];
    }
    renewed.push_str(rest);
    Ok(renewed)
}

/// A line of a table.
struct Row {
    key: String,
    values: String,
    default: String,
    meaning: String,
}

fn table(rows: &[Row]) -> String {
    // A bar would end the cell, even in code.
    let cell = |text: &str| text.replace('|', "\\|").replace("\n\n", "<br>");
    let mut lines = vec!["| key | value | default | meaning |".to_owned(), "|---|---|---|---|".to_owned()];
    lines.extend(rows.iter().map(|row| {
        let (values, default) = (cell(&row.values), cell(&row.default));
        format!("| `{}` | {values} | {default} | {} |", row.key, cell(&row.meaning))
    }));
    lines.join("\n") + "\n"
}

/// The keys of a schema at every depth, without those below and including some.
fn rows(schema: &Value, without: &[&str]) -> Vec<Row> {
    let mut found = all_rows(schema);
    found.retain(|row| !row.key.split('.').any(|part| without.contains(&part)));
    found
}

fn all_rows(schema: &Value) -> Vec<Row> {
    let mut found = Vec::new();
    collect("", schema, &mut found);
    found
}

fn collect(prefix: &str, schema: &Value, found: &mut Vec<Row>) {
    for (name, member) in ordered(schema) {
        let key = format!("{prefix}{name}");
        let required = schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
        found.push(row(&key, member, required));
        collect(&format!("{key}."), member, found);
        collect(&format!("{key}.*."), &member["additionalProperties"], found);
        collect(&format!("{key}[]."), &member["items"], found);
    }
}

fn ordered(schema: &Value) -> Vec<(&String, &Value)> {
    let Some(members) = schema.get("properties").and_then(Value::as_object) else { return Vec::new() };
    let mut members: Vec<_> = members.iter().collect();
    members.sort_by_key(|(name, _)| ORDER.iter().position(|known| known == name).unwrap_or(ORDER.len()));
    members
}

/// The three kinds of environments in one table: most keys belong to one or two of them.
fn environments() -> Vec<Row> {
    let schema = File::Project.schema();
    let kinds = schema["properties"]["environments"]["additionalProperties"]["oneOf"].clone();
    let kinds: Vec<Value> = kinds.as_array().cloned().unwrap_or_default();
    let name = |kind: &Value| kind["properties"]["api"]["const"].as_str().unwrap_or_default().to_owned();
    let mut found = vec![Row {
        key: "api".to_owned(),
        values: kinds.iter().map(|kind| format!("`{}`", name(kind))).collect::<Vec<_>>().join(", "),
        default: "required".to_owned(),
        meaning: kinds
            .iter()
            .map(|kind| format!("`{}`: {}", name(kind), kind["description"].as_str().unwrap_or_default()))
            .collect::<Vec<_>>()
            .join(" "),
    }];
    for kind in &kinds {
        let below = all_rows(kind).into_iter().filter(|row| row.key != "api");
        found
            .extend(below.map(|row| Row { meaning: format!("Of `{}`. {}", name(kind), row.meaning), ..row }));
    }
    found
}

fn row(key: &str, schema: &Value, required: bool) -> Row {
    let default = match schema.get("default") {
        Some(Value::Null) | None if required => "required".to_owned(),
        Some(Value::Null) | None => String::new(),
        Some(default) => format!("`{}`", flow(default)),
    };
    let mut meaning = schema["description"].as_str().unwrap_or_default().to_owned();
    if let (Some(words), Some(texts)) = (schema["enum"].as_array(), schema["enumDescriptions"].as_array()) {
        let said = words.iter().zip(texts).filter(|(word, text)| !word.is_null() && **text != "");
        for (word, text) in said {
            let text = text.as_str().unwrap_or_default();
            meaning.push_str(&format!(" `{}`: {text}", flow(word)));
        }
    }
    Row { key: key.to_owned(), values: values(schema), default, meaning }
}

/// Values as people write them in YAML.
fn flow(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members = members.iter().map(|(key, value)| format!("{key}: {}", flow(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Which values a key takes. Null is told of in the text: it means the same everywhere.
fn values(schema: &Value) -> String {
    if let Some(branches) = ["anyOf", "oneOf"].iter().find_map(|key| schema[key].as_array()) {
        let branches: Vec<String> = branches.iter().map(values).filter(|said| !said.is_empty()).collect();
        return branches.join(" or ");
    }
    if let Some(words) = schema["enum"].as_array() {
        let words = words.iter().filter(|word| !word.is_null()).map(|word| format!("`{}`", flow(word)));
        return words.collect::<Vec<_>>().join(", ");
    }
    let name = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        other => other.as_str(),
    };
    match name {
        Some("boolean") => "`true`, `false`".to_owned(),
        Some("string") => format!("text{}", span(schema, "minLength", "maxLength", " of ", " characters")),
        Some("integer") => format!("whole number{}", span(schema, "minimum", "maximum", ", ", "")),
        Some("number") => format!("number{}", span(schema, "minimum", "maximum", ", ", "")),
        Some("array") => list(schema),
        Some("object") => mapping(schema),
        _ => String::new(),
    }
}

fn list(schema: &Value) -> String {
    let most = schema["maxItems"].as_u64().map_or(String::new(), |most| format!(", {most} at most"));
    let what = match values(&schema["items"]) {
        text if text.starts_with("text") => "texts",
        _ if schema["items"]["properties"].is_object() => "mappings",
        text if text.contains("text") => "texts",
        _ => "values",
    };
    format!("list of {what}{most}")
}

fn mapping(schema: &Value) -> String {
    let most = schema["maxProperties"].as_u64().map_or(String::new(), |most| format!(", {most} at most"));
    let free = schema.get("properties").and_then(Value::as_object).is_none_or(Map::is_empty);
    if free { format!("mapping by name{most}") } else { "mapping".to_owned() }
}

/// Bounds in words; nothing where there are none.
fn span(schema: &Value, min: &str, max: &str, before: &str, after: &str) -> String {
    // The most that a version's number can be says nothing to people.
    let max = schema.get(max).filter(|max| max.as_u64().is_none_or(|max| max < u64::from(u32::MAX)));
    let min = schema.get(min);
    match (min, max) {
        (Some(min), Some(max)) => format!("{before}{min} to {max}{after}"),
        (Some(min), None) => format!("{before}{min} or more{after}"),
        (None, Some(max)) => format!("{before}at most {max}{after}"),
        (None, None) => String::new(),
    }
}
