//! Tests with random files: the loader and the renderer never panic, whatever a file contains.

use std::time::{Duration, Instant};

use amigops::report::{diagnostics, github, problems_json, sarif};
use proptest::prelude::*;

use super::{Case, PLATFORM, PROJECT, validate};
use crate::validate::check_places;

const VALID: &str = r#"service: Health Coach
description: |
  Coaches members
agent: {id: 6618791275530b73714e9d18}
context_graph: Coaching Flow
tags: &t {tier: gold, audited: ~}
version_sets:
  release: {agent_version: 3, context_graph_version: 5}
  dev: {llm_model_preferences: {E: {llm_name: openai_x, params: {t: 0.4}}}}
lifecycle: {ignore: [tags.tier], retire: keep}
smoke: [{version_set: dev, expect: "(?i)a"}]
environments: {production: {tags: {tier: ~}}}
"#;

const VALID_ON_PLATFORM: &str = r#"service: Health Coach
agent: {id: 3fa85f64-5717-4562-b3fc-2c963f66afa6}
context_graph: Coaching Flow
tool_capacity: 3
voice_config:
  tts_config: {voice: x, speed: 1.5}
  filler_vocabulary: [well, so]
  language_providers: {es: {provider: groq}, fr: ~}
  forwarding: {forward_to: "+12025550100"}
escalation_policy: {risk_scorer: {type: hangup}}
version_sets:
  release:
    agent_version: 3
    context_graph_version: 5
    llm_model_preferences: {E: {llm_name: aws_x, experience_controls: {temperature: 1, stop: [a]}}}
lifecycle: {ignore: [voice_config.forwarding], retire: delete}
smoke: [{say: hello}]
environments: {live: {voice_config: {tts_config: {voice: ~}}}}
"#;

/// The maximum duration of one load. The documents have only a few kilobytes, but the machine may be busy.
const LONGEST: Duration = Duration::from_secs(10);

fn check_loading_does_not_fail(project: &[u8], manifest: &[u8]) {
    let case = Case::new(&[]);
    case.write("amigops.yaml", project);
    case.write("services/a.yaml", manifest);
    let begun = Instant::now();
    let validation = validate(case.path(), &[]);
    let problems = &validation.problems;
    assert_eq!(case.load().is_ok(), validation.is_valid(), "both ways to read a project agree");
    check_places(problems);
    drop(diagnostics::render_problems(problems, true));
    let human = diagnostics::render_problems(problems, false);
    let commands = github::render(&validation, "");
    assert_eq!(commands.lines().count(), problems.diagnostics.len(), "{commands:?}");
    for text in [human, commands, problems_json::render(&validation), sarif::render(&validation, "")] {
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    }
    assert!(begun.elapsed() < LONGEST, "{:?}", begun.elapsed());
}

/// Generates pieces of YAML that are likely to cause errors.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("[".to_owned()),
        Just("}".to_owned()),
        Just(": ".to_owned()),
        Just("\n".to_owned()),
        Just("\t".to_owned()),
        Just("- ".to_owned()),
        Just("&a ".to_owned()),
        Just("*a".to_owned()),
        Just("*t".to_owned()),
        Just("!!str ".to_owned()),
        Just("! ".to_owned()),
        Just("? ".to_owned()),
        Just("~".to_owned()),
        Just("\"".to_owned()),
        Just("'".to_owned()),
        Just("\r".to_owned()),
        Just("\u{feff}".to_owned()),
        Just("\n---\n".to_owned()),
        Just("\n...\n".to_owned()),
        Just("#".to_owned()),
        Just("|".to_owned()),
        Just("\u{202e}é🙂\u{1b}[31m".to_owned()),
        Just("00".to_owned()),
        any::<String>(),
    ]
}

fn mutate(text: &str, edits: &[(usize, usize, String)]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for (at, length, piece) in edits {
        let at = at % (chars.len() + 1);
        let end = (at + length).min(chars.len());
        chars.splice(at..end, piece.chars());
    }
    chars.into_iter().collect()
}

/// A document of any structure, mostly with known keys and values.
#[derive(Clone, Debug)]
enum Tree {
    Scalar(String),
    List(bool, Vec<Self>),
    Map(bool, Vec<(String, Self)>),
}

fn word() -> impl Strategy<Value = String> {
    let known = format!("{PROJECT}\n{PLATFORM}\n{VALID}\n{VALID_ON_PLATFORM}");
    let split = |c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '+'));
    let mut words: Vec<String> =
        known.split(split).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    words.sort();
    words.dedup();
    prop_oneof![
        8 => proptest::sample::select(words),
        1 => proptest::sample::select(vec!["~", "{}", "[]", "*a", "&a x", "!!int 3", "! 3", ".nan", "<<", "-1", "1e400"])
            .prop_map(str::to_owned),
        1 => any::<String>().prop_map(|text| format!("{text:?}")),
        1 => "[a-z日e\u{301}\u{202e}\u{1f469}\u{200d}]{0,70}".prop_map(|text| format!("'{text}'")),
    ]
}

