//! Tests that create, change and read back every field of the API's own schema with the real binary. They fail if the
//! schema has a field that manifests lack.

use std::collections::{BTreeMap, BTreeSet};

use amigops::model::Api;
use amigops::model::settings::{self, Default, Kind, SettingField};
use serde_json::{Map, Value, json};

use crate::harness::Lab;

const SEED: &str = "
organizations:
  acme:
    agents: [{name: One, versions: 3}, {name: Two, versions: 3}]
    context_graphs: [{name: Flow, versions: 3}, {name: Stream, versions: 3}]
";

/// The schemas in the OpenAPI description of the API.
struct Schemas(Map<String, Value>);

impl Schemas {
    fn read() -> Self {
        let file =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/platform-openapi.json");
        let document: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        Self(document["components"]["schemas"].as_object().unwrap().clone())
    }

    fn named(&self, name: &str) -> &Value {
        self.0.get(name).unwrap_or_else(|| panic!("no schema {name}"))
    }

    fn properties(&self, name: &str) -> BTreeMap<String, Value> {
        let properties = self.named(name)["properties"].as_object().unwrap();
        properties.iter().map(|(name, schema)| (name.clone(), schema.clone())).collect()
    }

    /// Follows a reference and returns its schema. If the schema allows either null or a value, returns the schema of
    /// the value.
    fn plain<'a>(&'a self, schema: &'a Value) -> &'a Value {
        if let Some(reference) = schema["$ref"].as_str() {
            return self.plain(self.named(reference.rsplit('/').next().unwrap()));
        }
        match schema["anyOf"].as_array() {
            Some(several) => {
                let mut real = several.iter().filter(|one| one["type"] != "null");
                self.plain(real.next().unwrap())
            }
            None => schema,
        }
    }

    /// Returns true if the schema allows null.
    fn nullable(schema: &Value) -> bool {
        schema["anyOf"].as_array().is_some_and(|several| several.iter().any(|one| one["type"] == "null"))
    }

    /// Returns a value that the schema allows. Different values of `turn` give different values, if the schema allows
    /// more than one.
    fn value(&self, schema: &Value, turn: usize) -> Value {
        let schema = self.plain(schema);
        if let Some(words) = schema["enum"].as_array() {
            return words[turn % words.len()].clone();
        }
        if let Some(variants) = schema["oneOf"].as_array() {
            return self.value(&variants[turn % variants.len()], turn);
        }
        if let Some(only) = schema.get("const") {
            return only.clone();
        }
        match schema["type"].as_str() {
            Some("boolean") => json!(turn.is_multiple_of(2)),
            Some("integer") => json!(schema["minimum"].as_i64().unwrap_or(40) + 1 + turn as i64),
            Some("number") => json!(schema["minimum"].as_f64().unwrap_or(1.0) + 0.25 + 0.5 * turn as f64),
            Some("string") => json!(format!("text {turn}")),
            Some("array") => json!([self.value(&schema["items"], turn)]),
            Some("object") if schema["properties"].is_object() => {
                let properties = schema["properties"].as_object().unwrap();
                properties.iter().map(|(name, schema)| (name.clone(), self.value(schema, turn))).collect()
            }
            Some("object") if schema["additionalProperties"].is_object() => {
                json!({"key": self.value(&schema["additionalProperties"], turn)})
            }
            Some("object") => json!({"free": turn}),
            other => panic!("a type that this test does not know: {other:?} in {schema}"),
        }
    }

    /// Adds the paths of all fields that have no nested properties to `found`.
    fn paths(&self, schema: &Value, path: &[String], found: &mut Vec<Vec<String>>) {
        match self.plain(schema)["properties"].as_object() {
            Some(properties) => {
                for (name, schema) in properties {
                    self.paths(schema, &[path, std::slice::from_ref(name)].concat(), found);
                }
            }
            None => found.push(path.to_vec()),
        }
    }
}

