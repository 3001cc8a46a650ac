//! Tests that compare the schemas with the loader. A value that a schema accepts must load on at least one API. A value
//! that a schema refuses must not load on any API.

use amigops::manifest::{Code, Problems};
use amigops::schema::SchemaFile;
use serde_json::{Map, Value, json};

use crate::manifest::{self, Case, listed};

/// Values that a schema accepts, and values that it refuses by type, enum, limits or pattern.
#[derive(Default)]
struct Samples {
    good: Vec<Value>,
    bad: Vec<Value>,
}

fn samples(schema: &Value) -> Samples {
    let mut found = Samples::default();
    let list = |key: &str| schema[key].as_array().cloned().unwrap_or_default();
    found.good.extend(list("examples"));
    found.good.extend(schema.get("default").cloned());
    found.good.extend(list("enum").into_iter().filter(|word| !word.is_null()));
    if schema.get("enum").is_some() {
        found.bad.push(json!("no-such-word"));
    }
    for branch in list("anyOf").iter() {
        found.good.extend(samples(branch).good);
    }
    if let Some(least) = schema["minimum"].as_i64() {
        found.good.push(json!(least));
        found.bad.push(json!(least - 1));
    }
    if let Some(most) = schema["maximum"].as_i64() {
        found.good.push(json!(most));
        found.bad.push(json!(most + 1));
    }
    if let Some(most) = schema["maxLength"].as_u64() {
        let text = |length: u64| json!("+".repeat(length as usize));
        found.bad.push(text(most + 1));
    }
    if let Some(most) = schema["maxItems"].as_u64() {
        let words = |count: u64| json!((0..count).map(word).collect::<Vec<_>>());
        found.good.push(words(most));
        found.bad.push(words(most + 1));
    }
    let most = schema["maxProperties"].as_u64();
    if let Some(most) = most.filter(|_| schema["additionalProperties"]["type"] == json!(["string", "null"])) {
        let map = |count: u64| Value::Object((0..count).map(|n| (word(n), Value::Null)).collect());
        found.good.push(map(most));
        found.bad.push(map(most + 1));
    }
    if schema.get("pattern").is_some() {
        found.bad.push(json!(" "));
    }
    let name = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        other => other.as_str(),
    };
    found.bad.extend(match name {
        Some("boolean") => vec![json!("yes"), json!(1)],
        Some("string") => vec![json!(["a"]), json!({"a": "b"})],
        Some("integer" | "number") => vec![json!("many"), json!([1])],
        Some("array") => vec![json!(7), json!({"a": "b"})],
        Some("object") => vec![json!(7), json!(["a"])],
        _ => Vec::new(),
    });
    if schema["properties"].is_object() {
        found.bad.push(json!({"no_such_key": 1}));
    }
    found
}

/// Returns a word of lower-case letters that is different for each number: `a`, `b` … `aa`.
fn word(n: u64) -> String {
    let letter = char::from(b'a' + (n % 26) as u8);
    if n < 26 { letter.to_string() } else { format!("{}{letter}", word(n / 26 - 1)) }
}

/// Adds every member of a schema, at every depth, to `found`, with its path. In a path, `name` stands for a key that
/// the user chooses.
fn members<'a>(path: &[&'a str], schema: &'a Value, found: &mut Vec<(Vec<&'a str>, &'a Value)>) {
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        let path = [path, &[name.as_str()]].concat();
        members(&path, member, found);
        members(&[path.as_slice(), &["name"]].concat(), &member["additionalProperties"], found);
        members(&[path.as_slice(), &["[]"]].concat(), &member["items"], found);
        found.push((path, member));
    }
}

/// Returns JSON in which the value is at this path. A part `[]` of the path stands for a list.
fn nested(path: &[&str], value: &Value) -> Value {
    match path {
        [] => value.clone(),
        ["[]", rest @ ..] => json!([nested(rest, value)]),
        [name, rest @ ..] => Value::Object(Map::from_iter([((*name).to_owned(), nested(rest, value))])),
    }
}

