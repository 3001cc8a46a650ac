//! Whose doing it is that services come, go, move and are replaced; and what holds for all states.

use proptest::prelude::*;
use serde_json::json;

use super::build::*;
use super::causes::{cause_at, causes, manifest, told};
use super::generate::{config, policy, states};
use crate::model::*;
use crate::plan::{self, Bases, Cause, Options, Plan, Side, verify};

/// Plans, and tells the causes.
fn told_plan(
    desired: &Desired,
    base: &Desired,
    upstream: Option<&Desired>,
    services: impl IntoIterator<Item = LiveService>,
    options: &Options,
) -> Plan {
    let snapshot = snapshot(services);
    let plan = plan::plan(desired, &snapshot, &policy(), options).expect("a plan can be made");
    told(&plan, desired, base, upstream, &snapshot, options)
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
fn a_service_that_is_created_is_new_here_or_gone_live() {
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
        let plan = told_plan(&here, base, upstream, [], &options());
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
fn the_sets_of_a_new_service_have_its_cause() {
    let here = manifest(|service| service.version_sets = sets(&[("staging", 1, 1)]));
    let plan = told_plan(&here, &here, None, [], &options());
    assert_eq!(cause_at(&plan, "version_sets.staging.agent_version"), Some(Cause::Drift));
}

#[test]
fn an_orphan_was_let_go_here_or_added_elsewhere() {
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
        let plan = told_plan(&here, base, upstream.as_ref(), services, &options);
        assert_eq!(cause_at(&plan, "Shop as a whole"), Some(*expected), "row {number}");
        assert_eq!(cause_at(&plan, "active"), Some(*expected), "row {number}");
    }
}

#[test]
fn a_replacement_has_the_cause_of_what_forces_it() {
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
        let plan = told_plan(&here, base, upstream.as_ref(), [service], &options());
        assert_eq!(cause_at(&plan, "Desk as a whole"), Some(*expected), "row {number}");
    }
}

#[test]
fn what_goes_with_a_version_set_has_its_cause() {
    let bare = manifest(|service| service.version_sets = sets(&[]));
    let with_dev = manifest(|service| service.version_sets = sets(&[("dev", 1, 1)]));
    let table = [
        (&with_dev, None, Cause::Manifest),
        (&bare, None, Cause::Drift),
        (&bare, Some(&with_dev), Cause::Behind),
        (&bare, Some(&bare), Cause::Drift),
    ];
    for (number, (base, upstream, expected)) in table.into_iter().enumerate() {
        let mut service = live("s1", "Desk", "A1");
        let carried = json!({"applied_behavior_ids": ["b1"]}).as_object().cloned().unwrap();
        service.version_sets.insert("dev".into(), VersionSet { carried, ..live_set(1, 1) });
        let plan = told_plan(&bare, base, upstream, [service], &options());
        for path in ["version_sets.dev.applied_behavior_ids", "version_sets.dev.agent_version"] {
            assert_eq!(cause_at(&plan, path), Some(expected), "row {number}, {path}");
        }
    }
}

#[test]
fn a_pin_that_is_carried_over_changes_because_the_agent_does() {
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
        let plan = told(&plan, &here, &base, None, &snapshot, &options());
        assert_eq!(cause_at(&plan, "version_sets.release.agent_version"), Some(expected), "{agent}");
    }
}

#[test]
fn a_renamed_service_is_known_by_the_name_it_had() {
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
        let plan = told_plan(&here, base, None, services, &options());
        assert_eq!(cause_at(&plan, "service"), Some(*name), "row {number}");
        assert_eq!(cause_at(&plan, "description"), Some(*description), "row {number}");
    }
    // Renamed live already, by hand or by a run that was cut off.
    for name in ["Shop", "Shop (renaming 65f0c1)"] {
        let services = [described(live("65f0c1", name, "A1"), "Changed")];
        let plan = told_plan(&here, &table[0].0, None, services, &options());
        assert_eq!(cause_at(&plan, "description"), Some(Cause::Drift), "{name}");
        assert_eq!(plan::conflicts(&plan), [], "{name}");
    }
}

#[test]
fn a_chain_of_names_is_followed() {
    let plain =
        |name: &str| DesiredService { description: Some("The same".to_owned()), ..wanted(name, "A1") };
    let here = desired([renamed("Baker", "Able"), renamed("Carol", "Baker")]);
    let base = desired([plain("Able"), plain("Baker")]);
    let services = [described(live("s1", "Able", "A1"), "One"), described(live("s2", "Baker", "A1"), "Two")];
    let plan = told_plan(&here, &base, None, services, &options());
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
        let plan = told_plan(&says(here), &says(base), None, [service], &options);
        assert_eq!(cause_at(&plan, path), Some(Cause::Both), "{path}");
    }
    // A tag's name may have dots; that makes it no part of another.
    let tagged = |tags: &[&str]| {
        let tags = tags.iter().map(|tag| ((*tag).to_owned(), None)).collect();
        manifest(|service| service.tags = Some(tags))
    };
    let plan = told_plan(&tagged(&["a", "a.b"]), &tagged(&["a"]), None, [live("s1", "Desk", "A1")], &options);
    assert_eq!(cause_at(&plan, "tags.a.b"), Some(Cause::Manifest));
    assert_eq!(cause_at(&plan, "tags.a"), Some(Cause::Drift));
}

