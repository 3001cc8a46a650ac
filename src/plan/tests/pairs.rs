//! Tests with the states that remain after two concurrent runs with different manifests, or after an interrupted run
//! and a change of the manifests. From each state, a plan can be made, and one run is enough to converge.

use super::build::*;
use crate::model::*;
use crate::plan::{Options, Plan};

const OLD: &str = "65f0c1aa0000000000000001";
const NEW: &str = "65f0c1bb0000000000000002";
const HOLDER: &str = "65f0c1cc0000000000000003";

fn options_for(api: Api) -> Options {
    Options { api, ..options() }
}

/// Returns the same service, but inactive.
fn inactive(service: LiveService) -> LiveService {
    LiveService { active: false, ..service }
}

/// Returns the new service of an unfinished replacement of the service `OLD`. On Platform, it has a temporary name.
fn unfinished(api: Api, name: &str, agent: &str) -> LiveService {
    let name = match api {
        Api::Classic => name.to_owned(),
        Api::Platform => format!("{name} (replacing 65f0c1)"),
    };
    inactive(replacing(live(NEW, &name, agent)))
}

fn replacing(mut service: LiveService) -> LiveService {
    service.tags.insert(TAG_REPLACES.to_owned(), Some(OLD.to_owned()));
    service
}

fn unowned(mut service: LiveService) -> LiveService {
    service.tags.clear();
    service
}

/// Returns a manifest with `renamed_from`. If its agent changes, the service is replaced on both APIs.
fn renamed(name: &str, agent: &str, from: &str) -> DesiredService {
    let mut wanted = wanted(name, agent);
    wanted.lifecycle.on_agent_change = Some(OnAgentChange::Replace);
    wanted.lifecycle.renamed_from = Some(from.into());
    wanted
}

fn plan_verified(manifests: &[DesiredService], services: &[LiveService], options: &Options) -> Plan {
    plan_and_verify(&desired(manifests.iter().cloned()), &snapshot(services.iter().cloned()), options)
}

/// One run began to replace Delta by a new service with the name Carol, and another run created a service with this
/// name. The replacement can never finish, so its new service is abandoned.
#[test]
fn an_unfinished_replacement_is_abandoned_if_another_active_service_has_the_name() {
    for api in [Api::Classic, Api::Platform] {
        let delta = || live(OLD, "Delta", "A1");
        // The old service is unchanged, or the other run retired it, or a cut-over renamed it and was neither finished
        // nor undone.
        let olds = [
            delta(),
            inactive(delta()),
            LiveService { name: "Delta (replaced 2026-11-22 65f0c1)".into(), ..delta() },
        ];
        for old in olds {
            // The new service has the wanted agent A2, or the agent A3 that an earlier version of the manifest
            // declared.
            for agent in ["A2", "A3"] {
                let services = [old.clone(), unfinished(api, "Carol", agent), live(HOLDER, "Carol", "A2")];
                let plan = plan_verified(&[renamed("Carol", "A2", "Delta")], &services, &options_for(api));
                let expected =
                    format!("1 abandon {NEW} name=Carol (abandoned 2026-11-22 65f0c1b) tags=managed_by");
                let with_short_id = steps(&plan).replace("65f0c1b)", "65f0c1)");
                assert_eq!(with_short_id, expected.replace("65f0c1b)", "65f0c1)"), "{api:?} {}", old.name);
                assert_eq!(plan.ids[&ServiceName::from("Carol")].as_str(), HOLDER);
            }
        }
    }
}

/// A replacement is unfinished, and another service has its final name. The manifests rename this other service, so the
/// replacement continues.
#[test]
fn an_unfinished_replacement_goes_on_if_the_holder_of_the_name_is_renamed() {
    for api in [Api::Classic, Api::Platform] {
        let services =
            [live(OLD, "Delta", "A1"), unfinished(api, "Carol", "A2"), live(HOLDER, "Carol", "A3")];
        let manifests = [renamed("Carol", "A2", "Delta"), renamed("Bob", "A3", "Carol")];
        let plan = plan_verified(&manifests, &services, &options_for(api));
        assert_eq!(plan.ids[&ServiceName::from("Bob")].as_str(), HOLDER);
        let steps = steps(&plan);
        assert!(steps.contains(&format!("-> {NEW} ")) && !steps.contains("abandon"), "{api:?}:\n{steps}");
    }
}

/// Returns the services after an interrupted swap of two names. The first service has a temporary name, and the second
/// service still has its old name.
fn interrupted_swap() -> [LiveService; 2] {
    [live(OLD, "Echo (renaming 65f0c1)", "A1"), live(HOLDER, "Echo", "A2")]
}

