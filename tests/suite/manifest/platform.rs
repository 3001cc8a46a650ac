//! Tests of limits, ids, tags, retirement and smoke tests of services on the Platform API.

use std::collections::BTreeMap;

use amigops::model::{Reference, Retire};

use super::{Case, PLATFORM, SERVICE, expect_on_platform as expect, on_platform};

fn codes(document: &str) -> Vec<String> {
    let codes = Case::platform(document).codes();
    codes.into_iter().map(|one| one.replace("services/a.yaml:", "")).collect()
}

#[test]
fn names_and_descriptions() {
    let named = |length: usize| format!("service: {}\nagent: B\ncontext_graph: C\n", "é".repeat(length));
    assert_eq!(codes(&named(256)), Vec::<String>::new());
    assert_eq!(codes(&named(257)), ["AG018 1:10"]);
    assert_eq!(codes("service: \"\"\nagent: B\ncontext_graph: C\n"), ["AG020 1:10"]);
    expect(&format!("description: {}\n", "é".repeat(2_000)), &[]);
    expect(&format!("description: {}\n", "é".repeat(2_001)), &["AG018 4:14"]);
    assert_eq!(on_platform("description: \"\"\n").description.as_deref(), Some(""));
    assert_eq!(on_platform("description: \" a \"\n").description.as_deref(), Some("a"));
    expect("description: ~\n", &["AG014 4:1"]);
}

#[test]
fn key_terms() {
    let terms = |count: usize| (0..count).map(|n| format!("T{n}!")).collect::<Vec<_>>().join(", ");
    expect(&format!("keyterms: [{}]\n", terms(500)), &[]);
    expect(&format!("keyterms: [{}]\n", terms(501)), &["AG022 4:11"]);
    expect(&format!("keyterms: [{}]\n", "é".repeat(128)), &[]);
    expect(&format!("keyterms: [{}, \"\", Größe 2]\n", "é".repeat(129)), &["AG024 4:12", "AG024 4:143"]);
    expect("keyterms: [A, \" A \"]\n", &["AG032 4:15"]);
}

#[test]
fn tags() {
    let many = |count: usize| (1..=count).map(|n| format!("t{n}: x")).collect::<Vec<_>>().join(", ");
    expect(&format!("tags: {{{}}}\n", many(48)), &[]);
    expect(&format!("tags: {{{}}}\n", many(49)), &["AG022 4:7"]);
    expect(&format!("tags: {{{}}}\nlifecycle: {{prevent_removal: true}}\n", many(48)), &["AG022 4:7"]);
    let expected = [("a-b", Some("d:e")), ("empty", Some("")), ("none", None)];
    let expected: BTreeMap<_, _> =
        expected.map(|(key, value)| (key.to_owned(), value.map(str::to_owned))).into();
    assert_eq!(on_platform("tags: {a-b: \"d:e\", empty: \" \", none: ~}\n").tags, Some(expected));
    expect(
        "tags: {\"\": x, managed_by: me, replaces: x, one: 1}\n",
        &["AG020 4:8", "AG023 4:15", "AG023 4:31", "AG010 4:49"],
    );
}

#[test]
fn ids_and_retirement() {
    let by_id = |id: &str| format!("service: A\nagent: {{id: {id}}}\ncontext_graph: C\n");
    let case = Case::platform(&by_id("3FA85F64-5717-4562-B3FC-2C963F66AFA6"));
    let agent = &case.loaded().desired.services["A"].agent;
    assert_eq!(agent, &Reference::Id("3fa85f64-5717-4562-b3fc-2c963f66afa6".to_owned()));
    for bad in ["6618791275530b73714e9d18", "3fa85f64571745624b3fc2c963f66afa6", "3fa85f64-5717"] {
        assert_eq!(codes(&by_id(bad)), ["AG030 2:13"], "{bad}");
    }
    for (word, retire) in
        [("deactivate", Retire::Deactivate), ("keep", Retire::Keep), ("delete", Retire::Delete)]
    {
        assert_eq!(on_platform(&format!("lifecycle: {{retire: {word}}}\n")).lifecycle.retire, retire);
    }
    expect(
        "version_sets: {\"a b\": {}, \" c\": {}, edge: {}, personal-ann: {}}\n",
        &["AG025 4:27", "AG026 4:37", "AG027 4:47"],
    );
}

#[test]
fn unsupported_smoke_tests_are_skipped() {
    let long = format!("smoke: [{{say: {}}}]\n", "é".repeat(8_193));
    let table: &[(&str, usize, &[&str])] = &[
        ("smoke: [{say: hello}]\n", 1, &[]),
        ("smoke: [{version_set: release, say: hello, expect: a}]\n", 1, &[]),
        ("smoke: [{version_set: dev, say: hello}, {say: hi}]\n", 1, &["AG036 4:23"]),
        ("smoke: [{expect: a}]\n", 0, &["AG036 4:10"]),
        ("smoke: [{}]\n", 0, &["AG036 4:9"]),
        ("smoke: [{version_set: edge}]\n", 0, &["AG036 4:23"]),
        (&long, 0, &["AG036 4:15"]),
    ];
    for (line, kept, warnings) in table {
        expect(line, warnings);
        assert_eq!(on_platform(line).smoke.len(), *kept, "{line}");
    }
    expect("version_sets: {}\nsmoke: [{version_set: dev, say: x}]\n", &["AG035 5:23", "AG036 5:23"]);
    expect("smoke: [{say: ~}]\n", &["AG014 4:10"]);
    // On Classic, these smoke tests are run, so there is no warning.
    let case = Case::service(&format!("{SERVICE}smoke: [{{version_set: dev}}, {{expect: a}}]\n"));
    assert_eq!(case.codes(), Vec::<String>::new());
    assert_eq!(case.loaded().desired.services["A"].smoke.len(), 2);
}

#[test]
fn the_only_environment_is_selected() {
    let case = Case::new(&[("amigops.yaml", PLATFORM), ("services/a.yaml", SERVICE)]);
    assert_eq!(case.loaded().environment.name, "live");
}
