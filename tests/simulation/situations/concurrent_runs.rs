//! Tests of two runs at the same time, with the same or with different manifests. Services that the manifests of both
//! runs declare stay active, and no retired service is activated again. No two active services have the same name. The
//! next run of either manifests converges.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::manifest_pairs::{Pair, pairs, renamed};
use super::operator::{Edit, edit};
use super::organization::{Handling, SentRequest, TestOrganization, in_virtual_time};
use crate::build::live;
use crate::model::*;
use crate::remote::Stop;
use crate::schedules::world::ORGANIZATION;
use amigops_emulator::{InProcess, SANDBOX_WORKSPACE};

/// The values of a service that the tests compare.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    name: String,
    active: bool,
    replaces: Option<String>,
}

type Rows = BTreeMap<String, Row>;

fn rows(api: Api, emulator: &InProcess) -> Rows {
    let world = emulator.world();
    match api {
        Api::Classic => {
            let home = world.organization(ORGANIZATION).expect("it exists");
            let row = |service: &amigops_emulator::Service| Row {
                name: service.name.clone(),
                active: service.is_active,
                replaces: service.tags.get("replaces").cloned().flatten(),
            };
            home.services().iter().map(|service| (service.id.clone(), row(service))).collect()
        }
        Api::Platform => {
            let home = world.workspace(SANDBOX_WORKSPACE).expect("it exists");
            let row = |service: &amigops_emulator::PlatformService| Row {
                name: service.name.clone(),
                active: service.is_active,
                replaces: service
                    .tags
                    .iter()
                    .find(|tag| tag.key == "replaces")
                    .and_then(|tag| tag.value.clone()),
            };
            home.services().iter().map(|service| (service.id.clone(), row(service))).collect()
        }
    }
}

/// Returns a message about the first rule that a state in the history breaks. The services named in `stay_active`
/// must stay active or be replaced.
fn find_violation(history: &[Rows], pair: &Pair) -> Option<String> {
    let stay_active = &pair.stay_active;
    // A manifest activates the service that it declares.
    let is_declared =
        |name: &str| pair.manifests.iter().any(|manifests| manifests.services.contains_key(name));
    let start = history.first()?;
    let mut chains: BTreeMap<&String, BTreeSet<String>> = start
        .iter()
        .filter(|(_, row)| stay_active.contains(&row.name.as_str()))
        .map(|(id, _)| (id, BTreeSet::from([id.clone()])))
        .collect();
    let mut retired: BTreeSet<&String> = BTreeSet::new();
    let mut successors: BTreeMap<&String, BTreeSet<&String>> = BTreeMap::new();
    let mut before = start;
    for rows in history {
        for chain in chains.values_mut() {
            for (id, row) in rows {
                if row.replaces.as_ref().is_some_and(|old| chain.contains(old)) {
                    chain.insert(id.clone());
                }
            }
        }
        let mut names = BTreeSet::new();
        if let Some(duplicate) = rows.values().find(|row| row.active && !names.insert(&row.name)) {
            return Some(format!("two active services have the name {}", duplicate.name));
        }
        let in_use =
            |chain: &BTreeSet<String>| chain.iter().any(|id| rows.get(id).is_some_and(|row| row.active));
        if let Some((old, _)) = chains.iter().find(|(_, chain)| !in_use(chain)) {
            return Some(format!("{} is out of use", start[*old].name));
        }
        for (id, row) in rows {
            let was_active = before.get(id).is_some_and(|row| row.active);
            if was_active && !row.active {
                retired.insert(id);
            }
            if row.active && !was_active && retired.contains(id) && !is_declared(&row.name) {
                return Some(format!("{} ({id}) is active again", row.name));
            }
            if let Some(old) = &row.replaces {
                successors.entry(old).or_default().insert(id);
            }
        }
        for (id, row) in rows {
            let was_replaced = before.get(id).is_some_and(|row| row.name.contains("(replaced "));
            let is_replaced = row.name.contains("(replaced ");
            let mut own_successors = successors.get(id).into_iter().flatten();
            if was_replaced
                && !is_replaced
                && own_successors.any(|new| rows.get(*new).is_some_and(|new| new.active))
            {
                return Some(format!(
                    "{} ({id}) has its name again, although its successor is in use",
                    row.name
                ));
            }
        }
        before = rows;
    }
    None
}

