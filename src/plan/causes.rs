//! Finds the cause of each change by comparing with the manifests of a base commit.
//!
//! For each service that changes, the base's manifest is also compared with the live service. So three values are known
//! for each change: the base value, the live value and the wanted value. If the base value equals the live value, the
//! manifests have changed. If the base value equals the wanted value, the live state has changed. If all three values
//! differ, the manifests and the live state have both changed. Causes do not change the steps of a plan.

use std::collections::BTreeMap;

use serde_json::Value;

use super::base_manifests::{BaseManifests, CommitManifests, KnownManifests};
use super::bases::{BaseOf, Side, live_by_id};
use super::changes::{Cause, ChangePath, Field, ServiceChanges, VersionSetField};
use super::resolve::{self, ResolvedRefs};
use super::types::{Plan, ServiceKind, ServicePlan};
use super::{diff, names, version_sets};
use crate::model::{
    Api, DesiredService, DesiredVersionSet, LiveService, Lookups, Need, Policy, Reference, ServiceName,
    Snapshot, same_json, trimmed,
};

/// Sets the cause of each change of a finished plan, and returns the plan. The steps stay as they are. If the base of a
/// service is unknown, its changes get no cause.
pub fn with_causes(
    mut plan: Plan,
    ours: Side<'_>,
    bases: &BaseOf<'_>,
    snapshot: &Snapshot,
    api: Api,
) -> Plan {
    let manifests = BaseManifests::new(bases, snapshot, api);
    let live = live_by_id(snapshot);
    for index in 0..plan.services.len() {
        let service = &mut plan.services[index];
        let matched = service.id.as_ref().and_then(|id| live.get(id)).copied();
        let known = manifests.of(service, matched, ours.policy);
        if matches!(bases, BaseOf::Origin(_)) {
            let commit = known.and_then(|known| known.commit).map(str::to_owned);
            plan.bases.insert(service.name.clone(), commit);
        }
        let Some(known) = known else { continue };
        let causes = CauseFinder { ours, known, snapshot, api }.service(service, matched);
        service.cause = causes.whole;
        let cause_of = |path: &ChangePath| Some(causes.of(path));
        service.changes.set_causes(cause_of);
        for id in &service.steps {
            if let Some(step) = id.0.checked_sub(1).and_then(|index| plan.steps.get_mut(index)) {
                step.changes.set_causes(cause_of);
            }
        }
    }
    plan
}

/// Returns the lists of agents and context graphs that must still be read to find causes. A list is needed only if the
/// agent or context graph of a service changes, and another commit's manifest refers to it by a name that the current
/// manifest does not use.
pub fn cause_lookups(
    plan: &Plan,
    ours: Side<'_>,
    bases: &BaseOf<'_>,
    snapshot: &Snapshot,
    api: Api,
) -> Lookups {
    let is_changed = |field| plan.services.iter().any(|shown| shown.changes.field(&field).is_some());
    let agents = !snapshot.agents.complete && is_changed(Field::Agent);
    let graphs = !snapshot.context_graphs.complete && is_changed(Field::ContextGraph);
    // Indexing the manifests takes time, so it is avoided if no name matters.
    let manifests = (agents || graphs).then(|| BaseManifests::new(bases, snapshot, api));
    let live = live_by_id(snapshot);
    let needed = |field: Field, reference: fn(&DesiredService) -> &Reference| {
        plan.services.iter().filter(|shown| shown.changes.field(&field).is_some()).any(|shown| {
            let Some(wanted) = ours.desired.services.get(&shown.name) else { return false };
            let Some(live) = shown.id.as_ref().and_then(|id| live.get(id)) else { return false };
            let Some(manifests) = &manifests else { return false };
            let Some(known) = manifests.of(shown, Some(live), ours.policy) else { return false };
            let sides = [Some(&known.base), known.upstream.as_ref()].into_iter().flatten();
            let theirs = sides.filter_map(|side| side.manifest(wanted, live));
            theirs
                .map(reference)
                .any(|named| matches!(named, Reference::Name(_)) && named != reference(wanted))
        })
    };
    let agents = agents && needed(Field::Agent, |service| &service.agent);
    let graphs = graphs && needed(Field::ContextGraph, |service| &service.context_graph);
    Lookups {
        agents: if agents { Need::All } else { Need::Nothing },
        context_graphs: if graphs { Need::All } else { Need::Nothing },
        versions_of_agents: Default::default(),
        versions_of_context_graphs: Default::default(),
        behavior_sets_of: Default::default(),
    }
}

