//! Tests that replacements respect unpublished rate limits, as creates do.

use std::fmt::Write;
use std::time::Duration;

use amigops::model::Api;
use amigops_emulator::Limits;

use crate::harness::Lab;

/// The number of services to replace. Each replacement needs three updates, and the limit allows 60 updates per minute.
const SERVICES: usize = 30;

#[test]
fn replacements_respect_a_limit_known_only_from_responses() {
    let mut seed = "organizations:\n  acme:\n    agents: [{name: One, versions: 1}, {name: Two, versions: 1}]\n    context_graphs: [{name: Flow, versions: 1}]\n    services:\n".to_owned();
    let mut manifests = String::new();
    for n in 0..SERVICES {
        writeln!(seed, "      - {{name: Desk {n}, description: x, agent: One, context_graph: Flow, tags: {{managed_by: amigops}}}}").unwrap();
        write!(manifests, "---\nservice: Desk {n}\ndescription: x\nagent: Two\ncontext_graph: Flow\nlifecycle: {{on_agent_change: replace}}\n").unwrap();
    }
    let lab = Lab::on_with(Api::Platform, &seed, |options| {
        options.limits = Limits::Documented { window: Duration::from_secs(2) };
    });
    lab.manifests(&manifests);
    let run = lab.run(&["apply", "--auto-approve", "--parallelism", "64"]).expect(0);
    let requests = lab.server.requests();
    let hit: Vec<_> = requests.iter().filter(|record| record.status == Some(429)).collect();
    assert!(hit.is_empty(), "{hit:?}\n{}", run.stderr);
    let updates = requests.iter().filter(|record| record.method == "PUT").count();
    assert_eq!(updates, 3 * SERVICES + 1, "one of them learns the limit");
    let active = lab.services().iter().filter(|service| service.is_active).count();
    assert_eq!((active, lab.services().len()), (SERVICES, 2 * SERVICES));
    lab.expect_converged();
}

#[test]
fn a_limit_without_headers_is_learned_from_429_responses() {
    let lab = Lab::on(Api::Platform, crate::harness::EMPTY);
    lab.manifests(&crate::harness::services(3, ""));
    let refusal = crate::harness::answer_with(429, "retry-after", "0", r#"{"detail":"too many"}"#);
    lab.before(crate::harness::on_first(crate::harness::is_create, refusal));
    lab.apply().expect(0);
    assert_eq!(lab.services().len(), 3);
    assert_eq!(lab.writes().len(), 4, "one was sent twice");
}