fn merge(target: &mut Value, patch: Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(target.entry(key).or_insert(Value::Null), value);
            }
        }
        (target, patch) => *target = patch,
    }
}

const CLASSIC: &str = "{api: classic, organization: acme}";
const PLATFORM: &str = "{api: platform, workspace: 3fa85f64-5717-4562-b3fc-2c963f66afa6}";

/// Loads a manifest with this value at this path on one API, with the other services that the manifest may refer to.
fn load_service(api: &str, path: &[&str], value: &Value) -> Result<(), Problems> {
    let mut document = json!({"service": "A", "agent": "B", "context_graph": "C"});
    // Adds the members that the member at the path requires.
    if path.contains(&"llm_model_preferences") && path.len() > 3 {
        merge(&mut document, nested(&path[..4], &json!({"llm_name": "openai_gpt"})));
    }
    merge(&mut document, nested(path, value));
    let others = "service: Meet & Greet\nagent: B\ncontext_graph: C\n";
    let project = format!(
        "version: 1\nmanifests: [a.yaml]\nenvironments: {{live: {api}, staging: {api}}}\ndefault_environment: live\n"
    );
    let case = Case::new(&[("amigops.yaml", &project), ("a.yaml", &format!("{document}\n---\n{others}"))]);
    case.load().map(|_| ())
}

#[test]
fn loader_agrees_on_services() {
    let schema = SchemaFile::Service.schema();
    let mut all = Vec::new();
    members(&[], &schema, &mut all);
    let (mut good, mut bad) = (0, 0);
    for (path, schema) in all {
        let Samples { good: taken, bad: refused } = samples(schema);
        for value in taken {
            // A default of the API is not always a valid value in a manifest, so a value may be refused on one of the
            // APIs.
            let both = [CLASSIC, PLATFORM].map(|api| load_service(api, &path, &value));
            let said = both.iter().filter_map(|one| one.as_ref().err()).map(listed).collect::<Vec<_>>();
            assert!(both.iter().any(Result::is_ok), "{path:?}: {value} is taken by the schema: {said:#?}");
            good += 1;
        }
        for value in refused {
            for api in [CLASSIC, PLATFORM] {
                let loaded = load_service(api, &path, &value);
                assert!(loaded.is_err(), "{path:?}: {value} is refused by the schema, and loads on {api}");
            }
            bad += 1;
        }
    }
    assert!(good > 100 && bad > 150, "{good} good values, {bad} bad ones");
}

/// Loads an `amigops.yaml` with this value at this path.
fn load_project(path: &[&str], value: &Value) -> Result<(), Problems> {
    let api = match path {
        ["environments", "classic", ..] => "classic",
        ["environments", "platform", ..] => "platform",
        _ => "embedded",
    };
    let mut document =
        json!({"version": 1, "manifests": ["a.yaml"], "environments": {"sandbox": {"api": "embedded"}}});
    if let ["environments", kind, ..] = path {
        merge(&mut document, nested(&["environments", kind], &json!({"api": api, "dialect": "platform"})));
        if api != "embedded" {
            merge(&mut document, nested(&["environments", kind], &json!({"api": api})));
            document["environments"][kind].as_object_mut().unwrap().remove("dialect");
        }
    }
    merge(&mut document, nested(path, value));
    let service = "service: Emergency Line\nagent: B\ncontext_graph: C\ndescription: D\n";
    let case = Case::new(&[
        ("amigops.yaml", &document.to_string()),
        ("a.yaml", service),
        ("services/a.yaml", &service.replace("Emergency", "Other")),
    ]);
    manifest::load(case.path(), Some("sandbox")).map(|_| ()).or_else(|problems| {
        // Problems about other environments and files don't matter here.
        let about = |code: Code| matches!(code, Code::UnknownEnvironment | Code::NoEnvironment);
        if problems.diagnostics.iter().all(|one| about(one.code)) { Ok(()) } else { Err(problems) }
    })
}

