//! Tests of HTML pages: their content, and that untrusted text can not change their structure.

mod everything;
mod hostile;
mod parts;
mod tokens;

use crate::model::*;
use crate::plan::tests::build::*;
use crate::plan::{Base, Origin, Plan};
use crate::report::{Mode, Planned, Section};

fn origin(environment: &str) -> Origin {
    Origin {
        environment: environment.to_owned(),
        api: Api::Classic,
        organization: "acme".to_owned(),
        server: "https://api.amigo.ai".to_owned(),
        created_at: "2026-11-22T10:00:00Z".to_owned(),
        commit: Some("4d1a9e0".to_owned()),
        base: Some(Base {
            reference: "origin/main".to_owned(),
            commit: "77e0c1b".to_owned(),
            upstream: None,
        }),
    }
}

fn page(plan: &Plan) -> String {
    let origin = origin("production");
    super::render(
        Mode::Plan,
        &[Section { origin: &origin, outcome: Ok(Planned { plan, fingerprint: "f00d" }) }],
    )
}

/// Returns the part of a page from the first `from` to the next `to`, including both.
#[track_caller]
fn part<'a>(page: &'a str, from: &str, to: &str) -> &'a str {
    let begin = page.find(from).unwrap_or_else(|| panic!("no {from} in {page}"));
    let length = page[begin..].find(to).unwrap_or_else(|| panic!("no {to}"));
    &page[begin..begin + length + to.len()]
}

/// Returns a plan that creates, changes, replaces and retires one service each. The retired service is an orphan. One
/// more live service is not managed.
fn every_kind() -> Plan {
    let mut changed = wanted("Changed", "A1");
    changed.description = Some("What it says now.".to_owned());
    changed.version_sets = sets(&[("release", 3, 2), ("fresh", 0, 4)]);
    let mut replaced = wanted("Replaced", "A2");
    replaced.version_sets = sets(&[("release", 1, 1), ("beta", 2, 2)]);
    let mut new = wanted("New", "A3");
    new.version_sets = sets(&[("release", 1, 1)]);
    new.keyterms = Some(["metformin".to_owned()].into_iter().collect());
    let mut with_old_set = live("5", "Changed", "A1");
    with_old_set.version_sets.insert("old".into(), live_set(1, 1));
    let mut stranger = live("9", "Stranger", "A1");
    stranger.tags.clear();
    let desired = desired([changed, replaced, new]);
    let snapshot = snapshot([with_old_set, live("6", "Replaced", "A1"), live("7", "Orphan", "A1"), stranger]);
    plan_and_verify(&desired, &snapshot, &crate::plan::Options { prune: true, ..options() })
}
