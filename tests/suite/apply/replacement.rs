//! Tests of replacements after a change of the agent: the state that users of the service see after each request.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use amigops::model::Api;
use amigops_emulator::{RequestInfo, Service};

use crate::harness::{
    Lab, ORGANIZATION, answer, answer_with, is_activation, is_create, is_rename, is_update, services_of,
};
use crate::on_both_apis;

/// A seed with one service and a behavior set. The service has three version sets: one is unmanaged, and one has fields
/// that the manifest does not declare.
pub(crate) const SEED: &str = "
organizations:
  acme:
    agents:
      - {name: Coach Maya, versions: 5}
      - {name: Coach Noor, versions: 4}
    context_graphs:
      - {name: Coaching Flow, versions: 6}
    services:
      - name: Health Coach
        description: Coaches members
        agent: Coach Maya
        context_graph: Coaching Flow
        active: true
        tags: {managed_by: amigops, tier: gold}
        version_sets:
          release: {agent_version: 3, context_graph_version: 5, applied_behavior_ids: [b1, b2]}
          staging: {agent_version: latest, context_graph_version: 6}
          personal-kim: {agent_version: 1, context_graph_version: 1}
    behavior_sets:
      - {name: Emergency, applied_to: [Health Coach]}
      - {name: Nutrition, applied_to: [Health Coach]}
";

/// Returns the manifest of the service in [`SEED`] with this agent. The lines in `more` are added.
pub(crate) fn manifest(agent: &str, more: &str) -> String {
    format!(
        "service: Health Coach
description: Coaches members
agent: {agent}
context_graph: Coaching Flow
tags: {{tier: gold}}
version_sets:
  release: {{agent_version: 3, context_graph_version: 5}}
  staging: {{agent_version: latest, context_graph_version: 6}}
{more}"
    )
}

/// Creates a lab in which the service of [`SEED`] will be replaced by a service with this agent.
pub(crate) fn lab(api: Api, agent: &str, more: &str) -> Lab {
    lab_with(api, agent, &format!("lifecycle: {{on_agent_change: replace}}\n{more}"))
}

/// Like [`lab`], but the manifest has no `lifecycle` except the one in `more`.
pub(crate) fn lab_with(api: Api, agent: &str, more: &str) -> Lab {
    let lab = Lab::on(api, SEED);
    lab.project("unmanaged_version_sets: [\"personal-*\"]\n");
    lab.manifests(&manifest(agent, more));
    lab
}

