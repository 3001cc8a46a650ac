//! Compares a saved plan with the plan that is made again before an apply.
//!
//! Actions, targets, values, order and risks must be equal, and so must the changes that the reviewer saw. These parts
//! are not compared:
//!
//! * dates and ids in generated names, such as `Coach (replaced 2026-11-22 4d1a9e)`;
//! * causes, which are determined again, and the last change of each service;
//! * reasons, diagnostics and the estimate;
//! * the lists and numbers of services that the plan does not change.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Map, Value};

use super::digest;
use super::document::{PlanDocument, StepDocument, SummaryDocument};
use super::fingerprints::{Fingerprint, Subject};
use crate::model::{NewService, OriginTag, ServiceName, ServiceUpdate, TAG_ORIGIN, same_json};
use crate::plan::{Action, ServicePlan, without_date_and_id};

/// A value that differs between the approved plan and the plan that was made again.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The service that the value belongs to, or `None` if the value belongs to the whole plan.
    pub service: Option<ServiceName>,
    /// The path or the description of the value.
    pub what: String,
    /// The value in the approved plan, or null if that plan does not have it.
    pub approved: Value,
    /// The value in the plan that was made again, or null if that plan does not have it.
    pub current: Value,
}

impl Difference {
    fn new(service: &ServiceName, what: impl Into<String>, approved: Value, current: Value) -> Self {
        Self { service: Some(service.clone()), what: what.into(), approved, current }
    }
}

/// Returns the differences between two plans. The list is empty if the plans are equal.
pub fn differences(approved: &PlanDocument, current: &PlanDocument) -> Vec<Difference> {
    let current = &round_trip(current);
    let steps =
        [approved, current].map(|document| document.steps.iter().map(ComparableStep::of).collect::<Vec<_>>());
    let mut found = compare_steps(&steps[0], &steps[1]);
    // The other parts follow from the steps. They are compared only if the steps are equal, so that a difference is not
    // reported twice.
    for compare in [compare_services, compare_fingerprints, compare_totals] {
        if found.is_empty() {
            found = compare(approved, current);
        }
    }
    found.extend(compare_manifests(approved, current));
    found
}

/// Returns a document as it is after being written as JSON and read again. This rounds numbers in the same way as in
/// the approved plan, which was read from a file.
fn round_trip(document: &PlanDocument) -> PlanDocument {
    let text = serde_json::to_string(document).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_else(|_| document.clone())
}

/// A step that is prepared for comparison. Its JSON lacks the values that may differ from run to run.
struct ComparableStep<'a> {
    step: &'a StepDocument,
    /// The kind of the step, such as `hand_over`.
    kind: String,
    /// The content of the step, without its own number and the numbers of other steps.
    content: Value,
    /// The whole step as JSON, including step numbers.
    whole: Value,
}

impl<'a> ComparableStep<'a> {
    fn of(step: &'a StepDocument) -> Self {
        let mut stable = step.clone();
        make_stable(&mut stable.action);
        stable.changes.set_causes(|_| None);
        stable.reason = None;
        let whole = trimmed(digest::value(&stable));
        let mut content = whole.clone();
        if let Value::Object(members) = &mut content {
            members.retain(|name, _| name != "id" && name != "depends_on");
        }
        for created in ["/does/target/created", "/does/new/created"] {
            content.pointer_mut(created).into_iter().for_each(|number| *number = Value::Null);
        }
        let kind = whole["action"].as_str().unwrap_or_default().to_owned();
        Self { step, kind, content, whole }
    }

    /// Returns the kind of the step for messages. If the step has a version set, its name follows.
    fn title(&self) -> String {
        match &self.step.version_set {
            Some(set) => format!("{} `{set}`", self.kind),
            None => self.kind.clone(),
        }
    }
}

/// Removes the parts of an action that depend on the time of planning. Also removes the commit in the tag `origin`,
/// because another commit can contain the same manifest.
fn make_stable(action: &mut Action) {
    let stable_name = |name: &mut ServiceName| *name = without_date_and_id(name);
    let stable_update = |update: &mut ServiceUpdate| {
        update.name.iter_mut().for_each(stable_name);
        update.keyterms.iter_mut().for_each(|terms| terms.sort());
        update.tags.iter_mut().for_each(remove_commit);
    };
    match action {
        Action::Create(new) => {
            let NewService { name, keyterms, tags, .. } = &mut **new;
            stable_name(name);
            remove_commit(tags);
            keyterms.sort();
        }
        Action::Update { update, .. }
        | Action::RenameTemporarily { update, .. }
        | Action::Abandon { update, .. } => {
            stable_update(update);
        }
        Action::HandOver { old_name, rename, activation, .. } => {
            stable_name(old_name);
            rename.iter_mut().for_each(|update| stable_update(update));
            stable_update(activation);
        }
        Action::Retire { update, .. } => update.iter_mut().for_each(|update| stable_update(update)),
        Action::WriteVersionSet { .. }
        | Action::DeleteVersionSet { .. }
        | Action::ApplyBehaviorSet { .. }
        | Action::Smoke { .. } => {}
    }
}