/// The values that a manifest would give a live service, by path. Values that the live service already has are not
/// included.
type RequestedChanges = BTreeMap<ChangePath, Value>;

/// The manifest that the newest commit of the base branch has for a service that the base commit declares.
enum Upstream {
    /// The base branch has no newer commits.
    None,
    /// The newest commit no longer declares the service.
    Gone,
    /// The changes that the manifest in the newest commit asks for.
    Changes(RequestedChanges),
}

/// The causes of the changes of one service, and of the service as a whole if it is created, replaced or retired.
struct ServiceCauses {
    whole: Option<Cause>,
    by_path: BTreeMap<ChangePath, Cause>,
    /// The cause of changes that no manifest asks for. Such changes complete the work of an earlier run, or copy values
    /// from the old service of a replacement to the new one.
    rest: Cause,
}

impl ServiceCauses {
    fn all(cause: Cause) -> Self {
        Self { whole: Some(cause), by_path: BTreeMap::new(), rest: cause }
    }

    fn of(&self, path: &ChangePath) -> Cause {
        // A pin that no manifest declares may change because the agent or context graph changes. Then both changes have
        // the same cause.
        let follows = || match path {
            ChangePath::VersionSet(_, VersionSetField::AgentVersion) => self.of_field(Field::Agent),
            ChangePath::VersionSet(_, VersionSetField::ContextGraphVersion) => {
                self.of_field(Field::ContextGraph)
            }
            _ => None,
        };
        self.by_path.get(path).copied().or_else(follows).unwrap_or(self.rest)
    }

    fn of_field(&self, field: Field) -> Option<Cause> {
        self.by_path.get(&ChangePath::Field(field)).copied()
    }
}

/// Finds the causes of a service's changes.
struct CauseFinder<'a> {
    ours: Side<'a>,
    known: &'a KnownManifests<'a>,
    snapshot: &'a Snapshot,
    api: Api,
}

