//! The live values that a plan depends on.
//!
//! A step depends on the fields that it writes or copies, and on the fields that identify its service. These are the
//! name, the active state, the owner, the agent and the context graph. If a service is replaced or retired, the plan
//! depends on all fields of the service. The plan also depends on which services have the names that its steps use,
//! because another client can create a service with one of these names. All other live values can change without making
//! the plan stale.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::digest::value;
use crate::model::{
    Api, Desired, LiveService, NewService, Policy, ServiceId, ServiceName, ServiceUpdate, Snapshot,
    TAG_REPLACES, VersionSetName, settings, trimmed,
};
use crate::plan::{Action, Step, Target};

/// The subject of a fingerprint: the live object whose values the fingerprint contains.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The live service with this id.
    Service(ServiceId),
    /// All services that have this name.
    Name(ServiceName),
    /// The behavior sets that are applied to the service with this id.
    BehaviorSets(ServiceId),
}

/// Live values that a plan depends on, as they were when the plan was made. They are normalized, so that changes
/// without an effect don't count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// The live object that has the values.
    pub of: Subject,
    /// The name of the service, for messages.
    pub name: ServiceName,
    /// The values, by path. A value is null if it did not exist.
    pub seen: BTreeMap<String, Value>,
}

/// A part of a service that a plan can depend on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// The field with this name.
    Field(&'static str),
    /// The version set with this name.
    VersionSet(VersionSetName),
    /// All version sets, and the list of their names.
    VersionSets,
    /// The setting of the Platform API at this JSON pointer.
    Setting(String),
    /// All parts of the service.
    All,
}

/// The fields that identify a service.
const IDENTIFYING: [&str; 5] = ["name", "active", "owner", "agent", "context_graph"];
/// The fields of a service besides version sets and settings.
const FIELDS: [&str; 9] =
    ["name", "active", "owner", "description", "agent", "context_graph", "keyterms", "tags", "repeated_tags"];

/// The first part of the path of a Platform setting. A JSON pointer follows it.
const SETTINGS: &str = "settings";

/// Returns the fingerprints of the live values that steps depend on, ordered by subject.
pub(super) fn fingerprints(
    steps: &[Step],
    desired: &Desired,
    snapshot: &Snapshot,
    policy: &Policy,
    api: Api,
) -> Vec<Fingerprint> {
    let mut dependencies = Dependencies::default();
    for step in steps {
        dependencies.add_step(step);
        // The plan also depends on the name in `renamed_from`. If a live service gets this name, the manifest stands
        // for that service.
        let former =
            desired.services.get(&step.service).and_then(|wanted| wanted.lifecycle.renamed_from.clone());
        dependencies.subjects.extend(former.map(Subject::Name));
    }
    let live_values = LiveValues::new(snapshot, policy, api);
    let services = dependencies.services.iter().map(|(id, (name, parts))| {
        let live = live_values.by_id.get(id);
        let seen =
            parts.iter().flat_map(|part| live.map(|live| live_values.of(live, part)).unwrap_or_default());
        let name = live.map_or(name, |live| &live.name).clone();
        Fingerprint { of: Subject::Service(id.clone()), name, seen: seen.collect() }
    });
    let mut all: Vec<Fingerprint> = services.collect();
    for subject in dependencies.subjects {
        let name = match &subject {
            Subject::Name(name) => name.clone(),
            Subject::Service(id) | Subject::BehaviorSets(id) => live_values
                .by_id
                .get(id)
                .map_or_else(|| ServiceName::new(id.as_str()), |live| live.name.clone()),
        };
        let seen = live_values.current_values(&subject, std::iter::empty());
        all.push(Fingerprint { of: subject, name, seen: seen.unwrap_or_default() });
    }
    all.sort_by(|a, b| (&a.of, &a.name).cmp(&(&b.of, &b.name)));
    all
}

/// Returns the services whose behavior sets must be read to find out if a plan is stale.
pub fn behavior_sets_of(fingerprints: &[Fingerprint]) -> BTreeSet<ServiceId> {
    let of = |fingerprint: &Fingerprint| match &fingerprint.of {
        Subject::BehaviorSets(id) => Some(id.clone()),
        Subject::Service(_) | Subject::Name(_) => None,
    };
    fingerprints.iter().filter_map(of).collect()
}

#[derive(Default)]
struct Dependencies {
    services: BTreeMap<ServiceId, (ServiceName, BTreeSet<Part>)>,
    subjects: BTreeSet<Subject>,
}