#[test]
fn a_temporary_name_stays_if_another_service_has_the_final_name() {
    for api in [Api::Classic, Api::Platform] {
        let [temporary, holder] = interrupted_swap();
        // The manifests have changed, and only one of the two names is declared. The service that has this name is the
        // match, and the other service keeps its temporary name.
        let plan = plan_verified(
            &[renamed("Echo", "A2", "Delta")],
            &[temporary.clone(), holder.clone()],
            &options_for(api),
        );
        assert_eq!(steps(&plan), "", "{api:?}");
        assert_eq!(plan.ids[&ServiceName::from("Echo")].as_str(), HOLDER);
        assert_eq!(plan.orphans.len(), 1, "the service with the temporary name is an orphan");
        assert!(plan.findings.iter().any(|finding| finding.message.contains("keeps its temporary name")));
        // The second service is the match even if no project owns it yet.
        let services = [temporary.clone(), unowned(holder.clone())];
        let plan = plan_verified(&[wanted("Echo", "A2")], &services, &options_for(api));
        assert_eq!(plan.ids[&ServiceName::from("Echo")].as_str(), HOLDER, "{api:?}");
        assert!(!steps(&plan).contains(OLD), "{api:?}:\n{}", steps(&plan));
        // If the second service is inactive, the active service with the temporary name is the match.
        if api == Api::Classic {
            let plan =
                plan_verified(&[wanted("Echo", "A1")], &[temporary, inactive(holder)], &options_for(api));
            assert_eq!(plan.ids[&ServiceName::from("Echo")].as_str(), OLD);
        }
    }
}

#[test]
fn an_interrupted_swap_goes_on_if_the_manifests_are_the_same() {
    for api in [Api::Classic, Api::Platform] {
        let manifests = [renamed("Echo", "A1", "Delta"), renamed("Delta", "A2", "Echo")];
        let plan = plan_verified(&manifests, &interrupted_swap(), &options_for(api));
        assert_eq!(plan.ids[&ServiceName::from("Echo")].as_str(), OLD, "{api:?}");
        assert_eq!(plan.ids[&ServiceName::from("Delta")].as_str(), HOLDER, "{api:?}");
    }
}

/// A replacement is unfinished, and a service of another project has its final name. The plan must not change that
/// service, so the result is a problem, and the user must decide.
#[test]
fn an_unfinished_replacement_is_a_problem_if_a_service_of_another_project_has_the_name() {
    let mut holder = live(HOLDER, "Carol", "A2");
    holder.tags.insert("managed_by".to_owned(), Some("others".to_owned()));
    let services = snapshot([live(OLD, "Delta", "A1"), unfinished(Api::Classic, "Carol", "A2"), holder]);
    let refused = crate::plan::plan(
        &desired([renamed("Carol", "A2", "Delta")]),
        &services,
        &own_policy(),
        &options_for(Api::Classic),
    );
    let problems = refused.expect_err("it is refused").problems;
    assert_eq!(problems[0].service, Some("Carol".into()), "{problems:?}");
}

/// Two runs have replaced Delta: one by a new service Delta, and the other by a new service Foxtrot. Only Foxtrot is
/// declared. With `--prune`, one run retires the new service Delta, so that the next run does not mistake it for part
/// of an unfinished replacement.
#[test]
fn one_of_two_replacements_of_the_same_service_is_retired_in_one_run() {
    for (api, expected) in [
        (Api::Classic, " (deactivate) name=Delta (abandoned 2026-11-22 65f0c1) active=false tags=managed_by"),
        (Api::Platform, " (deactivate) active=false"),
    ] {
        let services = [
            inactive(live(OLD, "Delta (replaced 2026-11-22 65f0c1)", "A1")),
            replacing(live(NEW, "Delta", "A2")),
            replacing(live(HOLDER, "Foxtrot", "A2")),
        ];
        let options = Options { prune: true, ..options_for(api) };
        let plan = plan_verified(&[renamed("Foxtrot", "A2", "Delta")], &services, &options);
        assert_eq!(steps(&plan), format!("1 retire {NEW}{expected}"), "{api:?}");
    }
}

/// One run was swapping the names of Carol and Echo: the old Echo is already named Carol, and the old Carol still has a
/// temporary name. Another run had begun to replace the old Echo. The next plan gives the old Carol the name Echo, and
/// abandons the unfinished replacement.
#[test]
fn an_unfinished_replacement_is_abandoned_if_another_service_is_being_renamed_to_its_name() {
    for api in [Api::Classic, Api::Platform] {
        let services = [
            live(HOLDER, "Echo (renaming 65f0c1)", "A3"),
            live(OLD, "Carol", "A2"),
            unfinished(api, "Echo", "A3"),
        ];
        let manifests = [renamed("Carol", "A2", "Echo"), renamed("Echo", "A3", "Carol")];
        let plan = plan_verified(&manifests, &services, &options_for(api));
        assert_eq!(plan.ids[&ServiceName::from("Echo")].as_str(), HOLDER, "{api:?}");
        assert_eq!(plan.ids[&ServiceName::from("Carol")].as_str(), OLD, "{api:?}");
        assert!(steps(&plan).contains(&format!("abandon {NEW}")), "{api:?}:\n{}", steps(&plan));
    }
}
