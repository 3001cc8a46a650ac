//! Several commits, the runs of which may be cut off, and two runs of different manifests at once.

use std::sync::Arc;
use std::time::Duration;

use super::case::{Case, Kind, Stage};
use super::run::{End, honest, two_at_once};
use super::sim::Sim;
use super::simulated_process::{Ended, in_short, run_process};
use super::world::{Row, agent_id, rows};
use crate::model::{Api, Desired, Reference};
use crate::plan::{Problem, ProblemKind};
use amigops_emulator::{Limits, World};

/// Plays all stages without troubles, and then with them.
pub(super) async fn play(case: &Case, traced: bool) -> End {
    match calm(case, traced).await {
        Ok(true) => {}
        Ok(false) => return End::Unplannable,
        Err(end) => return end,
    }
    let sim = Sim::new(case, true, None, traced);
    let broken = |sim: &Sim, why: String| End::Broken { why, trace: sim.trace() };
    let mut number = 0;
    let (last, earlier) = case.stages.split_last().expect("there is a stage");
    // The commits that were disturbed, each with the state before it.
    let mut disturbed_commits: Vec<(usize, Arc<Sim>)> = Vec::new();
    for (index, stage) in earlier.iter().enumerate() {
        let before = sim.resumed();
        match disturbed(&sim, stage, &mut number).await {
            Ok(true) => {}
            Ok(false) => disturbed_commits.push((index, before)),
            Err(why) => return broken(&sim, why),
        }
    }
    if case.kind == Kind::Pairs {
        let before = sim.resumed();
        if let Err(why) = disturbed(&sim, last, &mut number).await {
            return broken(&sim, why);
        }
        sim.begin_stage(&[]);
        for (which, manifests) in last.manifests.iter().enumerate() {
            let alone = sim.resumed();
            let others = last.manifests.iter().enumerate().filter(|(other, _)| *other != which);
            let others: Vec<&Desired> = others.map(|(_, other)| other).collect();
            if let Err(why) = converges(&alone, number, manifests).await {
                if needs_operator(&before, &sim, manifests, &others).await {
                    continue;
                }
                let trace = sim.trace().into_iter().chain(alone.trace()).collect();
                return End::Broken { why: format!("after two runs at once: {why}"), trace };
            }
        }
    } else {
        sim.begin_stage(&last.troubles);
        // The first run alone may be out of time.
        let mut end = converges(&sim, number.max(1), &case.desired).await;
        if let (Err(why), Some((first, _))) = (&end, disturbed_commits.first())
            && needs_user(case, &disturbed_commits, why).await
        {
            end = continued(&sim, case, *first).await;
        }
        let end = end.and_then(|()| as_wanted(case.api, &case.desired, &sim.emulator.world()));
        if let Err(why) = end {
            return broken(&sim, format!("after all commits: {why}"));
        }
    }
    let mut figures = sim.finish();
    figures.runs = number + 2;
    End::Held(figures)
}

/// Returns true if no plan can be made for a reason that runs can't do anything about:
///
/// * `--prune` would retire a service that the other manifests declare and protect (`prevent_removal`). Each run may make
///   the service of its manifests before the other sees it, and the tag says that a person must decide which one goes.
/// * The manifests are refused for the same reason from the state before the two runs, which an earlier run left that was
///   cut off: the API can't take a setting away from a service that it was to replace, `--prune` meets a protected service,
///   or the manifests no longer say where the services of an unfinished swap go.
async fn needs_operator(
    before: &Arc<Sim>,
    after: &Arc<Sim>,
    manifests: &Desired,
    others: &[&Desired],
) -> bool {
    let refusal = async |sim: &Arc<Sim>| match run_process(&sim.resumed(), 0, manifests).await {
        Ended::Unplannable(error) => error.problems,
        _ => Vec::new(),
    };
    let problems = refusal(after).await;
    let is_protected = |problem: &Problem| {
        let is_declared = |other: &&Desired| {
            problem.service.as_ref().is_some_and(|name| {
                let wanted = other.services.get(name);
                wanted.is_some_and(|wanted| wanted.lifecycle.prevent_removal)
                    && !manifests.services.contains_key(name)
            })
        };
        after.case.prune && problem.kind == ProblemKind::Refused && others.iter().any(is_declared)
    };
    if problems.iter().all(is_protected) {
        return !problems.is_empty();
    }
    let is_settled = |problem: &Problem| {
        let is_on_its_way = problem.help.iter().any(|help| help.contains("(renaming "));
        matches!(problem.kind, ProblemKind::Impossible | ProblemKind::Refused) || is_on_its_way
    };
    problems.iter().all(is_settled) && refusal(before).await == problems
}

/// All stages without troubles, one manifest after the other; returns whether a plan can be made of each.
async fn calm(case: &Case, traced: bool) -> Result<bool, End> {
    let sim = Sim::new(case, false, None, traced);
    // Whichever of two runs is the last, the other's manifests must find their way from there.
    let again = case.stages.last().filter(|_| case.kind == Kind::Pairs).map(|stage| &stage.manifests[0]);
    let manifests = case.stages.iter().flat_map(|stage| &stage.manifests).chain(again);
    for (number, desired) in manifests.enumerate() {
        sim.begin_stage(&[]);
        match converges(&sim, 2 * number, desired).await {
            Ok(()) => {}
            Err(why) if why.starts_with("not planned") && sim.state().broken.is_none() => return Ok(false),
            Err(why) => {
                return Err(End::Broken { why: format!("undisturbed: {why}"), trace: sim.trace() });
            }
        }
    }
    Ok(true)
}