impl Dependencies {
    fn add_step(&mut self, step: &Step) {
        let service = &step.service;
        match &step.action {
            Action::Create(new) => self.add_create(service, new),
            Action::Update { id, update }
            | Action::RenameTemporarily { id, update }
            | Action::Abandon { id, update } => {
                self.add_update(service, id, update);
            }
            Action::WriteVersionSet { target: Target::Live(id), name, .. }
            | Action::DeleteVersionSet { id, name } => {
                self.add_parts(service, id, [Part::VersionSet(name.clone())]);
            }
            Action::HandOver { old, old_name, rename, new, activation } => {
                // The plan depends on the old service, because the new service was built from it. It also depends on
                // the new service, which is activated as it was when the plan was made.
                self.add_whole_service(service, old);
                self.subjects.insert(Subject::Name(old_name.clone()));
                if let Some(rename) = rename {
                    self.add_update(service, old, rename);
                }
                if let Target::Live(new) = new {
                    self.add_parts(service, new, [Part::All]);
                }
                self.add_name(activation);
            }
            // All parts count, because a change to the service after the plan was made may mean that the service is
            // still in use.
            Action::Retire { id, update: _, how: _ } => self.add_parts(service, id, [Part::All]),
            Action::WriteVersionSet { target: Target::Created(_), .. }
            | Action::ApplyBehaviorSet { .. }
            | Action::Smoke { .. } => {}
        }
    }

    fn add_create(&mut self, service: &ServiceName, new: &NewService) {
        self.subjects.insert(Subject::Name(new.name.clone()));
        self.subjects.insert(Subject::Name(service.clone()));
        if let Some(Some(old)) = new.tags.get(TAG_REPLACES) {
            self.add_whole_service(service, &ServiceId::new(old));
        }
    }

    /// Records that the plan depends on all parts of a replaced service, and on its behavior sets.
    fn add_whole_service(&mut self, service: &ServiceName, old: &ServiceId) {
        self.add_parts(service, old, [Part::All]);
        self.subjects.insert(Subject::BehaviorSets(old.clone()));
    }

    fn add_name(&mut self, update: &ServiceUpdate) {
        self.subjects.extend(update.name.clone().map(Subject::Name));
    }

    /// Records that the plan depends on the fields that an update writes. The pattern that takes the update apart has
    /// no `..`, so that a new field can't be forgotten here.
    fn add_update(&mut self, service: &ServiceName, id: &ServiceId, update: &ServiceUpdate) {
        let ServiceUpdate {
            name: _,
            description,
            active: _,
            tags,
            keyterms,
            agent,
            context_graph,
            version_sets,
            settings,
        } = update;
        self.add_name(update);
        let fields = [
            (description.is_some(), "description"),
            (tags.is_some(), "tags"),
            (tags.is_some(), "repeated_tags"),
            (keyterms.is_some(), "keyterms"),
            (agent.is_some(), "agent"),
            (context_graph.is_some(), "context_graph"),
        ];
        let mut parts: Vec<Part> = fields
            .into_iter()
            .filter(|(is_written, _)| *is_written)
            .map(|(_, name)| Part::Field(name))
            .collect();
        parts.extend(version_sets.keys().cloned().map(Part::VersionSet));
        leaves("", settings, &mut parts);
        if agent.is_some() || context_graph.is_some() {
            // With another agent or context graph, every pin has a different meaning.
            parts.push(Part::VersionSets);
        }
        self.add_parts(service, id, parts);
    }

    fn add_parts(&mut self, service: &ServiceName, id: &ServiceId, parts: impl IntoIterator<Item = Part>) {
        let (_, known) =
            self.services.entry(id.clone()).or_insert_with(|| (service.clone(), BTreeSet::new()));
        known.extend(IDENTIFYING.map(Part::Field));
        known.extend(parts);
        self.subjects.insert(Subject::Name(service.clone()));
    }
}

/// Adds to `parts` the JSON pointer of each setting that a merge patch writes.
fn leaves(above: &str, patch: &Map<String, Value>, parts: &mut Vec<Part>) {
    for (name, value) in patch {
        let pointer = format!("{above}/{}", name.replace('~', "~0").replace('/', "~1"));
        match value {
            Value::Object(members) if !members.is_empty() => leaves(&pointer, members, parts),
            _ => parts.push(Part::Setting(pointer)),
        }
    }
}

/// The values of a live state, by service and path.
pub(super) struct LiveValues<'a> {
    snapshot: &'a Snapshot,
    policy: &'a Policy,
    pub(super) by_id: BTreeMap<&'a ServiceId, &'a LiveService>,
    by_name: BTreeMap<&'a ServiceName, Vec<&'a LiveService>>,
    inactive_hold_names: bool,
    makes_edge: bool,
}

