//! Generates random sequences: commits that change manifests, operators' edits between them, and runs that may be
//! interrupted.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::model::{Api, Desired, DesiredService, OnAgentChange, Reference, Retire, ServiceName};
use crate::plan::tests::build::{sets, wanted};

pub(super) const NAMES: [&str; 4] = ["Able", "Baker", "Carol", "Delta"];
const AGENTS: [&str; 3] = ["A1", "A2", "A3"];

/// A random change of the manifests. An [`Index`] selects the manifest to change.
#[derive(Clone, Debug)]
pub(super) enum ManifestChange {
    /// Adds a manifest with this name, unless one exists.
    Add(&'static str),
    /// Removes a manifest, unless it is the last one.
    Remove(Index),
    /// Changes the agent of a manifest.
    Agent(Index, &'static str),
    /// Changes the name of a manifest. If the flag is true, the manifest gets its old name in `renamed_from`.
    Rename(Index, &'static str, bool),
    /// Swaps the names of two manifests. Each manifest gets its old name in `renamed_from`.
    Swap(Index, Index),
    /// Removes `renamed_from` from a manifest.
    RemoveRenamedFrom(Index),
    /// Sets or removes `active` in a manifest.
    Active(Index, Option<bool>),
    /// Sets `lifecycle.retire` in a manifest.
    Retire(Index, Retire),
    /// Sets or removes `lifecycle.on_agent_change` in a manifest.
    OnAgentChange(Index, Option<OnAgentChange>),
    /// Declares exactly these version sets in a manifest.
    Sets(Index, Vec<&'static str>),
}

/// A random change of the live services by an operator or another tool. An [`Index`] selects the service to change.
#[derive(Clone, Debug)]
pub(super) enum Edit {
    Activate(Index),
    Deactivate(Index),
    /// Activates a service that the tool renamed.
    ActivateFormer(Index),
    Rename(Index, &'static str),
    /// Gives a service a name that looks like a name from the tool. The name is made from a word, such as `replaced`,
    /// and a base name.
    ToolName(Index, &'static str, &'static str),
    /// Deletes a service. Does nothing on Classic.
    Delete(Index),
    /// Removes the tag `replaces` from a service.
    RemoveReplaces(Index),
    /// Changes the tag `replaces` of a service so that it refers to another service.
    ChangeReplaces(Index, Index),
    /// Gives a service this project's ownership tag.
    SetOwner(Index),
    /// Removes the ownership tag from a service.
    RemoveOwner(Index),
    /// Gives a service the ownership tag of another project.
    SetOtherOwner(Index),
    /// Creates a second active service with the name of a service, although the API forbids two active services with
    /// the same name. If the flag is true, this project owns the new service.
    CreateNamesake(Index, bool),
    /// Makes a unit test of the organization use a service. While a unit test uses it, Classic refuses to deactivate
    /// the service. Does nothing on Platform.
    UseInTest(Index),
    /// Removes all unit tests, so that every service can be deactivated again.
    RemoveTests,
}

/// The way in which a run ends.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// The run attempts all steps.
    Whole,
    /// The run is killed after some steps, which the [`Index`] selects. If the flag is true and the next step is a
    /// cut-over, the run is killed between the rename and the activation of this cut-over.
    Killed(Index, bool),
    /// The API refuses to activate new services, so the run undoes its cut-overs.
    NoActivation,
}

/// One round of a sequence: a commit, then edits of the live services, then a run.
#[derive(Clone, Debug)]
pub(super) struct Round {
    pub(super) changes: Vec<ManifestChange>,
    pub(super) edits: Vec<Edit>,
    pub(super) prune: bool,
    /// The service to which `--only` limits the run, or `None` for all services.
    pub(super) only: Option<Index>,
    pub(super) end: End,
    /// A seed that selects one of the orders in which the steps of the plan can run.
    pub(super) order: u64,
}

/// A sequence of rounds, with the properties of the server and the project.
#[derive(Clone, Debug)]
pub(super) struct Sequence {
    pub(super) api: Api,
    /// True if inactive services block their names. The Platform API does not say whether they do, so both cases are
    /// tested.
    pub(super) inactive_hold_names: bool,
    /// The way in which `--prune` retires services.
    pub(super) retire_orphans: Retire,
    pub(super) rounds: Vec<Round>,
}

pub(super) fn sequences(api: Api) -> impl Strategy<Value = Sequence> {
    let rounds = (first_round(), prop::collection::vec(round(api), 1..=5)).prop_map(|(first, mut rest)| {
        rest.insert(0, first);
        rest
    });
    let orphans = prop_oneof![2 => Just(Retire::Deactivate), 1 => select(ways_to_retire(api))];
    (rounds, any::<bool>(), orphans).prop_map(move |(rounds, hold, retire_orphans)| Sequence {
        api,
        inactive_hold_names: hold && api.inactive_services_hold_names(),
        retire_orphans,
        rounds,
    })
}

fn ways_to_retire(api: Api) -> Vec<Retire> {
    match api.deletes_services() {
        true => vec![Retire::Deactivate, Retire::Keep, Retire::Delete],
        false => vec![Retire::Deactivate, Retire::Keep],
    }
}

fn first_round() -> impl Strategy<Value = Round> {
    let adds = prop::sample::subsequence(NAMES.to_vec(), 1..=3);
    adds.prop_map(|names| Round {
        changes: names.into_iter().map(ManifestChange::Add).collect(),
        edits: Vec::new(),
        prune: false,
        only: None,
        end: End::Whole,
        order: 0,
    })
}

fn round(api: Api) -> impl Strategy<Value = Round> {
    let end = prop_oneof![
        3 => Just(End::Whole),
        2 => (any::<Index>(), any::<bool>()).prop_map(|(at, inside)| End::Killed(at, inside)),
        1 => Just(End::NoActivation),
    ];
    let changes = prop::collection::vec(change(api), 1..=3);
    let edits = prop_oneof![2 => Just(Vec::new()), 2 => prop::collection::vec(edit(), 1..=2)];
    let flags = (prop::bool::weighted(0.3), prop::option::weighted(0.1, any::<Index>()));
    (changes, edits, flags, end, any::<u64>()).prop_map(|(changes, edits, (prune, only), end, order)| Round {
        changes,
        edits,
        prune,
        only,
        end,
        order,
    })
}

fn change(api: Api) -> impl Strategy<Value = ManifestChange> {
    use ManifestChange as M;
    let at = any::<Index>;
    let name = || select(NAMES.to_vec());
    let retire = ways_to_retire(api);
    let how = vec![None, Some(OnAgentChange::Update), Some(OnAgentChange::Replace)];
    let active = vec![None, Some(true), Some(false)];
    let sets = prop::sample::subsequence(vec!["release", "staging"], 0..=2);
    prop_oneof![
        2 => name().prop_map(M::Add),
        1 => at().prop_map(M::Remove),
        10 => (at(), select(AGENTS.to_vec())).prop_map(|(which, agent)| M::Agent(which, agent)),
        2 => (at(), name(), prop::bool::weighted(0.8))
            .prop_map(|(which, to, is_declared)| M::Rename(which, to, is_declared)),
        1 => (at(), at()).prop_map(|(one, other)| M::Swap(one, other)),
        1 => at().prop_map(M::RemoveRenamedFrom),
        2 => (at(), select(active)).prop_map(|(which, active)| M::Active(which, active)),
        2 => (at(), select(retire)).prop_map(|(which, retire)| M::Retire(which, retire)),
        1 => (at(), select(how)).prop_map(|(which, how)| M::OnAgentChange(which, how)),
        1 => (at(), sets).prop_map(|(which, sets)| M::Sets(which, sets)),
    ]
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<Index>;
    prop_oneof![
        2 => at().prop_map(Edit::Activate),
        2 => at().prop_map(Edit::Deactivate),
        4 => at().prop_map(Edit::ActivateFormer),
        1 => (at(), select(NAMES.to_vec())).prop_map(|(which, to)| Edit::Rename(which, to)),
        1 => (at(), select(vec!["replaced", "abandoned", "renaming", "replacing"]), select(NAMES.to_vec()))
            .prop_map(|(which, word, name)| Edit::ToolName(which, word, name)),
        1 => at().prop_map(Edit::Delete),
        1 => at().prop_map(Edit::RemoveReplaces),
        1 => (at(), at()).prop_map(|(which, to)| Edit::ChangeReplaces(which, to)),
        1 => at().prop_map(Edit::SetOwner),
        1 => at().prop_map(Edit::RemoveOwner),
        1 => at().prop_map(Edit::SetOtherOwner),
        1 => (at(), any::<bool>()).prop_map(|(which, ours)| Edit::CreateNamesake(which, ours)),
        2 => at().prop_map(Edit::UseInTest),
        1 => Just(Edit::RemoveTests),
    ]
}

/// Makes a change in the manifests. As the loader guarantees, no two manifests have the same `renamed_from`, and no
/// manifest has its own name in `renamed_from`.
pub(super) fn commit(desired: &mut Desired, change: &ManifestChange) {
    use ManifestChange as M;
    match change {
        M::Add(name) => {
            let mut service = wanted(name, "A1");
            service.lifecycle.on_agent_change = Some(OnAgentChange::Replace);
            desired.services.entry(service.name.clone()).or_insert(service);
        }
        // The last manifest stays, because a project without manifests is refused.
        M::Remove(which) if desired.services.len() > 1 => {
            if let Some(name) = choose(desired, which) {
                desired.services.remove(&name);
            }
        }
        M::Remove(_) => {}
        M::Agent(which, agent) => {
            edit_manifest(desired, which, |service| service.agent = Reference::Name((*agent).to_owned()))
        }
        M::Rename(which, to, is_declared) => {
            let to = ServiceName::from(*to);
            let Some(from) = choose(desired, which).filter(|_| !desired.services.contains_key(&to)) else {
                return;
            };
            let Some(service) = desired.services.remove(&from) else { return };
            insert_renamed(desired, service, to, is_declared.then_some(from));
        }
        M::Swap(one, other) => {
            let (Some(one), Some(other)) = (choose(desired, one), choose(desired, other)) else { return };
            if one == other {
                return;
            }
            let (Some(first), Some(second)) =
                (desired.services.remove(&one), desired.services.remove(&other))
            else {
                return;
            };
            insert_renamed(desired, first, other.clone(), Some(one.clone()));
            insert_renamed(desired, second, one, Some(other));
        }
        M::RemoveRenamedFrom(which) => {
            edit_manifest(desired, which, |service| service.lifecycle.renamed_from = None)
        }
        M::Active(which, active) => edit_manifest(desired, which, |service| service.active = *active),
        M::Retire(which, retire) => {
            edit_manifest(desired, which, |service| service.lifecycle.retire = *retire)
        }
        M::OnAgentChange(which, how) => {
            edit_manifest(desired, which, |service| service.lifecycle.on_agent_change = *how)
        }
        M::Sets(which, names) => {
            let pins: Vec<_> = names.iter().map(|name| (*name, 2, 1)).collect();
            edit_manifest(desired, which, |service| service.version_sets = sets(&pins));
        }
    }
}

/// Applies the function `edit` to the manifest that `which` selects. Does nothing if there is no manifest.
fn edit_manifest(desired: &mut Desired, which: &Index, edit: impl Fn(&mut DesiredService)) {
    if let Some(service) = choose(desired, which).and_then(|name| desired.services.get_mut(&name)) {
        edit(service);
    }
}

fn choose(desired: &Desired, which: &Index) -> Option<ServiceName> {
    let names: Vec<ServiceName> = desired.services.keys().cloned().collect();
    (!names.is_empty()).then(|| which.get(&names).clone())
}

/// Inserts a manifest under its new name `to`, with `from` as its `renamed_from`. If another manifest has the same
/// `renamed_from`, removes it there.
fn insert_renamed(
    desired: &mut Desired,
    mut service: DesiredService,
    to: ServiceName,
    from: Option<ServiceName>,
) {
    for other in desired.services.values_mut() {
        if other.lifecycle.renamed_from == from {
            other.lifecycle.renamed_from = None;
        }
    }
    service.name = to.clone();
    service.place.file = format!("{to}.yaml");
    service.lifecycle.renamed_from = from;
    desired.services.insert(to, service);
}
