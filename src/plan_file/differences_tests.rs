//! Tests of comparing a saved plan with the plan that is made again.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::tests::{document, text};
use super::*;
use crate::model::*;
use crate::plan::tests::build::*;
use crate::plan::tests::generate::{config, policies, policy, states};
use crate::plan::{Options, verify};

/// Returns a service without an owner.
fn unowned_service() -> LiveService {
    LiveService { tags: Default::default(), ..live("zebra", "Zebra", "A1") }
}

/// Makes a saved plan again, limited to the services that it changes. Verifies the new plan and returns its document.
fn plan_again(
    saved: &PlanDocument,
    desired: &Desired,
    live: &Snapshot,
    options: &Options,
    policy: &Policy,
) -> PlanDocument {
    let options = Options { touched: Some(saved.changed_services()), ..options.clone() };
    let (plan, current) = document(desired, live, &options, policy).expect("the plan can be made again");
    let violations = verify::verify(desired, live, policy, &options, &plan);
    assert!(violations.is_empty(), "{violations:#?}\n{}", steps(&plan));
    current
}

/// Returns the differences as strings, each with the name of its service and the path or description of its value.
fn difference_names(saved: &PlanDocument, current: &PlanDocument) -> Vec<String> {
    let word = |one: Difference| {
        let service = one.service.map(|name| format!("{name}: ")).unwrap_or_default();
        format!("{service}{}", one.what)
    };
    differences(saved, current).into_iter().map(word).collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_plan_made_again_is_equal_even_on_another_day(
        (api, desired, live) in states(), prune: bool, policy in policies(Api::Classic)
    ) {
        let options = Options { api, prune, ..options() };
        let Some((_, saved)) = document(&desired, &live, &options, &policy) else { return Ok(()) };
        let read = PlanDocument::read(&text(&saved)).expect("a plan");
        let later = Options { today: "2026-12-01".to_owned(), ..options.clone() };
        prop_assert_eq!(difference_names(&read, &plan_again(&saved, &desired, &live, &options, &policy)), Vec::<String>::new());
        prop_assert_eq!(difference_names(&read, &plan_again(&saved, &desired, &live, &later, &policy)), Vec::<String>::new());
    }

    #[test]
    fn changes_of_other_services_are_not_compared((api, desired, live) in states(), prune: bool) {
        let (options, policy) = (Options { api, prune, ..options() }, policy());
        let Some((_, saved)) = document(&desired, &live, &options, &policy) else { return Ok(()) };
        let touched = saved.changed_services();
        let mut other = desired;
        for service in other.services.values_mut().filter(|service| !touched.contains(&service.name)) {
            service.description = Some("Changed since".to_owned());
        }
        let new = DesiredService { agent: Reference::Name("Unknown".to_owned()), ..wanted("Zulu", "A1") };
        other.services.insert(new.name.clone(), new);
        let mut moved = live;
        moved.services.push(unowned_service());
        prop_assert_eq!(difference_names(&saved, &plan_again(&saved, &other, &moved, &options, &policy)), Vec::<String>::new());
    }

    #[test]
    fn every_relevant_value_is_compared((api, desired, live) in states(), prune: bool) {
        let (options, policy) = (Options { api, prune, ..options() }, policy());
        let Some((_, saved)) = document(&desired, &live, &options, &policy) else { return Ok(()) };
        let current = plan_again(&saved, &desired, &live, &options, &policy);
        let whole = serde_json::to_value(&saved).expect("a document is JSON");
        let mut paths = Vec::new();
        for part in ["steps", "services", "fingerprints", "manifests"] {
            leaves(&whole[part], &format!("/{part}"), &mut paths);
        }
        // The name in a fingerprint is only for messages, so it is not compared.
        let names = |path: &str| path.starts_with("/fingerprints") && path.matches('/').count() == 3;
        paths.retain(|path| !NOT_COMPARED.iter().any(|end| path.ends_with(end)));
        paths.retain(|path| !(names(path) && path.ends_with("/name")));
        for path in paths {
            let mut edited = whole.clone();
            let value = edited.pointer_mut(&path).expect("a value");
            *value = other(value);
            let Ok(edited) = serde_json::from_value::<PlanDocument>(edited) else { continue };
            prop_assert!(!differences(&edited, &current).is_empty(), "{path} does not count");
        }
    }
}

/// The ends of the JSON pointers of values that a comparison ignores.
const NOT_COMPARED: [&str; 5] = ["/reason", "/cause", "/last_change", "/last_change/by", "/last_change/at"];

/// Adds the JSON pointers of all leaves of a value to `found`.
fn leaves(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, member) in members {
                leaves(member, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                leaves(item, &format!("{at}/{index}"), found);
            }
        }
        _ => found.push(at.to_owned()),
    }
}

/// Returns a different value of the same type.
fn other(value: &Value) -> Value {
    match value {
        Value::Null => json!("x"),
        Value::Bool(yes) => json!(!yes),
        Value::Number(number) => json!(number.as_u64().unwrap_or_default() + 1),
        Value::String(text) => json!(format!("{text}x")),
        Value::Array(_) => json!(["x"]),
        Value::Object(_) => json!({"x": "x"}),
    }
}

#[test]
fn each_difference_is_shown_with_both_sides() {
    let mut old = wanted("X", "A1");
    old.description = Some("Approved".to_owned());
    let state = snapshot([live("x", "X", "A1"), live("y", "Y", "A1")]);
    let (_, saved) = document(&desired([old.clone()]), &state, &options(), &own_policy()).expect("a plan");
    let mut changed = old;
    changed.description = Some("Changed".to_owned());
    changed.version_sets = sets(&[("release", 1, 1)]);
    let found =
        differences(&saved, &plan_again(&saved, &desired([changed]), &state, &options(), &own_policy()));
    let shown: Vec<_> = found.iter().map(|one| (one.what.as_str(), &one.approved, &one.current)).collect();
    assert_eq!(shown[0], ("update.description", &json!("Approved"), &json!("Changed")));
    assert_eq!((shown[1].0, shown[1].1), ("write_version_set `release`", &Value::Null));
    assert_eq!(shown[2].0, "fingerprint of the manifest");
    assert!(found.iter().all(|one| one.service == Some("X".into())));
    // The manifests no longer declare X, so the new plan does not change X.
    let found = difference_names(
        &saved,
        &plan_again(&saved, &desired([wanted("Y", "A1")]), &state, &options(), &own_policy()),
    );
    assert_eq!(found, ["X: update", "X: fingerprint of the manifest"]);
}

#[test]
fn a_share_of_removals_is_checked_again() {
    // 50 % of two owned services is one service. 50 % of one service is rounded down to none.
    let rule = Guardrails { max_removals: Some(MaxRemovals::Percent(50.0)), ..Guardrails::default() };
    let policy = Policy { guardrails: rule, ..own_policy() };
    let desired = desired([wanted("X", "A1")]);
    let state = snapshot([live("x", "X", "A1"), live("y", "Y", "A1")]);
    let prune = Options { prune: true, ..options() };
    let (_, saved) = document(&desired, &state, &prune, &policy).expect("a plan");
    let mut fewer = state.clone();
    fewer.services[0].active = false;
    let again = Options { touched: Some(saved.changed_services()), ..prune };
    assert_eq!(saved.changed_services(), BTreeSet::from(["Y".into()]));
    assert!(document(&desired, &state, &again, &policy).is_some());
    assert!(document(&desired, &fewer, &again, &policy).is_none(), "one of one is more than half");
}