impl<'a> LiveValues<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, policy: &'a Policy, api: Api) -> Self {
        let mut by_name: BTreeMap<&ServiceName, Vec<&LiveService>> = BTreeMap::new();
        for service in &snapshot.services {
            by_name.entry(&service.name).or_default().push(service);
        }
        Self {
            snapshot,
            policy,
            by_id: snapshot.services.iter().map(|service| (&service.id, service)).collect(),
            by_name,
            inactive_hold_names: api.inactive_services_hold_names(),
            makes_edge: api.makes_version_sets(),
        }
    }

    /// Returns the current values of a subject at the given paths, or `None` if the subject's service no longer exists.
    pub(super) fn current_values<'p>(
        &self,
        subject: &Subject,
        paths: impl Iterator<Item = &'p str>,
    ) -> Option<BTreeMap<String, Value>> {
        match subject {
            Subject::Service(id) => {
                let live = self.by_id.get(id)?;
                let mut now = self.of(live, &Part::All);
                // A version set or setting that no longer exists is null.
                Some(paths.map(|path| (path.to_owned(), self.at(live, path, &mut now))).collect())
            }
            Subject::Name(name) => Some([("services".to_owned(), json!(self.namesakes(name)))].into()),
            Subject::BehaviorSets(id) => {
                let sets = self.snapshot.behavior_sets.get(id).into_iter().flatten();
                let ids: BTreeSet<_> = sets.map(|set| set.id.as_str()).collect();
                Some([("behavior_sets".to_owned(), json!(ids))].into())
            }
        }
    }

    /// Returns the id of the active service with this name, or `None` if there is none.
    pub(super) fn active_id(&self, name: &ServiceName) -> Option<&str> {
        let named = self.by_name.get(name)?.iter();
        named.filter(|live| live.active).map(|live| live.id.as_str()).next()
    }

    /// Returns true if the server maintains a version set, so that clients can't write it.
    fn is_server_maintained(&self, name: &VersionSetName) -> bool {
        self.makes_edge && name.is_edge()
    }

    fn at(&self, live: &LiveService, path: &str, now: &mut BTreeMap<String, Value>) -> Value {
        match path.strip_prefix(SETTINGS).filter(|pointer| !pointer.is_empty()) {
            Some(pointer) => setting(live, pointer),
            None => now.remove(path).unwrap_or_default(),
        }
    }

    /// Returns the ids of the services that have a name and may conflict with a new service of that name. Inactive
    /// services that are not owned are only included if inactive services block names on this API.
    fn namesakes(&self, name: &ServiceName) -> BTreeSet<&str> {
        let competes = |live: &&&LiveService| {
            live.active || self.inactive_hold_names || self.policy.ownership.owns(&live.tags)
        };
        let named = self.by_name.get(name).into_iter().flatten();
        named.filter(competes).map(|live| live.id.as_str()).collect()
    }

    /// Returns the normalized values of a part of a service, by path.
    fn of(&self, live: &LiveService, part: &Part) -> BTreeMap<String, Value> {
        match part {
            Part::Field(name) => [((*name).to_owned(), self.field(live, name))].into(),
            Part::VersionSet(name) => {
                let set = live.version_sets.get(name).map_or(Value::Null, value);
                [(format!("version_sets.{name}"), set)].into()
            }
            Part::Setting(pointer) => [(format!("{SETTINGS}{pointer}"), setting(live, pointer))].into(),
            Part::VersionSets => {
                let names = || live.version_sets.keys().filter(|name| !self.is_server_maintained(name));
                let mut all: BTreeMap<String, Value> =
                    names().flat_map(|name| self.of(live, &Part::VersionSet(name.clone()))).collect();
                all.insert("version_sets".to_owned(), json!(names().collect::<Vec<_>>()));
                all
            }
            Part::All => {
                let mut all: BTreeMap<String, Value> =
                    FIELDS.iter().map(|name| ((*name).to_owned(), self.field(live, name))).collect();
                all.extend(self.of(live, &Part::VersionSets));
                all.insert(SETTINGS.to_owned(), setting(live, ""));
                all
            }
        }
    }

    fn field(&self, live: &LiveService, name: &str) -> Value {
        match name {
            "name" => json!(live.name),
            "active" => json!(live.active),
            "owner" => {
                let owner = live.tags.get(&self.policy.ownership.tag);
                owner.map_or(Value::Null, |owner| json!(owner.as_deref().unwrap_or_default()))
            }
            "description" => json!(trimmed(&live.description)),
            "agent" => json!(live.agent),
            "context_graph" => json!(live.context_graph),
            "keyterms" => {
                let terms: BTreeSet<&str> = live.keyterms.iter().map(|term| trimmed(term)).collect();
                json!(terms)
            }
            "tags" => {
                // A tag without a value is not the same as no tag.
                let tags = live.tags.iter().map(|(key, value)| (key, value.as_deref().unwrap_or_default()));
                json!(tags.collect::<BTreeMap<_, _>>())
            }
            "repeated_tags" => json!(live.repeated_tags),
            _ => Value::Null,
        }
    }
}

/// Returns the normalized setting of the Platform API at a JSON pointer. The empty pointer means all settings.
fn setting(live: &LiveService, pointer: &str) -> Value {
    if live.settings.is_empty() {
        // The Classic API has no settings, so defaults must not be filled in.
        return if pointer.is_empty() { json!({}) } else { Value::Null };
    }
    let normal = Value::Object(settings::normal(settings::SERVICE, &live.settings));
    normal.pointer(pointer).cloned().unwrap_or_default()
}
