//! Tests of the causes of created, retired, renamed and replaced services, and of properties that causes must have in
//! all random states.

use proptest::prelude::*;
use serde_json::json;

use super::build::*;
use super::causes::{cause_at, causes, manifest, plan_with_causes};
use super::generate::{config, policy, states, without_renamed_services};
use crate::model::*;
use crate::plan::{self, BaseOf, Bases, Cause, Options, Plan, Side, verify};

/// Makes a plan and returns it with the causes of its changes. `base` and `upstream` are the manifests of the base
/// commit and of the newest commit of the base branch.
fn make_plan(
    desired: &Desired,
    base: &Desired,
    upstream: Option<&Desired>,
    services: impl IntoIterator<Item = LiveService>,
    options: &Options,
) -> Plan {
    let snapshot = snapshot(services);
    let plan = plan::plan(desired, &snapshot, &policy(), options).expect("a plan can be made");
    plan_with_causes(&plan, desired, (base, upstream), &snapshot, options)
}

fn nothing() -> Desired {
    desired([])
}

fn renamed(name: &str, from: &str) -> DesiredService {
    let mut service = wanted(name, "A1");
    service.lifecycle.renamed_from = Some(from.into());
    service.description = Some("The same".to_owned());
    service
}

fn described(mut service: LiveService, text: &str) -> LiveService {
    service.description = text.to_owned();
    service
}

#[test]
fn a_created_service_is_new_here_or_was_removed_live() {
    let here = manifest(|_| {});
    let changed = manifest(|service| service.description = Some("Before".to_owned()));
    let elsewhere = manifest(|service| service.place.line = 7);
    let table = [
        (&nothing(), None, Cause::Manifest),
        (&here, None, Cause::Drift),
        (&elsewhere, None, Cause::Drift),
        (&changed, None, Cause::Both),
        (&here, Some(&here), Cause::Drift),
        (&here, Some(&nothing()), Cause::Behind),
        (&changed, Some(&nothing()), Cause::Behind),
        (&nothing(), Some(&here), Cause::Manifest),
    ];
    for (number, (base, upstream, expected)) in table.into_iter().enumerate() {
        let plan = make_plan(&here, base, upstream, [], &options());
        assert_eq!(cause_at(&plan, "Desk as a whole"), Some(expected), "row {number}");
        let refused = plan::conflicts(&plan);
        assert_eq!(
            refused.len(),
            usize::from(matches!(expected, Cause::Both | Cause::Behind)),
            "{refused:?}"
        );
    }
}

#[test]
fn version_sets_of_a_new_service_have_its_cause() {
    let here = manifest(|service| service.version_sets = sets(&[("staging", 1, 1)]));
    let plan = make_plan(&here, &here, None, [], &options());
    assert_eq!(cause_at(&plan, "version_sets.staging.agent_version"), Some(Cause::Drift));
}

#[test]
fn an_orphan_was_removed_here_or_added_elsewhere() {
    let here = manifest(|_| {});
    let with_shop = || desired([wanted("Desk", "A1"), wanted("Shop", "A1")]);
    let with_renamed = || desired([wanted("Desk", "A1"), renamed("Store", "Shop")]);
    let table = [
        (with_shop(), None, Cause::Manifest),
        (with_renamed(), None, Cause::Manifest),
        (with_shop(), Some(with_shop()), Cause::Manifest),
        (manifest(|_| {}), None, Cause::Drift),
        (manifest(|_| {}), Some(with_shop()), Cause::Behind),
        (manifest(|_| {}), Some(manifest(|_| {})), Cause::Drift),
    ];
    let options = Options { prune: true, ..options() };
    for (number, (base, upstream, expected)) in table.iter().enumerate() {
        let services = [live("s1", "Desk", "A1"), live("s2", "Shop", "A1")];
        let plan = make_plan(&here, base, upstream.as_ref(), services, &options);
        assert_eq!(cause_at(&plan, "Shop as a whole"), Some(*expected), "row {number}");
        assert_eq!(cause_at(&plan, "active"), Some(*expected), "row {number}");
    }
}

