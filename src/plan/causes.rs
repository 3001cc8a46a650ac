//! Whose doing each change is, told by the manifests of a base commit. May import `model` only.
//!
//! For each service that changes, the base's manifest is asked what it would make of the present live
//! service. That gives three values for each path: the base's, the live one, and the wanted one. Where the
//! base says what is live, the manifests have changed since; where it says what is wanted, the live state has;
//! where all three differ, both have. Nothing here changes what a plan does.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::resolve::{self, Joins};
use super::types::{Cause, Options, Plan, ServiceKind, ServicePlan};
use super::{build, diff, identity, names, services};
use crate::model::{
    Api, Desired, DesiredService, DesiredVersionSet, LiveService, Lookups, Need, Policy, Reference,
    ServiceId, ServiceName, Snapshot, same_json, trimmed,
};

/// What the manifests of one commit want, by that commit's own rules.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// The services.
    pub desired: &'a Desired,
    /// The project's rules.
    pub policy: &'a Policy,
}

/// The commits that causes are told by.
#[derive(Clone, Copy, Debug)]
pub struct Bases<'a> {
    /// The last commit that both branches share.
    pub base: Side<'a>,
    /// The other branch's tip, where it has gone on since.
    pub upstream: Option<Side<'a>>,
}

/// Gives each change of a finished plan its cause. The steps stay as they are.
pub fn with_causes(
    mut plan: Plan,
    desired: &Desired,
    bases: &Bases<'_>,
    snapshot: &Snapshot,
    policy: &Policy,
    options: &Options,
) -> Plan {
    let teller = Teller {
        ours: Side { desired, policy },
        base: Known::new(bases.base, snapshot, options.api),
        upstream: bases.upstream.map(|side| Known::new(side, snapshot, options.api)),
        snapshot,
        live: snapshot.services.iter().map(|service| (&service.id, service)).collect(),
        api: options.api,
    };
    for index in 0..plan.services.len() {
        let told = teller.service(&plan.services[index]);
        let service = &mut plan.services[index];
        service.cause = told.whole;
        for change in &mut service.changes {
            change.cause = Some(told.of(&change.path));
        }
        for id in &service.steps {
            let step = id.0.checked_sub(1).and_then(|index| plan.steps.get_mut(index));
            for change in step.into_iter().flat_map(|step| &mut step.changes) {
                change.cause = Some(told.of(&change.path));
            }
        }
    }
    plan
}

/// Says which lists of names the causes need beyond what the plan needed: at most one of each kind, and only
/// where an agent or context graph changes that the base names by another name.
pub fn cause_lookups(
    plan: &Plan,
    desired: &Desired,
    bases: &Bases<'_>,
    snapshot: &Snapshot,
    api: Api,
) -> Lookups {
    let sides: Vec<Known<'_>> = [Some(bases.base), bases.upstream]
        .into_iter()
        .flatten()
        .map(|side| Known::new(side, snapshot, api))
        .collect();
    let live: BTreeMap<&ServiceId, &LiveService> =
        snapshot.services.iter().map(|service| (&service.id, service)).collect();
    let needed = |path: &str, reference: fn(&DesiredService) -> &Reference| {
        plan.services.iter().filter(|shown| shown.changes.iter().any(|change| change.path == path)).any(
            |shown| {
                let Some(ours) = desired.services.get(&shown.name) else { return false };
                let Some(live) = shown.id.as_ref().and_then(|id| live.get(id)) else { return false };
                let theirs = sides.iter().filter_map(|side| side.manifest(ours, live));
                theirs
                    .map(reference)
                    .any(|named| matches!(named, Reference::Name(_)) && named != reference(ours))
            },
        )
    };
    let agents = !snapshot.agents.complete && needed("agent", |service| &service.agent);
    let graphs =
        !snapshot.context_graphs.complete && needed("context_graph", |service| &service.context_graph);
    Lookups {
        agents: if agents { Need::All } else { Need::Nothing },
        context_graphs: if graphs { Need::All } else { Need::Nothing },
        versions_of_agents: Default::default(),
        versions_of_context_graphs: Default::default(),
        behavior_sets_of: Default::default(),
    }
}

