//! Tests every key of a service: the value that the loader puts into the desired state.

use std::collections::{BTreeMap, BTreeSet};

use amigops::model::{
    DesiredPreference, DesiredService, DesiredVersionSet, FieldPath, Lifecycle, OnAgentChange, Pin, Place,
    Reference, Retire, ServiceName, SmokeTest, VersionSetName,
};
use serde_json::json;

use super::{Case, PROJECT};

const EVERYTHING: &str = r#"# yaml-language-server: $schema=../schema/service.schema.json
service: Health Coach                # the name: its identity
description: Coaches members on nutrition, exercise and medication
agent: Coach Maya
context_graph: {id: 6618791275530b73714e9d18}
active: true
keyterms: [metformin, " blood sugar ", metformin]
tags: {tier: gold, audited: ~, " spaced ": " out "}
version_sets:
  release: {agent_version: 3, context_graph_version: 5}
  staging:
    agent_version: latest
    context_graph_version: 6
    llm_model_preferences:
      EngageUser: {llm_name: openai_gpt-5.1-2025-11-13, params: {temperature: 0.4}}
  NO: {}
depends_on: [Meet & Greet]
lifecycle:
  renamed_from: Wellness Coach
  on_agent_change: replace
  retire: keep
  prevent_removal: true
  ignore: [description, tags.tier, version_sets.dev, version_sets.dev.agent_version]
smoke:
  - {version_set: staging, say: "Hello", expect: "(?i)hello|welcome", gate: false}
  - {}
environments:
  production: {version_sets: {release: {agent_version: 2}}}
---
service: Meet & Greet
agent: Greeter
context_graph: Onboarding
"#;

fn place(line: usize, column: usize) -> Place {
    Place { file: "services/a.yaml".to_owned(), line, column }
}

fn sets() -> BTreeMap<VersionSetName, DesiredVersionSet> {
    let params = json!({"temperature": 0.4}).as_object().cloned();
    let preference = DesiredPreference {
        llm_name: "openai_gpt-5.1-2025-11-13".to_owned(),
        params,
        experience_controls: None,
    };
    let pins = |agent, graph, preferences, line| DesiredVersionSet {
        agent_version: agent,
        context_graph_version: graph,
        llm_model_preferences: preferences,
        place: place(line, 3),
    };
    BTreeMap::from([
        ("release".into(), pins(Some(Pin::Number(3)), Some(Pin::Number(5)), None, 10)),
        (
            "staging".into(),
            pins(
                Some(Pin::Latest),
                Some(Pin::Number(6)),
                Some(BTreeMap::from([("EngageUser".to_owned(), preference)])),
                11,
            ),
        ),
        ("NO".into(), pins(None, None, None, 16)),
    ])
}

fn everything() -> DesiredService {
    let path = |text: &str| FieldPath(text.split('.').map(str::to_owned).collect());
    DesiredService {
        name: "Health Coach".into(),
        place: place(2, 10),
        agent: Reference::Name("Coach Maya".to_owned()),
        agent_place: place(4, 8),
        context_graph: Reference::Id("6618791275530b73714e9d18".to_owned()),
        context_graph_place: place(5, 16),
        description: Some("Coaches members on nutrition, exercise and medication".to_owned()),
        active: Some(true),
        keyterms: Some(vec!["metformin".to_owned(), "blood sugar".to_owned()]),
        tags: Some(BTreeMap::from([
            ("tier".to_owned(), Some("gold".to_owned())),
            ("audited".to_owned(), None),
            ("spaced".to_owned(), Some("out".to_owned())),
            ("team".to_owned(), Some("care".to_owned())),
        ])),
        version_sets: Some(sets()),
        settings: serde_json::Map::new(),
        setting_places: BTreeMap::new(),
        depends_on: BTreeSet::from([ServiceName::new("Meet & Greet")]),
        lifecycle: Lifecycle {
            renamed_from: Some("Wellness Coach".into()),
            on_agent_change: Some(OnAgentChange::Replace),
            retire: Retire::Keep,
            prevent_removal: true,
            ignore: BTreeSet::from([
                path("description"),
                path("tags.tier"),
                path("version_sets.dev"),
                path("version_sets.dev.agent_version"),
            ]),
        },
        smoke: vec![
            SmokeTest {
                version_set: "staging".into(),
                say: Some("Hello".to_owned()),
                expect: Some("(?i)hello|welcome".to_owned()),
            },
            SmokeTest { version_set: "release".into(), say: None, expect: None },
        ],
    }
}

#[test]
fn every_key_of_a_service_is_loaded() {
    let case = Case::new(&[
        ("amigops.yaml", &format!("{PROJECT}defaults: {{tags: {{team: care}}}}\n")),
        ("services/a.yaml", EVERYTHING),
    ]);
    let loaded = case.loaded();
    assert_eq!(loaded.desired.services.get("Health Coach"), Some(&everything()));
    assert_eq!(loaded.desired.services.len(), 2);
    assert_eq!(loaded.files, 2);
    let warnings: Vec<_> = loaded.warnings.iter().map(|one| one.code.as_str()).collect();
    assert_eq!(warnings, ["AG032"]);

    let production = super::load(case.path(), Some("production")).expect("it is fine, too");
    let coach = production.desired.services.get("Health Coach").expect("it is there");
    let release = &coach.version_sets.as_ref().expect("declared")["release"];
    assert_eq!(
        (release.agent_version, release.context_graph_version),
        (Some(Pin::Number(2)), Some(Pin::Number(5)))
    );
    let greet = &production.desired.services["Meet & Greet"];
    assert_eq!(greet.tags, Some(BTreeMap::from([("team".to_owned(), Some("care".to_owned()))])));
    assert_eq!((&greet.version_sets, &greet.keyterms, greet.active), (&None, &None, None));
}

#[test]
fn quickstart_loads_without_problems() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart");
    for environment in [None, Some("staging")] {
        let loaded = super::load(&root, environment)
            .unwrap_or_else(|problems| panic!("{:#?}", super::listed(&problems)));
        assert_eq!((loaded.desired.services.len(), loaded.warnings.len()), (4, 0));
    }
}

#[test]
fn loading_is_deterministic() {
    let case = Case::service(EVERYTHING);
    assert_eq!(format!("{:?}", case.loaded()), format!("{:?}", case.loaded()));
}