#[test]
fn a_replacement_has_the_cause_of_the_change_that_forces_it() {
    let joins = |agent: &str, graph: &str| {
        manifest(|service| {
            service.agent = Reference::Name(agent.to_owned());
            service.context_graph = Reference::Name(graph.to_owned());
        })
    };
    let here = joins("A1", "G1");
    let table = [
        (joins("A2", "G2"), None, Cause::Manifest),
        (joins("A1", "G1"), None, Cause::Drift),
        (joins("A1", "G2"), None, Cause::Manifest),
        (joins("A3", "G2"), None, Cause::Both),
        (joins("A1", "G3"), None, Cause::Both),
        (joins("A1", "G1"), Some(joins("A2", "G1")), Cause::Behind),
        (joins("A1", "G1"), Some(joins("A1", "G1")), Cause::Drift),
        (nothing(), None, Cause::Manifest),
    ];
    for (number, (base, upstream, expected)) in table.iter().enumerate() {
        let mut service = live("65f0c1", "Desk", "A2");
        service.context_graph = "g2".into();
        let plan = make_plan(&here, base, upstream.as_ref(), [service], &options());
        assert_eq!(cause_at(&plan, "Desk as a whole"), Some(*expected), "row {number}");
    }
}

#[test]
fn values_of_a_deleted_version_set_have_its_cause() {
    let without_dev = manifest(|service| service.version_sets = sets(&[]));
    let with_dev = manifest(|service| service.version_sets = sets(&[("dev", 1, 1)]));
    let table = [
        (&with_dev, None, Cause::Manifest),
        (&without_dev, None, Cause::Drift),
        (&without_dev, Some(&with_dev), Cause::Behind),
        (&without_dev, Some(&without_dev), Cause::Drift),
    ];
    for (number, (base, upstream, expected)) in table.into_iter().enumerate() {
        let mut service = live("s1", "Desk", "A1");
        let carried = json!({"applied_behavior_ids": ["b1"]}).as_object().cloned().unwrap();
        service.version_sets.insert("dev".into(), VersionSet { carried, ..live_set(1, 1) });
        let plan = make_plan(&without_dev, base, upstream, [service], &options());
        for path in ["version_sets.dev.applied_behavior_ids", "version_sets.dev.agent_version"] {
            assert_eq!(cause_at(&plan, path), Some(expected), "row {number}, {path}");
        }
    }
}

#[test]
fn a_copied_pin_has_the_cause_of_the_agents_change() {
    for (agent, expected) in [("A2", Cause::Manifest), ("A1", Cause::Drift), ("A3", Cause::Both)] {
        let in_place = |service: &mut DesiredService| {
            service.lifecycle.on_agent_change = Some(OnAgentChange::Update);
        };
        let here = manifest(in_place);
        let base = manifest(|service| {
            in_place(service);
            service.agent = Reference::Name(agent.to_owned());
        });
        let mut service = live("s1", "Desk", "A2");
        service.version_sets.insert("release".into(), live_set(5, 1));
        let mut snapshot = snapshot([service]);
        snapshot.agents.entries.get_mut(&AgentId::new("a1")).unwrap().latest = LatestVersion::Number(3);
        let plan = plan::plan(&here, &snapshot, &policy(), &options()).expect("a plan");
        let plan = plan_with_causes(&plan, &here, (&base, None), &snapshot, &options());
        assert_eq!(cause_at(&plan, "version_sets.release.agent_version"), Some(expected), "{agent}");
    }
}

#[test]
fn a_renamed_service_is_compared_with_the_manifest_of_its_former_name() {
    let here = desired([renamed("Shop", "Desk")]);
    let table = [
        (
            desired([DesiredService { description: Some("The same".to_owned()), ..wanted("Desk", "A1") }]),
            Cause::Manifest,
            Cause::Drift,
        ),
        (
            desired([DesiredService { description: Some("Changed".to_owned()), ..wanted("Desk", "A1") }]),
            Cause::Manifest,
            Cause::Manifest,
        ),
        (desired([renamed("Shop", "Desk")]), Cause::Drift, Cause::Drift),
        (desired([renamed("Store", "Desk")]), Cause::Both, Cause::Drift),
        (nothing(), Cause::Manifest, Cause::Manifest),
    ];
    for (number, (base, name, description)) in table.iter().enumerate() {
        let services = [described(live("s1", "Desk", "A1"), "Changed")];
        let plan = make_plan(&here, base, None, services, &options());
        assert_eq!(cause_at(&plan, "service"), Some(*name), "row {number}");
        assert_eq!(cause_at(&plan, "description"), Some(*description), "row {number}");
    }
    // The live service already has the new name, because a user renamed it, or a temporary name, because a run was
    // interrupted. It still belongs to the base's manifest of the former name.
    for name in ["Shop", "Shop (renaming 65f0c1)"] {
        let services = [described(live("65f0c1", name, "A1"), "Changed")];
        let plan = make_plan(&here, &table[0].0, None, services, &options());
        assert_eq!(cause_at(&plan, "description"), Some(Cause::Drift), "{name}");
        assert_eq!(plan::conflicts(&plan), [], "{name}");
    }
}

