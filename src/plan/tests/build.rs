//! Helpers for tests of planning: short constructors for desired and live states, and a short text form of plans.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::*;
use crate::plan::{self, Options, Plan, PlanError, Target, verify};

pub(crate) fn options() -> Options {
    Options {
        api: Api::Classic,
        today: "2026-11-22".to_owned(),
        prune: false,
        take_over: None,
        allow_protected: false,
        max_removals: None,
        only: BTreeSet::new(),
        touched: None,
        unmanage: BTreeSet::new(),
        limited: true,
        create: Default::default(),
        enforce_guardrails: true,
        corrects_origins: true,
    }
}

/// Returns the policy of a project that sets `ownership.value` to the default value.
pub(crate) fn own_policy() -> Policy {
    Policy { ownership: Ownership { is_written: true, ..Ownership::default() }, ..Policy::default() }
}

pub(crate) fn pin(number: u32) -> Pin {
    if number == 0 { Pin::Latest } else { Pin::Number(number) }
}

/// Returns a catalog of four agents or context graphs with 5 versions each. For the letter `a`, their names are `A1` to
/// `A4` and their ids `a1` to `a4`.
pub(crate) fn catalog<Id: Ord + for<'t> From<&'t str>>(letter: char) -> Catalog<Id> {
    let entry = |n| {
        let name = format!("{}{n}", letter.to_uppercase());
        let id = format!("{letter}{n}");
        (Id::from(id.as_str()), CatalogEntry { name, latest: LatestVersion::Number(5), deprecated: false })
    };
    Catalog { complete: true, entries: (1..=4).map(entry).collect(), missing: BTreeSet::new() }
}

pub(crate) fn wanted(name: &str, agent: &str) -> DesiredService {
    DesiredService {
        name: name.into(),
        place: Place { file: format!("{name}.yaml"), line: 1, column: 1 },
        agent: Reference::Name(agent.to_owned()),
        agent_place: Place::default(),
        context_graph: Reference::Name("G1".to_owned()),
        context_graph_place: Place::default(),
        description: Some(format!("The service {name}")),
        active: None,
        keyterms: None,
        tags: None,
        version_sets: None,
        settings: serde_json::Map::new(),
        setting_places: BTreeMap::new(),
        depends_on: BTreeSet::new(),
        lifecycle: Lifecycle::default(),
        smoke: Vec::new(),
    }
}

pub(crate) fn sets(pins: &[(&str, u32, u32)]) -> Option<BTreeMap<VersionSetName, DesiredVersionSet>> {
    let set = |(name, agent, graph): &(&str, u32, u32)| {
        let content = DesiredVersionSet {
            agent_version: Some(pin(*agent)),
            context_graph_version: Some(pin(*graph)),
            ..DesiredVersionSet::default()
        };
        (VersionSetName::new(name), content)
    };
    Some(pins.iter().map(set).collect())
}

pub(crate) fn desired(services: impl IntoIterator<Item = DesiredService>) -> Desired {
    Desired { services: services.into_iter().map(|service| (service.name.clone(), service)).collect() }
}

pub(crate) fn live_set(agent: u32, graph: u32) -> VersionSet {
    VersionSet { agent_version: pin(agent), context_graph_version: pin(graph), ..VersionSet::latest() }
}

/// Returns an active, owned live service with the unpinned version sets `edge` and `release`, and with the context
/// graph `g1`.
pub(crate) fn live(id: &str, name: &str, agent: &str) -> LiveService {
    LiveService {
        id: id.into(),
        name: name.into(),
        description: format!("The service {name}"),
        active: true,
        agent: agent.to_lowercase().as_str().into(),
        context_graph: "g1".into(),
        tags: [("managed_by".to_owned(), Some("amigops".to_owned()))].into(),
        repeated_tags: BTreeSet::new(),
        keyterms: Vec::new(),
        version_sets: [("edge".into(), live_set(0, 0)), ("release".into(), live_set(0, 0))].into(),
        settings: serde_json::Map::new(),
        system: false,
        updated_by: None,
        updated_at: None,
    }
}

/// Returns the service with the tag `origin` of a service that was made for this name.
pub(crate) fn made_for(name: &str, mut service: LiveService) -> LiveService {
    let tag = OriginTag { name: NameHash::of(&name.into()), commit: None, is_former: false };
    service.tags.insert(TAG_ORIGIN.to_owned(), Some(tag.to_string()));
    service
}

/// Returns a service that was made for this name, and to which the manifest of this commit was written last.
pub(crate) fn applied_at(name: &str, commit: &str, mut service: LiveService) -> LiveService {
    let tag =
        OriginTag { name: NameHash::of(&name.into()), commit: Some(commit.to_owned()), is_former: false };
    service.tags.insert(TAG_ORIGIN.to_owned(), Some(tag.to_string()));
    service
}

