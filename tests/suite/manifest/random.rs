//! Whatever a file holds, the loader answers and the renderer shows it.

use amigops::report::diagnostics::{render, render_problems};
use proptest::prelude::*;

use super::{Case, PLATFORM, PROJECT};

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

fn survives(project: &[u8], manifest: &[u8]) {
    let case = Case::new(&[]);
    case.write("amigops.yaml", project);
    case.write("services/a.yaml", manifest);
    match case.load() {
        Ok(loaded) => drop(render(&loaded.warnings, &loaded.sources, true)),
        Err(problems) => {
            assert!(!problems.diagnostics.is_empty());
            let text = render_problems(&problems, false);
            assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        }
    }
}

/// A piece of YAML that is likely to upset something.
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

#[test]
fn what_is_mutated_is_valid() {
    for (project, manifest) in [(PROJECT, VALID), (PLATFORM, VALID_ON_PLATFORM)] {
        Case::new(&[("amigops.yaml", project), ("services/a.yaml", manifest)]).loaded();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        survives(PROJECT.as_bytes(), &bytes);
        survives(&bytes, VALID.as_bytes());
    }

    #[test]
    fn mutated_documents(edits in proptest::collection::vec((any::<usize>(), 0..12_usize, piece()), 1..6)) {
        survives(PROJECT.as_bytes(), mutate(VALID, &edits).as_bytes());
        survives(mutate(PROJECT, &edits).as_bytes(), VALID.as_bytes());
        survives(PLATFORM.as_bytes(), mutate(VALID_ON_PLATFORM, &edits).as_bytes());
    }
}