/// Applies both sets of manifests of a pair at the same time. Then checks that the set with the index `last` converges.
///
/// The second run waits for `delay`: before it plans if `plans_late` is true, and otherwise between its plan and its
/// steps. Returns a message about the first problem.
async fn run_pair(api: Api, pair: &Pair, delay: Duration, plans_late: bool, last: usize) -> Option<String> {
    let org = TestOrganization::new(api, pair.live.clone());
    let history: Arc<Mutex<Vec<Rows>>> = Arc::new(Mutex::new(vec![rows(api, &org.emulator)]));
    let states = Arc::clone(&history);
    org.on_request(move |_, emulator| {
        let now = rows(api, emulator);
        let mut states = states.lock().expect("no panic");
        if states.last() != Some(&now) {
            states.push(now);
        }
        Handling::Process
    });
    let one = async |index: usize, before: Duration, between: Duration| {
        let stop = Stop::default();
        let client = org.connect(stop.clone(), None);
        tokio::time::sleep(before).await;
        let planned = org.plan(&client, &pair.manifests[index], pair.prune[index]).await;
        tokio::time::sleep(between).await;
        match planned {
            Ok((snapshot, plan)) => org.run(&client, &snapshot, plan, &stop).await.failures(),
            Err(error) => vec![format!("{error:?}")],
        }
    };
    let (before, between) = if plans_late { (delay, Duration::ZERO) } else { (Duration::ZERO, delay) };
    let failures = tokio::join!(one(0, Duration::ZERO, Duration::ZERO), one(1, before, between));
    let end = rows(api, &org.emulator);
    history.lock().expect("no panic").push(end);
    let problem = |why: String| {
        let history = history.lock().expect("no panic");
        Some(format!("{why}\nthe runs: {failures:#?}\nat the end: {:#?}", history.last()))
    };
    // `problem` locks the history, too, so the lock must not be held here.
    let states = history.lock().expect("no panic").clone();
    if let Some(why) = find_violation(&states, pair) {
        return problem(why);
    }
    org.process_all();
    let client = org.connect(Stop::default(), None);
    for _ in 0..2 {
        match org.plan(&client, &pair.manifests[last], pair.prune[last]).await {
            Err(error) => return problem(format!("the next run of {last} has no plan: {error:?}")),
            Ok((_, plan)) if plan.is_empty() => return None,
            Ok((snapshot, plan)) => {
                let ended = org.run(&client, &snapshot, plan, &Stop::default()).await;
                if !ended.is_complete() {
                    return problem(format!("the next run of {last} fails: {:?}", ended.failures()));
                }
            }
        }
    }
    match org.plan(&client, &pair.manifests[last], pair.prune[last]).await {
        Ok((_, plan)) if plan.is_empty() => None,
        other => problem(format!("the next runs of {last} do not converge: {other:?}")),
    }
}

/// The number of delays that are tested. They differ by a quarter of a request's time. With the longest delay, the
/// first run ends before the second one starts.
const DELAYS: u64 = 60;

fn run_all_pairs(api: Api) {
    let mut broken = BTreeMap::new();
    let mut count = 0;
    for pair in pairs() {
        for number in 0..DELAYS {
            for plans_late in [false, true] {
                let delay = Duration::from_millis(number * 25);
                let last = (number % 2) as usize;
                let why = in_virtual_time(run_pair(api, &pair, delay, plans_late, last));
                count += 1;
                if let Some(why) = why {
                    let place = format!("{}: {delay:?} later, plans late: {plans_late}", pair.name);
                    let found: &mut Vec<String> = broken.entry(pair.name).or_default();
                    found.push(format!("{place}: {why}"));
                }
            }
        }
    }
    let counts: Vec<String> = broken.iter().map(|(what, found)| format!("{what}: {}", found.len())).collect();
    let examples: Vec<&str> = broken.values().map(|found| found[0].as_str()).collect();
    assert!(broken.is_empty(), "of {count} pairs: {counts:#?}\n{}", examples.join("\n\n"));
}

#[test]
fn no_pair_of_runs_breaks_a_rule_on_classic() {
    run_all_pairs(Api::Classic);
}

#[test]
fn no_pair_of_runs_breaks_a_rule_on_platform() {
    run_all_pairs(Api::Platform);
}

/// Renames Coach to Trainer, just after another run has taken that name. The server accepts a rename to a name in use
/// if the request does not activate the service. Returns the failures, and the services named Trainer.
fn rename_to_a_name_in_use(
    server: impl Fn(&SentRequest) -> Option<Handling> + Send + 'static,
) -> (Vec<String>, Vec<LiveService>) {
    in_virtual_time(async move {
        let org =
            TestOrganization::new(Api::Classic, vec![live("c", "Coach", "A1"), live("e", "Extra", "A1")]);
        let stop = Stop::default();
        let client = org.connect(stop.clone(), None);
        let manifests = renamed(&[("Coach", "Trainer", "A1")]);
        let (snapshot, plan) = org.plan(&client, &manifests, false).await.expect("there is a plan");
        org.on_request(move |request, emulator| {
            let is_rename = request.is_write() && request.body.contains("\"name\":\"Trainer\"");
            if !is_rename {
                return Handling::Process;
            }
            if let Some(fate) = server(request) {
                return fate;
            }
            edit(Api::Classic, emulator, |name, _| name == "Extra", Edit::Rename("Trainer"));
            if request.body.contains("is_active") {
                return Handling::Process;
            }
            edit(Api::Classic, emulator, |name, _| name == "Coach", Edit::Rename("Trainer"));
            Handling::Answer(200, "done")
        });
        let failures = org.run(&client, &snapshot, plan, &stop).await.failures();
        org.process_all();
        (failures, org.active("Trainer").await)
    })
}

#[test]
fn a_rename_to_a_name_that_another_run_has_just_taken_is_refused() {
    let (failures, trainers) = rename_to_a_name_in_use(|_| None);
    assert_eq!(trainers.len(), 1, "{failures:?}");
    assert!(failures.iter().any(|failure| failure.contains("409")), "{failures:?}");
}

/// The Classic API refuses to activate a service with a deprecated agent, but it accepts a rename of an active service
/// with such an agent. So the run must send the rename again without the activation.
#[test]
fn a_rename_that_is_refused_as_an_activation_is_sent_again_without_it() {
    let refuses = |request: &SentRequest| match request.body.contains("is_active") {
        true => Some(Handling::Answer(400, "the agent is deprecated")),
        false => Some(Handling::Process),
    };
    let (failures, trainers) = rename_to_a_name_in_use(refuses);
    assert_eq!((failures, trainers.len()), (Vec::new(), 1));
}
