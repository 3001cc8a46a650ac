//! Tests of the merge of `defaults`, document and overlay, in this order, by JSON Merge Patch (RFC 7396).

use std::collections::BTreeMap;

use amigops::model::DesiredService;

use super::{Case, PROJECT, SERVICE, load};

fn production(project: &str, document: &str) -> DesiredService {
    let case = Case::new(&[("amigops.yaml", &format!("{PROJECT}{project}")), ("services/a.yaml", document)]);
    let mut loaded = load(case.path(), Some("production"))
        .unwrap_or_else(|problems| panic!("{:#?}", super::listed(&problems)));
    loaded.desired.services.remove("A").expect("it is there")
}

fn with_overlay(overlay: &str) -> String {
    format!(
        "{SERVICE}tags: {{tier: gold, audited: ~}}\nkeyterms: [a]\nenvironments: {{production: {overlay}}}\n"
    )
}

fn tags(pairs: &[(&str, Option<&str>)]) -> Option<BTreeMap<String, Option<String>>> {
    Some(pairs.iter().map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned))).collect())
}

#[test]
fn layers_are_merged_in_order() {
    let cases = [
        ("", "{}", tags(&[("tier", Some("gold")), ("audited", None)])),
        ("", "{tags: {tier: ~}}", tags(&[("audited", None)])),
        ("", "{tags: {audited: ~, tier: silver}}", tags(&[("tier", Some("silver"))])),
        ("", "{tags: ~}", None),
        (
            "defaults: {tags: {tier: iron, team: care}}\n",
            "{}",
            tags(&[("tier", Some("gold")), ("team", Some("care")), ("audited", None)]),
        ),
        (
            "defaults: {tags: {audited: yes, checked: ~}}\n",
            "{tags: {checked: ~}}",
            tags(&[("tier", Some("gold")), ("audited", None)]),
        ),
    ];
    for (project, overlay, expected) in cases {
        assert_eq!(production(project, &with_overlay(overlay)).tags, expected, "{project}{overlay}");
    }
    let service =
        production("defaults: {active: false, description: x}\n", &format!("{SERVICE}description: ~\n"));
    assert_eq!((service.active, service.description), (Some(false), None));
    let service = production("", &with_overlay("{keyterms: [b, c]}"));
    assert_eq!(service.keyterms, Some(vec!["b".to_owned(), "c".to_owned()]));
    let service = production("", &with_overlay("{agent: {id: 6618791275530b73714e9d18}}"));
    assert_eq!(service.agent.to_string(), "6618791275530b73714e9d18");
}

fn codes(document: &str) -> Vec<String> {
    Case::service(document).codes().into_iter().map(|one| one.replace("services/a.yaml:", "")).collect()
}

#[test]
fn problems_point_into_the_overlay() {
    assert_eq!(codes(&with_overlay("{active: maybe}")), ["AG010 6:37"]);
    assert_eq!(codes(&with_overlay("{agent: ~}")), ["AG044 6:29"]);
    assert_eq!(codes(&with_overlay("{nmae: x}")), ["AG012 6:29"]);
    assert_eq!(codes(&with_overlay("{service: B}")), ["AG044 6:29"]);
    assert_eq!(codes(&with_overlay("{environments: {}}")), ["AG044 6:29"]);
    assert_eq!(codes(&with_overlay("[1]")), ["AG010 6:28"]);
    assert_eq!(codes(&with_overlay("{tags: {\"a-b\": x}}")), ["AG021 6:36"]);
    assert_eq!(
        codes(&format!("{SERVICE}environments: {{prodcution: {{}}, sandbox: {{}}}}\n")),
        ["AG050 4:16"]
    );
    assert_eq!(codes(&format!("{SERVICE}environments:\n")), ["AG014 4:1"]);
}

#[test]
fn every_environment_is_checked_without_duplicate_problems() {
    let document =
        format!("{SERVICE}colour: x\nenvironments: {{production: {{active: 1}}, sandbox: {{}}}}\n");
    assert_eq!(codes(&document), ["AG012 4:1", "AG010 5:37"]);
    // A required key may be missing in the document if every overlay has it.
    let document = "service: A\nenvironments:\n  production: {agent: X, context_graph: Y}\n  sandbox: {agent: X, context_graph: Z}\n";
    assert_eq!(codes(document), Vec::<String>::new());
    // Only the environment `production` has this cycle.
    let document = format!(
        "{SERVICE}environments: {{production: {{depends_on: [B]}}}}\n---\nservice: B\nagent: X\ncontext_graph: Y\ndepends_on: [A]\n"
    );
    assert_eq!(codes(&document), ["AG042 9:14"]);
}

#[test]
fn problem_in_the_defaults_is_reported_once() {
    let case = Case::new(&[
        ("amigops.yaml", &format!("{PROJECT}defaults: {{tags: {{\"a-b\": x}}, service: B, colour: red}}\n")),
        ("services/a.yaml", &format!("{SERVICE}---\nservice: B\nagent: X\ncontext_graph: Y\n")),
    ]);
    assert_eq!(
        case.codes(),
        ["AG021 amigops.yaml:9:19", "AG015 amigops.yaml:9:30", "AG012 amigops.yaml:9:42"]
    );
}
