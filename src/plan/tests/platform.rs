//! Tests of planning for the Platform API where it differs from Classic: settings, temporary names, and updates that
//! change an agent and its pins in one request.

use insta::assert_snapshot;
use serde_json::{Map, Value, json};

use super::build::*;
use crate::model::*;
use crate::plan::{Options, ProblemKind};

pub(super) fn platform() -> Options {
    Options { api: Api::Platform, ..options() }
}

pub(super) fn show(desired: &Desired, snapshot: &Snapshot) -> String {
    steps(&plan_and_verify(desired, snapshot, &platform()))
}

pub(super) fn object(value: Value) -> Map<String, Value> {
    let Value::Object(object) = value else { panic!("not an object: {value}") };
    object
}

/// Returns a live service in the form in which Platform returns it: without version sets, and with some settings. The
/// argument `settings` adds to these settings or overrides them.
pub(super) fn platform_live(id: &str, name: &str, agent: &str, settings: Value) -> LiveService {
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
    let plan = plan_and_verify(&desired([coach]), &snapshot([]), &platform());
    assert_snapshot!(steps(&plan), @r#"1 create Coach active=true agent=a1 staging=(latest, 4) channel_type="text""#);
    assert_eq!(plan.summary.version_sets_created, 2);
    assert_eq!(plan.estimate.seconds, 1, "no limits are published");
}

#[test]
fn defaults_and_undeclared_settings_are_not_changes() {
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
    assert_snapshot!(show(&desired([coach]), &snapshot([platform_live("1", "Coach", "A1", voice)])), @"");
}

#[test]
fn only_changed_fields_of_a_block_are_in_the_plan() {
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
    let plan = plan_and_verify(
        &desired([coach]),
        &snapshot([platform_live("1", "Coach", "A1", voice)]),
        &platform(),
    );
    assert_snapshot!(steps(&plan), @r#"1 update 1 tags=managed_by,origin escalation_policy={"risk_scorer":{"type":"hangup"}} voice_config={"empathy_hold_ms":null,"max_response_words":30,"tts_config":{"voice":"y"}}"#);
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
fn blocks_that_the_api_cannot_remove_are_problems_at_their_places() {
    let mut coach =
        with_settings(wanted("Coach", "A1"), json!({"voice_config": null, "escalation_policy": null}));
    let place = Place { file: "coach.yaml".to_owned(), line: 7, column: 3 };
    coach.setting_places = [("voice_config".to_owned(), place.clone())].into();
    let blocks = json!({"voice_config": {"filler_style": "silent"}, "escalation_policy": {"risk_scorer": {"type": "hangup"}}});
    let error = try_plan(
        &desired([coach.clone()]),
        &snapshot([platform_live("1", "Coach", "A1", blocks.clone())]),
        &platform(),
    )
    .expect_err("impossible");
    let messages =
        |problem: &crate::plan::Problem| format!("{} | {}", problem.message, problem.help.join(" "));
    let messages: Vec<String> = error.problems.iter().map(messages).collect();
    assert_snapshot!(messages.join("\n"), @r"
    `escalation_policy` of `Coach` can't be removed: the API ignores nulls when it updates a service | write `type: operator` for each trigger: this means the same as no policy
    `voice_config` of `Coach` can't be removed: the API ignores nulls when it updates a service | set the fields one by one, or remove the whole key from the manifest to leave these fields unmanaged
    ");
    assert_eq!(error.problems[1].place.as_ref(), Some(&place));
    assert!(error.problems.iter().all(|problem| problem.kind == ProblemKind::Impossible));
    // Null is not a problem if the live service has nothing to remove, or if a new service is created.
    let plain = json!({"escalation_policy": {"risk_scorer": {"type": "operator"}}});
    assert_snapshot!(show(&desired([coach.clone()]), &snapshot([platform_live("1", "Coach", "A1", plain)])), @"");
    coach.agent = Reference::Name("A2".to_owned());
    coach.lifecycle.on_agent_change = Some(OnAgentChange::Replace);
    let plan = show(&desired([coach]), &snapshot([platform_live("1", "Coach", "A1", blocks)]));
    assert!(plan.contains("create") && !plan.contains("voice_config"), "{plan}");
}

#[test]
fn an_agent_and_its_pins_change_in_one_request_after_deletions_of_version_sets() {
    let mut coach = wanted("Coach", "A2");
    coach.version_sets = sets(&[("release", 2, 2), ("staging", 1, 1), ("new", 1, 1)]);
    let mut service = platform_live("1", "Coach", "A1", json!({}));
    for (name, agent, graph) in [("release", 3, 2), ("staging", 1, 1), ("old", 5, 5)] {
        service.version_sets.insert(name.into(), live_set(agent, graph));
    }
    let plan = plan_and_verify(&desired([coach]), &snapshot([service]), &platform());
    assert_snapshot!(steps(&plan), @r"
    1 delete set old of 1
    2 update 1 agent=a2 tags=managed_by,origin new=(1, 1) release=(2, 2) after 1
    ");
    let summary = &plan.summary;
    assert_eq!(
        (summary.version_sets_created, summary.version_sets_updated, summary.version_sets_deleted),
        (1, 1, 1)
    );
    // Each of the two steps reads the service before it acts. Both requests are merged with the live version sets, so
    // each of them reads the service once more.
    assert_eq!(plan.estimate.by_endpoint[&Endpoint::GetService], 4);
}

#[test]
fn the_steps_of_one_service_run_one_after_the_other() {
    let mut coach = wanted("Coach", "A1");
    coach.description = Some("New words".to_owned());
    coach.version_sets = sets(&[("release", 2, 2), ("staging", 1, 1)]);
    let mut service = platform_live("1", "Coach", "A1", json!({}));
    for name in ["dev", "old"] {
        service.version_sets.insert(name.into(), live_set(1, 1));
    }
    assert_snapshot!(show(&desired([coach]), &snapshot([service])), @r"
    1 update 1 description tags=managed_by,origin
    2 create set release of 1 (2, 2) after 1
    3 create set staging of 1 (1, 1) after 2
    4 delete set dev of 1 after 1,2,3
    5 delete set old of 1 after 1,2,3,4
    ");
}

#[test]
fn a_service_of_the_platform_itself_is_never_changed() {
    let mut system = platform_live("1", "Coach", "A1", json!({}));
    system.system = true;
    let error = try_plan(&desired([wanted("Coach", "A1")]), &snapshot([system.clone()]), &platform());
    assert_snapshot!(error.expect_err("impossible").problems[0].message, @"`Coach` (1) belongs to the platform itself and can't be managed");
    let plan = plan_and_verify(
        &desired([wanted("Other", "A1")]),
        &snapshot([system]),
        &Options { prune: true, ..platform() },
    );
    assert_snapshot!(steps(&plan), @"1 create Other active=true agent=a1");
    assert!(plan.orphans.is_empty() && plan.unmanaged.is_empty());
}

#[test]
fn an_inactive_unowned_service_with_the_name_is_noted() {
    let mut unowned = platform_live("9", "Coach", "A1", json!({}));
    unowned.active = false;
    unowned.tags.clear();
    let plan = plan_and_verify(&desired([wanted("Coach", "A1")]), &snapshot([unowned]), &platform());
    assert_snapshot!(plan.findings[0].message, @"an inactive service has the name `Coach` (9), and this plan does not rename that service; if the API refuses the name, rename or delete that service");
}

#[test]
fn names_that_would_be_too_long_are_problems() {
    let long = "x".repeat(250);
    let mut service = wanted(&long, "A2");
    service.lifecycle.on_agent_change = Some(OnAgentChange::Replace);
    let error =
        try_plan(&desired([service]), &snapshot([platform_live("1", &long, "A1", json!({}))]), &platform())
            .expect_err("impossible");
    assert!(error.problems[0].message.contains("256 characters"), "{}", error.problems[0].message);
}

#[test]
fn ignored_settings_are_not_changed_but_used_at_creation() {
    let mut coach = with_settings(
        wanted("Coach", "A1"),
        json!({"tool_capacity": 5, "voice_config": {"filler_style": "silent", "max_response_words": 9}}),
    );
    let path = |text: &str| FieldPath(text.split('.').map(str::to_owned).collect());
    coach.lifecycle.ignore = ["tool_capacity", "voice_config.max_response_words"].map(path).into();
    let service = platform_live("1", "Coach", "A1", json!({"voice_config": {"filler_style": "phrase"}}));
    assert_snapshot!(show(&desired([coach.clone()]), &snapshot([service])), @r#"1 update 1 tags=managed_by,origin voice_config={"filler_style":"silent"}"#);
    let plan = try_plan(&desired([coach]), &snapshot([]), &platform()).expect("a plan");
    assert!(steps(&plan).contains("tool_capacity=5") && steps(&plan).contains("max_response_words"));
}

#[test]
fn controls_are_merged_with_the_live_ones_if_the_model_stays() {
    let controls = |value: Value| LlmPreference {
        llm_name: "model".to_owned(),
        params: Map::new(),
        experience_controls: object(value),
        carried: Map::new(),
    };
    let mut service = platform_live("1", "Coach", "A1", json!({}));
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
        let plan = plan_and_verify(&desired, &snapshot([service.clone()]), &platform());
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
fn a_block_without_a_required_member_is_a_problem() {
    let partial = json!({"voice_config": {"forwarding": {"warm_transfer": false}}});
    let coach = desired([with_settings(wanted("Coach", "A1"), partial)]);
    let error = try_plan(&coach, &snapshot([]), &platform()).expect_err("impossible");
    assert_snapshot!(error.problems[0].message, @"`Coach` would lack `voice_config.forwarding.forward_to`, which the API requires");
    let whole = json!({"voice_config": {"forwarding": {"forward_to": "+12025550100"}}});
    let plan = show(&coach, &snapshot([platform_live("1", "Coach", "A1", whole)]));
    assert_snapshot!(plan, @r#"1 update 1 tags=managed_by,origin voice_config={"forwarding":{"warm_transfer":false}}"#);
}

#[test]
fn blocks_and_entries_that_a_manifest_removes_are_removed_whole() {
    let coach = with_settings(
        wanted("Coach", "A1"),
        json!({"voice_config": {"forwarding": null, "tts_config": {"a": "plain"}, "language_providers": {"es": null}}}),
    );
    let voice = json!({"voice_config": {
        "forwarding": {"forward_to": "+12025550100"}, "tts_config": {"a": {"b": 1}, "c": 2},
        "language_providers": {"es": {"provider": "groq"}, "fr": {"provider": "groq"}},
    }});
    let plan = show(&desired([coach]), &snapshot([platform_live("1", "Coach", "A1", voice)]));
    assert_snapshot!(plan, @r#"1 update 1 tags=managed_by,origin voice_config={"forwarding":null,"language_providers":{"es":null},"tts_config":{"a":"plain"}}"#);
}

#[test]
fn an_empty_block_changes_nothing() {
    let coach = with_settings(wanted("Coach", "A1"), json!({"voice_config": {}, "escalation_policy": {}}));
    assert_snapshot!(show(&desired([coach]), &snapshot([platform_live("1", "Coach", "A1", json!({}))])), @"");
}

#[test]
fn undeclared_pins_are_carried_over_when_the_agent_changes_in_place() {
    let mut coach = wanted("Coach", "A2");
    coach.version_sets = sets(&[("release", 2, 2)]);
    let mut service = platform_live("1", "Coach", "A1", json!({}));
    service.version_sets.insert("release".into(), live_set(1, 1));
    service.version_sets.insert("edge".into(), live_set(9, 1));
    let policy = Policy {
        unmanaged_version_sets: VersionSetPatterns::new(&["edge".to_owned()]).expect("a pattern"),
        ..own_policy()
    };
    let plan =
        crate::plan::plan(&desired([coach]), &snapshot([service]), &policy, &platform()).expect("a plan");
    assert_snapshot!(steps(&plan), @"1 update 1 agent=a2 tags=managed_by,origin edge=(latest, 1) release=(2, 2)");
    assert_snapshot!(plan.findings[0].message, @"the agent version of version set `edge` is not declared, so it will be latest");
}

/// A service has several tags with the same key. Writing the tag `origin` would lose all but one of them, so no tags
/// are written at all.
#[test]
fn several_undeclared_tags_with_one_key_are_not_written_with_another_field() {
    let mut service = made_for("Coach", platform_live("1", "Coach", "A1", json!({})));
    service.repeated_tags = ["team".to_owned()].into();
    let mut coach = wanted("Coach", "A1");
    coach.description = Some("New".to_owned());
    assert_snapshot!(show(&desired([coach]), &snapshot([service])), @"1 update 1 description");
}

#[test]
fn several_tags_with_one_key_are_not_lost() {
    let mut service = platform_live("1", "Coach", "A1", json!({}));
    service.tags = [("team".to_owned(), Some("b".to_owned()))].into();
    service.repeated_tags = ["team".to_owned()].into();
    let mut coach = wanted("Coach", "A1");
    let error = try_plan(&desired([coach.clone()]), &snapshot([service.clone()]), &platform());
    assert_snapshot!(error.expect_err("impossible").problems[0].message, @"`Coach` (1) has several tags with the key `team`: writing the service's tags would lose all but one of them");
    coach.tags = Some(service.tags.clone());
    assert_snapshot!(show(&desired([coach]), &snapshot([service])), @"1 update 1 tags=managed_by,origin,team");
}
