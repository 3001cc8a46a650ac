//! What is different on the Platform API: settings, passing names, one request for an agent and its pins.

use insta::assert_snapshot;
use serde_json::{Map, Value, json};

use super::build::*;
use crate::model::*;
use crate::plan::{Options, ProblemKind};

pub(super) fn platform() -> Options {
    Options { api: Api::Platform, ..options() }
}

pub(super) fn show(desired: &Desired, snapshot: &Snapshot) -> String {
    steps(&plan_and_judge(desired, snapshot, &platform()))
}

pub(super) fn object(value: Value) -> Map<String, Value> {
    let Value::Object(object) = value else { panic!("no object: {value}") };
    object
}

/// A live service as Platform answers it: no set is born with it, and every setting has a value.
pub(super) fn there(id: &str, name: &str, agent: &str, settings: Value) -> LiveService {
    let mut service = live(id, name, agent);
    service.version_sets.clear();
    service.settings = object(json!({
        "channel_type": "voice", "environment": "production", "tool_capacity": 3, "safety_filters_enabled": true,
    }));
    service.settings.extend(object(settings));
    service
}

pub(super) fn with_settings(mut service: DesiredService, settings: Value) -> DesiredService {
    service.settings = object(settings);
    service
}

#[test]
fn a_service_is_created_with_everything_in_one_request() {
    let mut coach =
        with_settings(wanted("Coach", "A1"), json!({"channel_type": "text", "voice_config": null}));
    coach.description = None;
    coach.version_sets = sets(&[("release", 3, 5), ("staging", 0, 4)]);
    let plan = plan_and_judge(&desired([coach]), &snapshot([]), &platform());
    assert_snapshot!(steps(&plan), @r#"1 create Coach active=true agent=a1 staging=(latest, 4) channel_type="text""#);
    assert_eq!(plan.summary.version_sets_created, 2);
    assert_eq!(plan.estimate.seconds, 1, "no limits are published");
}

#[test]
fn defaults_and_what_the_manifest_leaves_out_are_no_change() {
    let coach = with_settings(
        wanted("Coach", "A1"),
        json!({
            "tool_capacity": 3.0, "voice_config": {"forwarding": {"warm_transfer": true}},
            "escalation_policy": {"risk_scorer": {"type": "operator"}},
        }),
    );
    let voice = json!({"voice_config": {
        "filler_style": "phrase", "tts_config": {"voice": "x"}, "forwarding": {"forward_to": "+12025550100"},
    }});
    assert_snapshot!(show(&desired([coach]), &snapshot([there("1", "Coach", "A1", voice)])), @"");
}

#[test]
fn only_the_fields_of_a_block_that_change_are_in_the_plan() {
    let coach = with_settings(
        wanted("Coach", "A1"),
        json!({
            "voice_config": {"max_response_words": 30, "empathy_hold_ms": null, "tts_config": {"voice": "y"}},
            "escalation_policy": {"risk_scorer": {"type": "hangup"}}
        }),
    );
    let voice = json!({
        "voice_config": {"empathy_hold_ms": 100, "tts_config": {"voice": "x", "speed": 1}, "new_field": true},
        "escalation_policy": {
            "risk_scorer": {"type": "operator"}, "conversation_monitor": {"type": "forward"},
            "context_window_exhaustion": {"type": "operator"},
        },
    });
    let plan = plan_and_judge(&desired([coach]), &snapshot([there("1", "Coach", "A1", voice)]), &platform());
    assert_snapshot!(steps(&plan), @r#"1 update 1 escalation_policy={"risk_scorer":{"type":"hangup"}} voice_config={"empathy_hold_ms":null,"max_response_words":30,"tts_config":{"voice":"y"}}"#);
    let change = |change: crate::plan::ChangedValue<'_>| {
        format!("{}: {} -> {}", change.path, change.before, change.after)
    };
    let changes: Vec<String> = plan.services[0].changes.values().map(change).collect();
    assert_snapshot!(changes.join("\n"), @r#"
    voice_config.empathy_hold_ms: 100 -> null
    voice_config.max_response_words: null -> 30
    voice_config.tts_config.voice: "x" -> "y"
    escalation_policy.risk_scorer.type: "operator" -> "hangup"
    "#);
}

#[test]
fn what_the_api_cannot_take_away_is_a_problem_at_its_place() {
    let mut coach =
        with_settings(wanted("Coach", "A1"), json!({"voice_config": null, "escalation_policy": null}));
    let place = Place { file: "coach.yaml".to_owned(), line: 7, column: 3 };
    coach.setting_places = [("voice_config".to_owned(), place.clone())].into();
    let blocks = json!({"voice_config": {"filler_style": "silent"}, "escalation_policy": {"risk_scorer": {"type": "hangup"}}});
    let error = try_plan(
        &desired([coach.clone()]),
        &snapshot([there("1", "Coach", "A1", blocks.clone())]),
        &platform(),
    )
    .expect_err("impossible");
    let told = |problem: &crate::plan::Problem| format!("{} | {}", problem.message, problem.help.join(" "));
    let told: Vec<String> = error.problems.iter().map(told).collect();
    assert_snapshot!(told.join("\n"), @r"
    `escalation_policy` of `Coach` can't be taken away: the API leaves out nulls when it updates a service | write `type: operator` for each trigger: that is what no policy means
    `voice_config` of `Coach` can't be taken away: the API leaves out nulls when it updates a service | set the single fields, or let go of the whole block by leaving it out of the manifest
    ");
    assert_eq!(error.problems[1].place.as_ref(), Some(&place));
    assert!(error.problems.iter().all(|problem| problem.kind == ProblemKind::Impossible));
    // Where nothing is to be taken away, null is no problem; nor for a new service that takes over.
    let plain = json!({"escalation_policy": {"risk_scorer": {"type": "operator"}}});
    assert_snapshot!(show(&desired([coach.clone()]), &snapshot([there("1", "Coach", "A1", plain)])), @"");
    coach.agent = Reference::Name("A2".to_owned());
    coach.lifecycle.on_agent_change = Some(OnAgentChange::Replace);
    let plan = show(&desired([coach]), &snapshot([there("1", "Coach", "A1", blocks)]));
    assert!(plan.contains("create") && !plan.contains("voice_config"), "{plan}");
}

#[test]
fn an_agent_and_the_pins_of_it_change_in_one_request_and_a_deleted_set_goes_before() {
    let mut coach = wanted("Coach", "A2");
    coach.version_sets = sets(&[("release", 2, 2), ("staging", 1, 1), ("new", 1, 1)]);
    let mut service = there("1", "Coach", "A1", json!({}));
    for (name, agent, graph) in [("release", 3, 2), ("staging", 1, 1), ("old", 5, 5)] {
        service.version_sets.insert(name.into(), live_set(agent, graph));
    }
    let plan = plan_and_judge(&desired([coach]), &snapshot([service]), &platform());
    assert_snapshot!(steps(&plan), @r"
    1 delete set old of 1
    2 update 1 agent=a2 new=(1, 1) release=(2, 2) after 1
    ");
    let summary = &plan.summary;
    assert_eq!(
        (summary.version_sets_created, summary.version_sets_updated, summary.version_sets_deleted),
        (1, 1, 1)
    );
    // Each step looks at the service first, and what is made of the live sets reads them once more.
    assert_eq!(plan.estimate.by_endpoint[&Endpoint::GetService], 4);
}

#[test]
fn the_steps_of_one_service_run_one_after_the_other() {
    let mut coach = wanted("Coach", "A1");
    coach.description = Some("New words".to_owned());
    coach.version_sets = sets(&[("release", 2, 2), ("staging", 1, 1)]);
    let mut service = there("1", "Coach", "A1", json!({}));
    for name in ["dev", "old"] {
        service.version_sets.insert(name.into(), live_set(1, 1));
    }
    assert_snapshot!(show(&desired([coach]), &snapshot([service])), @r"
    1 update 1 description
    2 create set release of 1 (2, 2) after 1
    3 create set staging of 1 (1, 1) after 2
    4 delete set dev of 1 after 1,2,3
    5 delete set old of 1 after 1,2,3,4
    ");
}

#[test]
fn a_service_of_the_platform_itself_is_left_alone() {
    let mut system = there("1", "Coach", "A1", json!({}));
    system.system = true;
    let error = try_plan(&desired([wanted("Coach", "A1")]), &snapshot([system.clone()]), &platform());
    assert_snapshot!(error.expect_err("impossible").problems[0].message, @"`Coach` (1) belongs to the platform itself and can't be managed");
    let plan = plan_and_judge(
        &desired([wanted("Other", "A1")]),
        &snapshot([system]),
        &Options { prune: true, ..platform() },
    );
    assert_snapshot!(steps(&plan), @"1 create Other active=true agent=a1");
    assert!(plan.orphans.is_empty() && plan.unmanaged.is_empty());
}

#[test]
fn an_inactive_stranger_with_the_name_is_told_of() {
    let mut stranger = there("9", "Coach", "A1", json!({}));
    stranger.active = false;
    stranger.tags.clear();
    let plan = plan_and_judge(&desired([wanted("Coach", "A1")]), &snapshot([stranger]), &platform());
    assert_snapshot!(plan.findings[0].message, @"an inactive service has the name `Coach`, and this plan does not change it: 9; if the API refuses the name, rename or delete that service");
}

#[test]
fn names_that_would_be_too_long_are_refused_in_the_plan() {
    let long = "x".repeat(250);
    let mut service = wanted(&long, "A2");
    service.lifecycle.on_agent_change = Some(OnAgentChange::Replace);
    let error = try_plan(&desired([service]), &snapshot([there("1", &long, "A1", json!({}))]), &platform())
        .expect_err("impossible");
    assert!(error.problems[0].message.contains("256 characters"), "{}", error.problems[0].message);
}

#[test]
fn ignored_settings_are_left_alone_but_used_at_birth() {
    let mut coach = with_settings(
        wanted("Coach", "A1"),
        json!({"tool_capacity": 5, "voice_config": {"filler_style": "silent", "max_response_words": 9}}),
    );
    let path = |text: &str| FieldPath(text.split('.').map(str::to_owned).collect());
    coach.lifecycle.ignore = ["tool_capacity", "voice_config.max_response_words"].map(path).into();
    let service = there("1", "Coach", "A1", json!({"voice_config": {"filler_style": "phrase"}}));
    assert_snapshot!(show(&desired([coach.clone()]), &snapshot([service])), @r#"1 update 1 voice_config={"filler_style":"silent"}"#);
    let plan = try_plan(&desired([coach]), &snapshot([]), &platform()).expect("a plan");
    assert!(steps(&plan).contains("tool_capacity=5") && steps(&plan).contains("max_response_words"));
}

#[test]
fn controls_are_laid_over_the_live_ones_while_the_model_stays() {
    let controls = |value: Value| LlmPreference {
        llm_name: "model".to_owned(),
        params: Map::new(),
        experience_controls: object(value),
        carried: Map::new(),
    };
    let mut service = there("1", "Coach", "A1", json!({}));
    let mut set = live_set(0, 0);
    set.llm_model_preferences =
        [("Engage".to_owned(), controls(json!({"verbosity": "low", "seed": 4})))].into();
    service.version_sets.insert("release".into(), set);
    let wanted_with = |llm_name: &str, patch: Option<Option<Value>>| {
        let preference = DesiredPreference {
            llm_name: llm_name.to_owned(),
            params: None,
            experience_controls: patch.map(|patch| patch.map(object)),
        };
        let mut coach = wanted("Coach", "A1");
        let set = DesiredVersionSet {
            llm_model_preferences: Some([("Engage".to_owned(), preference)].into()),
            ..DesiredVersionSet::default()
        };
        coach.version_sets = Some([("release".into(), set)].into());
        desired([coach])
    };
    let written = |desired: Desired| {
        let plan = plan_and_judge(&desired, &snapshot([service.clone()]), &platform());
        match plan.steps.first().map(|step| &step.action) {
            Some(crate::plan::Action::WriteVersionSet { content, .. }) => {
                json!(content.llm_model_preferences["Engage"].experience_controls)
            }
            _ => Value::Null,
        }
    };
    assert_eq!(written(wanted_with("model", None)), Value::Null);
    assert_eq!(written(wanted_with("model", Some(Some(json!({"seed": 4.0}))))), Value::Null);
    assert_eq!(written(wanted_with("model", Some(None))), json!({}));
    let patch = json!({"seed": null, "top_p": 0.5});
    assert_eq!(
        written(wanted_with("model", Some(Some(patch.clone())))),
        json!({"verbosity": "low", "top_p": 0.5})
    );
    assert_eq!(written(wanted_with("other", Some(Some(patch)))), json!({"top_p": 0.5}));
}

#[test]
fn a_block_without_what_it_needs_is_refused_in_the_plan() {
    let partial = json!({"voice_config": {"forwarding": {"warm_transfer": false}}});
    let coach = desired([with_settings(wanted("Coach", "A1"), partial)]);
    let error = try_plan(&coach, &snapshot([]), &platform()).expect_err("impossible");
    assert_snapshot!(error.problems[0].message, @"`Coach` would be without `voice_config.forwarding.forward_to`, which the API needs");
    let whole = json!({"voice_config": {"forwarding": {"forward_to": "+12025550100"}}});
    let plan = show(&coach, &snapshot([there("1", "Coach", "A1", whole)]));
    assert_snapshot!(plan, @r#"1 update 1 voice_config={"forwarding":{"warm_transfer":false}}"#);
}

#[test]
fn blocks_and_entries_that_a_manifest_takes_away_go_whole() {
    let coach = with_settings(
        wanted("Coach", "A1"),
        json!({"voice_config": {"forwarding": null, "tts_config": {"a": "plain"}, "language_providers": {"es": null}}}),
    );
    let voice = json!({"voice_config": {
        "forwarding": {"forward_to": "+12025550100"}, "tts_config": {"a": {"b": 1}, "c": 2},
        "language_providers": {"es": {"provider": "groq"}, "fr": {"provider": "groq"}},
    }});
    let plan = show(&desired([coach]), &snapshot([there("1", "Coach", "A1", voice)]));
    assert_snapshot!(plan, @r#"1 update 1 voice_config={"forwarding":null,"language_providers":{"es":null},"tts_config":{"a":"plain"}}"#);
}

#[test]
fn a_block_that_names_nothing_asks_for_nothing() {
    let coach = with_settings(wanted("Coach", "A1"), json!({"voice_config": {}, "escalation_policy": {}}));
    assert_snapshot!(show(&desired([coach]), &snapshot([there("1", "Coach", "A1", json!({}))])), @"");
}

#[test]
fn pins_that_no_manifest_declares_follow_an_agent_in_place() {
    let mut coach = wanted("Coach", "A2");
    coach.version_sets = sets(&[("release", 2, 2)]);
    let mut service = there("1", "Coach", "A1", json!({}));
    service.version_sets.insert("release".into(), live_set(1, 1));
    service.version_sets.insert("edge".into(), live_set(9, 1));
    let policy = Policy {
        unmanaged_version_sets: VersionSetPatterns::new(&["edge".to_owned()]).expect("a pattern"),
        ..own_policy()
    };
    let plan =
        crate::plan::plan(&desired([coach]), &snapshot([service]), &policy, &platform()).expect("a plan");
    assert_snapshot!(steps(&plan), @"1 update 1 agent=a2 edge=(latest, 1) release=(2, 2)");
    assert_snapshot!(plan.findings[0].message, @"the agent version of version set `edge` is not declared: it is carried over as latest");
}

#[test]
fn several_tags_with_one_key_are_not_destroyed() {
    let mut service = there("1", "Coach", "A1", json!({}));
    service.tags = [("team".to_owned(), Some("b".to_owned()))].into();
    service.repeated_tags = ["team".to_owned()].into();
    let mut coach = wanted("Coach", "A1");
    let error = try_plan(&desired([coach.clone()]), &snapshot([service.clone()]), &platform());
    assert_snapshot!(error.expect_err("impossible").problems[0].message, @"`Coach` (1) has several tags with the key `team`: writing its tags would lose all but one of them");
    coach.tags = Some(service.tags.clone());
    assert_snapshot!(show(&desired([coach]), &snapshot([service])), @"1 update 1 tags=managed_by,team");
}