/// Returns the key in a manifest for a field of the API.
fn manifest_name(api_name: &str) -> &str {
    match api_name {
        "name" => "service",
        "agent_id" => "agent",
        "context_graph_id" => "context_graph",
        "is_active" => "active",
        "agent_version_number" => "agent_version",
        "context_graph_version_number" => "context_graph_version",
        same => same,
    }
}

/// Returns a manifest with all fields of a schema. `turn` selects one of two values for each.
fn every_field(schemas: &Schemas, turn: usize) -> Map<String, Value> {
    let mut manifest = Map::new();
    for (name, schema) in schemas.properties("CreateServiceRequest") {
        let value = match name.as_str() {
            "name" => json!("Desk"),
            // Both agents, and both context graphs below, exist in the lab.
            "agent_id" => json!(["One", "Two"][turn % 2]),
            "context_graph_id" => json!(["Flow", "Stream"][turn % 2]),
            "tags" => json!({"tier": format!("tier {turn}")}),
            "version_sets" => json!({"release": version_set(schemas, turn)}),
            _ => schemas.value(&schema, turn),
        };
        manifest.insert(manifest_name(&name).to_owned(), value);
    }
    if let Some(voice) = manifest.get_mut("voice_config") {
        // The schema only limits the length, but the value must be a phone number.
        voice["forwarding"]["forward_to"] = json!(["+12025550100", "+12025550101"][turn % 2]);
    }
    manifest
}

fn version_set(schemas: &Schemas, turn: usize) -> Value {
    let mut set = Map::new();
    for (name, schema) in schemas.properties("VersionSet-Input") {
        let value = match name.as_str() {
            "agent_version_number" | "context_graph_version_number" => json!(turn + 1),
            "llm_model_preferences" => {
                let mut preference = schemas.value(schemas.named("LLMConfig"), turn);
                preference["llm_name"] =
                    json!(["openai_gpt-5.1-2025-11-13", "google_gemini-2.5-pro"][turn % 2]);
                json!({"EngageUser": preference})
            }
            _ => schemas.value(&schema, turn),
        };
        set.insert(manifest_name(&name).to_owned(), value);
    }
    Value::Object(set)
}

/// Reads the lab's only service from the API and returns the response.
fn read_back(lab: &Lab) -> Value {
    let [service] = &lab.services()[..] else { panic!("one service is expected") };
    let id = &service.id;
    lab.get(&format!("/services/{id}"))
}

/// Returns the value in the API's response that belongs to this path in the manifest.
fn in_answer<'a>(answer: &'a Value, path: &[String]) -> &'a Value {
    path.iter().fold(answer, |value, name| match name.as_str() {
        "active" => &value["is_active"],
        "agent_version" => &value["agent_version_number"],
        "context_graph_version" => &value["context_graph_version_number"],
        same => &value[same],
    })
}

/// Returns true if the response contains the manifest's value. The response may have additional members.
fn holds(wanted: &Value, answer: &Value) -> bool {
    match (wanted, answer) {
        (Value::Object(wanted), Value::Object(answer)) => {
            wanted.iter().all(|(key, wanted)| holds(wanted, answer.get(key).unwrap_or(&Value::Null)))
        }
        _ => amigops::model::same_json(wanted, answer),
    }
}

fn value_at<'a>(value: &'a mut Value, path: &[String]) -> &'a mut Value {
    path.iter().fold(value, |value, name| &mut value[name])
}

fn write(lab: &Lab, manifest: &Value) {
    // Every JSON text is also YAML, so the manifest is written as JSON.
    lab.manifests(&serde_json::to_string_pretty(manifest).unwrap());
}