#[test]
fn loader_agrees_on_projects() {
    let schema = SchemaFile::Project.schema();
    let mut all = Vec::new();
    for (name, member) in schema["properties"].as_object().unwrap() {
        if !["defaults", "environments"].contains(&name.as_str()) {
            members(&[name], member, &mut all);
            all.push((vec![name], member));
        }
    }
    let kinds = schema["properties"]["environments"]["additionalProperties"]["oneOf"].as_array().unwrap();
    for kind in kinds {
        let name = kind["properties"]["api"]["const"].as_str().unwrap();
        members(&["environments", name], kind, &mut all);
    }
    let (mut good, mut bad) = (0, 0);
    for (path, schema) in all.into_iter().filter(|(path, _)| path.last() != Some(&"api")) {
        let Samples { good: taken, bad: refused } = samples(schema);
        for value in taken {
            let loaded = load_project(&path, &value).map_err(|problems| listed(&problems));
            assert_eq!(loaded, Ok(()), "{path:?}: the schema accepts {value}");
            good += 1;
        }
        for value in refused {
            assert!(
                load_project(&path, &value).is_err(),
                "{path:?}: the schema refuses {value}, but it loads"
            );
            bad += 1;
        }
    }
    assert!(good > 20 && bad > 60, "{good} good values, {bad} bad ones");
}

/// The message of the loader about a wrong word lists the allowed words. The schema must have the same words.
#[test]
fn loader_and_schema_have_the_same_words() {
    let schema = SchemaFile::Service.schema();
    let lifecycle = &schema["properties"]["lifecycle"]["properties"];
    let environment =
        &SchemaFile::Project.schema()["properties"]["environments"]["additionalProperties"]["oneOf"];
    let words = |schema: &Value| -> Vec<String> {
        schema["enum"].as_array().unwrap().iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let apis: Vec<String> = environment
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| kind["properties"]["api"]["const"].as_str().unwrap().to_owned())
        .collect();
    let service = |path: &[&str]| load_service(PLATFORM, path, &json!("no-such-word"));
    for (expected, loaded) in [
        (words(&lifecycle["retire"]), service(&["lifecycle", "retire"])),
        (words(&lifecycle["on_agent_change"]), service(&["lifecycle", "on_agent_change"])),
        (apis, load_project(&["environments", "embedded", "api"], &json!("no-such-word"))),
        (
            words(&environment[2]["properties"]["dialect"]),
            load_project(&["environments", "embedded", "dialect"], &json!("no-such-word")),
        ),
    ] {
        let mut messages = listed(&loaded.unwrap_err());
        messages.retain(|line| line.contains("no-such-word"));
        let expected = expected.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or ");
        assert!(
            messages.iter().any(|line| line.contains(&format!(" must be {expected}, not"))),
            "{expected}: {messages:?}"
        );
    }
}

/// A document is merged over the defaults, so a null in the document must be able to remove any default.
#[test]
fn null_removes_each_default() {
    let schema = SchemaFile::Service.schema();
    for (name, member) in schema["properties"].as_object().unwrap() {
        if ["service", "environments", "agent", "context_graph"].contains(&name.as_str()) {
            continue;
        }
        let example = samples(member).good.into_iter().next();
        let example =
            example.unwrap_or_else(|| if member["type"][0] == "boolean" { json!(true) } else { json!({}) });
        let mut project: Value = json!({
            "version": 1, "manifests": ["a.yaml"],
            "environments": {"live": {"api": "platform", "workspace": "3fa85f64-5717-4562-b3fc-2c963f66afa6"}},
        });
        project["defaults"] = json!({name: example});
        let document = json!({"service": "A", "agent": "B", "context_graph": "C", name: null});
        let others = "service: Meet & Greet\nagent: B\ncontext_graph: C\ndepends_on: ~\n";
        let others = if name == "depends_on" { others } else { "service: Z\nagent: B\ncontext_graph: C\n" };
        let case = Case::new(&[
            ("amigops.yaml", &project.to_string()),
            ("a.yaml", &format!("{document}\n---\n{others}")),
        ]);
        assert_eq!(case.load().map(|_| ()).map_err(|problems| listed(&problems)), Ok(()), "{name}");
    }
}
