//! Tests of the limits of YAML files, and of the accepted text encodings.

use std::fmt::Write as _;

use super::{Case, PROJECT, SERVICE, listed};

fn only(case: &Case) -> String {
    let problems = case.problems();
    assert_eq!(problems.diagnostics.len(), 1, "{:#?}", listed(&problems));
    listed(&problems).remove(0)
}

#[test]
fn ten_megabytes_are_refused() {
    let case = Case::service(&"# a comment that goes on and on\n".repeat(330_000));
    assert_eq!(only(&case), "AG003 services/a.yaml: `services/a.yaml` is larger than the limit of 8 MB []");
}

#[test]
fn deep_nesting_is_refused() {
    for (open, close) in [("[", "]"), ("{a: ", "}")] {
        let text = format!("{SERVICE}tags: {}{}\n", open.repeat(5_000), close.repeat(5_000));
        let problem = only(&Case::service(&text));
        assert!(problem.starts_with("AG006 services/a.yaml:4:"), "{problem}");
        assert!(problem.contains("nested more than 64 levels deep"), "{problem}");
    }
    let mut text = format!("{SERVICE}tags:\n");
    (1..200).for_each(|depth| text.push_str(&format!("{}a:\n", " ".repeat(depth))));
    assert!(only(&Case::service(&text)).contains("nested more than 64 levels deep"));
}

#[test]
fn alias_bombs_are_refused() {
    let mut text = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for n in 1..12 {
        let _ = writeln!(text, "a{n}: &a{n} [{}]", vec![format!("*a{}", n - 1); 9].join(", "));
    }
    assert!(only(&Case::service(&text)).contains("aliases expand to more than 100000 values"));
    let long = format!("a: &a \"{}\"\nb: [{}]\n", "x".repeat(1_000_000), vec!["*a"; 1_000].join(", "));
    assert!(only(&Case::service(&long)).contains("8 MB"));
    assert!(only(&Case::service("a: &a [*a]\n")).contains("inside the value"));
}

#[test]
fn fifty_thousand_items_are_accepted() {
    let terms: String = (0..50_000).fold(String::new(), |mut all, n| {
        let _ = write!(all, "{n}: x, ");
        all
    });
    let text = format!(
        "{SERVICE}version_sets: {{dev: {{llm_model_preferences: {{E: {{llm_name: openai_x, params: {{{terms}}}}}}}}}}}\n"
    );
    let loaded = Case::service(&text).loaded();
    assert_eq!(loaded.desired.services.len(), 1);
}

#[test]
fn two_thousand_documents_in_one_file_are_accepted() {
    let mut text = String::new();
    for n in 0..2_000 {
        let _ = write!(text, "---\nservice: S{n}\nagent: A\ncontext_graph: B\n");
        if n > 0 {
            let _ = writeln!(text, "depends_on: [S{}]", n - 1);
        }
    }
    assert_eq!(Case::service(&text).loaded().desired.services.len(), 2_000);
}

#[test]
fn byte_order_marks_and_carriage_returns_are_accepted() {
    let case = Case::new(&[("amigops.yaml", &format!("\u{feff}{}", PROJECT.replace('\n', "\r\n")))]);
    let text = format!("\u{feff}---\r\n{}colour: x\r\n", SERVICE.replace('\n', "\r\n"));
    case.write("services/a.yaml", text.as_bytes());
    assert_eq!(case.codes(), ["AG012 services/a.yaml:5:1"]);
    case.write("services/a.yaml", text.replace("colour: x", "description: x").as_bytes());
    let loaded = case.loaded();
    let service = loaded.desired.services.get("A").expect("it is there");
    assert_eq!(service.description.as_deref(), Some("x"));
    assert_eq!(service.place.to_string(), "services/a.yaml:2:10");
}

#[test]
fn anchors_within_a_document_are_resolved() {
    let text = format!(
        "{SERVICE}version_sets:\n  dev: &pins {{agent_version: 1}}\n  test: *pins\ndescription: !!str 3\n"
    );
    let loaded = Case::service(&text).loaded();
    let service = loaded.desired.services.get("A").expect("it is there");
    assert_eq!(service.version_sets.as_ref().map(std::collections::BTreeMap::len), Some(2));
    assert_eq!(service.description.as_deref(), Some("3"));
}
