//! Generates the reference documentation of all keys, in Markdown, from the schemas.
//!
//! A page contains hand-written text, and generated tables between `<!-- keys of NAME … -->` and `<!-- end -->`.

use serde_json::{Map, Value};

use super::file::SchemaFile;
use super::settings::NULLABLE;
use crate::model::settings::{ESCALATION_POLICY, EXPERIENCE_CONTROLS, SERVICE, SettingField, VOICE_CONFIG};

const BEGIN: &str = "<!-- keys of ";
const END: &str = "<!-- end -->";
/// The order of keys in the tables. Other keys come last.
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

/// An error in the markers of a page, which show where its tables begin and end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// A marker on the page names a table that does not exist. Contains that name.
    #[error("unknown table `{0}`; known tables: {known}", known = TABLES.map(|(name, _)| name).join(", "))]
    Unknown(String),
    /// The table with this name has no end marker.
    #[error("the table `{0}` has no `{END}`")]
    NoEnd(String),
}

type Table = (&'static str, fn() -> Vec<Row>);

/// The tables that a page can contain: their names, and the functions that return their rows.
const TABLES: [Table; 7] = [
    ("project", || rows(&SchemaFile::Project.schema(), ORDER, &["defaults", "environments"])),
    ("environments", environments),
    ("service", || {
        let mut found = rows(&SchemaFile::Service.schema(), ORDER, &["environments", "experience_controls"]);
        found.retain(|row| !is_setting(row));
        // `environments` (the overlays) can change all other keys, so its row comes last.
        found.sort_by_key(|row| row.key == "environments");
        found
    }),
    ("settings", || {
        let mut found = rows(&SchemaFile::Service.schema(), &names(SERVICE), &[]);
        found.retain(|row| is_setting(row) && !row.key.contains('.'));
        found
    }),
    ("voice_config", || {
        rows(&SchemaFile::Service.schema()["properties"]["voice_config"], &names(VOICE_CONFIG), &[])
    }),
    ("escalation_policy", || {
        rows(&SchemaFile::Service.schema()["properties"]["escalation_policy"], &names(ESCALATION_POLICY), &[])
    }),
    ("experience_controls", || {
        let schema = SchemaFile::Service.schema();
        let set = &schema["properties"]["version_sets"]["additionalProperties"];
        let preference = &set["properties"]["llm_model_preferences"]["additionalProperties"];
        rows(&preference["properties"]["experience_controls"], &names(EXPERIENCE_CONTROLS), &[])
    }),
];

/// Returns the names of fields, in the API's order.
fn names(fields: &[SettingField]) -> Vec<&'static str> {
    fields.iter().map(|field| field.name).collect()
}

/// Returns true if a key is a setting of the Platform API. Settings have their own tables.
fn is_setting(row: &Row) -> bool {
    names(SERVICE).contains(&row.key.split('.').next().unwrap_or_default())
}

/// Returns a page with all of its tables regenerated from the schemas.
///
/// # Errors
///
/// Errors if the page refers to an unknown table, or a table has no end marker.
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

/// A row of a table: a key, and its possible values, default and meaning.
#[derive(PartialEq)]
struct Row {
    key: String,
    values: String,
    default: String,
    meaning: String,
}

fn table(rows: &[Row]) -> String {
    // A `|` would end the table cell, even inside backticks, so it is escaped.
    let cell = |text: &str| text.replace('|', "\\|").replace("\n\n", "<br>");
    let mut lines = vec!["| key | value | default | meaning |".to_owned(), "|---|---|---|---|".to_owned()];
    lines.extend(rows.iter().map(|row| {
        let (values, default) = (cell(&row.values), cell(&row.default));
        format!("| `{}` | {values} | {default} | {} |", row.key, cell(&row.meaning))
    }));
    lines.join("\n") + "\n"
}

/// Returns one row for each key of a schema, at every depth, in the given order of keys. Leaves out the keys below each
/// of the `closed` keys.
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

