//! What sets a plan that was read from a file apart from the same plan made again. May import `plan` and `model`.
//!
//! Actions, targets, values, order and risks must be the same, and so must what people were shown of them. Not compared:
//!
//! * dates and ids in the names that the tool gives, such as `Coach (replaced 2026-11-22 4d1a9e)`;
//! * causes, which are judged anew, and who changed a service last;
//! * reasons, diagnostics and the estimate;
//! * all that is about services that the plan does not touch.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Map, Value};

use super::digest;
use super::document::{Document, StepDocument, SummaryDocument};
use super::touched::{Fingerprint, Subject};
use crate::model::{NewService, ServiceName, ServiceUpdate, same_json};
use crate::plan::{Action, Change, ServicePlan, without_date_and_id};

/// A value that is not the same in the plan that was approved and in the plan made again.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The service; none where it is about the plan as a whole.
    pub service: Option<ServiceName>,
    /// The value, in words or as a path.
    pub what: String,
    /// The value in the plan that was approved; null where it has none.
    pub approved: Value,
    /// The value in the plan made again; null where it has none.
    pub anew: Value,
}

impl Difference {
    fn new(service: &ServiceName, what: impl Into<String>, approved: Value, anew: Value) -> Self {
        Self { service: Some(service.clone()), what: what.into(), approved, anew }
    }
}

/// Returns all that sets the two apart; nothing where they are the same plan.
pub fn differences(approved: &Document, anew: &Document) -> Vec<Difference> {
    let anew = &as_in_a_file(anew);
    let steps = [approved, anew].map(|document| document.steps.iter().map(Compared::of).collect::<Vec<_>>());
    let mut found = of_steps(&steps[0], &steps[1]);
    // The rest follows from the steps, and is told only where they are the same.
    for compare in [of_services, of_fingerprints, of_whole] {
        if found.is_empty() {
            found = compare(approved, anew);
        }
    }
    found.extend(of_manifests(approved, anew));
    found
}

/// A document as it is read back from its file, where a number may be a bit off.
fn as_in_a_file(document: &Document) -> Document {
    let text = serde_json::to_string(document).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_else(|_| document.clone())
}

/// A step without what may differ from run to run.
struct Compared<'a> {
    step: &'a StepDocument,
    /// Its kind: `hand_over`.
    kind: String,
    /// What it does, without its own number and those of other steps.
    content: Value,
    /// All of it.
    whole: Value,
}

impl<'a> Compared<'a> {
    fn of(step: &'a StepDocument) -> Self {
        let mut stable = step.clone();
        make_stable(&mut stable.action);
        stable.changes.iter_mut().for_each(|change| change.cause = None);
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

    /// Its kind and what it is about, for people.
    fn title(&self) -> String {
        match &self.step.version_set {
            Some(set) => format!("{} `{set}`", self.kind),
            None => self.kind.clone(),
        }
    }
}

/// Takes out of an action what depends on when a plan is made, and not on what it does. A tag that holds the commit of
/// the manifests belongs here, too.
fn make_stable(action: &mut Action) {
    let stable_name = |name: &mut ServiceName| *name = without_date_and_id(name);
    let stable_update = |update: &mut ServiceUpdate| {
        update.name.iter_mut().for_each(stable_name);
        update.keyterms.iter_mut().for_each(|terms| terms.sort());
    };
    match action {
        Action::Create(new) => {
            let NewService { name, keyterms, .. } = &mut **new;
            stable_name(name);
            keyterms.sort();
        }
        Action::Update { update, .. } | Action::SetAside { update, .. } | Action::Discard { update, .. } => {
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

/// A value whose texts have no white space around them: the servers keep none.
fn trimmed(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.trim().to_owned()),
        Value::Array(items) => items.into_iter().map(trimmed).collect(),
        Value::Object(members) => members.into_iter().map(|(name, member)| (name, trimmed(member))).collect(),
        other => other,
    }
}

fn of_steps(approved: &[Compared<'_>], anew: &[Compared<'_>]) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut rest: BTreeMap<_, VecDeque<&Compared<'_>>> = BTreeMap::new();
    let key = |one: &Compared<'_>| (one.step.service.clone(), one.kind.clone(), one.step.version_set.clone());
    for one in approved {
        rest.entry(key(one)).or_default().push_back(one);
    }
    for one in anew {
        match rest.get_mut(&key(one)).and_then(VecDeque::pop_front) {
            Some(other) => found.extend(of_pair(other, one)),
            None => {
                found.push(Difference::new(&one.step.service, one.title(), Value::Null, does(one)));
            }
        }
    }
    for one in rest.values().flatten() {
        found.push(Difference::new(&one.step.service, one.title(), does(one), Value::Null));
    }
    if found.is_empty() {
        for (one, other) in approved.iter().zip(anew) {
            let what = format!("step {}, its place in the order", one.step.id);
            of_values(&other.step.service, &what, &one.whole, &other.whole, &mut found);
        }
    }
    found
}

/// What sets two steps apart; the changes that people were shown of them follow, and are told only by themselves.
fn of_pair(approved: &Compared<'_>, anew: &Compared<'_>) -> Vec<Difference> {
    let without_changes = |content: &Value| match content {
        Value::Object(members) => members
            .iter()
            .filter(|(name, _)| *name != "changes")
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect(),
        other => other.clone(),
    };
    let mut found = Vec::new();
    let (service, title) = (&anew.step.service, anew.title());
    let (before, after) = (without_changes(&approved.content), without_changes(&anew.content));
    of_values(service, &title, &before, &after, &mut found);
    if found.is_empty() {
        of_values(service, &title, &approved.content, &anew.content, &mut found);
    }
    found
}

fn does(one: &Compared<'_>) -> Value {
    one.content.get("does").cloned().unwrap_or_default()
}

/// Adds the values that differ, down to what isn't an object, with their paths below `what`.
fn of_values(service: &ServiceName, what: &str, approved: &Value, anew: &Value, found: &mut Vec<Difference>) {
    if approved == anew {
        return;
    }
    let (Value::Object(before), Value::Object(after)) = (approved, anew) else {
        found.push(Difference::new(service, what, approved.clone(), anew.clone()));
        return;
    };
    for name in names(before.keys(), after.keys()) {
        let member = |members: &Map<String, Value>| members.get(name).cloned().unwrap_or_default();
        // These two only hold what is meant.
        let path = if matches!(name.as_str(), "does" | "update") { what } else { &format!("{what}.{name}") };
        of_values(service, path, &member(before), &member(after), found);
    }
}

/// All names that two maps have, each once, in order.
fn names<'a, Name: Ord + ?Sized>(
    one: impl Iterator<Item = &'a Name>,
    other: impl Iterator<Item = &'a Name>,
) -> BTreeSet<&'a Name> {
    one.chain(other).collect()
}

