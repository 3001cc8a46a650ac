//! Tests of plan documents: reading them back, and detecting stale plans.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::model::*;
use crate::plan::tests::build::*;
use crate::plan::tests::generate::{config, policy, states};
use crate::plan::{self, Options, Origin, Plan, verify};

fn origin(api: Api) -> Origin {
    Origin {
        environment: "lab".to_owned(),
        api,
        organization: "acme".to_owned(),
        server: "https://api.amigo.ai".to_owned(),
        created_at: "2026-11-22T09:57:12Z".to_owned(),
        commit: None,
        base: None,
    }
}

pub(super) fn document(
    desired: &Desired,
    snapshot: &Snapshot,
    options: &Options,
    policy: &Policy,
) -> Option<(Plan, PlanDocument)> {
    let plan = plan::plan(desired, snapshot, policy, options).ok()?;
    let document =
        PlanDocument::new(&plan, &origin(options.api), &PlanInputs { options, desired, snapshot, policy });
    Some((plan, document))
}

pub(super) fn text(document: &PlanDocument) -> String {
    serde_json::to_string_pretty(document).expect("a document is JSON")
}

proptest! {
    #![proptest_config(config())]

        #[test]
    fn a_document_keeps_its_plan_and_is_stale_after_an_apply((api, desired, live) in states(), prune: bool) {
        let (options, policy) = (Options { api, prune, ..options() }, policy());
        let Some((plan, written)) = document(&desired, &live, &options, &policy) else { return Ok(()) };
        let read = PlanDocument::read(&text(&written)).expect("a plan");
        prop_assert_eq!(&read, &written);
        prop_assert_eq!(&read.plan(), &plan);
        let mut turned = live.clone();
        turned.services.reverse();
        prop_assert_eq!(find_stale_values(&read.fingerprints, &turned, &policy, api), vec![]);
        // After a full or partial apply, the plan must be stale.
        for count in 1..=plan.steps.len() {
            let touches = plan.steps[..count].iter().any(|step| !matches!(step.action, plan::Action::Smoke { .. }));
            let after = verify::outcome(&live, &plan.steps[..count], api);
            prop_assert!(!touches || !find_stale_values(&read.fingerprints, &after, &policy, api).is_empty(), "{count} steps leave no trace: {:#?}", plan.steps);
        }
    }
}

/// A function that changes a live service, as another client would.
type Interference = fn(&mut LiveService);

/// Returns a live state, and the document of a plan that changes one of its services.
fn changed_service() -> (Snapshot, PlanDocument) {
    let mut changed = wanted("X", "A1");
    changed.description = Some("New".to_owned());
    changed.version_sets = sets(&[("release", 2, 2), ("dev", 1, 1)]);
    changed.tags = None;
    let mut there = live("x", "X", "A1");
    there.version_sets.insert("dev".into(), live_set(1, 1));
    let (desired, state) = (desired([changed]), snapshot([there, live("y", "Y", "A1")]));
    let (_, document) = document(&desired, &state, &options(), &own_policy()).expect("a plan");
    (state, document)
}

#[test]
fn values_that_a_plan_does_not_depend_on_may_change() {
    let (state, document) = changed_service();
    let table: [(&str, Interference, &[&str]); 14] = [
        ("a touched field", |x| x.description = "Other".to_owned(), &["description"]),
        ("only blanks", |x| x.description.push('\n'), &[]),
        ("an untouched field", |x| x.keyterms = vec!["new".to_owned()], &[]),
        (
            "an undeclared tag, which is written with the tag `origin`",
            |x| drop(x.tags.insert("who".to_owned(), None)),
            &["tags"],
        ),
        (
            "its owner",
            |x| drop(x.tags.insert("managed_by".to_owned(), Some("others".to_owned()))),
            &["owner", "tags"],
        ),
        ("its name", |x| x.name = "Z".into(), &["name", "services named `X`"]),
        ("whether it is active", |x| x.active = false, &["active"]),
        ("an untouched version set", |x| drop(x.version_sets.insert("dev".into(), live_set(3, 3))), &[]),
        ("a new version set", |x| drop(x.version_sets.insert("more".into(), live_set(3, 3))), &[]),
        (
            "a touched version set",
            |x| drop(x.version_sets.insert("release".into(), live_set(1, 0))),
            &["version_sets.release"],
        ),
        (
            "a service that the plan does not mention",
            |x| {
                let set = x.version_sets.get_mut("release").expect("a set");
                set.carried.insert("applied_behavior_ids".to_owned(), json!(["b"]));
            },
            &["version_sets.release"],
        ),
        (
            "a touched version set that is gone",
            |x| drop(x.version_sets.remove("release")),
            &["version_sets.release"],
        ),
        ("the agent, which its pins are of", |x| x.agent = "a2".into(), &["agent"]),
        ("who did it", |x| x.updated_by = Some("me".to_owned()), &[]),
    ];
    for (what, change, expected) in table {
        let mut now = state.clone();
        change(&mut now.services[0]);
        let found = find_stale_values(&document.fingerprints, &now, &own_policy(), Api::Classic);
        let paths: Vec<&str> = found.iter().map(|one| one.what.as_str()).collect();
        assert_eq!(paths, expected, "{what}");
    }
}