impl CauseFinder<'_> {
    fn service(&self, shown: &ServicePlan, live: Option<&LiveService>) -> ServiceCauses {
        let Some(ours) = self.ours.desired.services.get(&shown.name) else {
            let renamed = live.and_then(|live| self.known.base.name_before_rename(live));
            return ServiceCauses::all(self.retirement(renamed.unwrap_or(&shown.name), live));
        };
        match live {
            Some(live) => self.change(shown, ours, live),
            None => ServiceCauses::all(self.creation(ours)),
        }
    }

    /// Returns the cause of the retirement of a service that this branch does not declare.
    fn retirement(&self, name: &ServiceName, live: Option<&LiveService>) -> Cause {
        if live.is_some_and(|live| self.known.base.copies.contains(&live.id)) {
            Cause::Manifest
        } else if self.known.base.declares(name, self.ours.desired) {
            if self.was_changed_elsewhere(name, live) { Cause::Both } else { Cause::Manifest }
        } else if self
            .known
            .upstream
            .as_ref()
            .is_some_and(|upstream| upstream.declares(name, self.ours.desired))
        {
            Cause::Behind
        } else {
            Cause::Drift
        }
    }

    /// Returns true if a service that this branch removes has changed since the base, either in the base branch or
    /// live.
    fn was_changed_elsewhere(&self, name: &ServiceName, live: Option<&LiveService>) -> bool {
        let Some(base) = self.known.base.named(name) else { return false };
        let theirs = self.known.upstream.as_ref().and_then(|upstream| upstream.named(name));
        let in_branch = theirs.is_some_and(|theirs| !have_same_content(base, theirs));
        let is_drifted = live.is_some_and(|live| {
            let joins = resolve_references(base, None, live, self.snapshot);
            !requested_changes(base, &joins, live, self.known.base.side.policy, self.api).is_empty()
        });
        in_branch || is_drifted
    }

    fn creation(&self, ours: &DesiredService) -> Cause {
        // If this branch still declares the former name, the manifest is for a new service, and the former name says
        // nothing about its cause.
        let from = ours.lifecycle.renamed_from.as_ref();
        let from = from.filter(|from| !self.ours.desired.services.contains_key(*from));
        let find = |known: &CommitManifests<'_>| {
            let base = known.named(&ours.name).or_else(|| from.and_then(|from| known.named(from)));
            base.map(|base| have_same_content(base, ours))
        };
        match find(&self.known.base) {
            None => Cause::Manifest,
            Some(_) if self.known.upstream.as_ref().is_some_and(|upstream| find(upstream).is_none()) => {
                Cause::Behind
            }
            // The service of the base exists, but another manifest of this branch has it.
            Some(_) if self.known.base.by_live.values().any(|name| *name == ours.name) => Cause::Manifest,
            Some(true) => Cause::Drift,
            // The applied commit may declare a service that no apply has created, because the apply was interrupted or
            // limited. Then a new manifest must not be refused as a conflict.
            Some(false) if self.known.commit.is_some() => Cause::Drift,
            Some(false) => Cause::Both,
        }
    }

    fn change(&self, shown: &ServicePlan, ours: &DesiredService, live: &LiveService) -> ServiceCauses {
        let replaces = shown.kind == ServiceKind::Replace;
        let Some(base) = self.known.base.manifest(ours, live) else {
            return ServiceCauses {
                whole: replaces.then_some(Cause::Manifest),
                ..ServiceCauses::all(Cause::Manifest)
            };
        };
        let own = resolve_references(ours, None, live, self.snapshot);
        let theirs = |side: &Side<'_>, wanted| {
            let joins = resolve_references(wanted, Some((ours, &own)), live, self.snapshot);
            requested_changes(wanted, &joins, live, side.policy, self.api)
        };
        let asked = theirs(&self.known.base.side, base);
        let upstream = self.known.upstream.as_ref().map_or(Upstream::None, |upstream| {
            let manifest = upstream.manifest(ours, live);
            manifest.map_or(Upstream::Gone, |manifest| Upstream::Changes(theirs(&upstream.side, manifest)))
        });
        let rest = match (have_same_content(base, ours), &upstream) {
            (true, Upstream::Gone) => Cause::Behind,
            (true, _) => Cause::Drift,
            (false, _) => Cause::Manifest,
        };
        let mut by_path: BTreeMap<ChangePath, Cause> =
            requested_changes(ours, &own, live, self.ours.policy, self.api)
                .into_iter()
                .map(|(path, after)| {
                    let cause = cause(&path, &after, &asked, &upstream);
                    (path, cause)
                })
                .collect();
        // No manifest asks for the name that the tool gave this service. Renaming it completes the work of an earlier
        // run, so this change gets the cause `rest`.
        if names::is_leftover(live) {
            by_path.remove(&ChangePath::Field(Field::Name));
        }
        let mut causes = ServiceCauses { whole: None, by_path, rest };
        if replaces {
            let forcing =
                [Field::Agent, Field::ContextGraph].into_iter().filter_map(|field| causes.of_field(field));
            causes.whole = Some(forcing.max_by_key(|cause| weight(*cause)).unwrap_or(rest));
        }
        causes
    }
}

/// Returns the changes that would give a live service the values of a manifest.
fn requested_changes(
    wanted: &DesiredService,
    joins: &ResolvedRefs,
    live: &LiveService,
    policy: &Policy,
    api: Api,
) -> RequestedChanges {
    let content = diff::content(wanted, joins, Some(live), policy, api);
    let (_, fields) = diff::fields(&content, live);
    let mut changes = ServiceChanges { fields, version_sets: Vec::new() };
    for (name, after) in &content.version_sets {
        changes.version_sets.extend(diff::version_set(name, live.version_sets.get(name), Some(after)));
    }
    for (name, before) in &live.version_sets {
        if !content.version_sets.contains_key(name)
            && version_sets::may_delete_version_set(policy, wanted, name)
        {
            changes.version_sets.extend(diff::version_set(name, Some(before), None));
        }
    }
    changes.values().map(|change| (change.path, change.after.clone())).collect()
}