/// Returns the rows of one table for all kinds of environments. A key with the same meaning in several kinds has only
/// one row.
fn environments() -> Vec<Row> {
    let schema = SchemaFile::Project.schema();
    let kinds = &schema["properties"]["environments"]["additionalProperties"]["oneOf"];
    let kinds = kinds.as_array().map(Vec::as_slice).unwrap_or_default();
    let name = |kind: &Value| format!("`{}`", flow(&kind["properties"]["api"]["const"]));
    let described = |kind: &Value| format!("{}: {}", name(kind), flow(&kind["description"]));
    let mut found: Vec<(Vec<String>, Row)> = Vec::new();
    for kind in kinds {
        for row in rows(kind, ORDER, &[]).into_iter().filter(|row| row.key != "api") {
            let same = found.iter_mut().find(|(_, other)| *other == row);
            match same {
                Some((of, _)) => of.push(name(kind)),
                None => found.push((vec![name(kind)], row)),
            }
        }
    }
    let api = Row {
        key: "api".to_owned(),
        values: kinds.iter().map(name).collect::<Vec<_>>().join(", "),
        default: "required".to_owned(),
        meaning: kinds.iter().map(described).collect::<Vec<_>>().join(" "),
    };
    let others = found.into_iter().map(|(of, row)| match of.len() == kinds.len() {
        true => row,
        false => Row { meaning: format!("{} only. {}", of.join(" and "), row.meaning), ..row },
    });
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
    // The page explains null once for all keys, so each row only shows `~` instead of the sentence.
    if let Some(rest) = meaning.strip_suffix(NULLABLE) {
        meaning = rest.to_owned();
        values.push_str(" or `~`");
    }
    if let (Some(words), Some(texts)) = (schema["enum"].as_array(), schema["enumDescriptions"].as_array()) {
        let descriptions = words.iter().zip(texts).filter(|(word, text)| !word.is_null() && **text != "");
        for (word, text) in descriptions {
            let text = text.as_str().unwrap_or_default();
            meaning.push_str(&format!(" `{}`: {text}", flow(word)));
        }
    }
    Row { key: key.to_owned(), values, default, meaning }
}

/// Formats a value as YAML in flow style, such as `{tag: managed_by}`.
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

/// Describes the values that a key accepts, such as `string of 1 to 128 characters`. Leaves out null, because the page
/// explains null once for all keys.
fn values(schema: &Value) -> String {
    if let Some(branches) = ["anyOf", "oneOf"].iter().find_map(|key| schema[key].as_array()) {
        let branches: Vec<String> = branches.iter().map(values).filter(|text| !text.is_empty()).collect();
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
        Some("string") => format!("string{}", span(schema, "minLength", "maxLength", " of ", " characters")),
        Some("integer") => format!("whole number{}", span(schema, "minimum", "maximum", ", ", "")),
        Some("number") => format!("number{}", span(schema, "minimum", "maximum", ", ", "")),
        Some("array") => list(schema),
        Some("object") => mapping(schema),
        _ => String::new(),
    }
}

fn list(schema: &Value) -> String {
    let most = schema["maxItems"].as_u64().map_or(String::new(), |most| format!(", at most {most}"));
    let what = match values(&schema["items"]) {
        text if text.starts_with("string") => "strings",
        _ if schema["items"]["properties"].is_object() => "mappings",
        text if text.contains("string") => "strings",
        _ => "values",
    };
    format!("list of {what}{most}")
}

fn mapping(schema: &Value) -> String {
    let most = schema["maxProperties"].as_u64().map_or(String::new(), |most| format!(", at most {most}"));
    let free = schema.get("properties").and_then(Value::as_object).is_none_or(Map::is_empty);
    if free { format!("mapping by name{most}") } else { "mapping".to_owned() }
}

/// Describes the limits of a number or of a length, such as `1 to 128`. `min` and `max` are the schema's keywords for
/// the limits. `before` and `after` are added around the result. Returns an empty string if there are no limits.
fn span(schema: &Value, min: &str, max: &str, before: &str, after: &str) -> String {
    // The maximum of a version number (2^32 - 1) is not useful to readers, so it is left out.
    let max = schema.get(max).filter(|max| max.as_u64().is_none_or(|max| max < u64::from(u32::MAX)));
    let min = schema.get(min);
    match (min, max) {
        (Some(min), Some(max)) => format!("{before}{min} to {max}{after}"),
        (Some(min), None) => format!("{before}{min} or more{after}"),
        (None, Some(max)) => format!("{before}at most {max}{after}"),
        (None, None) => String::new(),
    }
}
