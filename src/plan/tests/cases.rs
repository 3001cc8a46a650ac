//! Tests of planning with basic scenarios: fields, version sets, ownership, names, guardrails and lookups.

use std::collections::BTreeMap;

use insta::assert_snapshot;

use super::build::*;
use crate::model::*;
use crate::plan::{Options, ProblemKind, Risk, lookups};

fn show(desired: &Desired, snapshot: &Snapshot) -> String {
    steps(&plan_and_verify(desired, snapshot, &options()))
}

fn renamed(mut service: DesiredService, from: &str) -> DesiredService {
    service.lifecycle.renamed_from = Some(from.into());
    service
}

#[test]
fn a_new_service_is_created_with_its_release_and_then_gets_its_other_sets() {
    let mut coach = wanted("Coach", "A1");
    coach.version_sets = sets(&[("release", 3, 5), ("staging", 0, 4)]);
    assert_snapshot!(show(&desired([coach]), &snapshot([])), @r"
    1 create Coach active=true agent=a1
    2 create set staging of #1 (latest, 4) after 1
    ");
}

#[test]
fn a_converged_service_has_no_steps() {
    assert_snapshot!(show(&desired([wanted("Coach", "A1")]), &snapshot([live("1", "Coach", "A1")])), @"");
}

#[test]
fn fields_change_in_one_request_and_undeclared_ones_stay() {
    let mut coach = wanted("Coach", "A1");
    coach.description = Some("New words".to_owned());
    coach.tags = Some([("tier".to_owned(), Some("gold".to_owned())), ("audited".to_owned(), None)].into());
    let mut existing = live("1", "Coach", "A1");
    existing.keyterms = vec!["metformin".to_owned()];
    existing.tags.insert("old".to_owned(), None);
    assert_snapshot!(show(&desired([coach]), &snapshot([existing])), @"1 update 1 description tags=audited,managed_by,origin,tier");
}

#[test]
fn version_sets_are_written_and_deleted_and_undeclared_fields_are_kept() {
    let mut coach = wanted("Coach", "A1");
    coach.version_sets = sets(&[("release", 3, 5), ("staging", 1, 1)]);
    let mut existing = live("1", "Coach", "A1");
    let mut release = live_set(2, 5);
    release.carried.insert("applied_behavior_ids".to_owned(), serde_json::json!(["b1"]));
    existing.version_sets.insert("release".into(), release);
    existing.version_sets.insert("dev".into(), live_set(1, 1));
    let plan = plan_and_verify(&desired([coach]), &snapshot([existing]), &options());
    assert_snapshot!(steps(&plan), @r"
    1 change set release of 1 (3, 5)
    2 create set staging of 1 (1, 1)
    3 delete set dev of 1 after 1,2
    4 update 1 tags=managed_by,origin after 1,2,3
    ");
    let crate::plan::Action::WriteVersionSet { content, .. } = &plan.steps[0].action else {
        panic!("a write")
    };
    assert_eq!(content.carried["applied_behavior_ids"], serde_json::json!(["b1"]));
}

#[test]
fn unmanaged_sets_and_release_are_never_deleted() {
    let mut coach = wanted("Coach", "A1");
    coach.version_sets = sets(&[("staging", 1, 1)]);
    let mut existing = live("1", "Coach", "A1");
    for name in ["staging", "personal-kim"] {
        existing.version_sets.insert(name.into(), live_set(1, 1));
    }
    let policy = Policy {
        unmanaged_version_sets: VersionSetPatterns::new(&["personal-*".to_owned()]).expect("a pattern"),
        ..own_policy()
    };
    let plan =
        crate::plan::plan(&desired([coach]), &snapshot([existing]), &policy, &options()).expect("a plan");
    assert!(plan.is_empty(), "{}", steps(&plan));
}

#[test]
fn a_service_without_an_owner_is_adopted() {
    let mut existing = live("1", "Coach", "A1");
    existing.tags.clear();
    let plan = plan_and_verify(&desired([wanted("Coach", "A1")]), &snapshot([existing]), &options());
    assert_snapshot!(steps(&plan), @"1 update 1 tags=managed_by,origin");
    assert!(plan.services[0].adopted);
}

#[test]
fn a_service_of_another_project_is_refused_unless_taken_over() {
    let mut existing = live("1", "Coach", "A1");
    existing.tags.insert("managed_by".to_owned(), Some("sisters".to_owned()));
    let (desired, snapshot) = (desired([wanted("Coach", "A1")]), snapshot([existing]));
    let error = try_plan(&desired, &snapshot, &options()).expect_err("refused");
    assert!(error.is_refusal());
    assert_snapshot!(error.problems[0].message, @"`Coach` (1) belongs to another project: its tag `managed_by` has the value `sisters`");
    let plan =
        plan_and_verify(&desired, &snapshot, &Options { take_over: Some("sisters".to_owned()), ..options() });
    assert_snapshot!(steps(&plan), @"1 update 1 tags=managed_by,origin");
}

#[test]
fn too_many_tags_are_a_problem() {
    let with_20_tags = |more: &[&str]| {
        let mut existing = live("65f0c1aa0000000000000001", "Coach", "A1");
        existing.tags = (0..20 - more.len()).map(|n| (format!("t{n}"), None)).collect();
        existing.tags.extend(more.iter().map(|key| ((*key).to_owned(), Some("amigops".to_owned()))));
        existing
    };
    let adopted = try_plan(&desired([wanted("Coach", "A1")]), &snapshot([with_20_tags(&[])]), &options());
    let replaced =
        try_plan(&desired([wanted("Coach", "A2")]), &snapshot([with_20_tags(&["managed_by"])]), &options());
    let mut cleared = wanted("Coach", "A2");
    cleared.tags = Some(BTreeMap::new());
    let renamed_old = try_plan(&desired([cleared]), &snapshot([with_20_tags(&[])]), &options());
    for refused in [adopted, replaced, renamed_old] {
        let error = refused.expect_err("too many tags");
        assert_eq!(error.problems[0].kind, ProblemKind::Impossible);
        assert!(error.problems[0].message.contains("21 tags"), "{}", error.problems[0].message);
    }
}

/// A declared service is inactive, because a user deactivated it or because it was retired before its manifest was
/// restored. The plan activates the service again, and lists this change first.
#[test]
fn an_inactive_declared_service_is_reactivated_unless_its_manifest_says_otherwise() {
    let mut existing = live("2", "Coach", "A1");
    existing.active = false;
    let mut first = live("1", "Able", "A1");
    first.keyterms = vec!["old".to_owned()];
    let state = snapshot([existing, first]);
    let mut able = wanted("Able", "A1");
    able.keyterms = Some(Vec::new());
    for api in [Api::Classic, Api::Platform] {
        let options = Options { api, ..options() };
        let desired = desired([able.clone(), wanted("Coach", "A1")]);
        let plan = plan_and_verify(&desired, &state, &options);
        assert_eq!(
            steps(&plan),
            "1 update 1 tags=managed_by,origin keyterms\n2 update 2 active=true tags=managed_by,origin"
        );
        assert_eq!(plan.steps[1].risk, Risk::Disruptive);
        assert_eq!((plan.summary.reactivate, plan.summary.update), (1, 2));
        let listed: Vec<_> = plan.services.iter().map(|service| service.name.as_str()).collect();
        assert_eq!(listed, ["Coach", "Able"]);
    }
    let mut switched_off = wanted("Coach", "A1");
    switched_off.active = Some(false);
    let mut ignoring = wanted("Coach", "A1");
    ignoring.lifecycle.ignore = [FieldPath(vec!["active".to_owned()])].into();
    for service in [switched_off, ignoring.clone()] {
        let plan = plan_and_verify(&desired([able.clone(), service]), &state, &options());
        assert_eq!(steps(&plan), "1 update 1 tags=managed_by,origin keyterms");
    }
    let created = plan_and_verify(&desired([ignoring]), &snapshot([]), &options());
    assert_snapshot!(steps(&created), @"1 create Coach active=true agent=a1");
}

/// An inactive service without an owner has the name of a manifest. Only a manifest with `active: false` adopts it,
/// because adoption never activates a service. Other manifests get a new service and a note.
#[test]
fn an_inactive_service_without_an_owner_is_adopted_only_as_inactive() {
    let unowned = |id: &str| {
        let mut service = live(id, "Coach", "A1");
        service.active = false;
        service.tags.clear();
        service
    };
    let mut inactive = wanted("Coach", "A1");
    inactive.active = Some(false);
    for api in [Api::Classic, Api::Platform] {
        let options = Options { api, ..options() };
        let plan = plan_and_verify(&desired([inactive.clone()]), &snapshot([unowned("7")]), &options);
        assert_eq!(steps(&plan), "1 update 7 tags=managed_by,origin");
        assert_eq!(plan.summary.adopt, 1);
        let active = desired([wanted("Coach", "A1")]);
        let plan = plan_and_verify(&active, &snapshot([unowned("7")]), &options);
        assert_eq!(steps(&plan), "1 create Coach active=true agent=a1");
        assert_eq!(plan.findings.len(), 1);
        let two = snapshot([unowned("7"), unowned("8")]);
        let error = try_plan(&desired([inactive.clone()]), &two, &options).expect_err("ambiguous");
        assert_eq!(error.problems[0].message, "2 inactive services without an owner are named `Coach`: 7, 8");
        // A service of another project is never adopted.
        let mut foreign = unowned("7");
        foreign.tags.insert("managed_by".to_owned(), Some("sisters".to_owned()));
        let plan = plan_and_verify(&desired([inactive.clone()]), &snapshot([foreign]), &options);
        assert_eq!(steps(&plan), "1 create Coach active=false agent=a1");
    }
    let plan = plan_and_verify(&desired([wanted("Coach", "A1")]), &snapshot([unowned("7")]), &options());
    assert_snapshot!(plan.findings[0].message, @"a new service is created, although an inactive service without an owner has this name (7); to manage that one, write `active: false`, and activate it with a later change");
}

#[test]
fn only_ignores_problems_of_other_manifests() {
    let mut coach = wanted("Coach", "A1");
    coach.depends_on = ["Other".into()].into();
    let services = [coach, wanted("Other", "Zed")];
    let only = Options { only: ["Coach".into()].into(), ..options() };
    let plan = crate::plan::plan(&desired(services), &snapshot([]), &own_policy(), &only).expect("a plan");
    assert_snapshot!(steps(&plan), @"1 create Coach active=true agent=a1");
    assert_snapshot!(plan.findings[0].message, @"this service depends on `Other`, which does not exist yet and which --only excludes");
}

#[test]
fn thousands_of_renames_are_matched_fast() {
    let many = (0..3_000).map(|n| {
        let mut service = wanted(&format!("S{n}"), "A1");
        service.lifecycle.renamed_from = Some(ServiceName::new(format!("T{n}")));
        service
    });
    let existing = (0..3_000).map(|n| live(&format!("{n:024x}"), &format!("S{n}"), "A1"));
    let (desired, snapshot) = (desired(many), snapshot(existing));
    // This test would take a minute instead of a second if the search for renames were quadratic.
    assert!(try_plan(&desired, &snapshot, &options()).expect("a plan").is_empty());
}

#[test]
fn on_agent_change_update_keeps_the_id() {
    let mut coach = wanted("Coach", "A2");
    coach.lifecycle.on_agent_change = Some(OnAgentChange::Update);
    coach.version_sets = sets(&[("release", 2, 2)]);
    assert_snapshot!(show(&desired([coach]), &snapshot([live("1", "Coach", "A1")])), @r"
    1 update 1 agent=a2 tags=managed_by,origin
    2 change set release of 1 (2, 2) after 1
    ");
}

#[test]
fn a_rename_keeps_the_service() {
    let new = renamed(wanted("Coach", "A1"), "Trainer");
    let mut existing = live("1", "Trainer", "A1");
    existing.description = "The service Coach".to_owned();
    assert_snapshot!(show(&desired([new]), &snapshot([existing])), @"1 update 1 name=Coach tags=managed_by,origin");
}

#[test]
fn a_chain_of_renames_releases_each_name_before_it_is_claimed() {
    let services = [renamed(wanted("C", "A3"), "B"), renamed(wanted("B", "A2"), "A")];
    let existing = [live("1", "A", "A2"), live("2", "B", "A3")];
    assert_snapshot!(show(&desired(services), &snapshot(existing)), @r"
    1 update 2 name=C description tags=managed_by,origin
    2 update 1 name=B description tags=managed_by,origin after 1
    ");
}

#[test]
fn a_swap_uses_a_temporary_name_and_happens_once() {
    let services = [renamed(wanted("A", "A2"), "B"), renamed(wanted("B", "A1"), "A")];
    let existing = [live("1", "A", "A1"), live("2", "B", "A2")];
    assert_snapshot!(show(&desired(services), &snapshot(existing)), @r"
    1 rename early 1 name=B (renaming 1)
    2 update 2 name=A description tags=managed_by,origin after 1
    3 update 1 name=B description tags=managed_by,origin after 1,2
    ");
}

#[test]
fn a_name_that_is_still_declared_keeps_its_service() {
    let services = [renamed(wanted("C", "A1"), "B"), wanted("B", "A1")];
    let plan = plan_and_verify(&desired(services), &snapshot([live("2", "B", "A1")]), &options());
    assert_snapshot!(steps(&plan), @"1 create C active=true agent=a1");
    assert_snapshot!(plan.findings[0].message, @"`renamed_from: B` is ignored, and a new service is created: B.yaml:1:1 still declares `B`");
}

#[test]
fn a_dependency_is_applied_first_even_through_a_service_without_steps() {
    let mut last = wanted("A", "A1");
    last.depends_on = ["B".into()].into();
    let mut middle = wanted("B", "A1");
    middle.depends_on = ["C".into()].into();
    let services = [last, middle, wanted("C", "A1")];
    assert_snapshot!(show(&desired(services), &snapshot([live("2", "B", "A1")])), @r"
    1 create C active=true agent=a1
    2 create A active=true agent=a1 after 1
    ");
}

#[test]
fn a_dependency_against_the_direction_of_a_name_is_solved_by_a_temporary_name() {
    let mut moving = renamed(wanted("B", "A1"), "A");
    moving.depends_on = ["A".into()].into();
    let taking = renamed(wanted("A", "A2"), "Z");
    let existing = [live("1", "A", "A1"), live("2", "Z", "A2")];
    assert_snapshot!(show(&desired([moving, taking]), &snapshot(existing)), @r"
    1 rename early 1 name=B (renaming 1)
    2 update 2 name=A description tags=managed_by,origin after 1
    3 update 1 name=B description tags=managed_by,origin after 1,2
    ");
}

#[test]
fn orphans_are_listed_and_retired_only_with_prune() {
    let desired = desired([wanted("Coach", "A1")]);
    let mut unowned = live("3", "Other", "A1");
    unowned.tags.clear();
    let snapshot = snapshot([live("1", "Coach", "A1"), live("2", "Summer", "A1"), unowned]);
    let plan = plan_and_verify(&desired, &snapshot, &options());
    assert!(plan.is_empty());
    assert_eq!(plan.orphans, [("Summer".into(), "2".into())]);
    assert_eq!(plan.unmanaged, [("Other".into(), "3".into())]);
    let pruned = plan_and_verify(&desired, &snapshot, &Options { prune: true, ..options() });
    assert_snapshot!(steps(&pruned), @"1 retire 2 (deactivate) active=false");
}

#[test]
fn guardrails_refuse_by_name_by_tag_and_by_count() {
    let desired = desired([wanted("Coach", "A2")]);
    let mut tagged = live("2", "Summer", "A1");
    tagged.tags.insert(TAG_PROTECTED.to_owned(), Some("true".to_owned()));
    let snapshot = snapshot([live("1", "Coach", "A1"), tagged, live("3", "Winter", "A1")]);
    let policy = Policy {
        guardrails: Guardrails {
            max_removals: Some(MaxRemovals::Count(1)),
            protected: ["Coach".into()].into(),
            ..Guardrails::default()
        },
        ..own_policy()
    };
    let prune = Options { prune: true, ..options() };
    let error = crate::plan::plan(&desired, &snapshot, &policy, &prune).expect_err("refused");
    assert!(error.is_refusal());
    let messages: Vec<&str> = error.problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_snapshot!(messages.join("\n"), @r"
    the number of removals in the plan is 2, but `guardrails.max_removals` allows 1: 2 services retired (`Summer`, `Winter`)
    `Coach` would be replaced, but `guardrails.protected` lists it
    `Summer` would be retired, but the tag `protected` of this service forbids that
    ");
}

#[test]
fn a_missing_agent_is_reported_with_a_similar_name() {
    let mut coach = wanted("Coach", "A11");
    coach.context_graph = Reference::Id("000000000000000000000000".to_owned());
    let error = try_plan(&desired([coach]), &snapshot([]), &options()).expect_err("missing");
    let messages: Vec<String> =
        error.problems.iter().map(|p| format!("{} | {}", p.message, p.help.join(" "))).collect();
    assert_snapshot!(messages.join("\n"), @r"
    there is no agent named `A11` | did you mean `A1`?
    there is no context graph with the id 000000000000000000000000 |
    ");
}

#[test]
fn a_changed_pin_must_exist_and_an_unchanged_one_is_not_checked() {
    let mut coach = wanted("Coach", "A1");
    coach.version_sets = sets(&[("release", 9, 5)]);
    let error = try_plan(&desired([coach.clone()]), &snapshot([live("1", "Coach", "A1")]), &options())
        .expect_err("missing");
    assert_eq!(error.problems[0].kind, ProblemKind::Missing);
    assert_snapshot!(error.problems[0].message, @"version set `release` pins version 9 of agent `A1`, which does not exist");
    let mut existing = live("1", "Coach", "A1");
    existing.version_sets.insert("release".into(), live_set(9, 5));
    assert_snapshot!(show(&desired([coach]), &snapshot([existing])), @"");
}

#[test]
fn two_inactive_candidates_are_a_problem() {
    let mut existing = [live("1", "Coach", "A1"), live("2", "Coach", "A1")];
    existing.iter_mut().for_each(|service| service.active = false);
    let error =
        try_plan(&desired([wanted("Coach", "A1")]), &snapshot(existing), &options()).expect_err("ambiguous");
    assert_snapshot!(error.problems[0].message, @"2 inactive services of this project are named `Coach`: 1, 2");
}

#[test]
fn ignored_fields_are_not_changed_but_used_at_creation() {
    let mut coach = wanted("Coach", "A1");
    coach.tags = Some([("tier".to_owned(), Some("gold".to_owned()))].into());
    coach.version_sets = sets(&[("release", 1, 1), ("dev", 1, 1)]);
    let path = |text: &str| FieldPath(text.split('.').map(str::to_owned).collect());
    coach.lifecycle.ignore =
        ["description", "tags.tier", "version_sets.release.agent_version", "version_sets.dev"]
            .map(path)
            .into();
    let mut existing = live("1", "Coach", "A1");
    existing.description = "Edited by hand".to_owned();
    existing.tags.insert("tier".to_owned(), Some("silver".to_owned()));
    existing.version_sets.insert("release".into(), live_set(4, 1));
    existing.version_sets.insert("dev".into(), live_set(5, 5));
    assert_snapshot!(show(&desired([coach.clone()]), &snapshot([existing])), @"");
    let plan = try_plan(&desired([coach]), &snapshot([]), &options()).expect("a plan");
    let crate::plan::Action::Create(new) = &plan.steps[0].action else { panic!("a create") };
    assert_eq!((new.description.as_str(), new.tags["tier"].as_deref()), ("The service Coach", Some("gold")));
}

#[test]
fn lookups_need_only_names_and_changed_pins() {
    let mut coach = wanted("Coach", "A1");
    coach.agent = Reference::Id("a1".to_owned());
    coach.context_graph = Reference::Id("g1".to_owned());
    let unread = Snapshot {
        agents: Catalog::default(),
        context_graphs: Catalog::default(),
        ..snapshot([live("1", "Coach", "A1")])
    };
    let policy = own_policy();
    assert!(lookups(&desired([coach.clone()]), &unread, &policy, &options()).is_nothing());
    coach.version_sets = sets(&[("release", 3, 0)]);
    let needed = lookups(&desired([coach.clone()]), &unread, &policy, &options());
    assert_eq!(needed.agents, Need::Only(["a1".into()].into()));
    assert!(needed.context_graphs.is_nothing());
    coach.agent = Reference::Name("A2".to_owned());
    assert_eq!(lookups(&desired([coach.clone()]), &unread, &policy, &options()).agents, Need::All);
    let known = Snapshot { agents: catalog('a'), context_graphs: catalog('g'), ..unread };
    let needed = lookups(&desired([coach]), &known, &policy, &options());
    assert_eq!(needed.behavior_sets_of, ["1".into()].into());
}

#[test]
fn numbers_nulls_and_order_are_compared_by_meaning() {
    let params = |value: serde_json::Value| value.as_object().cloned().expect("an object");
    let mut coach = wanted("Coach", "A1");
    coach.keyterms = Some(vec!["b".to_owned(), "a".to_owned()]);
    coach.description = Some("  The service Coach\n".to_owned());
    let preference = DesiredPreference {
        llm_name: "model".to_owned(),
        params: Some(params(serde_json::json!({"temperature": 1, "top_p": null}))),
        experience_controls: None,
    };
    let mut set = DesiredVersionSet { agent_version: Some(Pin::Latest), ..DesiredVersionSet::default() };
    set.llm_model_preferences = Some(BTreeMap::from([("EngageUser".to_owned(), preference)]));
    coach.version_sets = Some([("release".into(), set)].into());
    let mut existing = live("1", "Coach", "A1");
    existing.keyterms = vec!["a".to_owned(), "b".to_owned()];
    let preference = LlmPreference {
        llm_name: "model".to_owned(),
        params: params(serde_json::json!({"temperature": 1.0})),
        experience_controls: serde_json::Map::new(),
        carried: serde_json::Map::new(),
    };
    existing.version_sets.get_mut("release").expect("it exists").llm_model_preferences =
        BTreeMap::from([("EngageUser".to_owned(), preference)]);
    assert_snapshot!(show(&desired([coach]), &snapshot([existing])), @"");
}