#[test]
fn a_chain_of_renames_is_followed() {
    let plain =
        |name: &str| DesiredService { description: Some("The same".to_owned()), ..wanted(name, "A1") };
    let here = desired([renamed("Baker", "Able"), renamed("Carol", "Baker")]);
    let base = desired([plain("Able"), plain("Baker")]);
    let services = [described(live("s1", "Able", "A1"), "One"), described(live("s2", "Baker", "A1"), "Two")];
    let plan = make_plan(&here, &base, None, services, &options());
    assert_eq!(cause_at(&plan, "service"), Some(Cause::Manifest));
    assert_eq!(cause_at(&plan, "description"), Some(Cause::Drift));
}

#[test]
fn blocks_of_different_shape_are_conflicts() {
    let options = Options { api: Api::Platform, ..options() };
    let says = |value: &serde_json::Value| {
        manifest(|service| drop(service.settings.insert("voice_config".to_owned(), json!({"x": value}))))
    };
    let (leaf, block) = (json!(5), json!({"y": 1}));
    for (base, here, path) in [(&leaf, &block, "voice_config.x.y"), (&block, &leaf, "voice_config.x")] {
        let mut service = live("s1", "Desk", "A1");
        service.settings.insert("voice_config".to_owned(), json!({"x": {"y": 0}}));
        let plan = make_plan(&says(here), &says(base), None, [service], &options);
        assert_eq!(cause_at(&plan, path), Some(Cause::Both), "{path}");
    }
    // The key `a.b` contains a dot, but this tag is not a part of the tag `a`.
    let tagged = |tags: &[&str]| {
        let tags = tags.iter().map(|tag| ((*tag).to_owned(), None)).collect();
        manifest(|service| service.tags = Some(tags))
    };
    let plan = make_plan(&tagged(&["a", "a.b"]), &tagged(&["a"]), None, [live("s1", "Desk", "A1")], &options);
    assert_eq!(cause_at(&plan, "tags.a.b"), Some(Cause::Manifest));
    assert_eq!(cause_at(&plan, "tags.a"), Some(Cause::Drift));
}

#[test]
fn a_field_that_the_base_ignored_is_changed_by_the_manifest() {
    let here = manifest(|_| {});
    let ignoring = manifest(|service| {
        service.lifecycle.ignore.insert(FieldPath(vec!["description".to_owned()]));
    });
    let services = || [described(live("s1", "Desk", "A1"), "Changed")];
    let plan = make_plan(&here, &ignoring, None, services(), &options());
    assert_eq!(cause_at(&plan, "description"), Some(Cause::Manifest));
    // The base commit has its own rules, such as another ownership value. If only this value differs, the cause is the
    // manifest.
    let former =
        Policy { ownership: Ownership { value: "former".to_owned(), ..Ownership::default() }, ..policy() };
    let mut owned = live("s1", "Desk", "A1");
    owned.tags.insert("managed_by".to_owned(), Some("former".to_owned()));
    let (snapshot, options) =
        (snapshot([owned]), Options { take_over: Some("former".to_owned()), ..options() });
    let plan = plan::plan(&here, &snapshot, &policy(), &options).expect("a plan");
    let bases = BaseOf::Every(Bases { base: Side { desired: &here, policy: &former }, upstream: None });
    let plan =
        plan::with_causes(plan, Side { desired: &here, policy: &policy() }, &bases, &snapshot, options.api);
    assert_eq!(cause_at(&plan, "tags.managed_by"), Some(Cause::Manifest));
}

