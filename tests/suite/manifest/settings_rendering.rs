//! Tests of how problems in Platform settings are rendered.

use amigops::report::diagnostics::{render, render_problems};

use super::{Case, SERVICE};

/// Appends lines to [`SERVICE`], which has three lines, loads it on the Platform API, and renders the problems.
fn shown(addition: &str) -> String {
    match Case::platform(&format!("{SERVICE}{addition}")).load() {
        Ok(loaded) => render(&loaded.warnings, &loaded.sources, false),
        Err(problems) => render_problems(&problems, false),
    }
}

#[test]
fn unknown_nested_key() {
    insta::assert_snapshot!(shown("voice_config:\n  forwarding: {forward_too: \"+12025550100\"}\n"), @r###"
    error[AG012]: unknown key `forward_too`
     --> services/a.yaml:5:16
      |
    5 |   forwarding: {forward_too: "+12025550100"}
      |                ^^^^^^^^^^^ did you mean `forward_to`?

    error: 1 problem in 1 file; nothing was sent
    "###);
}

#[test]
fn key_at_the_wrong_level() {
    insta::assert_snapshot!(shown("experience_controls: {temperature: 1}\ntts_model: sonic-3\n"), @r###"
    error[AG012]: unknown key `experience_controls`
     --> services/a.yaml:4:1
      |
    4 | experience_controls: {temperature: 1}
      | ^^^^^^^^^^^^^^^^^^^ this key belongs to a model preference
      |
      = help: move this key next to `llm_name`, under `llm_model_preferences:` of a version set

    error[AG012]: unknown key `tts_model`
     --> services/a.yaml:5:1
      |
    5 | tts_model: sonic-3
      | ^^^^^^^^^ this key belongs to `voice_config`

    error: 2 problems in 1 file; nothing was sent
    "###);
}

#[test]
fn number_out_of_range() {
    insta::assert_snapshot!(shown("tool_capacity: 11\nvoice_config: {eot_timeout_ms: \"200\"}\n"), @r#"
    error[AG015]: `tool_capacity` must be a whole number from 1 to 10, not the number `11`
     --> services/a.yaml:4:16
      |
    4 | tool_capacity: 11
      |                ^^ expected a whole number from 1 to 10

    error[AG010]: expected a whole number, found a string
     --> services/a.yaml:5:32
      |
    5 | voice_config: {eot_timeout_ms: "200"}
      |                                ^^^^^ write the value without quotes: 200

    error: 2 problems in 1 file; nothing was sent
    "#);
}

#[test]
fn unknown_word() {
    insta::assert_snapshot!(shown("channel_type: txt\nescalation_policy: {risk_scorer: {type: hang-up}}\n"), @"
    error[AG015]: `channel_type` must be `voice` or `text`, not `txt`
     --> services/a.yaml:4:15
      |
    4 | channel_type: txt
      |               ^^^ did you mean `text`?

    error[AG015]: `escalation_policy.risk_scorer.type` must be `operator` or `forward` or `hangup`, not `hang-up`
     --> services/a.yaml:5:41
      |
    5 | escalation_policy: {risk_scorer: {type: hang-up}}
      |                                         ^^^^^^^ did you mean `hangup`?

    error: 2 problems in 1 file; nothing was sent
    ");
}

#[test]
fn null_for_a_required_value() {
    insta::assert_snapshot!(
        shown("tool_capacity:\nescalation_policy: {risk_scorer: ~}\nvoice_config: {filler_style: ~, forwarding: {forward_to: ~}}\n"),
        @"
    error[AG014]: `tool_capacity` can't be removed
     --> services/a.yaml:4:1
      |
    4 | tool_capacity:
      | ^^^^^^^^^^^^^ use `3`, the default, instead
      |
      = help: remove the key to keep the live value

    error[AG014]: `escalation_policy.risk_scorer` can't be removed
     --> services/a.yaml:5:21
      |
    5 | escalation_policy: {risk_scorer: ~}
      |                     ^^^^^^^^^^^ use `{type: operator}`, the default, instead
      |
      = help: remove the key to keep the live value

    error[AG014]: `voice_config.filler_style` can't be removed
     --> services/a.yaml:6:16
      |
    6 | voice_config: {filler_style: ~, forwarding: {forward_to: ~}}
      |                ^^^^^^^^^^^^ use `backchannel`, the default, instead
      |
      = help: remove the key to keep the live value

    error[AG014]: `voice_config.forwarding.forward_to` can't be removed
     --> services/a.yaml:6:46
      |
    6 | voice_config: {filler_style: ~, forwarding: {forward_to: ~}}
      |                                              ^^^^^^^^^^ set a value
      |
      = help: remove the key to keep the live value

    error: 4 problems in 1 file; nothing was sent
    "
    );
}

#[test]
fn invalid_forwarding_number() {
    insta::assert_snapshot!(shown("voice_config: {forwarding: {forward_to: \"4321\"}}\n"), @r#"
    warning[AG037]: `voice_config.forwarding.forward_to` is not a phone number in E.164 format
     --> services/a.yaml:4:41
      |
    4 | voice_config: {forwarding: {forward_to: "4321"}}
      |                                         ^^^^^^ expected `+`, the country code and the number, such as "+12025550100"
    "#);
    insta::assert_snapshot!(shown("voice_config: {forwarding: {forward_to: \"+1 202 555 01 00\"}}\n"), @r#"
    warning[AG037]: `voice_config.forwarding.forward_to` is not a phone number in E.164 format
     --> services/a.yaml:4:41
      |
    4 | voice_config: {forwarding: {forward_to: "+1 202 555 01 00"}}
      |                                         ^^^^^^^^^^^^^^^^^^ expected `+`, the country code and the number, such as "+12025550100"
    "#);
}

#[test]
fn invalid_phone_number_of_an_environment() {
    let project = "version: 1\nmanifests: [services/*.yaml]\nenvironments:\n  live: {api: platform, smoke_phone_number: \"555\"}\n";
    let case = Case::new(&[("amigops.yaml", project), ("services/a.yaml", SERVICE)]);
    insta::assert_snapshot!(render_problems(&case.problems(), false), @r#"
    error[AG037]: `smoke_phone_number` is not a phone number in E.164 format
     --> amigops.yaml:4:45
      |
    4 |   live: {api: platform, smoke_phone_number: "555"}
      |                                             ^^^^^ expected `+`, the country code and the number, such as "+12025550100"

    error: 1 problem in 1 file; nothing was sent
    "#);
}

#[test]
fn too_many_entries() {
    let entries: Vec<_> = (0..11).map(|n| format!("l{n}: {{}}")).collect();
    insta::assert_snapshot!(shown(&format!("voice_config: {{language_providers: {{{}}}}}\n", entries.join(", "))), @"
    error[AG022]: `voice_config.language_providers` has 11 entries, but at most 10 are allowed
     --> services/a.yaml:4:36
      |
    4 | voice_config: {language_providers: {l0: {}, l1: {}, l2: {}, l3: {}, l4: {}, l5: {}, l6: {}, l7:…
      |                                    ^

    error: 1 problem in 1 file; nothing was sent
    ");
}

#[test]
fn id_of_the_other_api() {
    let case = Case::platform("service: A\nagent: {id: 6618791275530b73714e9d18}\ncontext_graph: C\n");
    insta::assert_snapshot!(render_problems(&case.problems(), false), @"
    error[AG030]: `6618791275530b73714e9d18` is not an id of the Platform API
     --> services/a.yaml:2:13
      |
    2 | agent: {id: 6618791275530b73714e9d18}
      |             ^^^^^^^^^^^^^^^^^^^^^^^^ expected a UUID such as 3fa85f64-5717-4562-b3fc-2c963f66afa6

    error: 1 problem in 1 file; nothing was sent
    ");
}

#[test]
fn unknown_field_path() {
    insta::assert_snapshot!(shown("lifecycle: {ignore: [voice_config.forwarding.forwardto]}\n"), @"
    error[AG034]: `voice_config.forwarding.forwardto` is not a field that can be ignored
     --> services/a.yaml:4:22
      |
    4 | lifecycle: {ignore: [voice_config.forwarding.forwardto]}
      |                      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ did you mean `voice_config.forwarding.forward_to`?
      |
      = help: use description, active, keyterms, agent, context_graph, tags, tags.KEY, version_sets, version_sets.NAME, version_sets.NAME.FIELD (agent_version, context_graph_version or llm_model_preferences), or a Platform setting at any depth, such as voice_config.max_response_words

    error: 1 problem in 1 file; nothing was sent
    ");
}

#[test]
fn skipped_smoke_tests() {
    insta::assert_snapshot!(shown("smoke:\n  - {version_set: dev, say: hi}\n  - expect: hello\n"), @"
    warning[AG036]: smoke test skipped: on the Platform API, a smoke test can only use `release`
     --> services/a.yaml:5:19
      |
    5 |   - {version_set: dev, say: hi}
      |                   ^^^ Platform conversations can't select a version set

    warning[AG036]: smoke test skipped: on the Platform API, the agent can't speak first
     --> services/a.yaml:6:5
      |
    6 |   - expect: hello
      |     ^^^^^^ this smoke test has no `say`
    ");
}
