//! Tests that the reader of fault files agrees with the schema and the documentation of fault files.

use amigops::schema::SchemaFile;
use amigops_emulator::{Fault, Faults, RetryAfter};
use serde_json::{Value, json};

fn kinds() -> Vec<Value> {
    let schema = SchemaFile::Faults.schema();
    schema["properties"]["faults"]["items"]["oneOf"].as_array().unwrap().clone()
}

/// Reads a fault file with one rule. The rule is given as JSON, because every JSON text is also YAML.
fn read(rule: &Value) -> Result<Faults, String> {
    let read = Faults::from_yaml(&json!({"faults": [rule]}).to_string());
    read.map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

/// Returns values that the reader must accept for a key, and values that it must refuse.
fn samples(name: &str, schema: &Value) -> (Vec<Value>, Vec<Value>) {
    match (schema["type"].as_str(), name) {
        (Some("integer"), _) => {
            let (least, most) = (schema["minimum"].as_u64().unwrap(), schema["maximum"].as_u64());
            let mut good = vec![json!(least)];
            let mut bad = vec![json!("many"), json!(1.5), json!(least as i64 - 1), Value::Null];
            good.extend(most.map(Value::from));
            bad.extend(most.map(|most| json!(most + 1)));
            (good, bad)
        }
        (Some("boolean"), _) => (vec![json!(true)], vec![json!("yes"), json!(1)]),
        (Some("object"), _) => (vec![json!({"x-a": "b"})], vec![json!({"x-a": 1}), json!(["a"])]),
        (_, "method") => (schema["enum"].as_array().unwrap().clone(), vec![json!("get"), json!(1)]),
        _ => (vec![json!("/a")], vec![json!(1), json!(["a"])]),
    }
}

#[test]
fn the_reader_accepts_exactly_what_the_schema_accepts() {
    let mut count = 0;
    for kind in kinds() {
        let keys = kind["properties"].as_object().unwrap();
        let mut rule = json!({"fault": keys["fault"]["const"]});
        let required: Vec<_> =
            kind["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        for name in required.iter().filter(|name| **name != "fault") {
            assert!(read(&rule).unwrap_err().contains(&format!("needs the key `{name}`")), "{rule}");
            rule[*name] = samples(name, &keys[*name]).0[0].clone();
        }
        read(&rule).unwrap();
        for (name, schema) in keys.iter().filter(|(name, _)| *name != "fault") {
            let (good, bad) = samples(name, schema);
            let with = |value: &Value| {
                let mut rule = rule.clone();
                rule[name] = value.clone();
                read(&rule)
            };
            for value in &good {
                with(value).unwrap();
            }
            for value in &bad {
                let told = with(value).unwrap_err();
                assert!(told.contains("expected ") || told.contains("did you mean"), "{name}: {told}");
            }
            count += good.len() + bad.len();
        }
        rule["no_such_key"] = json!(1);
        assert!(read(&rule).unwrap_err().contains("there is no key"), "{rule}");
    }
    assert!(count > 100, "only {count} samples");
}

#[test]
fn rules_are_read_into_faults() {
    let faults = Faults::from_yaml(
        "faults:
  - {method: PUT, path: /v1/acme/, nth: 2, times: 3, fault: dribble, millis: 5}
  - {fault: answer, status: 429, retry_after_date: 7, headers: {Content-Type: text/html}, processed: true}
",
    );
    let [first, second] = &faults.unwrap().0[..] else { panic!("two rules") };
    assert_eq!((first.method.as_deref(), first.path.as_deref()), (Some("PUT"), Some("/v1/acme/")));
    assert_eq!((first.nth, first.times, &first.what), (2, 3, &Fault::SlowBody { millis: 5 }));
    let headers = [("content-type".to_owned(), "text/html".to_owned())].into();
    let retry_after = Some(RetryAfter::Date(7));
    let body = String::new();
    assert_eq!(second.what, Fault::Answer { status: 429, processed: true, headers, retry_after, body });
    assert_eq!((second.nth, second.times), (1, 1));
}

#[test]
fn contradictory_rules_are_refused() {
    let answer = |more: Value| {
        let mut rule = json!({"fault": "answer", "status": 503});
        rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        read(&rule).unwrap_err()
    };
    let both = answer(json!({"retry_after": 1, "retry_after_date": 1}));
    assert!(both.contains("`retry_after` and `retry_after_date` can't be combined"), "{both}");
    for (name, value) in
        [("content-length", "5"), ("Transfer-Encoding", "chunked"), ("a b", "c"), ("a", "b\nc")]
    {
        let refused = answer(json!({"headers": {name: value}}));
        assert!(refused.contains(&format!("header {name:?}:")), "{refused}");
    }
    assert_eq!(
        read(&json!({"nth": 2})).unwrap_err().split_once(": ").unwrap().1,
        "a rule needs the key `fault` with one of `refuse`, `lose_request`, `lose_answer`, `cut_answer`, `garble`, `delay`, `dribble`, `close`, `hide`, `answer`"
    );
}

/// The files are not lists of rules, so each must be reported with the location of the mistake.
#[test]
fn wrong_types_are_reported_with_their_location() {
    for (text, words) in [
        ("- fault: refuse\n", "1:1"),
        ("fault: []\n", "1:1: there is no key \"fault\": did you mean `faults`?"),
        ("{}\n", "1:1: the file has no rules: expected `faults:` with a list of rules"),
        ("rules: []\n", "1:1: there is no key \"rules\": expected one of `faults`"),
        ("faults: refuse\n", "1:9"),
        ("faults:\n  - refuse\n", "2:5"),
        ("faults:\n  - {fault: refuse, fault: close}\n", "2:21"),
        ("faults: [\n", "1:9: unclosed bracket"),
    ] {
        let problems = Faults::from_yaml(text).unwrap_err();
        let [problem] = &problems[..] else { panic!("{text}: {problems:?}") };
        assert!(problem.to_string().starts_with(words.split(": ").next().unwrap()), "{text}: {problem}");
        assert!(problem.to_string().contains(words), "{text}: {problem}");
    }
}

#[test]
fn every_key_is_documented_and_the_example_is_valid() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/faults.md")).unwrap();
    for kind in kinds() {
        let keys = kind["properties"].as_object().unwrap();
        let words = keys.keys().map(String::as_str).chain(keys["fault"]["const"].as_str());
        for word in words {
            assert!(page.contains(&format!("`{word}`")), "docs/faults.md doesn't explain `{word}`");
        }
    }
    let example = std::fs::read_to_string(root.join("examples/faults.yaml")).unwrap();
    assert!(page.contains(&example), "docs/faults.md shows examples/faults.yaml");
    assert_eq!(Faults::from_yaml(&example).map(|faults| faults.0.len()), Ok(6));
}
