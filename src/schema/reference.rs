//! The reference of all keys, in Markdown, from the schemas.
//!
//! A page holds hand-written text and, between `<!-- keys of NAME … -->` and `<!-- end -->`, tables that are
//! written anew.

use serde_json::{Map, Value};

use super::File;
use super::settings::NULLABLE;
use crate::model::settings::{ESCALATION_POLICY, EXPERIENCE_CONTROLS, Field, SERVICE, VOICE_CONFIG};

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
    "max_removals",
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
    "depends_on",
    "smoke",
    "version_set",
    "say",
    "expect",
    "lifecycle",
    "renamed_from",
    "on_agent_change",
    "retire",
    "prevent_removal",
    "ignore",
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
const TABLES: [Table; 7] = [
    ("project", || rows(&File::Project.schema(), ORDER, &["defaults", "environments"])),
    ("environments", environments),
    ("service", || {
        let mut found = rows(&File::Service.schema(), ORDER, &["environments", "experience_controls"]);
        found.retain(|row| !is_setting(row));
        // What goes over all of it is read last.
        found.sort_by_key(|row| row.key == "environments");
        found
    }),
    ("settings", || {
        let mut found = rows(&File::Service.schema(), &names(SERVICE), &[]);
        found.retain(|row| is_setting(row) && !row.key.contains('.'));
        found
    }),
    ("voice_config", || {
        rows(&File::Service.schema()["properties"]["voice_config"], &names(VOICE_CONFIG), &[])
    }),
    ("escalation_policy", || {
        rows(&File::Service.schema()["properties"]["escalation_policy"], &names(ESCALATION_POLICY), &[])
    }),
    ("experience_controls", || {
        let schema = File::Service.schema();
        let set = &schema["properties"]["version_sets"]["additionalProperties"];
        let preference = &set["properties"]["llm_model_preferences"]["additionalProperties"];
        rows(&preference["properties"]["experience_controls"], &names(EXPERIENCE_CONTROLS), &[])
    }),
];

/// The names of fields, in the API's order.
fn names(fields: &[Field]) -> Vec<&'static str> {
    fields.iter().map(|field| field.name).collect()
}

/// Whether a key of a service, or one below it, belongs to the settings, which have tables of their own.
fn is_setting(row: &Row) -> bool {
    names(SERVICE).contains(&row.key.split('.').next().unwrap_or_default())
}

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
#[derive(PartialEq)]
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

/// The keys of a schema at every depth, but not those below some.
fn rows(schema: &Value, order: &[&str], closed: &[&str]) -> Vec<Row> {
    let mut found = Vec::new();
    collect("", schema, order, &mut found);
    found.retain(|row| match row.key.rsplit_once('.') {
        Some((above, _)) => !above.split('.').any(|part| closed.contains(&part)),
        None => true,
    });
    found
}

fn collect(prefix: &str, schema: &Value, order: &[&str], found: &mut Vec<Row>) {
    let Some(members) = schema.get("properties").and_then(Value::as_object) else { return };
    let mut members: Vec<_> = members.iter().collect();
    members.sort_by_key(|(name, _)| order.iter().position(|known| known == name).unwrap_or(order.len()));
    for (name, member) in members {
        let key = format!("{prefix}{name}");
        let required = schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
        found.push(row(&key, member, required));
        collect(&format!("{key}."), member, order, found);
        collect(&format!("{key}.*."), &member["additionalProperties"], order, found);
        collect(&format!("{key}[]."), &member["items"], order, found);
    }
}

/// The kinds of environments in one table; a key that several have in the same sense is there once.
fn environments() -> Vec<Row> {
    let schema = File::Project.schema();
    let kinds = &schema["properties"]["environments"]["additionalProperties"]["oneOf"];
    let kinds = kinds.as_array().map(Vec::as_slice).unwrap_or_default();
    let name = |kind: &Value| format!("`{}`", flow(&kind["properties"]["api"]["const"]));
    let described = |kind: &Value| format!("{}: {}", name(kind), flow(&kind["description"]));
    let mut found: Vec<(String, Row)> = Vec::new();
    for kind in kinds {
        for row in rows(kind, ORDER, &[]).into_iter().filter(|row| row.key != "api") {
            let same = found.iter_mut().find(|(_, other)| *other == row);
            match same {
                Some((of, _)) => of.push_str(&format!(" and {}", name(kind))),
                None => found.push((name(kind), row)),
            }
        }
    }
    let api = Row {
        key: "api".to_owned(),
        values: kinds.iter().map(name).collect::<Vec<_>>().join(", "),
        default: "required".to_owned(),
        meaning: kinds.iter().map(described).collect::<Vec<_>>().join(" "),
    };
    let others =
        found.into_iter().map(|(of, row)| Row { meaning: format!("Of {of}. {}", row.meaning), ..row });
    std::iter::once(api).chain(others).collect()
}

fn row(key: &str, schema: &Value, required: bool) -> Row {
    let default = match schema.get("default") {
        Some(Value::Null) | None if required => "required".to_owned(),
        Some(Value::Null) | None => String::new(),
        Some(default) => format!("`{}`", flow(default)),
    };
    let mut meaning = schema["description"].as_str().unwrap_or_default().to_owned();
    let mut values = values(schema);
    // What is said at each key is said of all at once on a page.
    if let Some(rest) = meaning.strip_suffix(NULLABLE) {
        meaning = rest.to_owned();
        values.push_str(" or `~`");
    }
    if let (Some(words), Some(texts)) = (schema["enum"].as_array(), schema["enumDescriptions"].as_array()) {
        let said = words.iter().zip(texts).filter(|(word, text)| !word.is_null() && **text != "");
        for (word, text) in said {
            let text = text.as_str().unwrap_or_default();
            meaning.push_str(&format!(" `{}`: {text}", flow(word)));
        }
    }
    Row { key: key.to_owned(), values, default, meaning }
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
