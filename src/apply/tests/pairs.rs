//! Two runs at once, of the same or of differing manifests: no service that both want in use goes out of use, nothing
//! is revived, no two active services have one name, and the next run of either converges.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::super::simulation::world::ORGANIZATION;
use super::bench::{Bench, Fate, Info, in_virtual_time};
use super::operator::{Edit, edit};
use crate::model::*;
use crate::plan::tests::build::{desired, live, live_set, sets, wanted};
use crate::remote::Stop;
use amigops_emulator::{InProcess, SANDBOX_WORKSPACE};

/// A service as the rules see it.
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
            let home = world.organization(ORGANIZATION).expect("it is there");
            let row = |service: &amigops_emulator::Service| Row {
                name: service.name.clone(),
                active: service.is_active,
                replaces: service.tags.get("replaces").cloned().flatten(),
            };
            home.services().iter().map(|service| (service.id.clone(), row(service))).collect()
        }
        Api::Platform => {
            let home = world.workspace(SANDBOX_WORKSPACE).expect("it is there");
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

/// Two sets of manifests, and what was there before.
#[derive(Clone)]
struct Pair {
    what: &'static str,
    live: Vec<LiveService>,
    manifests: [Desired; 2],
    prune: [bool; 2],
    /// The services that neither takes out of use, by the name that they have before.
    stay: Vec<&'static str>,
}

/// The values that all manifests share.
const DESCRIPTION: &str = "A service";

fn coach(agent: &str, change: impl FnOnce(&mut DesiredService)) -> Desired {
    let mut coach = wanted("Coach", agent);
    coach.description = Some(DESCRIPTION.to_owned());
    coach.lifecycle.on_agent_change = Some(OnAgentChange::Replace);
    change(&mut coach);
    desired([coach])
}

fn renamed(pairs: &[(&str, &str, &str)]) -> Desired {
    desired(pairs.iter().map(|(from, to, agent)| {
        let mut wanted = wanted(to, agent);
        wanted.description = Some(DESCRIPTION.to_owned());
        wanted.lifecycle.renamed_from = (from != to).then(|| (*from).into());
        wanted
    }))
}

fn pairs() -> Vec<Pair> {
    let one = || vec![live("c", "Coach", "A1")];
    let some = || vec![live("a", "Able", "A1"), live("b", "Baker", "A2"), live("c", "Charlie", "A3")];
    let pair = |what, live, manifests, stay: &[&'static str]| Pair {
        what,
        live,
        manifests,
        prune: [false; 2],
        stay: stay.to_vec(),
    };
    let same = |what, live, manifest: Desired, stay| pair(what, live, [manifest.clone(), manifest], stay);
    let chain =
        || renamed(&[("Charlie", "Delta", "A3"), ("Baker", "Charlie", "A2"), ("Able", "Baker", "A1")]);
    let swap = || renamed(&[("Able", "Baker", "A1"), ("Baker", "Able", "A2")]);
    let plain = |_: &mut DesiredService| {};
    let all = ["Able", "Baker", "Charlie"];
    let mut pairs = vec![
        same("one replacement twice", one(), coach("A2", plain), &["Coach"]),
        same("one chain of names twice", some(), chain(), &all),
        same("one swap of names twice", some(), swap(), &all),
        pair("two agents", one(), [coach("A2", plain), coach("A3", plain)], &["Coach"]),
        pair(
            "a replacement and a rename",
            one(),
            [coach("A2", plain), renamed(&[("Coach", "Trainer", "A1")])],
            &["Coach"],
        ),
        pair(
            "a replacement and a deactivation",
            one(),
            [coach("A2", plain), coach("A1", |coach| coach.active = Some(false))],
            &[],
        ),
        pair(
            "a replacement and other versions",
            one(),
            [coach("A2", plain), coach("A1", |coach| coach.version_sets = sets(&[("release", 2, 2)]))],
            &["Coach"],
        ),
        pair(
            "a chain of names and other names",
            some(),
            [
                chain(),
                renamed(&[("Able", "Able", "A1"), ("Baker", "Echo", "A2"), ("Charlie", "Charlie", "A3")]),
            ],
            &all,
        ),
        pair("a chain of names and a swap", some(), [chain(), swap()], &all),
        pair(
            "two replacements under one new name",
            one(),
            ["A2", "A3"].map(|agent| {
                let mut trainer = renamed(&[("Coach", "Trainer", agent)]);
                trainer.services.values_mut().for_each(replaces);
                trainer
            }),
            &["Coach"],
        ),
        pair(
            "a replacement under a new name, and a new service of that name",
            one(),
            [
                {
                    let mut trainer = renamed(&[("Coach", "Trainer", "A2")]);
                    trainer.services.values_mut().for_each(replaces);
                    trainer
                },
                renamed(&[("Trainer", "Trainer", "A2")]),
            ],
            &["Coach"],
        ),
        pair(
            "two new names",
            one(),
            [renamed(&[("Coach", "Trainer", "A1")]), renamed(&[("Coach", "Mentor", "A1")])],
            &["Coach"],
        ),
        pair(
            "a replacement in a chain of names",
            some(),
            [
                chain(),
                desired(["Able", "Baker", "Charlie"].iter().map(|name| {
                    let mut wanted = wanted(name, "A4");
                    wanted.lifecycle.on_agent_change = Some(OnAgentChange::Replace);
                    wanted
                })),
            ],
            &all,
        ),
    ];
    let declares = |names: &[&str]| desired(names.iter().map(|name| wanted(name, "A1")));
    pairs.push(Pair {
        what: "an orphan of one that the other declares",
        live: vec![live("c", "Coach", "A1"), live("e", "Extra", "A1")],
        manifests: [declares(&["Coach"]), declares(&["Coach", "Extra"])],
        prune: [true, false],
        stay: vec!["Coach"],
    });
    for pair in &mut pairs {
        for service in &mut pair.live {
            service.version_sets.insert("release".into(), live_set(1, 1));
        }
    }
    pairs
}

fn replaces(wanted: &mut DesiredService) {
    wanted.lifecycle.on_agent_change = Some(OnAgentChange::Replace);
}

/// The broken rules of a history of states.
fn judge(history: &[Rows], stay: &[&str]) -> Option<String> {
    let start = history.first()?;
    let mut lines: BTreeMap<&String, BTreeSet<String>> = start
        .iter()
        .filter(|(_, row)| stay.contains(&row.name.as_str()))
        .map(|(id, _)| (id, BTreeSet::from([id.clone()])))
        .collect();
    let mut retired: BTreeSet<&String> = BTreeSet::new();
    let mut successors: BTreeMap<&String, BTreeSet<&String>> = BTreeMap::new();
    let mut before = start;
    for rows in history {
        for line in lines.values_mut() {
            for (id, row) in rows {
                if row.replaces.as_ref().is_some_and(|old| line.contains(old)) {
                    line.insert(id.clone());
                }
            }
        }
        let mut names = BTreeSet::new();
        if let Some(twin) = rows.values().find(|row| row.active && !names.insert(&row.name)) {
            return Some(format!("two active services are called {}", twin.name));
        }
        let in_use =
            |line: &BTreeSet<String>| line.iter().any(|id| rows.get(id).is_some_and(|row| row.active));
        if let Some((old, _)) = lines.iter().find(|(_, line)| !in_use(line)) {
            return Some(format!("{} is out of use", start[*old].name));
        }
        for (id, row) in rows {
            let was_active = before.get(id).is_some_and(|row| row.active);
            if was_active && !row.active {
                retired.insert(id);
            }
            if row.active && !was_active && retired.contains(id) {
                return Some(format!("{} ({id}) is revived", row.name));
            }
            if let Some(old) = &row.replaces {
                successors.entry(old).or_default().insert(id);
            }
        }
        for (id, row) in rows {
            let was_replaced = before.get(id).is_some_and(|row| row.name.contains("(replaced "));
            let is_replaced = row.name.contains("(replaced ");
            let mut later = successors.get(id).into_iter().flatten();
            if was_replaced && !is_replaced && later.any(|new| rows.get(*new).is_some_and(|new| new.active)) {
                return Some(format!("{} ({id}) has its name again, and its successor is in use", row.name));
            }
        }
        before = rows;
    }
    None
}

/// Plays both at once, the second one `delay` later; gives what is wrong.
async fn play(api: Api, pair: &Pair, delay: Duration, plans_late: bool, then: usize) -> Option<String> {
    let bench = Bench::new(api, pair.live.clone());
    let history: Arc<Mutex<Vec<Rows>>> = Arc::new(Mutex::new(vec![rows(api, &bench.emulator)]));
    let seen = Arc::clone(&history);
    bench.on(move |_, emulator| {
        let now = rows(api, emulator);
        let mut seen = seen.lock().expect("no panic");
        if seen.last() != Some(&now) {
            seen.push(now);
        }
        Fate::Proceeds
    });
    let one = async |who: usize, before: Duration, between: Duration| {
        let stop = Stop::default();
        let client = bench.connect(stop.clone(), None);
        tokio::time::sleep(before).await;
        let planned = bench.plan(&client, &pair.manifests[who], pair.prune[who]).await;
        tokio::time::sleep(between).await;
        match planned {
            Ok((snapshot, plan)) => bench.run(&client, &snapshot, plan, &stop).await.failures(),
            Err(error) => vec![format!("{error:?}")],
        }
    };
    let (before, between) = if plans_late { (delay, Duration::ZERO) } else { (Duration::ZERO, delay) };
    let failures = tokio::join!(one(0, Duration::ZERO, Duration::ZERO), one(1, before, between));
    let end = rows(api, &bench.emulator);
    history.lock().expect("no panic").push(end);
    let told = |why: String| {
        let history = history.lock().expect("no panic");
        Some(format!("{why}\nthe runs: {failures:#?}\nat the end: {:#?}", history.last()))
    };
    if let Some(why) = judge(&history.lock().expect("no panic").clone(), &pair.stay) {
        return told(why);
    }
    bench.calm();
    let client = bench.connect(Stop::default(), None);
    for _ in 0..2 {
        match bench.plan(&client, &pair.manifests[then], pair.prune[then]).await {
            Err(error) => return told(format!("the next run of {then} has no plan: {error:?}")),
            Ok((_, plan)) if plan.is_empty() => return None,
            Ok((snapshot, plan)) => {
                let ended = bench.run(&client, &snapshot, plan, &Stop::default()).await;
                if !ended.is_complete() {
                    return told(format!("the next run of {then} fails: {:?}", ended.failures()));
                }
            }
        }
    }
    match bench.plan(&client, &pair.manifests[then], pair.prune[then]).await {
        Ok((_, plan)) if plan.is_empty() => None,
        other => told(format!("the next runs of {then} do not converge: {other:?}")),
    }
}

/// Delays in steps of half a request's way, far enough for one run to be over before the other begins.
const DELAYS: u64 = 60;

fn all_pairs(api: Api) {
    let mut broken = BTreeMap::new();
    let mut played = 0;
    for pair in pairs() {
        for number in 0..DELAYS {
            for plans_late in [false, true] {
                let delay = Duration::from_millis(number * 25);
                let then = (number % 2) as usize;
                let why = in_virtual_time(play(api, &pair, delay, plans_late, then));
                played += 1;
                if let Some(why) = why {
                    let place = format!("{}: {delay:?} later, plans late: {plans_late}", pair.what);
                    let found: &mut Vec<String> = broken.entry(pair.what).or_default();
                    found.push(format!("{place}: {why}"));
                }
            }
        }
    }
    let counts: Vec<String> = broken.iter().map(|(what, found)| format!("{what}: {}", found.len())).collect();
    let examples: Vec<&str> = broken.values().map(|found| found[0].as_str()).collect();
    assert!(broken.is_empty(), "of {played} pairs: {counts:#?}\n{}", examples.join("\n\n"));
}

#[test]
fn no_pair_of_runs_breaks_a_rule_on_classic() {
    all_pairs(Api::Classic);
}

#[test]
fn no_pair_of_runs_breaks_a_rule_on_platform() {
    all_pairs(Api::Platform);
}

/// Coach is renamed to Trainer, and just before that another run takes that name. The server is one that lets a rename
/// through that says nothing of activity.
fn renamed_onto_a_name_in_use(
    server: impl Fn(&Info) -> Option<Fate> + Send + 'static,
) -> (Vec<String>, Vec<LiveService>) {
    in_virtual_time(async move {
        let bench = Bench::new(Api::Classic, vec![live("c", "Coach", "A1"), live("e", "Extra", "A1")]);
        let stop = Stop::default();
        let client = bench.connect(stop.clone(), None);
        let manifests = renamed(&[("Coach", "Trainer", "A1")]);
        let (snapshot, plan) = bench.plan(&client, &manifests, false).await.expect("a plan");
        bench.on(move |info, emulator| {
            let is_rename = info.is_write() && info.body.contains("\"name\":\"Trainer\"");
            if !is_rename {
                return Fate::Proceeds;
            }
            if let Some(fate) = server(info) {
                return fate;
            }
            edit(Api::Classic, emulator, |name, _| name == "Extra", Edit::Rename("Trainer"));
            if info.body.contains("is_active") {
                return Fate::Proceeds;
            }
            edit(Api::Classic, emulator, |name, _| name == "Coach", Edit::Rename("Trainer"));
            Fate::Answered(200, "done")
        });
        let failures = bench.run(&client, &snapshot, plan, &stop).await.failures();
        bench.calm();
        (failures, bench.active("Trainer").await)
    })
}

#[test]
fn a_rename_onto_a_name_that_another_run_has_just_taken_is_refused() {
    let (failures, trainers) = renamed_onto_a_name_in_use(|_| None);
    assert_eq!(trainers.len(), 1, "{failures:?}");
    assert!(failures.iter().any(|failure| failure.contains("409")), "{failures:?}");
}

/// The Classic API refuses to activate a service with a deprecated agent; one that is in use can be renamed all the same.
#[test]
fn a_rename_that_the_server_takes_for_an_activation_is_sent_without() {
    let refuses = |info: &Info| match info.body.contains("is_active") {
        true => Some(Fate::Answered(400, "the agent is deprecated")),
        false => Some(Fate::Proceeds),
    };
    let (failures, trainers) = renamed_onto_a_name_in_use(refuses);
    assert_eq!((failures, trainers.len()), (Vec::new(), 1));
}