/// A commit's manifests, by the names that their services have and had.
struct Known<'a> {
    side: Side<'a>,
    /// The manifests that speak of live services, as planning there would match them.
    by_live: BTreeMap<ServiceId, ServiceName>,
    by_former: BTreeMap<&'a ServiceName, &'a DesiredService>,
    /// The names that live services have.
    taken: BTreeSet<&'a ServiceName>,
}

impl<'a> Known<'a> {
    fn new(side: Side<'a>, snapshot: &'a Snapshot, api: Api) -> Self {
        let resolved = build::resolved(side.desired, snapshot);
        let identity =
            identity::identify(side.desired, &resolved.joins, snapshot, side.policy, api, &mut Vec::new());
        let matched = identity
            .embodiments
            .iter()
            .filter_map(|embodiment| Some((embodiment.live?.id.clone(), embodiment.wanted.name.clone())));
        let former = |service: &'a DesiredService| Some((service.lifecycle.renamed_from.as_ref()?, service));
        Self {
            side,
            by_live: matched.collect(),
            by_former: side.desired.services.values().filter_map(former).collect(),
            taken: snapshot.services.iter().map(|service| &service.name).collect(),
        }
    }

    fn named(&self, name: &ServiceName) -> Option<&'a DesiredService> {
        self.side.desired.services.get(name)
    }

    /// The manifest that spoke of a service there: it may have had another name.
    fn manifest(&self, ours: &DesiredService, live: &LiveService) -> Option<&'a DesiredService> {
        if let Some(matched) = self.by_live.get(&live.id) {
            return self.named(matched);
        }
        let from = ours.lifecycle.renamed_from.as_ref();
        let same = self.named(&ours.name);
        if let Some(same) = same
            && same.lifecycle.renamed_from.as_ref() == from
        {
            return Some(same);
        }
        // On its way to another name, a service is still the one that its former name's manifest spoke of.
        let moves = Some(live).filter(|live| live.name != ours.name && from == Some(&live.name));
        // A manifest whose service is still there by its own name speaks of that one.
        let free = |theirs: &&DesiredService| !self.taken.contains(&theirs.name);
        moves
            .and_then(|live| self.named(&live.name))
            .or(same.filter(|same| live.name == same.name || free(same)))
            .or_else(|| from.and_then(|from| self.named(from)).filter(free))
            .or_else(|| self.by_former.get(&live.name).copied().filter(free))
    }

    /// Whether a manifest there speaks of a service of this name that we don't declare; not by a former name
    /// that our manifest of the same service has, too, and that means nothing to either.
    fn declares(&self, name: &ServiceName, ours: &Desired) -> bool {
        let former = self.by_former.get(name);
        self.named(name).is_some() || former.is_some_and(|former| !ours.services.contains_key(&former.name))
    }
}

/// What a manifest would change of the live service, by path.
type Asked = BTreeMap<String, Value>;

/// What the other branch says of a service that the base declares.
enum Upstream {
    /// It is where the base is.
    None,
    /// It no longer declares it.
    Gone,
    /// What it would change.
    Asks(Asked),
}

/// The causes of one service's changes.
struct Told {
    whole: Option<Cause>,
    by_path: BTreeMap<String, Cause>,
    /// Of what no manifest says: what the tool finishes, or carries over.
    rest: Cause,
}

impl Told {
    fn all(cause: Cause) -> Self {
        Self { whole: Some(cause), by_path: BTreeMap::new(), rest: cause }
    }

    fn of(&self, path: &str) -> Cause {
        // A pin that is carried over to another agent changes because the agent does.
        let follows = || match path.rsplit('.').next() {
            Some("agent_version") => self.by_path.get("agent"),
            Some("context_graph_version") => self.by_path.get("context_graph"),
            _ => None,
        };
        self.by_path.get(path).or_else(follows).copied().unwrap_or(self.rest)
    }
}

