//! Tests that the schemas have exactly the keys that the loader accepts.

use std::collections::BTreeSet;

use amigops::manifest;
use amigops::model::settings::{
    ESCALATION_POLICY, EXPERIENCE_CONTROLS, Kind, SERVICE, SettingField, VOICE_CONFIG, field,
};
use amigops::schema::SchemaFile;
use serde_json::Value;

/// Returns the schema file and the JSON pointer in it that describe a kind of mapping that the loader knows.
fn schema_of(mapping: &str) -> (SchemaFile, &'static str) {
    const SET: &str = "/properties/version_sets/additionalProperties";
    const PREFERENCE: &str =
        "/properties/version_sets/additionalProperties/properties/llm_model_preferences/additionalProperties";
    match mapping {
        "project" => (SchemaFile::Project, ""),
        "ownership" => (SchemaFile::Project, "/properties/ownership"),
        "guardrails" => (SchemaFile::Project, "/properties/guardrails"),
        "classic" => (SchemaFile::Project, "/properties/environments/additionalProperties/oneOf/0"),
        "classic credentials" => (
            SchemaFile::Project,
            "/properties/environments/additionalProperties/oneOf/0/properties/credentials",
        ),
        "platform" => (SchemaFile::Project, "/properties/environments/additionalProperties/oneOf/1"),
        "platform credentials" => (
            SchemaFile::Project,
            "/properties/environments/additionalProperties/oneOf/1/properties/credentials",
        ),
        "embedded" => (SchemaFile::Project, "/properties/environments/additionalProperties/oneOf/2"),
        "service" => (SchemaFile::Service, ""),
        "reference" => (SchemaFile::Service, "/properties/agent/anyOf/1"),
        "version set" => (SchemaFile::Service, SET),
        "preference" => (SchemaFile::Service, PREFERENCE),
        "lifecycle" => (SchemaFile::Service, "/properties/lifecycle"),
        "smoke" => (SchemaFile::Service, "/properties/smoke/items"),
        other => panic!("`{other}` needs a schema, and an entry in this table"),
    }
}

fn keys(schema: &Value) -> BTreeSet<&str> {
    schema["properties"].as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn schemas_have_the_keys_of_the_loader() {
    let settings: BTreeSet<&str> = SERVICE.iter().map(|field| field.name).collect();
    for mapping in manifest::known_mappings() {
        let (file, pointer) = schema_of(mapping.name);
        let schema = file.schema();
        let mut expected: BTreeSet<&str> = mapping.keys.iter().copied().collect();
        if mapping.name == "service" {
            expected.extend(&settings);
        }
        assert_eq!(keys(schema.pointer(pointer).unwrap()), expected, "{}", mapping.name);
    }
}

#[test]
fn layers_have_the_keys_of_a_service_without_its_name() {
    let (service, project) = (SchemaFile::Service.schema(), SchemaFile::Project.schema());
    let mut expected = keys(&service);
    expected.retain(|key| !["service", "environments"].contains(key));
    assert_eq!(keys(&service["definitions"]["overlay"]), expected);
    assert_eq!(keys(&project["properties"]["defaults"]), expected);
    for (layer, schema) in
        [("overlay", &service["definitions"]["overlay"]), ("defaults", &project["properties"]["defaults"])]
    {
        assert!(schema.get("required").is_none(), "{layer}");
    }
    for (key, overlaid) in service["definitions"]["overlay"]["properties"].as_object().unwrap() {
        assert_eq!(*overlaid, serde_json::json!({"$ref": format!("#/properties/{key}")}));
    }
}

/// Every Platform setting, at every depth, must have the same type, allowed words and limits in the schema as in the
/// tables. It must also accept null.
#[test]
fn schemas_have_the_settings_of_the_tables() {
    let schema = SchemaFile::Service.schema();
    let preference = schema_of("preference").1;
    let properties = &schema["properties"];
    let controls = &schema.pointer(preference).unwrap()["properties"]["experience_controls"];
    let mut seen = 0;
    for (fields, described) in [
        (VOICE_CONFIG, &properties["voice_config"]),
        (ESCALATION_POLICY, &properties["escalation_policy"]),
        (EXPERIENCE_CONTROLS, controls),
    ] {
        seen += compare(fields, described);
    }
    for name in keys(&schema) {
        if let Some(setting) = field(SERVICE, name) {
            compare_field(setting, &properties[name]);
        }
    }
    assert!(seen > 50, "{seen} fields");
}

fn compare(fields: &[SettingField], schema: &Value) -> usize {
    let expected: BTreeSet<&str> = fields.iter().map(|field| field.name).collect();
    assert_eq!(keys(schema), expected);
    fields.iter().map(|field| compare_field(field, &schema["properties"][field.name])).sum()
}

fn compare_field(field: &SettingField, schema: &Value) -> usize {
    let types = |name: &str| schema["type"] == serde_json::json!([name, "null"]);
    let bound = |key: &str| schema[key].as_f64();
    let right = match field.kind {
        Kind::Boolean => types("boolean"),
        Kind::Integer { min, max } => {
            let min = (min > i64::MIN).then_some(min as f64);
            let max = (max < i64::MAX).then_some(max as f64);
            types("integer") && bound("minimum") == min && bound("maximum") == max
        }
        Kind::Number { min, max } => {
            let (min, max) = ((min > f64::MIN).then_some(min), (max < f64::MAX).then_some(max));
            types("number") && bound("minimum") == min && bound("maximum") == max
        }
        Kind::Text { min, max } => {
            let max = (max < usize::MAX).then_some(max as f64);
            types("string")
                && bound("minLength").unwrap_or_default() == min as f64
                && bound("maxLength") == max
        }
        Kind::OneOf(words) => {
            let said: Vec<_> = schema["enum"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            types("string") && said == words && schema["enum"].as_array().unwrap().contains(&Value::Null)
        }
        Kind::List(_) => types("array"),
        Kind::TextOrList => schema["anyOf"].as_array().is_some_and(|branches| branches.len() == 3),
        Kind::Map { of, most } => {
            if let Kind::Object(fields) = of {
                compare(fields, &schema["additionalProperties"]);
            }
            types("object") && bound("maxProperties") == (most < usize::MAX).then_some(most as f64)
        }
        Kind::Any => schema.get("type").is_none(),
        Kind::Object(fields) => {
            return 1 + compare(fields, schema);
        }
    };
    assert!(right, "{}: {:?} is described by {schema}", field.name, field.kind);
    assert!(
        schema["description"].as_str().unwrap().to_lowercase().contains(&field.about.to_lowercase()),
        "{}",
        field.name
    );
    1
}
