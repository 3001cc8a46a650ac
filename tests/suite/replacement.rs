//! A changed agent means a new service: what users see of it, request by request.

use std::sync::{Arc, Mutex};

use amigops::emulator::{RequestInfo, Verdict, World};

use crate::harness::{Lab, ORGANIZATION};

/// One service with three version sets (one nobody's business, one with fields that no manifest names), and
/// a behavior set.
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

/// The manifest of that service with an agent.
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

pub(crate) fn lab(agent: &str, more: &str) -> Lab {
    let lab = Lab::new(SEED);
    lab.project("unmanaged_version_sets: [\"personal-*\"]\n");
    lab.manifests(&manifest(agent, more));
    lab
}

fn active_of(world: &World, ids: &[String]) -> usize {
    let services = world.organization(ORGANIZATION).unwrap().services();
    services.iter().filter(|service| service.is_active && ids.contains(&service.id)).count()
}

#[test]
fn the_new_service_has_everything_and_the_name_is_free_for_one_request() {
    let lab = lab("Coach Noor", "");
    let old = lab.active("Health Coach");
    // For each request: who is active under the name, and whether old or new is active at all.
    let moments: Arc<Mutex<Vec<(usize, usize)>>> = Arc::default();
    let seen = Arc::clone(&moments);
    lab.after(move |_, _, world| {
        let services = world.organization(ORGANIZATION).unwrap().services();
        let ids: Vec<String> = services.iter().map(|service| service.id.clone()).collect();
        let named =
            services.iter().filter(|service| service.is_active && service.name == "Health Coach").count();
        seen.lock().unwrap().push((named, active_of(world, &ids)));
    });
    let run = lab.apply().expect(0);
    lab.unhook();
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
    let world = lab.server.world();
    let organization = world.organization(ORGANIZATION).unwrap();
    assert_eq!(new.agent_id, organization.agent("Coach Noor").unwrap().id);
    for (name, set) in &old.version_sets {
        assert_eq!(new.version_sets.get(name), Some(set), "version set {name}");
    }
    assert_eq!(new.version_sets["release"].extra["applied_behavior_ids"], serde_json::json!(["b1", "b2"]));
    for set in organization.behavior_sets().iter() {
        assert!(set.applied_to_services.contains(&new.id), "behavior set {}", set.name);
    }
    let old = organization.service(&old.id).unwrap();
    assert!(!old.is_active && old.name.starts_with("Health Coach (replaced 20"), "{old:?}");
    lab.expect_converged();
}

#[test]
fn an_activation_that_fails_gives_the_old_service_its_name_back() {
    let lab = lab("Coach Noor", "");
    let old = lab.active("Health Coach");
    lab.before(|request: &RequestInfo| {
        if request.method == "POST"
            && request.body.contains("\"is_active\":true")
            && !request.body.contains("agent_id")
        {
            return Verdict::Answer {
                status: 400,
                headers: Vec::new(),
                body: r#"{"detail":"the model is deprecated"}"#.to_owned(),
            };
        }
        Verdict::Proceed
    });
    let run = lab.apply().expect(4);
    assert!(run.stderr.contains("the model is deprecated"), "{}", run.stderr);
    assert!(run.stderr.contains("has its name back"), "{}", run.stderr);
    assert_eq!(lab.active("Health Coach").id, old.id);
    lab.unhook();
    let run = lab.apply().expect(0);
    assert!(run.stdout.contains("continues"), "{}", run.stdout);
    assert_ne!(lab.active("Health Coach").id, old.id);
    assert_eq!(lab.services().len(), 2, "no second copy");
    lab.expect_converged();
}

#[test]
fn retire_keep_lets_the_old_service_run_and_forgets_it() {
    let lab = lab("Coach Noor", "lifecycle: {retire: keep}\n");
    let old = lab.active("Health Coach");
    lab.apply().expect(0);
    let old = lab.services().into_iter().find(|service| service.id == old.id).unwrap();
    assert!(old.is_active && !old.tags.contains_key("managed_by"), "{old:?}");
    lab.expect_converged();
}

#[test]
fn a_smoke_test_stands_between_the_new_service_and_its_users() {
    let lab =
        lab("Coach Noor", "smoke:\n  - {version_set: staging, say: Hello, expect: \"(?i)never said\"}\n");
    let old = lab.active("Health Coach");
    let run = lab.apply().expect(4);
    assert!(run.stderr.contains("does not match"), "{}", run.stderr);
    assert_eq!(lab.active("Health Coach").id, old.id);
    lab.manifests(&manifest(
        "Coach Noor",
        "smoke:\n  - {version_set: staging, say: Hello, expect: \"(?i)noor|hello\"}\n",
    ));
    lab.apply().expect(0);
    assert_ne!(lab.active("Health Coach").id, old.id);
    let world = lab.server.world();
    let conversations = world.organization(ORGANIZATION).unwrap().conversations();
    assert_eq!(conversations.len(), 2);
    assert!(conversations.iter().all(|conversation| conversation.is_finished));
    lab.expect_converged();
}