#[test]
fn services_that_a_plan_does_not_touch_may_change() {
    let (mut others, document) = changed_service();
    others.services[1].description = "Other".to_owned();
    others.services.push(live("n", "New", "A1"));
    assert_eq!(find_stale_values(&document.fingerprints, &others, &own_policy(), Api::Classic), vec![]);
    others.services.remove(0);
    let gone = find_stale_values(&document.fingerprints, &others, &own_policy(), Api::Classic);
    assert_eq!(
        (gone.len(), gone[0].what.as_str(), &gone[0].now),
        (2, "the service no longer exists", &Value::Null)
    );
    others.services.push(live("again", "X", "A1"));
    let gone = find_stale_values(&document.fingerprints, &others, &own_policy(), Api::Classic);
    assert_eq!(gone[0].now, json!("again"));
}

#[test]
fn a_plan_depends_on_names_and_on_replaced_services() {
    // X is replaced, N is new.
    let (desired, state) =
        (desired([wanted("X", "A2"), wanted("N", "A1")]), snapshot([live("x", "X", "A1")]));
    let mut state = state;
    state.behavior_sets.insert("x".into(), Vec::new());
    let (_, document) = document(&desired, &state, &options(), &own_policy()).expect("a plan");
    let whats = |now: &Snapshot| -> Vec<String> {
        let found = find_stale_values(&document.fingerprints, now, &own_policy(), Api::Classic);
        found.into_iter().map(|one| one.what).collect()
    };
    let with = |service: LiveService| {
        let mut now = state.clone();
        now.services.push(service);
        now
    };
    assert_eq!(whats(&with(live("n", "N", "A1"))), ["services named `N`"]);
    assert_eq!(whats(&with(live("x2", "X", "A1"))), ["services named `X`"]);
    let stranger = LiveService { active: false, tags: BTreeMap::new(), ..live("n", "N", "A1") };
    assert_eq!(
        whats(&with(stranger)),
        Vec::<String>::new(),
        "an inactive service of another owner does not matter"
    );
    let begun = LiveService { active: false, ..live("n", "X", "A2") };
    assert_eq!(whats(&with(begun)), ["services named `X`"], "another run has begun the replacement");
    let table: [(Interference, &str); 4] = [
        (|x| x.keyterms = vec!["new".to_owned()], "keyterms"),
        (|x| drop(x.tags.insert("who".to_owned(), None)), "tags"),
        (|x| drop(x.version_sets.insert("more".into(), live_set(3, 3))), "version_sets"),
        (
            |x| x.version_sets.get_mut("release").expect("a set").agent_version = Pin::Number(1),
            "version_sets.release",
        ),
    ];
    for (change, expected) in table {
        let mut now = state.clone();
        change(&mut now.services[0]);
        assert_eq!(whats(&now), [expected]);
    }
    let mut now = state.clone();
    let set = BehaviorSet { id: "b".into(), name: "B".to_owned(), applied_to: ["x".into()].into() };
    now.behavior_sets.insert("x".into(), vec![set]);
    assert_eq!(whats(&now), ["behavior sets applied to the service"]);
}