/// What people were shown of each service.
fn of_services(approved: &Document, anew: &Document) -> Vec<Difference> {
    let stable = |service: &ServicePlan| {
        let without_cause = |change: &Change| Change { cause: None, ..change.clone() };
        let changes = service.changes.iter().map(without_cause).collect();
        let stable = ServicePlan { cause: None, last_change: None, changes, ..service.clone() };
        (service.name.clone(), trimmed(digest::value(&stable)))
    };
    let (approved, anew) = (&approved.services, &anew.services);
    let both = [approved, anew].map(|services| services.iter().map(stable).collect::<Vec<_>>());
    if both[0] == both[1] {
        return Vec::new();
    }
    let [before, after] = both.map(|services| services.into_iter().collect::<BTreeMap<_, _>>());
    let mut found = Vec::new();
    for name in names(before.keys(), after.keys()) {
        let shown = |services: &BTreeMap<_, Value>| services.get(name).cloned().unwrap_or_default();
        of_values(name, "shown", &shown(&before), &shown(&after), &mut found);
    }
    if found.is_empty() {
        let order = |services: &[ServicePlan]| services.iter().map(|one| digest::value(&one.name)).collect();
        found.push(whole("services shown", order(approved), order(anew)));
    }
    found
}

/// What was seen of what the steps touch. Values that have moved are told by [`super::moved`]; here it counts that all of
/// it is there.
fn of_fingerprints(approved: &Document, anew: &Document) -> Vec<Difference> {
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
    for fingerprint in &anew.fingerprints {
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

/// What is said of the plan as a whole, as far as it is about what the steps touch.
fn of_whole(approved: &Document, anew: &Document) -> Vec<Difference> {
    let summary =
        |document: &Document| digest::value(&SummaryDocument { unchanged: 0, ..document.summary.clone() });
    let touched = anew.touched();
    let ids = |document: &Document| {
        let ids = document.ids.iter().filter(|(name, _)| touched.contains(*name));
        digest::value(&ids.collect::<BTreeMap<_, _>>())
    };
    let values = [("summary", summary(approved), summary(anew)), ("ids", ids(approved), ids(anew))];
    let differing = values.into_iter().filter(|(_, before, after)| before != after);
    differing.map(|(what, before, after)| whole(what, before, after)).collect()
}

fn whole(what: &str, approved: Value, anew: Value) -> Difference {
    Difference { service: None, what: what.to_owned(), approved, anew }
}

fn of_manifests(approved: &Document, anew: &Document) -> Vec<Difference> {
    let (before, after) = (&approved.manifests, &anew.manifests);
    let digest = |manifests: &BTreeMap<ServiceName, String>, name: &ServiceName| {
        manifests
            .get(name)
            .map_or(Value::Null, |digest| Value::from(digest.chars().take(12).collect::<String>()))
    };
    let all = names(before.keys(), after.keys()).into_iter();
    all.filter(|name| before.get(*name) != after.get(*name))
        .map(|name| {
            Difference::new(name, "fingerprint of its manifest", digest(before, name), digest(after, name))
        })
        .collect()
}