#[test]
fn a_field_that_the_base_ignored_or_another_project_owned_is_a_change_here() {
    let here = manifest(|_| {});
    let ignoring = manifest(|service| {
        service.lifecycle.ignore.insert(FieldPath(vec!["description".to_owned()]));
    });
    let services = || [described(live("s1", "Desk", "A1"), "Changed")];
    let plan = told_plan(&here, &ignoring, None, services(), &options());
    assert_eq!(cause_at(&plan, "description"), Some(Cause::Manifest));
    // The rules of the base are the base's.
    let former =
        Policy { ownership: Ownership { value: "former".to_owned(), ..Ownership::default() }, ..policy() };
    let mut owned = live("s1", "Desk", "A1");
    owned.tags.insert("managed_by".to_owned(), Some("former".to_owned()));
    let (snapshot, options) =
        (snapshot([owned]), Options { take_over: Some("former".to_owned()), ..options() });
    let plan = plan::plan(&here, &snapshot, &policy(), &options).expect("a plan");
    let bases = Bases { base: Side { desired: &here, policy: &former }, upstream: None };
    let plan = plan::with_causes(plan, &here, &bases, &snapshot, &policy(), &options);
    assert_eq!(cause_at(&plan, "tags.managed_by"), Some(Cause::Manifest));
}

#[test]
fn names_that_only_the_base_uses_are_listed_once_and_only_where_they_matter() {
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
        let bases = Bases { base: Side { desired: base, policy: &policy }, upstream: None };
        plan::cause_lookups(plan, here, &bases, &snapshot, Api::Classic)
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
        let plan = told(&plan, &here, &by_name(base), None, &snapshot, &options());
        assert_eq!(cause_at(&plan, "agent"), Some(expected), "{base}");
    }
}

#[test]
fn what_to_do_is_said_once() {
    let here = manifest(|service| service.keyterms = Some(vec!["a".to_owned()]));
    let base = manifest(|service| {
        service.keyterms = Some(vec!["b".to_owned()]);
        service.description = Some("Before".to_owned());
    });
    let services = [described(live("s1", "Desk", "A1"), &"Very long. ".repeat(20))];
    let mut service = services[0].clone();
    service.keyterms = vec!["c".to_owned()];
    let plan = told_plan(&here, &base, None, [service], &options());
    let shown: Vec<_> =
        plan::conflicts(&plan).into_iter().map(|problem| (problem.message, problem.help.len())).collect();
    assert_eq!(shown.len(), 2);
    assert_eq!(
        shown[0],
        (
            "`Desk`: `description` is `Very long. Very long. Very long. Very long. Very long. Very …` live and \
             `The service Desk` in the manifest, and the base has neither"
                .to_owned(),
            0
        )
    );
    assert_eq!(
        shown[1],
        (
            "`Desk`: `keyterms` is `[\"c\"]` live and `[\"a\"]` in the manifest, and the base has neither"
                .to_owned(),
            2
        )
    );
}

/// The plan without its causes.
fn bare(mut plan: Plan) -> Plan {
    for service in &mut plan.services {
        service.cause = None;
        service.changes.iter_mut().for_each(|change| change.cause = None);
    }
    plan.steps.iter_mut().flat_map(|step| &mut step.changes).for_each(|change| change.cause = None);
    plan
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn causes_change_nothing_and_everything_has_one(
        (api, desired, snapshot) in states(), (_, base, _) in states(), (_, tip, _) in states(), prune: bool,
    ) {
        let options = Options { api, prune, ..options() };
        let Ok(plan) = plan::plan(&desired, &snapshot, &policy(), &options) else { return Ok(()) };
        let told = told(&plan, &desired, &base, Some(&tip), &snapshot, &options);
        prop_assert_eq!(&bare(told.clone()), &plan);
        for (what, cause) in causes(&told) {
            prop_assert!(cause.is_some(), "{} has no cause", what);
        }
    }

    #[test]
    fn manifests_that_are_as_in_the_base_have_changed_nothing((api, desired, snapshot) in states(), prune: bool) {
        let options = Options { api, prune, ..options() };
        let Ok(plan) = plan::plan(&desired, &snapshot, &policy(), &options) else { return Ok(()) };
        for (what, cause) in causes(&told(&plan, &desired, &desired, None, &snapshot, &options)) {
            prop_assert_eq!(cause, Some(Cause::Drift), "{} of\n{}", what, steps(&plan));
        }
    }

    #[test]
    fn a_live_state_that_is_as_the_base_says_has_not_drifted(
        (api, base, snapshot) in states(), (_, desired, _) in states(),
    ) {
        let options = Options { api, prune: true, ..options() };
        let Ok(first) = plan::plan(&base, &snapshot, &policy(), &options) else { return Ok(()) };
        let there = verify::outcome(&snapshot, &first.steps, api);
        let Ok(plan) = plan::plan(&desired, &there, &policy(), &options) else { return Ok(()) };
        for (what, cause) in causes(&told(&plan, &desired, &base, None, &there, &options)) {
            prop_assert_eq!(cause, Some(Cause::Manifest), "{} of\n{}", what, steps(&plan));
        }
    }
}