fn tree() -> impl Strategy<Value = Tree> {
    word().prop_map(Tree::Scalar).prop_recursive(6, 60, 6, |inner| {
        let members = proptest::collection::vec((word(), inner.clone()), 0..6);
        prop_oneof![
            3 => (any::<bool>(), members).prop_map(|(flow, members)| Tree::Map(flow, members)),
            1 => (any::<bool>(), proptest::collection::vec(inner, 0..5))
                .prop_map(|(flow, items)| Tree::List(flow, items)),
        ]
    })
}

fn written(tree: &Tree, depth: usize, in_flow: bool) -> String {
    let indent = "  ".repeat(depth);
    match tree {
        Tree::Scalar(text) => format!(" {text}"),
        Tree::List(flow, items) if *flow || in_flow || items.is_empty() => {
            let items: Vec<_> = items.iter().map(|item| written(item, depth, true)).collect();
            format!(" [{}]", items.join(","))
        }
        Tree::Map(flow, members) if *flow || in_flow || members.is_empty() => {
            let members: Vec<_> =
                members.iter().map(|(key, value)| format!("{key}:{}", written(value, depth, true))).collect();
            format!(" {{{}}}", members.join(", "))
        }
        Tree::List(_, items) => {
            items.iter().map(|item| format!("\n{indent}-{}", written(item, depth + 1, false))).collect()
        }
        Tree::Map(_, members) => members
            .iter()
            .map(|(key, value)| format!("\n{indent}{key}:{}", written(value, depth + 1, false)))
            .collect(),
    }
}

#[test]
fn unmutated_document_is_valid() {
    for (project, manifest) in [(PROJECT, VALID), (PLATFORM, VALID_ON_PLATFORM)] {
        Case::new(&[("amigops.yaml", project), ("services/a.yaml", manifest)]).loaded();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_are_handled(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        check_loading_does_not_fail(PROJECT.as_bytes(), &bytes);
        check_loading_does_not_fail(&bytes, VALID.as_bytes());
    }

    #[test]
    fn mutated_documents_are_handled(edits in proptest::collection::vec((any::<usize>(), 0..12_usize, piece()), 1..6)) {
        check_loading_does_not_fail(PROJECT.as_bytes(), mutate(VALID, &edits).as_bytes());
        check_loading_does_not_fail(mutate(PROJECT, &edits).as_bytes(), VALID.as_bytes());
        check_loading_does_not_fail(PLATFORM.as_bytes(), mutate(VALID_ON_PLATFORM, &edits).as_bytes());
    }
}

// These tests have fewer cases, because each case writes many files.
proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_trees_are_handled(top in proptest::collection::vec(("[a-z_]{1,12}", tree()), 0..4), tree in tree()) {
        let text = written(&tree, 0, false);
        for (project, valid) in [(PROJECT, VALID), (PLATFORM, VALID_ON_PLATFORM)] {
            check_loading_does_not_fail(project.as_bytes(), text.as_bytes());
            check_loading_does_not_fail(text.as_bytes(), valid.as_bytes());
            // The random tree is also loaded as the value of a known key.
            let keys = ["version_sets", "tags", "voice_config", "lifecycle", "smoke", "environments", "agent"];
            for (index, (unknown, tree)) in top.iter().enumerate() {
                let key = keys.get((index + unknown.len()) % keys.len()).unwrap_or(&"tags");
                let text = format!("service: A\nagent: B\ncontext_graph: C\n{key}:{}\n", written(tree, 1, false));
                check_loading_does_not_fail(project.as_bytes(), text.as_bytes());
                let broken = format!("{project}defaults:{}\n{unknown}: x\n", written(tree, 1, false));
                check_loading_does_not_fail(broken.as_bytes(), valid.as_bytes());
            }
        }
    }

    #[test]
    fn deep_nesting_is_handled(depth in 1..400_usize, piece in prop_oneof![
        Just("["), Just("{a: "), Just("- "), Just("? "), Just("a: ["), Just("&a ["), Just("{? "), Just("!x [")
    ]) {
        check_loading_does_not_fail(PROJECT.as_bytes(), piece.repeat(depth).as_bytes());
        check_loading_does_not_fail(PROJECT.as_bytes(), format!("service: {}", piece.repeat(depth)).as_bytes());
        check_loading_does_not_fail(piece.repeat(depth).as_bytes(), VALID.as_bytes());
    }
}