/// Returns the ids of the agent and context graph in another commit's manifest. `ours` is this branch's manifest with
/// its ids, which are used for references that are equal in both manifests. If a name is unknown or ambiguous today,
/// the live agent or context graph is used, so that the name causes no change.
fn resolve_references(
    theirs: &DesiredService,
    ours: Option<(&DesiredService, &ResolvedRefs)>,
    live: &LiveService,
    snapshot: &Snapshot,
) -> ResolvedRefs {
    let agent = match ours {
        Some((ours, joins)) if ours.agent == theirs.agent => Some(joins.agent.clone()),
        _ => resolve::find_id(&theirs.agent, &snapshot.agents),
    };
    let context_graph = match ours {
        Some((ours, joins)) if ours.context_graph == theirs.context_graph => {
            Some(joins.context_graph.clone())
        }
        _ => resolve::find_id(&theirs.context_graph, &snapshot.context_graphs),
    };
    ResolvedRefs {
        agent: agent.unwrap_or_else(|| live.agent.clone()),
        context_graph: context_graph.unwrap_or_else(|| live.context_graph.clone()),
    }
}

/// Says which value a commit's manifest has at a path: the live value, the wanted value, or neither of them.
#[derive(PartialEq)]
enum Standing {
    Live,
    Wanted,
    Neither,
}

fn standing(path: &ChangePath, after: &Value, asked: &RequestedChanges) -> Standing {
    if let Some(value) = asked.get(path) {
        return if same(path, value, after) { Standing::Wanted } else { Standing::Neither };
    }
    // One manifest may change a whole object, and the other one only single values in it. Then the values are not
    // comparable.
    if asked.keys().any(|other| path.overlaps(other)) { Standing::Neither } else { Standing::Live }
}

fn same(path: &ChangePath, one: &Value, other: &Value) -> bool {
    match (path, one, other) {
        (ChangePath::Field(Field::Description), Value::String(one), Value::String(other)) => {
            trimmed(one) == trimmed(other)
        }
        _ => same_json(one, other),
    }
}

fn cause(path: &ChangePath, after: &Value, base: &RequestedChanges, upstream: &Upstream) -> Cause {
    match (standing(path, after, base), upstream) {
        (Standing::Live, _) => Cause::Manifest,
        (Standing::Neither, _) => Cause::Both,
        (Standing::Wanted, Upstream::Gone) => Cause::Behind,
        (Standing::Wanted, Upstream::Changes(asked)) if standing(path, after, asked) == Standing::Live => {
            Cause::Behind
        }
        (Standing::Wanted, _) => Cause::Drift,
    }
}

/// Returns the importance of a cause for the reader. A higher number is more important.
pub(super) fn weight(cause: Cause) -> u8 {
    match cause {
        Cause::Drift => 0,
        Cause::Manifest => 1,
        Cause::Behind => 2,
        Cause::Both => 3,
    }
}

/// Returns true if two manifests ask for the same content of a service. Places and `lifecycle` are ignored.
fn have_same_content(one: &DesiredService, other: &DesiredService) -> bool {
    let sets = |service: &DesiredService| -> Option<Vec<_>> {
        let sets = service.version_sets.as_ref()?.iter();
        Some(
            sets.map(|(name, set)| {
                (name.clone(), DesiredVersionSet { place: Default::default(), ..set.clone() })
            })
            .collect(),
        )
    };
    one.name == other.name
        && one.agent == other.agent
        && one.context_graph == other.context_graph
        && one.description == other.description
        && one.active == other.active
        && one.keyterms == other.keyterms
        && one.tags == other.tags
        && one.settings == other.settings
        && sets(one) == sets(other)
}