#[test]
fn names_that_only_the_base_uses_are_looked_up_if_they_matter() {
    let by_id = |id: &str| {
        manifest(|service| {
            service.agent = Reference::Id(id.to_owned());
            service.context_graph = Reference::Id("g1".to_owned());
        })
    };
    let by_name = |name: &str| manifest(|service| service.agent = Reference::Name(name.to_owned()));
    let mut snapshot = snapshot([live("65f0c1", "Desk", "A2")]);
    snapshot.agents.complete = false;
    snapshot.context_graphs.complete = false;
    let policy = policy();
    let here = by_id("a1");
    let plan = plan::plan(&here, &snapshot, &policy, &options()).expect("a plan");
    let needed = |plan: &Plan, here: &Desired, base: &Desired| {
        let ours = Side { desired: here, policy: &policy };
        let base = Side { desired: base, policy: &policy };
        let bases = BaseOf::Every(Bases { base, upstream: None });
        plan::cause_lookups(plan, ours, &bases, &snapshot, Api::Classic)
    };
    let lists = needed(&plan, &here, &by_name("A2"));
    assert_eq!((lists.agents, lists.context_graphs), (Need::All, Need::Nothing));
    assert!(needed(&plan, &here, &by_id("a2")).is_nothing());
    let same = plan::plan(&by_id("a2"), &snapshot, &policy, &options()).expect("a plan");
    assert!(needed(&same, &by_id("a2"), &by_name("A2")).is_nothing());
    snapshot.agents.complete = true;
    for (base, expected) in
        [("A1", Cause::Drift), ("A2", Cause::Manifest), ("A3", Cause::Both), ("Unheard", Cause::Manifest)]
    {
        let plan = plan_with_causes(&plan, &here, (&by_name(base), None), &snapshot, &options());
        assert_eq!(cause_at(&plan, "agent"), Some(expected), "{base}");
    }
}

#[test]
fn advice_is_given_once() {
    let here = manifest(|service| service.keyterms = Some(vec!["a".to_owned()]));
    let base = manifest(|service| {
        service.keyterms = Some(vec!["b".to_owned()]);
        service.description = Some("Before".to_owned());
    });
    let services = [described(live("s1", "Desk", "A1"), &"Very long. ".repeat(20))];
    let mut service = services[0].clone();
    service.keyterms = vec!["c".to_owned()];
    let plan = make_plan(&here, &base, None, [service], &options());
    let shown: Vec<_> =
        plan::conflicts(&plan).into_iter().map(|problem| (problem.message, problem.help.len())).collect();
    assert_eq!(shown.len(), 2);
    assert_eq!(
        shown[0],
        (
            "`Desk`: `description` is `Very long. Very long. Very long. Very long. Very long. Very …` live and \
             `The service Desk` in the manifest, and both differ from the base"
                .to_owned(),
            0
        )
    );
    assert_eq!(
        shown[1],
        (
            "`Desk`: `keyterms` is `[\"c\"]` live and `[\"a\"]` in the manifest, and both differ from the base"
                .to_owned(),
            2
        )
    );
}

/// Removes all causes from a plan, and returns the plan.
fn without_causes(mut plan: Plan) -> Plan {
    for service in &mut plan.services {
        service.cause = None;
        service.changes.set_causes(|_| None);
    }
    plan.steps.iter_mut().for_each(|step| step.changes.set_causes(|_| None));
    plan
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn causes_do_not_change_a_plan_and_each_change_has_one(
        (api, desired, snapshot) in states(), (_, base, _) in states(), (_, tip, _) in states(), prune: bool,
    ) {
        let options = Options { api, prune, ..options() };
        let Ok(plan) = plan::plan(&desired, &snapshot, &policy(), &options) else { return Ok(()) };
        let with_causes = plan_with_causes(&plan, &desired, (&base, Some(&tip)), &snapshot, &options);
        prop_assert_eq!(&without_causes(with_causes.clone()), &plan);
        for (what, cause) in causes(&with_causes) {
            prop_assert!(cause.is_some(), "{} has no cause", what);
        }
    }

    #[test]
    fn manifests_equal_to_the_base_cause_only_drift((api, desired, snapshot) in states(), prune: bool) {
        let options = Options { api, prune, ..options() };
        let Ok(plan) = plan::plan(&desired, &snapshot, &policy(), &options) else { return Ok(()) };
        for (what, cause) in causes(&plan_with_causes(&plan, &desired, (&desired, None), &snapshot, &options)) {
            prop_assert_eq!(cause, Some(Cause::Drift), "{} of\n{}", what, steps(&plan));
        }
    }

    #[test]
    fn a_live_state_equal_to_the_base_has_no_drift(
        (api, base, snapshot) in states(), (_, desired, _) in states(),
    ) {
        // A renamed or copied service differs from the base, even if a plan leaves it as it is.
        let snapshot = without_renamed_services(snapshot);
        let options = Options { api, prune: true, ..options() };
        let Ok(first) = plan::plan(&base, &snapshot, &policy(), &options) else { return Ok(()) };
        let there = verify::outcome(&snapshot, &first.steps, api);
        let Ok(plan) = plan::plan(&desired, &there, &policy(), &options) else { return Ok(()) };
        for (what, cause) in causes(&plan_with_causes(&plan, &desired, (&base, None), &there, &options)) {
            prop_assert_eq!(cause, Some(Cause::Manifest), "{} of\n{}", what, steps(&plan));
        }
    }
}
