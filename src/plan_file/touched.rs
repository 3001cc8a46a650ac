//! What a plan touches of the live state, and what is there. May import `plan` and `model`.
//!
//! A step touches the fields that it writes, those that it copies, and what tells that it is about the right
//! service: its name, whether it is active, who owns it, what it joins (pins mean nothing without). A service
//! that is replaced or goes out of use is touched as a whole. A name that a service has, takes or had is touched,
//! too: whoever has it by now may be a namesake, or the service that is meant. Everything else of the live state
//! may move without a word: the plan fits all the same.

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

/// What a fingerprint is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A live service.
    Service(ServiceId),
    /// The services that have a name.
    Name(ServiceName),
    /// The behavior sets that are applied to a service.
    BehaviorSets(ServiceId),
}

/// What was seen of something that the plan touches, in normal form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// What it is of.
    pub of: Subject,
    /// The service's name, for people.
    pub name: ServiceName,
    /// Values by path; null is nothing.
    pub seen: BTreeMap<String, Value>,
}

/// A part of a service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// A field by its name.
    Field(&'static str),
    /// A version set.
    VersionSet(VersionSetName),
    /// Every version set, and which there are.
    VersionSets,
    /// A member of Platform's settings, as a JSON pointer.
    Setting(String),
    /// Everything.
    All,
}

/// What tells that a service is the right one.
const TELLING: [&str; 5] = ["name", "active", "owner", "agent", "context_graph"];
/// What a service holds besides version sets and settings.
const FIELDS: [&str; 9] =
    ["name", "active", "owner", "description", "agent", "context_graph", "keyterms", "tags", "repeated_tags"];

/// Where Platform's settings are, before a JSON pointer.
const SETTINGS: &str = "settings";

/// What steps touch, by subject, and what the snapshot holds of it.
pub(super) fn fingerprints(
    steps: &[Step],
    desired: &Desired,
    snapshot: &Snapshot,
    policy: &Policy,
    api: Api,
) -> Vec<Fingerprint> {
    let mut touched = Touched::default();
    for step in steps {
        touched.step(step);
        // A service that comes to be there under its former name is the one that is meant.
        let former =
            desired.services.get(&step.service).and_then(|wanted| wanted.lifecycle.renamed_from.clone());
        touched.subjects.extend(former.map(Subject::Name));
    }
    let world = World::new(snapshot, policy, api);
    let services = touched.services.iter().map(|(id, (name, parts))| {
        let live = world.by_id.get(id);
        let seen = parts.iter().flat_map(|part| live.map(|live| world.of(live, part)).unwrap_or_default());
        let name = live.map_or(name, |live| &live.name).clone();
        Fingerprint { of: Subject::Service(id.clone()), name, seen: seen.collect() }
    });
    let mut all: Vec<Fingerprint> = services.collect();
    for subject in touched.subjects {
        let name = match &subject {
            Subject::Name(name) => name.clone(),
            Subject::Service(id) | Subject::BehaviorSets(id) => {
                world.by_id.get(id).map_or_else(|| ServiceName::new(id.as_str()), |live| live.name.clone())
            }
        };
        let seen = world.again(&subject, std::iter::empty());
        all.push(Fingerprint { of: subject, name, seen: seen.unwrap_or_default() });
    }
    all.sort_by(|a, b| (&a.of, &a.name).cmp(&(&b.of, &b.name)));
    all
}

/// The services whose behavior sets must be known to say whether a plan still fits.
pub fn behavior_sets_of(fingerprints: &[Fingerprint]) -> BTreeSet<ServiceId> {
    let of = |fingerprint: &Fingerprint| match &fingerprint.of {
        Subject::BehaviorSets(id) => Some(id.clone()),
        Subject::Service(_) | Subject::Name(_) => None,
    };
    fingerprints.iter().filter_map(of).collect()
}

#[derive(Default)]
struct Touched {
    services: BTreeMap<ServiceId, (ServiceName, BTreeSet<Part>)>,
    subjects: BTreeSet<Subject>,
}

impl Touched {
    fn step(&mut self, step: &Step) {
        let service = &step.service;
        match &step.action {
            Action::Create(new) => self.create(service, new),
            Action::Update { id, update }
            | Action::SetAside { id, update }
            | Action::Discard { id, update } => {
                self.update(service, id, update);
            }
            Action::WriteVersionSet { target: Target::Live(id), name, .. }
            | Action::DeleteVersionSet { id, name } => {
                self.parts(service, id, [Part::VersionSet(name.clone())]);
            }
            Action::HandOver { old, old_name, rename, new, activation } => {
                // The new service has what the old one had, and is let loose as it was seen.
                self.whole(service, old);
                self.subjects.insert(Subject::Name(old_name.clone()));
                if let Some(rename) = rename {
                    self.update(service, old, rename);
                }
                if let Target::Live(new) = new {
                    self.parts(service, new, [Part::All]);
                }
                self.name(activation);
            }
            // Whoever has changed it since did not mean it to go.
            Action::Retire { id, update: _, how: _ } => self.parts(service, id, [Part::All]),
            Action::WriteVersionSet { target: Target::Created(_), .. }
            | Action::ApplyBehaviorSet { .. }
            | Action::Smoke { .. } => {}
        }
    }