struct Teller<'a> {
    ours: Side<'a>,
    base: Known<'a>,
    upstream: Option<Known<'a>>,
    snapshot: &'a Snapshot,
    live: BTreeMap<&'a ServiceId, &'a LiveService>,
    api: Api,
}

impl Teller<'_> {
    fn service(&self, shown: &ServicePlan) -> Told {
        let live = shown.id.as_ref().and_then(|id| self.live.get(id)).copied();
        let Some(ours) = self.ours.desired.services.get(&shown.name) else {
            return Told::all(self.retirement(&shown.name, live));
        };
        match live {
            Some(live) => self.change(shown, ours, live),
            None => Told::all(self.creation(ours)),
        }
    }

    /// Why a service goes that this branch does not declare.
    fn retirement(&self, name: &ServiceName, live: Option<&LiveService>) -> Cause {
        if self.base.declares(name, self.ours.desired) {
            if self.was_cared_for(name, live) { Cause::Both } else { Cause::Manifest }
        } else if self.upstream.as_ref().is_some_and(|upstream| upstream.declares(name, self.ours.desired)) {
            Cause::Behind
        } else {
            Cause::Drift
        }
    }

    /// Whether somebody has worked on a service since that this branch lets go of: in the other branch's
    /// manifests, or live.
    fn was_cared_for(&self, name: &ServiceName, live: Option<&LiveService>) -> bool {
        let Some(base) = self.base.named(name) else { return false };
        let theirs = self.upstream.as_ref().and_then(|upstream| upstream.named(name));
        let rewritten = theirs.is_some_and(|theirs| !same_wish(base, theirs));
        let moved = live.is_some_and(|live| {
            let joins = joins(base, None, live, self.snapshot);
            !asks(base, &joins, live, self.base.side.policy, self.api).is_empty()
        });
        rewritten || moved
    }

    fn creation(&self, ours: &DesiredService) -> Cause {
        // Where the former name is still declared, the manifest is a new service's.
        let from = ours.lifecycle.renamed_from.as_ref();
        let from = from.filter(|from| !self.ours.desired.services.contains_key(*from));
        let find = |known: &Known<'_>| {
            let base = known.named(&ours.name).or_else(|| from.and_then(|from| known.named(from)));
            base.map(|base| same_wish(base, ours))
        };
        match find(&self.base) {
            None => Cause::Manifest,
            Some(_) if self.upstream.as_ref().is_some_and(|upstream| find(upstream).is_none()) => {
                Cause::Behind
            }
            Some(true) => Cause::Drift,
            Some(false) => Cause::Both,
        }
    }

    fn change(&self, shown: &ServicePlan, ours: &DesiredService, live: &LiveService) -> Told {
        let replaces = shown.kind == ServiceKind::Replace;
        let Some(base) = self.base.manifest(ours, live) else {
            return Told { whole: replaces.then_some(Cause::Manifest), ..Told::all(Cause::Manifest) };
        };
        let own = joins(ours, None, live, self.snapshot);
        let theirs = |side: &Side<'_>, wanted| {
            let joins = joins(wanted, Some((ours, &own)), live, self.snapshot);
            asks(wanted, &joins, live, side.policy, self.api)
        };
        let asked = theirs(&self.base.side, base);
        let upstream = self.upstream.as_ref().map_or(Upstream::None, |upstream| {
            let manifest = upstream.manifest(ours, live);
            manifest.map_or(Upstream::Gone, |manifest| Upstream::Asks(theirs(&upstream.side, manifest)))
        });
        let rest = match (same_wish(base, ours), &upstream) {
            (true, Upstream::Gone) => Cause::Behind,
            (true, _) => Cause::Drift,
            (false, _) => Cause::Manifest,
        };
        let mut by_path: BTreeMap<String, Cause> = asks(ours, &own, live, self.ours.policy, self.api)
            .into_iter()
            .map(|(path, after)| {
                let cause = cause(&path, &after, &asked, &upstream);
                (path, cause)
            })
            .collect();
        // A name that the tool gave is nobody's wish: an earlier run was cut off.
        if names::is_leftover(live) {
            by_path.remove("service");
        }
        let forced = ["agent", "context_graph"].iter().filter_map(|path| by_path.get(*path)).copied();
        let whole = replaces.then(|| forced.max_by_key(|cause| weight(*cause)).unwrap_or(rest));
        Told { whole, by_path, rest }
    }
}