/// Removes the commit from a tag `origin` that amigops has written.
fn remove_commit(tags: &mut BTreeMap<String, Option<String>>) {
    if let Some(origin) = OriginTag::of(tags) {
        tags.insert(TAG_ORIGIN.to_owned(), Some(OriginTag { commit: None, ..origin }.to_string()));
    }
}

/// Returns a value with all its strings trimmed, because the servers trim them.
fn trimmed(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.trim().to_owned()),
        Value::Array(items) => items.into_iter().map(trimmed).collect(),
        Value::Object(members) => members.into_iter().map(|(name, member)| (name, trimmed(member))).collect(),
        other => other,
    }
}

fn compare_steps(approved: &[ComparableStep<'_>], current: &[ComparableStep<'_>]) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut rest: BTreeMap<_, VecDeque<&ComparableStep<'_>>> = BTreeMap::new();
    let key =
        |one: &ComparableStep<'_>| (one.step.service.clone(), one.kind.clone(), one.step.version_set.clone());
    for one in approved {
        rest.entry(key(one)).or_default().push_back(one);
    }
    for one in current {
        match rest.get_mut(&key(one)).and_then(VecDeque::pop_front) {
            Some(other) => found.extend(compare_pair(other, one)),
            None => {
                found.push(Difference::new(&one.step.service, one.title(), Value::Null, does(one)));
            }
        }
    }
    for one in rest.values().flatten() {
        found.push(Difference::new(&one.step.service, one.title(), does(one), Value::Null));
    }
    if found.is_empty() {
        for (one, other) in approved.iter().zip(current) {
            let what = format!("order of step {}", one.step.id);
            compare_values(&other.step.service, &what, &one.whole, &other.whole, &mut found);
        }
    }
    found
}

/// Returns the differences between two steps. A step's changes follow from its action, so the changes are compared only
/// if the actions are equal.
fn compare_pair(approved: &ComparableStep<'_>, current: &ComparableStep<'_>) -> Vec<Difference> {
    let without_changes = |content: &Value| match content {
        Value::Object(members) => members
            .iter()
            .filter(|(name, _)| *name != "changes")
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect(),
        other => other.clone(),
    };
    let mut found = Vec::new();
    let (service, title) = (&current.step.service, current.title());
    let (before, after) = (without_changes(&approved.content), without_changes(&current.content));
    compare_values(service, &title, &before, &after, &mut found);
    if found.is_empty() {
        compare_values(service, &title, &approved.content, &current.content, &mut found);
    }
    found
}

fn does(one: &ComparableStep<'_>) -> Value {
    one.content.get("does").cloned().unwrap_or_default()
}

/// Compares two JSON values recursively, and adds a difference to `found` for each pair of unequal values that are not
/// both objects. `what` is the beginning of the path of each difference.
fn compare_values(
    service: &ServiceName,
    what: &str,
    approved: &Value,
    current: &Value,
    found: &mut Vec<Difference>,
) {
    if approved == current {
        return;
    }
    let (Value::Object(before), Value::Object(after)) = (approved, current) else {
        found.push(Difference::new(service, what, approved.clone(), current.clone()));
        return;
    };
    for name in names(before.keys(), after.keys()) {
        let member = |members: &Map<String, Value>| members.get(name).cloned().unwrap_or_default();
        // These two keys only wrap the content, so they are left out of the path.
        let path = if matches!(name.as_str(), "does" | "update") { what } else { &format!("{what}.{name}") };
        compare_values(service, path, &member(before), &member(after), found);
    }
}

/// Returns the names that are in at least one of two maps, in order and without duplicates.
fn names<'a, Name: Ord + ?Sized>(
    one: impl Iterator<Item = &'a Name>,
    other: impl Iterator<Item = &'a Name>,
) -> BTreeSet<&'a Name> {
    one.chain(other).collect()
}