    fn create(&mut self, service: &ServiceName, new: &NewService) {
        self.subjects.insert(Subject::Name(new.name.clone()));
        self.subjects.insert(Subject::Name(service.clone()));
        if let Some(Some(old)) = new.tags.get(TAG_REPLACES) {
            self.whole(service, &ServiceId::new(old));
        }
    }

    /// Everything of a service that is replaced.
    fn whole(&mut self, service: &ServiceName, old: &ServiceId) {
        self.parts(service, old, [Part::All]);
        self.subjects.insert(Subject::BehaviorSets(old.clone()));
    }

    fn name(&mut self, update: &ServiceUpdate) {
        self.subjects.extend(update.name.clone().map(Subject::Name));
    }

    /// The fields of an update. A new field must be thought of here: no `..`.
    fn update(&mut self, service: &ServiceName, id: &ServiceId, update: &ServiceUpdate) {
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
        self.name(update);
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
            // Every pin means another thing from now on.
            parts.push(Part::VersionSets);
        }
        self.parts(service, id, parts);
    }

    fn parts(&mut self, service: &ServiceName, id: &ServiceId, parts: impl IntoIterator<Item = Part>) {
        let (_, known) =
            self.services.entry(id.clone()).or_insert_with(|| (service.clone(), BTreeSet::new()));
        known.extend(TELLING.map(Part::Field));
        known.extend(parts);
        self.subjects.insert(Subject::Name(service.clone()));
    }
}

/// The members that a merge patch writes, as JSON pointers.
fn leaves(above: &str, patch: &Map<String, Value>, parts: &mut Vec<Part>) {
    for (name, value) in patch {
        let pointer = format!("{above}/{}", name.replace('~', "~0").replace('/', "~1"));
        match value {
            Value::Object(members) if !members.is_empty() => leaves(&pointer, members, parts),
            _ => parts.push(Part::Setting(pointer)),
        }
    }
}

/// A live state, ready to be asked.
pub(super) struct World<'a> {
    snapshot: &'a Snapshot,
    policy: &'a Policy,
    pub(super) by_id: BTreeMap<&'a ServiceId, &'a LiveService>,
    by_name: BTreeMap<&'a ServiceName, Vec<&'a LiveService>>,
    holds: bool,
    makes_edge: bool,
}

impl<'a> World<'a> {
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
            holds: api.inactive_services_hold_names(),
            makes_edge: api.makes_version_sets(),
        }
    }

    /// What there is of a subject now, at the paths that were seen; none where it is gone.
    pub(super) fn again<'p>(
        &self,
        subject: &Subject,
        paths: impl Iterator<Item = &'p str>,
    ) -> Option<BTreeMap<String, Value>> {
        match subject {
            Subject::Service(id) => {
                let live = self.by_id.get(id)?;
                let mut now = self.of(live, &Part::All);
                // A set or a member that is gone is nothing.
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

    /// The id of the active service with a name.
    pub(super) fn active_id(&self, name: &ServiceName) -> Option<&str> {
        let named = self.by_name.get(name)?.iter();
        named.filter(|live| live.active).map(|live| live.id.as_str()).next()
    }

    /// Whether a version set is the server's own, and nobody's to write.
    fn is_servers(&self, name: &VersionSetName) -> bool {
        self.makes_edge && name.is_edge()
    }

    fn at(&self, live: &LiveService, path: &str, now: &mut BTreeMap<String, Value>) -> Value {
        match path.strip_prefix(SETTINGS).filter(|pointer| !pointer.is_empty()) {
            Some(pointer) => setting(live, pointer),
            None => now.remove(path).unwrap_or_default(),
        }
    }

    /// Services with a name that count: active ones, our own, and all of them where the API counts them.
    fn namesakes(&self, name: &ServiceName) -> BTreeSet<&str> {
        let counts =
            |live: &&&LiveService| live.active || self.holds || self.policy.ownership.owns(&live.tags);
        let named = self.by_name.get(name).into_iter().flatten();
        named.filter(counts).map(|live| live.id.as_str()).collect()
    }

    /// A part of a service in normal form, by path.
    fn of(&self, live: &LiveService, part: &Part) -> BTreeMap<String, Value> {
        match part {
            Part::Field(name) => [((*name).to_owned(), self.field(live, name))].into(),
            Part::VersionSet(name) => {
                let set = live.version_sets.get(name).map_or(Value::Null, value);
                [(format!("version_sets.{name}"), set)].into()
            }
            Part::Setting(pointer) => [(format!("{SETTINGS}{pointer}"), setting(live, pointer))].into(),
            Part::VersionSets => {
                let names = || live.version_sets.keys().filter(|name| !self.is_servers(name));
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

/// A member of Platform's settings in normal form; all of them for the empty pointer.
fn setting(live: &LiveService, pointer: &str) -> Value {
    if live.settings.is_empty() {
        // On Classic there are none, and no defaults of any.
        return if pointer.is_empty() { json!({}) } else { Value::Null };
    }
    let normal = Value::Object(settings::normal(settings::SERVICE, &live.settings));
    normal.pointer(pointer).cloned().unwrap_or_default()
}
