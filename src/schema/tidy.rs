//! Simplifies generated schemas, so that editors show readable descriptions and suggestions.

use serde_json::{Map, Value, json};

/// The description that editors show for null.
const NULL: &str = "Removes the value that comes from the defaults or, in an overlay, from the manifest.";

/// Tidies a schema and all its subschemas. Alternatives that are fixed words become one `enum` with descriptions.
/// Descriptions lose the line breaks of the source code. Keywords that only make sense for Rust types are removed.
pub(super) fn tidy(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Object(members) => {
            for (key, value) in members.iter_mut() {
                // These keywords contain values, not schemas, so their content stays unchanged.
                if !matches!(key.as_str(), "examples" | "default" | "enum" | "const") {
                    tidy(value);
                }
            }
            words(members);
            flatten(members);
            if let Some(Value::String(text)) = members.get_mut("description") {
                *text = unbroken(text);
            }
            // Remove Rust's number formats, `uniqueItems` (the loader accepts duplicates), and null defaults.
            members.retain(|key, value| match key.as_str() {
                "format" => !value.is_string(),
                "uniqueItems" => !value.is_boolean(),
                "default" => !value.is_null(),
                _ => true,
            });
        }
        _ => {}
    }
}

/// Returns a text with each of its paragraphs on one line.
fn unbroken(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(|paragraph| paragraph.split('\n').collect::<Vec<_>>().join(" "));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

/// Converts `oneOf` with constants to `enum` and `enumDescriptions`, which editors support.
fn words(members: &mut Map<String, Value>) {
    let Some(Value::Array(branches)) = members.get("oneOf") else { return };
    let mut found = (Vec::new(), Vec::new());
    for branch in branches {
        // The generator puts all constants without a description into one branch, as an `enum`.
        match (branch.get("const"), branch.get("enum")) {
            (Some(word), _) => {
                found.0.push(word.clone());
                found.1.push(branch.get("description").cloned().unwrap_or_else(|| json!("")));
            }
            (None, Some(Value::Array(words))) => {
                found.1.extend(words.iter().map(|_| json!("")));
                found.0.extend(words.iter().cloned());
            }
            _ => return,
        }
    }
    members.remove("oneOf");
    members.insert("type".to_owned(), json!("string"));
    members.insert("enum".to_owned(), Value::Array(found.0));
    members.insert("enumDescriptions".to_owned(), Value::Array(found.1));
}

/// Replaces an `anyOf` of one schema and null with a single schema that accepts null, if possible.
fn flatten(members: &mut Map<String, Value>) {
    let Some(Value::Array(branches)) = members.get("anyOf") else { return };
    let [Value::Object(other), null] = branches.as_slice() else { return };
    if *null != json!({"type": "null"}) {
        return;
    }
    let mut other = Value::Object(other.clone());
    if !nullable(&mut other) {
        return;
    }
    members.remove("anyOf");
    let Value::Object(other) = other else { return };
    for (key, value) in other {
        // Keep the keywords that the member already has: they override those of its type.
        members.entry(key).or_insert(value);
    }
}

/// Makes a schema accept null. Returns false if that is not possible.
pub(super) fn nullable(schema: &mut Value) -> bool {
    let Some(members) = schema.as_object_mut() else { return true };
    if let Some(Value::Array(branches)) = members.get_mut("anyOf") {
        branches.push(json!({"type": "null"}));
        return true;
    }
    match members.get_mut("type") {
        Some(Value::String(one)) => {
            let types = json!([one.clone(), "null"]);
            members.insert("type".to_owned(), types);
        }
        Some(_) | None => return members.is_empty(),
    }
    for (key, null) in [("enum", Value::Null), ("enumDescriptions", json!(NULL))] {
        if let Some(Value::Array(values)) = members.get_mut(key) {
            values.push(null);
        }
    }
    true
}

/// Removes null from the allowed values of a schema and of all its subschemas. It is for files in which null can't
/// remove a value of another file or document.
pub(super) fn never_null(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(never_null),
        Value::Object(members) => {
            let is_null = |value: &Value| *value == json!("null") || *value == json!({"type": "null"});
            for key in ["type", "anyOf"] {
                if let Some(Value::Array(branches)) = members.get_mut(key) {
                    branches.retain(|branch| !is_null(branch));
                }
            }
            if let Some(Value::Array(types)) = members.get("type")
                && let [one] = types.as_slice()
            {
                let one = one.clone();
                members.insert("type".to_owned(), one);
            }
            if let Some(Value::Array(words)) = members.get_mut("enum") {
                words.retain(|word| !word.is_null());
            }
            if let Some(Value::Array(texts)) = members.get_mut("enumDescriptions") {
                texts.retain(|text| *text != json!(NULL));
            }
            members.values_mut().for_each(never_null);
        }
        _ => {}
    }
}
