//! States that two runs at once with differing manifests leave behind, or a run that was cut off before the manifests
//! changed: the next run of either can be planned, and one run is enough.

use super::build::*;
use crate::model::*;
use crate::plan::{Options, Plan};

const OLD: &str = "65f0c1aa0000000000000001";
const HALF_MADE: &str = "65f0c1bb0000000000000002";
const HOLDER: &str = "65f0c1cc0000000000000003";

fn on(api: Api) -> Options {
    Options { api, ..options() }
}

/// A live service as it is, or inactive.
fn inactive(service: LiveService) -> LiveService {
    LiveService { active: false, ..service }
}

/// The new service of a replacement that was not finished.
fn half_made(api: Api, name: &str, agent: &str) -> LiveService {
    let name = match api {
        Api::Classic => name.to_owned(),
        Api::Platform => format!("{name} (replacing 65f0c1)"),
    };
    inactive(replacing(live(HALF_MADE, &name, agent)))
}

fn replacing(mut service: LiveService) -> LiveService {
    service.tags.insert(TAG_REPLACES.to_owned(), Some(OLD.to_owned()));
    service
}

fn unowned(mut service: LiveService) -> LiveService {
    service.tags.clear();
    service
}

/// A manifest that may replace its service, and that says the service's former name.
fn renamed(name: &str, agent: &str, from: &str) -> DesiredService {
    let mut wanted = wanted(name, agent);
    wanted.lifecycle.on_agent_change = Some(OnAgentChange::Replace);
    wanted.lifecycle.renamed_from = Some(from.into());
    wanted
}

fn judged(manifests: &[DesiredService], services: &[LiveService], options: &Options) -> Plan {
    plan_and_judge(&desired(manifests.iter().cloned()), &snapshot(services.iter().cloned()), options)
}

/// One run renames Delta to Carol by replacement, the other one creates Carol. The former can never hand the name over.
#[test]
fn an_unfinished_replacement_is_given_up_where_another_service_is_active_under_the_name() {
    for api in [Api::Classic, Api::Platform] {
        let delta = || live(OLD, "Delta", "A1");
        // As it was; retired by the other run; renamed by a hand-over that was neither finished nor undone.
        let olds = [
            delta(),
            inactive(delta()),
            LiveService { name: "Delta (replaced 2026-11-22 65f0c1)".into(), ..delta() },
        ];
        for old in olds {
            // The unfinished one may have been made for other manifests: with an agent that nobody wants now.
            for agent in ["A2", "A3"] {
                let services = [old.clone(), half_made(api, "Carol", agent), live(HOLDER, "Carol", "A2")];
                let plan = judged(&[renamed("Carol", "A2", "Delta")], &services, &on(api));
                let expected = format!(
                    "1 discard {HALF_MADE} name=Carol (abandoned 2026-11-22 65f0c1b) tags=managed_by"
                );
                let short = steps(&plan).replace("65f0c1b)", "65f0c1)");
                assert_eq!(short, expected.replace("65f0c1b)", "65f0c1)"), "{api:?} {}", old.name);
                assert_eq!(plan.ids[&ServiceName::from("Carol")].as_str(), HOLDER);
            }
        }
    }
}

/// The holder of the name is itself to move on: then the replacement goes on.
#[test]
fn an_unfinished_replacement_goes_on_where_the_holder_of_the_name_moves_on() {
    for api in [Api::Classic, Api::Platform] {
        let services = [live(OLD, "Delta", "A1"), half_made(api, "Carol", "A2"), live(HOLDER, "Carol", "A3")];
        let manifests = [renamed("Carol", "A2", "Delta"), renamed("Bob", "A3", "Carol")];
        let plan = judged(&manifests, &services, &on(api));
        assert_eq!(plan.ids[&ServiceName::from("Bob")].as_str(), HOLDER);
        let steps = steps(&plan);
        assert!(
            steps.contains(&format!("-> {HALF_MADE} ")) && !steps.contains("discard"),
            "{api:?}:\n{steps}"
        );
    }
}

/// A run that swaps two names was cut off when one service was set aside; the other has its name still.
fn half_swapped() -> [LiveService; 2] {
    [live(OLD, "Echo (renaming 65f0c1)", "A1"), live(HOLDER, "Echo", "A2")]
}