#[test]
fn a_replacement_that_is_taken_back_leaves_the_old_service() {
    let lab = lab("Coach Noor", "");
    let old = lab.active("Health Coach");
    // Cut off after the new service was made.
    let hooks = Arc::clone(&lab.hooks);
    lab.after(move |request, status, _| {
        if request.method == "POST" && status == 201 {
            hooks.kill();
        }
    });
    assert_eq!(lab.apply().code, None, "killed");
    lab.unhook();
    lab.manifests(&manifest("Coach Maya", ""));
    lab.apply().expect(0);
    assert_eq!(lab.active("Health Coach").id, old.id);
    let leftover = lab.services().into_iter().find(|service| service.id != old.id).unwrap();
    assert!(!leftover.is_active && leftover.name.contains("(abandoned 20"), "{leftover:?}");
    lab.expect_converged();
}

#[test]
fn a_conversation_that_a_dead_run_left_open_is_finished_first() {
    let lab = lab("Coach Noor", "smoke:\n  - {version_set: staging, say: Hello}\n");
    let hooks = Arc::clone(&lab.hooks);
    lab.after(move |request, _, _| {
        if request.path.contains("/conversation/?") {
            hooks.kill();
        }
    });
    assert_eq!(lab.apply().code, None, "killed");
    lab.unhook();
    lab.apply().expect(0);
    let world = lab.server.world();
    let conversations = world.organization(ORGANIZATION).unwrap().conversations();
    assert!(conversations.len() >= 2 && conversations.iter().all(|conversation| conversation.is_finished));
    lab.expect_converged();
}

#[test]
fn a_run_that_was_overtaken_does_not_make_a_namesake() {
    let lab = Arc::new(lab("Coach Noor", ""));
    let old = lab.active("Health Coach");
    // Just before this run renames the old service, another one finishes the whole replacement.
    let (weak, old_id) = (Arc::downgrade(&lab), old.id);
    let overtaken = std::sync::atomic::AtomicBool::new(false);
    lab.before(move |request| {
        let rename = request.method == "POST" && request.body.contains("(replaced ");
        if rename && !overtaken.swap(true, std::sync::atomic::Ordering::SeqCst) {
            let lab = weak.upgrade().unwrap();
            lab.server
                .edit(|world| {
                    let organization = world.organization(ORGANIZATION).unwrap();
                    let mut faster = organization.service(&old_id).unwrap().clone();
                    faster.agent_id = organization.agent("Coach Noor").unwrap().id.clone();
                    faster.tags.insert("replaces".to_owned(), Some(old_id.clone()));
                    let old = world.organization_mut(ORGANIZATION).unwrap().service_mut(&old_id).unwrap();
                    old.name = "Health Coach (replaced 2026-11-22 000000)".to_owned();
                    old.is_active = false;
                    let mut row = amigops::emulator::Service::new(
                        "Health Coach",
                        &faster.agent_id,
                        &faster.context_graph_id,
                    );
                    row.description = faster.description;
                    row.tags = faster.tags;
                    row.version_sets = faster.version_sets;
                    world.add_service(ORGANIZATION, row).unwrap();
                })
                .unwrap();
        }
        Verdict::Proceed
    });
    let run = lab.apply().expect(4);
    lab.unhook();
    assert!(run.stderr.contains("has taken the name meanwhile"), "{}", run.stderr);
    lab.apply().expect(0);
    let named: Vec<_> = lab.services().into_iter().filter(|service| service.name == "Health Coach").collect();
    assert_eq!(named.len(), 1, "{named:?}");
    lab.expect_converged();
}

#[test]
fn a_busy_moment_is_waited_for_with_the_old_service_under_its_name() {
    let lab = lab("Coach Noor", "");
    let refused = std::sync::atomic::AtomicU64::new(0);
    lab.before(move |request| {
        let activation = request.body == "{\"is_active\":true}";
        if activation && refused.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 {
            let headers = vec![("retry-after".to_owned(), "30".to_owned())];
            return Verdict::Answer { status: 503, headers, body: r#"{"detail":"maintenance"}"#.to_owned() };
        }
        Verdict::Proceed
    });
    let free = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let seen = Arc::clone(&free);
    lab.after(move |_, _, world| {
        let organization = world.organization(ORGANIZATION).unwrap();
        if organization.active_service("Health Coach").is_none() {
            seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    });
    lab.apply().expect(0);
    assert_eq!(free.load(std::sync::atomic::Ordering::SeqCst), 2, "once a round, for one request");
    lab.unhook();
    lab.expect_converged();
}

#[test]
fn an_undo_that_meets_maintenance_is_patient() {
    let lab = lab("Coach Noor", "");
    let old = lab.active("Health Coach");
    let count = std::sync::atomic::AtomicU64::new(0);
    lab.before(move |request| {
        let update = request.method == "POST"
            && request.path.contains("/service/")
            && !request.path.ends_with("/service/");
        let number = if update { count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) } else { 0 };
        // The rename goes through; then a refusal, and then a while of maintenance.
        match number {
            0 => Verdict::Proceed,
            1 => Verdict::Answer { status: 400, headers: Vec::new(), body: r#"{"detail":"no"}"#.to_owned() },
            2..=6 => Verdict::Answer {
                status: 503,
                headers: Vec::new(),
                body: r#"{"detail":"maintenance"}"#.to_owned(),
            },
            _ => Verdict::Proceed,
        }
    });
    let run = lab.apply().expect(4);
    assert!(run.stderr.contains("has its name back"), "{}", run.stderr);
    assert_eq!(lab.active("Health Coach").id, old.id);
}