#[test]
fn a_plan_depends_on_all_fields_of_retired_services_only() {
    // X is retired, Y is deactivated, Z changes its agent in place, and N is renamed from Old.
    let mut off = wanted("Y", "A1");
    off.active = Some(false);
    let mut in_place = wanted("Z", "A2");
    in_place.lifecycle.on_agent_change = Some(OnAgentChange::Update);
    let mut new = wanted("N", "A1");
    new.lifecycle.renamed_from = Some("Old".into());
    let desired = desired([off, in_place, new]);
    let state = snapshot([live("x", "X", "A1"), live("y", "Y", "A1"), live("z", "Z", "A1")]);
    let options = Options { prune: true, create: ["N".into()].into(), ..options() };
    let (_, document) = document(&desired, &state, &options, &own_policy()).expect("a plan");
    let whats = |change: &dyn Fn(&mut Vec<LiveService>)| -> Vec<String> {
        let mut now = state.clone();
        change(&mut now.services);
        let found = find_stale_values(&document.fingerprints, &now, &own_policy(), Api::Classic);
        found.into_iter().map(|one| format!("{}: {}", one.service, one.what)).collect()
    };
    let tag = |service: &mut LiveService| {
        drop(service.tags.insert("protected".to_owned(), Some("true".to_owned())))
    };
    assert_eq!(whats(&|all| tag(&mut all[0])), ["X: tags"], "it is not to go any more");
    assert_eq!(whats(&|all| all[0].description.push('!')), ["X: description"]);
    assert_eq!(whats(&|all| all[1].description.push('!')), Vec::<String>::new());
    let namesake = LiveService { active: false, ..live("y2", "Y", "A1") };
    assert_eq!(
        whats(&|all| all.push(namesake.clone())),
        ["Y: services named `Y`"],
        "the two could not be told apart"
    );
    assert_eq!(whats(&|all| all[2].description.push('!')), Vec::<String>::new());
    assert_eq!(whats(&|all| tag(&mut all[2])), ["Z: tags"], "they are written with the tag `origin`");
    let pin = |all: &mut Vec<LiveService>| drop(all[2].version_sets.insert("dev".into(), live_set(1, 1)));
    assert_eq!(whats(&pin), ["Z: version_sets"], "its pins would be of another agent");
    assert_eq!(whats(&|all| all.push(live("o", "Old", "A1"))), ["Old: services named `Old`"]);
}

#[test]
fn only_unchanged_documents_are_read() {
    let (desired, state) = (desired([wanted("N", "A1")]), snapshot([]));
    let (_, document) = document(&desired, &state, &options(), &own_policy()).expect("a plan");
    let whole = text(&document);
    let edited = |from: &str, to: &str| {
        assert!(whole.contains(from), "{from}");
        PlanDocument::read(&whole.replacen(from, to, 1)).expect_err("not a plan")
    };
    assert_eq!(edited("\"prune\": false", "\"prune\": true"), ReadError::Edited);
    assert_eq!(edited("The service N", "Another"), ReadError::Edited);
    assert_eq!(edited("\"format_version\": 1", "\"format_version\": 2"), ReadError::Version(2));
    assert!(matches!(edited("\"format_version\": 1,", ""), ReadError::Malformed(_)));
    assert!(matches!(edited("\"does\"", "\"doing\""), ReadError::Malformed(_)));
    // An unknown key changes the fingerprint, too, even in a step, where unknown keys are ignored.
    assert_eq!(edited("\"service_id\": null", "\"service_id\": null, \"and\": 1"), ReadError::Edited);
    assert!(matches!(edited("\"commit\": null", "\"commits\": null"), ReadError::Malformed(_)));
    for text in ["", "null", "[]", "{", "{\"format_version\": \"1\"}", "\u{0}", &"[".repeat(100_000)] {
        assert!(matches!(PlanDocument::read(text), Err(ReadError::Malformed(_))), "{}", text.len());
    }
    // Times are not part of the fingerprint, and neither is `applied_at`.
    let mut marked = document;
    marked.applied_at = Some("later".to_owned());
    marked.created_at = "sooner".to_owned();
    assert_eq!(PlanDocument::read(&text(&marked)), Ok(marked));
}

#[test]
fn a_plan_is_bound_to_the_manifests_of_its_services() {
    let of = |desired: &Desired| {
        let state = snapshot([live("y", "Y", "A1")]);
        let (_, document) = document(desired, &state, &options(), &own_policy()).expect("a plan");
        document.manifests
    };
    let one = desired([wanted("X", "A1"), wanted("Y", "A1")]);
    assert_eq!(of(&one).keys().map(ServiceName::as_str).collect::<Vec<_>>(), ["X"]);
    let changed = |name: &str, change: fn(&mut DesiredService)| {
        let mut other = one.clone();
        change(other.services.get_mut(&ServiceName::new(name)).expect("a service"));
        of(&other)
    };
    assert_eq!(changed("X", |x| x.place.line = 99), of(&one));
    assert_eq!(changed("Y", |y| y.lifecycle.retire = Retire::Keep), of(&one), "the plan does not change it");
    let changes: [fn(&mut DesiredService); 4] = [
        |x| x.description = Some("Other".to_owned()),
        |x| x.lifecycle.prevent_removal = true,
        |x| x.lifecycle.retire = Retire::Keep,
        |x| x.smoke.push(SmokeTest { version_set: "release".into(), say: None, expect: None }),
    ];
    for change in changes {
        assert_ne!(changed("X", change), of(&one));
    }
}