/// Returns the paths of all values in a manifest that the test changes one at a time.
fn paths(schemas: &Schemas) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (name, schema) in schemas.properties("CreateServiceRequest") {
        let path = [manifest_name(&name).to_owned()];
        match name.as_str() {
            "name" => {}
            "version_sets" => {
                let set = ["version_sets".to_owned(), "release".to_owned()];
                for name in schemas.properties("VersionSet-Input").keys() {
                    let path = [&set[..], &[manifest_name(name).to_owned()]].concat();
                    if name == "llm_model_preferences" {
                        let preference = [&path[..], &["EngageUser".to_owned()]].concat();
                        schemas.paths(schemas.named("LLMConfig"), &preference, &mut found);
                    } else {
                        found.push(path);
                    }
                }
            }
            _ => schemas.paths(&schema, &path, &mut found),
        }
    }
    found
}

#[test]
fn every_field_is_created_changed_and_read_back() {
    let schemas = Schemas::read();
    let lab = Lab::on(Api::Platform, SEED);
    let (mut now, second) =
        (Value::Object(every_field(&schemas, 0)), Value::Object(every_field(&schemas, 1)));
    write(&lab, &now);
    lab.apply().expect(0);
    lab.expect_converged();
    let all = paths(&schemas);
    let (mut changed, mut compared) = (0, 0);
    for path in &all {
        let wanted = value_at(&mut second.clone(), path).clone();
        if value_at(&mut now, path) == &wanted {
            // The schema allows only one value for this field, so it can't be changed.
            continue;
        }
        let before = in_answer(&read_back(&lab), path).clone();
        *value_at(&mut now, path) = wanted.clone();
        write(&lab, &now);
        let shown = lab.run(&["plan", "--detailed-exitcode"]).expect(2).stdout;
        let last = path.last().unwrap();
        assert!(shown.contains(last.as_str()), "{}: {shown}", path.join("."));
        lab.apply().expect(0);
        changed += 1;
        let answer = read_back(&lab);
        match path[0].as_str() {
            "agent" => assert_eq!(answer["agent_name"], wanted),
            "context_graph" => assert_eq!(answer["context_graph_name"], wanted),
            "tags" => assert!(
                answer["tags"].as_array().unwrap().contains(&json!({"key": "tier", "value": "tier 1"}))
            ),
            _ => {
                let after = in_answer(&answer, path);
                assert!(holds(&wanted, after), "{}: {wanted} was sent, {after} is there", path.join("."));
                assert_ne!(&before, after, "{}", path.join("."));
                compared += 1;
            }
        }
        lab.expect_converged();
    }
    assert!(
        changed >= 60 && compared >= 57,
        "{changed} of {} fields changed, {compared} compared",
        all.len()
    );
    assert_eq!(changed, all.len(), "each field has two values");
}

#[test]
fn a_create_and_an_update_have_the_same_fields() {
    let schemas = Schemas::read();
    let names = |schema: &str| schemas.properties(schema).into_keys().collect::<BTreeSet<_>>();
    assert_eq!(names("CreateServiceRequest"), names("UpdateServiceRequest"));
    assert_eq!(names("ServiceVoiceConfig-Input"), names("ServiceVoiceConfig-Output"));
    assert_eq!(names("VersionSet-Input"), names("VersionSet-Output"));
}

/// The tables of settings in `model::settings` must match the schemas: names, types, limits, nulls and defaults.
#[test]
fn the_tables_match_the_schemas() {
    let schemas = Schemas::read();
    let common = [
        "name",
        "description",
        "agent_id",
        "context_graph_id",
        "keyterms",
        "is_active",
        "version_sets",
        "tags",
    ];
    let mut service = schemas.named("CreateServiceRequest").clone();
    let properties = service["properties"].as_object_mut().unwrap();
    properties.retain(|name, _| !common.contains(&name.as_str()));
    let own: BTreeSet<&String> = properties.keys().collect();
    assert_eq!(
        own,
        settings::SERVICE.iter().map(|field| field.name.to_owned()).collect::<BTreeSet<_>>().iter().collect()
    );
    compare(&schemas, "CreateServiceRequest", &service, settings::SERVICE);
    for (name, table) in [
        ("ServiceVoiceConfig-Input", settings::VOICE_CONFIG),
        ("EscalationPolicy", settings::ESCALATION_POLICY),
        ("LLMExperienceControls", settings::EXPERIENCE_CONTROLS),
    ] {
        compare(&schemas, name, schemas.named(name), table);
    }
}