/// Returns the differences between the changes that the reviewer saw and those of the current plan, service by service.
fn compare_services(approved: &PlanDocument, current: &PlanDocument) -> Vec<Difference> {
    let stable = |service: &ServicePlan| {
        let mut stable = ServicePlan { cause: None, last_change: None, ..service.clone() };
        stable.changes.set_causes(|_| None);
        (service.name.clone(), trimmed(digest::value(&stable)))
    };
    let (approved, current) = (&approved.services, &current.services);
    let both = [approved, current].map(|services| services.iter().map(stable).collect::<Vec<_>>());
    if both[0] == both[1] {
        return Vec::new();
    }
    let [before, after] = both.map(|services| services.into_iter().collect::<BTreeMap<_, _>>());
    let mut found = Vec::new();
    for name in names(before.keys(), after.keys()) {
        let shown = |services: &BTreeMap<_, Value>| services.get(name).cloned().unwrap_or_default();
        compare_values(name, "shown", &shown(&before), &shown(&after), &mut found);
    }
    if found.is_empty() {
        let order = |services: &[ServicePlan]| services.iter().map(|one| digest::value(&one.name)).collect();
        found.push(whole("services shown", order(approved), order(current)));
    }
    found
}

/// Returns the differences between the live values in the fingerprints of two plans. [`super::find_stale_values`] has
/// already reported changed live values. This function checks that no fingerprint is missing from the file.
fn compare_fingerprints(approved: &PlanDocument, current: &PlanDocument) -> Vec<Difference> {
    let key = |fingerprint: &Fingerprint| match &fingerprint.of {
        Subject::Name(name) => Subject::Name(without_date_and_id(name)),
        other => other.clone(),
    };
    let mut rest: BTreeMap<Subject, VecDeque<&Fingerprint>> = BTreeMap::new();
    for fingerprint in &approved.fingerprints {
        rest.entry(key(fingerprint)).or_default().push_back(fingerprint);
    }
    let what = "fingerprint";
    let seen = |fingerprint: &Fingerprint| digest::value(&fingerprint.seen);
    let mut found = Vec::new();
    for fingerprint in &current.fingerprints {
        let other = rest.get_mut(&key(fingerprint)).and_then(VecDeque::pop_front);
        let same = other.is_some_and(|other| {
            let (before, after) = (&other.seen, &fingerprint.seen);
            before.keys().eq(after.keys())
                && before.values().zip(after.values()).all(|(a, b)| same_json(a, b))
        });
        if !same {
            let before = other.map(seen).unwrap_or_default();
            found.push(Difference::new(&fingerprint.name, what, before, seen(fingerprint)));
        }
    }
    let more = rest.values().flatten();
    found.extend(more.map(|other| Difference::new(&other.name, what, seen(other), Value::Null)));
    found
}

/// Returns the differences between the totals of two plans, and between the ids of the services that they change.
fn compare_totals(approved: &PlanDocument, current: &PlanDocument) -> Vec<Difference> {
    let summary = |document: &PlanDocument| {
        digest::value(&SummaryDocument { unchanged: 0, ..document.summary.clone() })
    };
    let services = current.changed_services();
    let ids = |document: &PlanDocument| {
        let ids = document.ids.iter().filter(|(name, _)| services.contains(*name));
        digest::value(&ids.collect::<BTreeMap<_, _>>())
    };
    let values = [("summary", summary(approved), summary(current)), ("ids", ids(approved), ids(current))];
    let differing = values.into_iter().filter(|(_, before, after)| before != after);
    differing.map(|(what, before, after)| whole(what, before, after)).collect()
}

fn whole(what: &str, approved: Value, current: Value) -> Difference {
    Difference { service: None, what: what.to_owned(), approved, current }
}

fn compare_manifests(approved: &PlanDocument, current: &PlanDocument) -> Vec<Difference> {
    let (before, after) = (&approved.manifests, &current.manifests);
    let digest = |manifests: &BTreeMap<ServiceName, String>, name: &ServiceName| {
        manifests
            .get(name)
            .map_or(Value::Null, |digest| Value::from(digest.chars().take(12).collect::<String>()))
    };
    let all = names(before.keys(), after.keys()).into_iter();
    all.filter(|name| before.get(*name) != after.get(*name))
        .map(|name| {
            Difference::new(name, "fingerprint of the manifest", digest(before, name), digest(after, name))
        })
        .collect()
}