#[test]
fn a_service_that_was_set_aside_stays_aside_where_the_name_is_held() {
    for api in [Api::Classic, Api::Platform] {
        let [aside, holder] = half_swapped();
        // The manifests have changed: only one of the two names is declared.
        let plan = judged(&[renamed("Echo", "A2", "Delta")], &[aside.clone(), holder.clone()], &on(api));
        assert_eq!(steps(&plan), "", "{api:?}");
        assert_eq!(plan.ids[&ServiceName::from("Echo")].as_str(), HOLDER);
        assert_eq!(plan.orphans.len(), 1, "it is told");
        assert!(plan.findings.iter().any(|finding| finding.message.contains("keeps its temporary name")));
        // The holder belongs to nobody yet, or is inactive: it is the one all the same.
        for holder in [unowned(holder.clone()), inactive(holder)] {
            let plan = judged(&[wanted("Echo", "A2")], &[aside.clone(), holder], &on(api));
            assert_eq!(plan.ids[&ServiceName::from("Echo")].as_str(), HOLDER, "{api:?}");
            assert!(!steps(&plan).contains(OLD), "{api:?}:\n{}", steps(&plan));
        }
    }
}

#[test]
fn a_swap_that_was_cut_off_goes_on_where_the_manifests_are_the_same() {
    for api in [Api::Classic, Api::Platform] {
        let manifests = [renamed("Echo", "A1", "Delta"), renamed("Delta", "A2", "Echo")];
        let plan = judged(&manifests, &half_swapped(), &on(api));
        assert_eq!(plan.ids[&ServiceName::from("Echo")].as_str(), OLD, "{api:?}");
        assert_eq!(plan.ids[&ServiceName::from("Delta")].as_str(), HOLDER, "{api:?}");
    }
}

/// Another project's service under the name is nobody's business: a person must decide.
#[test]
fn an_unfinished_replacement_is_a_problem_where_another_project_has_the_name() {
    let mut holder = live(HOLDER, "Carol", "A2");
    holder.tags.insert("managed_by".to_owned(), Some("others".to_owned()));
    let services = snapshot([live(OLD, "Delta", "A1"), half_made(Api::Classic, "Carol", "A2"), holder]);
    let refused = crate::plan::plan(
        &desired([renamed("Carol", "A2", "Delta")]),
        &services,
        &own_policy(),
        &on(Api::Classic),
    );
    let problems = refused.expect_err("it is refused").problems;
    assert_eq!(problems[0].service, Some("Carol".into()), "{problems:?}");
}

/// Each of two runs has replaced Delta under another name; with `--prune` the one that no manifest declares goes in one
/// run, and is not taken for an unfinished replacement by the next.
#[test]
fn one_of_two_that_replaced_the_same_service_is_retired_in_one_run() {
    for (api, expected) in [
        (Api::Classic, " (deactivate) name=Delta (abandoned 2026-11-22 65f0c1) active=false tags=managed_by"),
        (Api::Platform, " (deactivate) active=false"),
    ] {
        let services = [
            inactive(live(OLD, "Delta (replaced 2026-11-22 65f0c1)", "A1")),
            replacing(live(HALF_MADE, "Delta", "A2")),
            replacing(live(HOLDER, "Foxtrot", "A2")),
        ];
        let options = Options { prune: true, ..on(api) };
        let plan = judged(&[renamed("Foxtrot", "A2", "Delta")], &services, &options);
        assert_eq!(steps(&plan), format!("1 retire {HALF_MADE}{expected}"), "{api:?}");
    }
}

/// One run swaps Carol and Echo and has set the new Echo aside; the other one has begun to replace the old Echo, which is
/// Carol by now. The service that was set aside takes the name, and the unfinished replacement is abandoned.
#[test]
fn an_unfinished_replacement_is_given_up_where_another_service_is_on_its_way_to_the_name() {
    for api in [Api::Classic, Api::Platform] {
        let services = [
            live(HOLDER, "Echo (renaming 65f0c1)", "A3"),
            live(OLD, "Carol", "A2"),
            half_made(api, "Echo", "A3"),
        ];
        let manifests = [renamed("Carol", "A2", "Echo"), renamed("Echo", "A3", "Carol")];
        let plan = judged(&manifests, &services, &on(api));
        assert_eq!(plan.ids[&ServiceName::from("Echo")].as_str(), HOLDER, "{api:?}");
        assert_eq!(plan.ids[&ServiceName::from("Carol")].as_str(), OLD, "{api:?}");
        assert!(steps(&plan).contains(&format!("discard {HALF_MADE}")), "{api:?}:\n{}", steps(&plan));
    }
}