on_both_apis! {
    fn the_new_service_is_complete_and_the_name_is_free_for_one_request(api: Api) {
        let lab = lab(api, "Coach Noor", "");
        let old = lab.active("Health Coach");
        // For each request: the number of active services with the name, and the number of active services in all.
        let moments: Arc<Mutex<Vec<(usize, usize)>>> = Arc::default();
        let seen = Arc::clone(&moments);
        lab.after(move |_, _, world| {
            let services = services_of(api, world);
            let active: Vec<_> = services.iter().filter(|service| service.is_active).collect();
            let named = active.iter().filter(|service| service.name == "Health Coach").count();
            seen.lock().unwrap().push((named, active.len()));
        });
        let run = lab.apply().expect(0);
        lab.remove_hooks();
        let moments = moments.lock().unwrap().clone();
        assert_eq!(
            moments.iter().filter(|(named, _)| *named == 0).count(),
            1,
            "the name is free for one request: {moments:?}"
        );
        assert!(
            moments.iter().all(|(named, active)| *named <= 1 && *active >= 1),
            "old or new is active: {moments:?}"
        );

        let new = lab.active("Health Coach");
        assert_ne!(new.id, old.id);
        assert!(run.stdout.contains(&format!("{} → {}", old.id, new.id)), "{}", run.stdout);
        assert_eq!(new.agent_id, lab.agent_id("Coach Noor"));
        for (name, set) in &old.version_sets {
            assert_eq!(new.version_sets.get(name), Some(set), "version set {name}");
        }
        if api == Api::Classic {
            let behaviors = serde_json::json!(["b1", "b2"]);
            assert_eq!(new.version_sets["release"].extra["applied_behavior_ids"], behaviors);
            for set in lab.server.world().organization(ORGANIZATION).unwrap().behavior_sets().iter() {
                assert!(set.applied_to_services.contains(&new.id), "behavior set {}", set.name);
            }
        }
        let old = lab.service(&old.id);
        assert!(!old.is_active && old.name.starts_with("Health Coach (replaced 20"), "{old:?}");
        lab.expect_converged();
    }

    fn a_service_can_be_replaced_repeatedly(api: Api) {
        let lab = lab(api, "Coach Noor", "");
        for agent in ["Coach Noor", "Coach Maya", "Coach Noor"] {
            lab.manifests(&manifest(agent, "lifecycle: {on_agent_change: replace}\n"));
            lab.apply().expect(0);
            assert_eq!(lab.active("Health Coach").agent_id, lab.agent_id(agent));
            lab.expect_converged();
        }
        let named = |word: &str| lab.services().iter().filter(|service| service.name.contains(word)).count();
        assert_eq!((lab.services().len(), named("(replaced 20"), named("(replacing")), (4, 3, 0));
    }

    fn a_failed_activation_restores_the_old_services_name(api: Api) {
        let lab = lab(api, "Coach Noor", "");
        let old = lab.active("Health Coach");
        lab.before(|request: &RequestInfo| {
            if is_activation(request) {
                return answer(400, r#"{"detail":"the model is deprecated"}"#);
            }
            None
        });
        let run = lab.apply().expect(4);
        assert!(run.stderr.contains("the model is deprecated"), "{}", run.stderr);
        assert!(run.stderr.contains("has its name back"), "{}", run.stderr);
        assert_eq!(lab.active("Health Coach").id, old.id);
        lab.remove_hooks();
        let run = lab.apply().expect(0);
        assert!(run.stdout.contains("continues"), "{}", run.stdout);
        assert_ne!(lab.active("Health Coach").id, old.id);
        assert_eq!(lab.services().len(), 2, "no second copy");
        lab.expect_converged();
    }

    fn retire_keep_leaves_the_old_service_active_and_unowned(api: Api) {
        let lab = lab_with(api, "Coach Noor", "lifecycle: {on_agent_change: replace, retire: keep}\n");
        let old = lab.active("Health Coach");
        lab.apply().expect(0);
        let old = lab.service(&old.id);
        assert!(old.is_active && !old.tags.contains_key("managed_by"), "{old:?}");
        lab.expect_converged();
    }

    fn a_failed_smoke_test_prevents_the_cut_over(api: Api) {
        let smoke = |expect: &str| format!("smoke:\n  - {{say: Hello, expect: \"{expect}\"}}\n");
        let lab = lab(api, "Coach Noor", &smoke("(?i)never said"));
        let old = lab.active("Health Coach");
        let run = lab.apply().expect(4);
        assert!(run.stderr.contains("does not match"), "{}", run.stderr);
        assert_eq!(lab.active("Health Coach").id, old.id);
        let lifecycle = "lifecycle: {on_agent_change: replace}\n";
        lab.manifests(&manifest("Coach Noor", &(lifecycle.to_owned() + &smoke("(?i)noor|hello"))));
        lab.apply().expect(0);
        assert_ne!(lab.active("Health Coach").id, old.id);
        if api == Api::Classic {
            let world = lab.server.world();
            let conversations = world.organization(ORGANIZATION).unwrap().conversations();
            assert_eq!(conversations.len(), 2);
            assert!(conversations.iter().all(|conversation| conversation.is_finished));
        }
        lab.expect_converged();
    }

    fn a_cancelled_replacement_keeps_the_old_service(api: Api) {
        let lab = lab(api, "Coach Noor", "");
        let old = lab.active("Health Coach");
        // The binary is killed after the new service was created.
        let hooks = Arc::clone(&lab.hooks);
        lab.after(move |request, status, _| {
            if is_create(request) && status == 201 {
                hooks.kill();
            }
        });
        assert_eq!(lab.apply().code, None, "killed");
        lab.remove_hooks();
        lab.manifests(&manifest("Coach Maya", ""));
        lab.apply().expect(0);
        assert_eq!(lab.active("Health Coach").id, old.id);
        let leftover = lab.services().into_iter().find(|service| service.id != old.id).unwrap();
        assert!(!leftover.is_active && leftover.name.contains("(abandoned 20"), "{leftover:?}");
        lab.expect_converged();
    }

    fn a_losing_run_does_not_create_a_duplicate_name(api: Api) {
        let lab = Arc::new(lab(api, "Coach Noor", ""));
        let old = lab.active("Health Coach");
        // Just before this run renames the old service, another run completes the whole replacement.
        let (weak, old_id) = (Arc::downgrade(&lab), old.id);
        let overtaken = AtomicBool::new(false);
        lab.before(move |request| {
            if is_rename(request) && !overtaken.swap(true, Ordering::SeqCst) {
                let lab = weak.upgrade().unwrap();
                let old = lab.service(&old_id);
                lab.change(&old_id, |old| {
                    old.name = "Health Coach (replaced 2026-11-22 000000)".to_owned();
                    old.is_active = false;
                });
                let mut faster =
                    Service::new("Health Coach", &lab.agent_id("Coach Noor"), &old.context_graph_id);
                faster.description = old.description;
                faster.tags = old.tags;
                faster.tags.insert("replaces".to_owned(), Some(old_id.clone()));
                faster.version_sets = old.version_sets;
                lab.add(faster);
            }
            None
        });
        let run = lab.apply().expect(4);
        lab.remove_hooks();
        assert!(run.stderr.contains("has taken the name in the meantime"), "{}", run.stderr);
        lab.apply().expect(0);
        let services = lab.services();
        let named: Vec<_> = services.iter().filter(|service| service.name == "Health Coach").collect();
        assert_eq!(named.len(), 1, "{named:?}");
        lab.expect_converged();
    }

    fn the_old_service_keeps_its_name_while_the_server_is_busy(api: Api) {
        let lab = lab(api, "Coach Noor", "");
        let refused = AtomicU64::new(0);
        lab.before(move |request| {
            if is_activation(request) && refused.fetch_add(1, Ordering::SeqCst) == 0 {
                return answer_with(503, "retry-after", "30", r#"{"detail":"maintenance"}"#);
            }
            None
        });
        let free = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&free);
        // Before a run gives the name back, it reads the services to check that no other service has the name.
        lab.after(move |request, _, world| {
            let services = services_of(api, world);
            let named = services.iter().any(|service| service.is_active && service.name == "Health Coach");
            if request.method != "GET" && !named {
                seen.fetch_add(1, Ordering::SeqCst);
            }
        });
        lab.apply().expect(0);
        assert_eq!(free.load(Ordering::SeqCst), 2, "once a round, until the next write");
        lab.remove_hooks();
        lab.expect_converged();
    }

    fn an_undo_is_retried_during_maintenance(api: Api) {
        let lab = lab(api, "Coach Noor", "");
        let old = lab.active("Health Coach");
        let count = AtomicU64::new(0);
        lab.before(move |request| {
            // A request with an empty body only learns the rate limit and changes nothing, so it is not counted.
            let counts = is_update(request) && request.body != "{}";
            let number = if counts { count.fetch_add(1, Ordering::SeqCst) } else { 0 };
            let answer = |status, detail: &str| answer(status, format!(r#"{{"detail":"{detail}"}}"#));
            // The rename succeeds. The next request is refused, and the requests after it meet maintenance (503).
            match number {
                1 => answer(400, "no"),
                2..=6 => answer(503, "maintenance"),
                _ => None,
            }
        });
        let run = lab.apply().expect(4);
        assert!(run.stderr.contains("has its name back"), "{}", run.stderr);
        assert_eq!(lab.active("Health Coach").id, old.id);
    }
}

#[test]
fn a_conversation_left_open_by_a_killed_run_is_finished_first() {
    let lab = lab(Api::Classic, "Coach Noor", "smoke:\n  - {version_set: staging, say: Hello}\n");
    let hooks = Arc::clone(&lab.hooks);
    lab.after(move |request, _, _| {
        if request.path.contains("/conversation/?") {
            hooks.kill();
        }
    });
    assert_eq!(lab.apply().code, None, "killed");
    lab.remove_hooks();
    lab.apply().expect(0);
    let world = lab.server.world();
    let conversations = world.organization(ORGANIZATION).unwrap().conversations();
    assert!(conversations.len() >= 2 && conversations.iter().all(|conversation| conversation.is_finished));
    lab.expect_converged();
}

#[test]
fn an_inactive_service_of_the_same_name_does_not_block_a_replacement() {
    // A server may or may not let inactive services block names. The same run must succeed on both kinds of servers.
    for inactive_names_taken in [true, false] {
        let seed = SEED.replace("    behavior_sets:", "      - {name: Health Coach (old), agent: Coach Maya, context_graph: Coaching Flow, active: false}\n    behavior_sets:");
        let lab = Lab::on_with(Api::Platform, &seed, |options| {
            options.platform.inactive_names_taken = inactive_names_taken;
        });
        lab.project("unmanaged_version_sets: [\"personal-*\"]\n");
        let old = lab.active("Health Coach");
        if !inactive_names_taken {
            let other = lab.services().into_iter().find(|service| service.id != old.id).unwrap();
            lab.change(&other.id, |other| other.name = "Health Coach".to_owned());
        }
        lab.manifests(&manifest("Coach Noor", "lifecycle: {on_agent_change: replace}\n"));
        lab.apply().expect(0);
        let new = lab.active("Health Coach");
        assert_ne!(new.id, old.id);
        assert_eq!(new.agent_id, lab.agent_id("Coach Noor"));
        lab.expect_converged();
    }
}