pub(crate) fn snapshot(services: impl IntoIterator<Item = LiveService>) -> Snapshot {
    Snapshot {
        services: services.into_iter().collect(),
        agents: catalog('a'),
        context_graphs: catalog('g'),
        behavior_sets: BTreeMap::new(),
    }
}

pub(crate) fn try_plan(desired: &Desired, snapshot: &Snapshot, options: &Options) -> Result<Plan, PlanError> {
    plan::plan(desired, snapshot, &own_policy(), options)
}

/// Makes a plan, verifies it, and checks that a second plan is empty if it is made after the first plan is applied.
/// Returns the first plan. Panics if a check fails.
pub(crate) fn plan_and_verify(desired: &Desired, snapshot: &Snapshot, options: &Options) -> Plan {
    let policy = own_policy();
    let plan = plan::plan(desired, snapshot, &policy, options).expect("a plan can be made");
    let violations = verify::verify(desired, snapshot, &policy, options, &plan);
    assert!(violations.is_empty(), "the verifier refuses the plan: {violations:#?}\n{}", steps(&plan));
    let after = verify::outcome(snapshot, &plan.steps, options.api);
    let again = plan::plan(desired, &after, &policy, options).expect("a plan can be made again");
    assert!(again.is_empty(), "the second plan is not empty:\n{}\nafter:\n{}", steps(&again), steps(&plan));
    plan
}

/// Returns the steps of a plan in a short text form, one step per line.
pub(crate) fn steps(plan: &Plan) -> String {
    let line = |step: &plan::Step| {
        let after: Vec<String> = step.depends_on.iter().map(ToString::to_string).collect();
        let after = if after.is_empty() { String::new() } else { format!(" after {}", after.join(",")) };
        format!("{} {}{after}", step.id, action(&step.action))
    };
    plan.steps.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn action(action: &plan::Action) -> String {
    use plan::Action::*;
    let service = |target: &Target| match target {
        Target::Live(id) => id.to_string(),
        Target::Created(step) => format!("#{step}"),
    };
    match action {
        Create(new) => {
            let inline = new.version_sets.iter().filter(|(name, _)| !name.is_release());
            let sets: Vec<String> = inline
                .map(|(name, set)| format!(" {name}=({}, {})", set.agent_version, set.context_graph_version))
                .collect();
            let settings: Vec<String> =
                new.settings.iter().map(|(name, value)| format!(" {name}={value}")).collect();
            let (sets, settings) = (sets.concat(), settings.concat());
            format!("create {} active={} agent={}{sets}{settings}", new.name, new.active, new.agent)
        }
        Update { id, update } => format!("update {id}{}", fields(update)),
        RenameTemporarily { id, update } => format!("rename early {id}{}", fields(update)),
        WriteVersionSet { target, name, content, creates } => {
            let verb = if *creates { "create" } else { "change" };
            format!(
                "{verb} set {name} of {} ({}, {})",
                service(target),
                content.agent_version,
                content.context_graph_version
            )
        }
        DeleteVersionSet { id, name } => format!("delete set {name} of {id}"),
        ApplyBehaviorSet { behavior_set, target, .. } => {
            format!("apply {behavior_set} to {}", service(target))
        }
        Smoke { target, test } => format!("smoke {} {}", service(target), test.version_set),
        HandOver { old, rename, new, activation, .. } => {
            let rename = rename.as_ref().map(|update| fields(update)).unwrap_or_default();
            format!("hand over {old}{rename} -> {}{}", service(new), fields(activation))
        }
        Retire { id, update, how } => {
            let fields = update.as_ref().map(|update| fields(update)).unwrap_or_default();
            format!("retire {id} ({}){fields}", how.as_str())
        }
        Abandon { id, update } => format!("abandon {id}{}", fields(update)),
    }
}

fn fields(update: &ServiceUpdate) -> String {
    let mut text = String::new();
    if let Some(name) = &update.name {
        text += &format!(" name={name}");
    }
    if let Some(active) = update.active {
        text += &format!(" active={active}");
    }
    if update.description.is_some() {
        text += " description";
    }
    if let Some(agent) = &update.agent {
        text += &format!(" agent={agent}");
    }
    if let Some(tags) = &update.tags {
        text += &format!(" tags={}", tags.keys().cloned().collect::<Vec<_>>().join(","));
    }
    if update.keyterms.is_some() {
        text += " keyterms";
    }
    for (name, set) in &update.version_sets {
        text += &format!(" {name}=({}, {})", set.agent_version, set.context_graph_version);
    }
    for (name, value) in &update.settings {
        text += &format!(" {name}={value}");
    }
    text
}