fn compare(schemas: &Schemas, path: &str, schema: &Value, table: &[SettingField]) {
    let properties = schema["properties"].as_object().unwrap();
    let names: BTreeSet<&str> = properties.keys().map(String::as_str).collect();
    assert_eq!(names, table.iter().map(|field| field.name).collect(), "{path}");
    let required: BTreeSet<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for field in table {
        let path = format!("{path}.{}", field.name);
        let schema = &properties[field.name];
        assert_eq!(field.nullable, Schemas::nullable(schema), "{path}: null");
        assert_eq!(field.required, required.contains(field.name), "{path}: required");
        let default = match field.default {
            Default::Nothing | Default::Fields => Value::Null,
            Default::Boolean(value) => json!(value),
            Default::Integer(value) => json!(value),
            Default::Word(value) => json!(value),
        };
        assert_eq!(schema.get("default").unwrap_or(&Value::Null), &default, "{path}: default");
        compare_kind(schemas, &path, schema, &field.kind);
    }
}

fn compare_kind(schemas: &Schemas, path: &str, schema: &Value, kind: &Kind) {
    if let (Some(variants), Kind::Object([only])) = (schema["oneOf"].as_array(), kind) {
        let words: Vec<&str> = variants
            .iter()
            .map(|variant| schemas.plain(variant)["properties"][only.name]["const"].as_str().unwrap())
            .collect();
        let Kind::OneOf(known) = only.kind else { panic!("{path}") };
        assert_eq!(words, known, "{path}");
        return;
    }
    let several = schema["anyOf"].as_array().map_or(0, Vec::len);
    let schema = schemas.plain(schema);
    let number = |name: &str| schema[name].as_f64();
    match kind {
        Kind::Boolean => assert_eq!(schema["type"], "boolean", "{path}"),
        Kind::Integer { min, max } => {
            assert_eq!(schema["type"], "integer", "{path}");
            assert_eq!(
                (number("minimum"), number("maximum")),
                ((*min != i64::MIN).then_some(*min as f64), (*max != i64::MAX).then_some(*max as f64),),
                "{path}"
            );
        }
        Kind::Number { min, max } => {
            assert_eq!(schema["type"], "number", "{path}");
            assert_eq!(
                (number("minimum"), number("maximum")),
                ((*min != f64::MIN).then_some(*min), (*max != f64::MAX).then_some(*max),),
                "{path}"
            );
        }
        Kind::Text { min, max } => {
            assert_eq!(schema["type"], "string", "{path}");
            let most = (*max != usize::MAX).then_some(*max as f64);
            assert_eq!(
                (number("minLength").unwrap_or(0.0), number("maxLength")),
                (*min as f64, most),
                "{path}"
            );
        }
        Kind::OneOf(words) => assert_eq!(schema["enum"], json!(words), "{path}"),
        Kind::List(of) => compare_kind(schemas, &format!("{path}[]"), &schema["items"], of),
        Kind::TextOrList => assert_eq!(several, 3, "{path}: a text, a list, or null"),
        Kind::Map { of, most } => {
            assert_eq!(schema["type"], "object", "{path}");
            let bound = (*most != usize::MAX).then_some(*most as f64);
            assert_eq!(number("maxProperties"), bound, "{path}");
            if **of != Kind::Any {
                compare_kind(schemas, &format!("{path}.*"), &schema["additionalProperties"], of);
            }
        }
        Kind::Any => {}
        Kind::Object(fields) => compare(schemas, path, schema, fields),
    }
}