/// What a manifest would change of a live service.
fn asks(wanted: &DesiredService, joins: &Joins, live: &LiveService, policy: &Policy, api: Api) -> Asked {
    let content = diff::content(wanted, joins, Some(live), policy, api);
    let (_, mut changes) = diff::fields(&content, live);
    for (name, after) in &content.version_sets {
        changes.extend(diff::version_set(name, live.version_sets.get(name), Some(after)));
    }
    for (name, before) in &live.version_sets {
        if !content.version_sets.contains_key(name) && services::may_go(policy, wanted, name) {
            changes.extend(diff::version_set(name, Some(before), None));
        }
    }
    changes.into_iter().map(|change| (change.path, change.after)).collect()
}

/// What a manifest of another commit joins. A name that says nothing today asks for no change.
fn joins(
    theirs: &DesiredService,
    ours: Option<(&DesiredService, &Joins)>,
    live: &LiveService,
    snapshot: &Snapshot,
) -> Joins {
    let agent = match ours {
        Some((ours, joins)) if ours.agent == theirs.agent => Some(joins.agent.clone()),
        _ => resolve::quietly(&theirs.agent, &snapshot.agents),
    };
    let context_graph = match ours {
        Some((ours, joins)) if ours.context_graph == theirs.context_graph => {
            Some(joins.context_graph.clone())
        }
        _ => resolve::quietly(&theirs.context_graph, &snapshot.context_graphs),
    };
    Joins {
        agent: agent.unwrap_or_else(|| live.agent.clone()),
        context_graph: context_graph.unwrap_or_else(|| live.context_graph.clone()),
    }
}

/// How a commit's value at a path stands to the live and the wanted one.
#[derive(PartialEq)]
enum Standing {
    Live,
    Wanted,
    Neither,
}

fn standing(path: &str, after: &Value, asked: &Asked) -> Standing {
    if let Some(value) = asked.get(path) {
        return if same(path, value, after) { Standing::Wanted } else { Standing::Neither };
    }
    // A block may be whole in one of them and leaf by leaf in the other; tags have no parts.
    let below = format!("{path}.");
    let mut within = asked.range(below.clone()..);
    let related = within.next().is_some_and(|(other, _)| other.starts_with(&below))
        || path.match_indices('.').any(|(end, _)| asked.contains_key(&path[..end]));
    if related && !path.starts_with("tags.") { Standing::Neither } else { Standing::Live }
}

fn same(path: &str, one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::String(one), Value::String(other)) if path == "description" => trimmed(one) == trimmed(other),
        _ => same_json(one, other),
    }
}

fn cause(path: &str, after: &Value, base: &Asked, upstream: &Upstream) -> Cause {
    match (standing(path, after, base), upstream) {
        (Standing::Live, _) => Cause::Manifest,
        (Standing::Neither, _) => Cause::Both,
        (Standing::Wanted, Upstream::Gone) => Cause::Behind,
        (Standing::Wanted, Upstream::Asks(asked)) if standing(path, after, asked) == Standing::Live => {
            Cause::Behind
        }
        (Standing::Wanted, _) => Cause::Drift,
    }
}

/// What a reader must hear of first.
pub(super) fn weight(cause: Cause) -> u8 {
    match cause {
        Cause::Drift => 0,
        Cause::Manifest => 1,
        Cause::Behind => 2,
        Cause::Both => 3,
    }
}

/// Whether two manifests ask for the same service, wherever they stand and however it is rolled out.
fn same_wish(one: &DesiredService, other: &DesiredService) -> bool {
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