/// Returns true if only a person can say what the last commit means after one that was disturbed:
///
/// * The commits could not be planned without one of those that were disturbed, either.
/// * A protected service is in none of the last manifests: those that renamed or replaced it were not applied in full, or
///   an operator activated it again.
/// * A rename was cut off, and the manifests that said where each service goes are gone.
async fn needs_user(case: &Case, disturbed: &[(usize, Arc<Sim>)], why: &str) -> bool {
    let is_protected =
        case.prune && why.contains("kind: Refused") && why.contains("its tag `protected` forbids");
    let is_on_its_way = why.contains("kind: Ambiguous") && why.contains("(renaming ");
    if !why.starts_with("not planned") {
        return false;
    }
    if is_protected || is_on_its_way {
        return true;
    }
    for (index, before) in disturbed {
        for (number, stage) in case.stages.iter().enumerate().skip(index + 1) {
            if matches!(run_process(before, number, &stage.manifests[0]).await, Ended::Unplannable(_)) {
                return true;
            }
        }
    }
    false
}

/// The commits from the first that was cut off, once more: then the last one must go through as well.
async fn continued(sim: &Arc<Sim>, case: &Case, first: usize) -> Result<(), String> {
    let again = sim.resumed();
    for (number, stage) in case.stages.iter().enumerate().skip(first) {
        let repeated = converges(&again, 2 * number, &stage.manifests[0]).await;
        repeated.map_err(|why| format!("commit {number} once more: {why}"))?;
    }
    sim.emulator.edit(|world| *world = again.emulator.world()).expect("a state");
    Ok(())
}

/// One run or two, with the troubles of their stage; returns true if nothing disturbed them and all was done.
async fn disturbed(sim: &Arc<Sim>, stage: &Stage, number: &mut usize) -> Result<bool, String> {
    sim.begin_stage(&stage.troubles);
    let before = sim.state().figures.clone();
    let first = *number;
    let ended = match stage.manifests.as_slice() {
        [one, other] => {
            *number += 2;
            two_at_once(sim, [(first, one), (first + 1, other)]).await
        }
        all => {
            *number += 1;
            run_process(sim, first, &all[0]).await
        }
    };
    sim.note(|| format!("run {first} ends: {}", in_short(&ended)));
    if stage.manifests.len() == 1 {
        honest(sim, &before, &ended);
    }
    tokio::time::sleep(Duration::from_secs(1) + sim.rest_of_outage()).await;
    let broken = sim.state().broken.clone();
    let is_complete = match &ended {
        Ended::Applied(report, _) => report.is_complete(),
        ended => matches!(ended, Ended::Converged),
    };
    let is_calm = sim.state().figures.fired() == before.fired();
    broken.map_or(Ok(is_complete && is_calm), Err)
}

/// One run that nothing disturbs does all, and the next one finds nothing to do.
async fn converges(sim: &Arc<Sim>, number: usize, desired: &Desired) -> Result<(), String> {
    if sim.case.limits != Limits::Off {
        // The limits of a minute are shared with the run before, of which this process knows nothing.
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    let ended = run_process(sim, number, desired).await;
    sim.note(|| format!("run {number} ends: {}", in_short(&ended)));
    let broken = sim.state().broken.clone();
    if let Some(why) = broken {
        return Err(why);
    }
    match &ended {
        Ended::Converged => return Ok(()),
        Ended::Applied(report, _) if report.is_complete() => {}
        ended => return Err(in_short(ended)),
    }
    let again = run_process(sim, number + 1, desired).await;
    let broken = sim.state().broken.clone();
    match (broken, again) {
        (Some(why), _) => Err(why),
        (None, Ended::Converged) => Ok(()),
        (None, again) => Err(format!("planning again: {}", in_short(&again))),
    }
}

/// Errors if a manifest's service is not there as it is wanted.
fn as_wanted(api: Api, desired: &Desired, world: &World) -> Result<(), String> {
    let rows = rows(api, world);
    for wanted in desired.services.values() {
        let Reference::Name(agent) = &wanted.agent else { continue };
        let agent = agent_id(api, world, agent);
        let named = rows.values().filter(|row| row.is_ours() && row.name == wanted.name.as_str());
        let (active, inactive): (Vec<_>, Vec<_>) = named.partition(|row| row.active);
        let fits = |rows: &[&Row]| rows.iter().any(|row| row.agent == agent);
        let is_there = match wanted.active {
            Some(true) => fits(&active),
            Some(false) => active.is_empty() && fits(&inactive),
            // It stays as it was found: that depends on what the runs before it came to.
            None => fits(&active) || (active.is_empty() && fits(&inactive)),
        };
        if !is_there {
            return Err(format!("{} is not there as it is wanted: {active:?} {inactive:?}", wanted.name));
        }
    }
    Ok(())
}
