//! What else an apply meets: lost answers, limits, expired tokens, other owners, interrupts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use amigops::emulator::{Limits, RequestInfo, Verdict};

use crate::harness::{Lab, ORGANIZATION};

const EMPTY: &str = "
organizations:
  acme:
    agents: [{name: One, versions: 3}, {name: Two, versions: 3}, {name: Old, versions: 1, deprecated: true}]
    context_graphs: [{name: Flow, versions: 3}]
";

fn service(name: &str, more: &str) -> String {
    format!("service: {name}\ndescription: The {name}\nagent: One\ncontext_graph: Flow\n{more}")
}

fn is_create(request: &RequestInfo) -> bool {
    request.method == "POST" && request.path.ends_with("/service/")
}

#[test]
fn planning_sends_nothing_that_writes() {
    let lab = Lab::new(EMPTY);
    lab.manifests(&service("Desk", ""));
    lab.run(&["plan"]).expect(0);
    lab.run(&["plan", "--detailed-exitcode"]).expect(2);
    lab.run(&["apply"]).expect(1);
    lab.run(&["ids"]).expect(0);
    assert_eq!(lab.writes(), []);
}

#[test]
fn a_plan_asks_for_pages_and_for_nothing_else() {
    let lab = Lab::new(EMPTY);
    lab.manifests(&service("Desk", ""));
    lab.run(&["plan"]).expect(0);
    let paths: Vec<String> = lab
        .server
        .requests()
        .iter()
        .map(|record| record.path.split('?').next().unwrap().to_owned())
        .collect();
    assert_eq!(lab.hooks.count(), 4, "sign-in, services, agents, graphs: {paths:?}");
}

#[test]
fn the_answer_to_a_create_is_lost_and_no_second_service_is_made() {
    for lost_before in [false, true] {
        let lab = Lab::new(EMPTY);
        lab.manifests(&service("Desk", ""));
        let creates = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&creates);
        lab.before(move |request| {
            let first = is_create(request) && seen.fetch_add(1, Ordering::SeqCst) == 0;
            match (first, lost_before) {
                (true, true) => Verdict::Drop,
                (true, false) => Verdict::ProcessThenDrop,
                _ => Verdict::Proceed,
            }
        });
        lab.apply().expect(0);
        assert_eq!(lab.services().len(), 1);
        assert_eq!(creates.load(Ordering::SeqCst), if lost_before { 2 } else { 1 });
    }
}

#[test]
fn a_refused_token_is_renewed_once() {
    let lab = Lab::new(EMPTY);
    lab.manifests(&service("Desk", ""));
    let refused = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&refused);
    lab.before(move |request| {
        if is_create(request) && seen.fetch_add(1, Ordering::SeqCst) == 0 {
            return Verdict::Answer {
                status: 401,
                headers: Vec::new(),
                body: r#"{"detail":"expired"}"#.to_owned(),
            };
        }
        Verdict::Proceed
    });
    lab.apply().expect(0);
    let sign_ins = lab.server.requests().iter().filter(|record| record.path.contains("signin")).count();
    assert_eq!(sign_ins, 2);
    assert_eq!(lab.services().len(), 1);
}

#[test]
fn short_lived_tokens_are_renewed_before_they_expire() {
    let lab = Lab::with(EMPTY, |options| options.token_lifetime = Duration::from_secs(4));
    let services: Vec<String> = (0..34).map(|n| service(&format!("Desk {n}"), "")).collect();
    lab.manifests(&services.join("---\n"));
    lab.before(|request| {
        // Shorter than the margin in which a token is renewed, a tenth of its life.
        if is_create(request) { Verdict::Delay(Duration::from_millis(130)) } else { Verdict::Proceed }
    });
    lab.run(&["apply", "--auto-approve", "--parallelism", "1"]).expect(0);
    let refused = lab.server.requests().iter().filter(|record| record.status == Some(401)).count();
    assert_eq!(refused, 0, "no request went out with an expired token");
    let sign_ins = lab.server.requests().iter().filter(|record| record.path.contains("signin")).count();
    assert!(sign_ins >= 2, "{sign_ins} sign-ins");
}

#[test]
fn a_token_that_seems_over_by_our_clock_is_used_all_the_same() {
    let wall = crate::harness::wall_clock();
    let behind = Arc::new(move || wall() - Duration::from_secs(2 * 3600));
    let lab = Lab::with(EMPTY, |options| options.clock = behind);
    let services: Vec<String> = (0..8).map(|n| service(&format!("Desk {n}"), "")).collect();
    lab.manifests(&services.join("---\n"));
    lab.apply().expect(0);
    let sign_ins = lab.server.requests().iter().filter(|record| record.path.contains("signin")).count();
    assert_eq!(sign_ins, 1);
}

#[test]
fn wrong_credentials_say_what_to_check_and_show_no_secret() {
    let lab = Lab::new(EMPTY);
    lab.manifests(&service("Desk", ""));
    lab.before(|request| {
        if request.path.contains("signin") {
            let body = r#"{"detail":"API key not found, is incorrect, or the requested user is not found."}"#
                .to_owned();
            return Verdict::Answer { status: 401, headers: Vec::new(), body };
        }
        Verdict::Proceed
    });
    let run = lab.run(&["plan", "-vv"]).expect(1);
    assert!(run.stderr.contains("AMIGO_API_KEY"), "{}", run.stderr);
    assert!(run.stderr.contains("signin_with_api_key: 401"), "{}", run.stderr);
    lab.unhook();
    let run = lab.run(&["plan", "-vvv", "--log-format", "json"]).expect(0);
    for text in [&run.stderr, &run.stdout] {
        assert!(!text.contains("s3cret"), "{text}");
        assert!(!text.contains("Bearer"), "{text}");
    }
    assert!(run.stderr.contains("\"path\""), "requests are logged: {}", run.stderr);
}

#[test]
fn missing_credentials_are_named() {
    let lab = Lab::new(EMPTY);
    lab.manifests(&service("Desk", ""));
    let mut command = crate::harness::amigops(&lab.path());
    command.arg("plan").env("AMIGO_API_KEY", "x");
    let run = crate::harness::finish(command).expect(1);
    assert!(run.stderr.contains("AMIGO_API_KEY_ID is not set"), "{}", run.stderr);
    lab.write("key", "s3cret-key\n");
    let mut command = crate::harness::amigops(&lab.path());
    command
        .arg("plan")
        .env("AMIGO_API_KEY_FILE", "key")
        .env("AMIGO_API_KEY_ID", "key-id")
        .env("AMIGO_USER_ID", "user-1");
    crate::harness::finish(command).expect(0);
}

#[test]
fn a_failed_step_stops_only_what_waits_for_it() {
    let lab = Lab::new(EMPTY);
    lab.manifests(
        &[
            service("First", "version_sets: {dev: {agent_version: 1}}\n"),
            service("Second", "depends_on: [First]\n"),
            service("Third", ""),
        ]
        .join("---\n"),
    );
    lab.before(|request| {
        if is_create(request) && request.body.contains("\"First\"") {
            let body = r#"{"detail":"the model is unknown"}"#.to_owned();
            return Verdict::Answer { status: 400, headers: Vec::new(), body };
        }
        Verdict::Proceed
    });
    let run = lab.apply().expect(4);
    assert!(run.stderr.contains("1 of 4 steps done, 1 failed, 2 not attempted"), "{}", run.stderr);
    assert!(
        run.stderr.contains("Second: create: not attempted: waits for `First: create`"),
        "{}",
        run.stderr
    );
    assert_eq!(lab.services().len(), 1);
    lab.unhook();
    lab.apply().expect(0);
    lab.expect_converged();
}

#[test]
fn other_owners_are_refused_and_nobodys_services_are_adopted() {
    let seed = format!(
        "{EMPTY}    services:
      - {{name: Theirs, description: The Theirs, agent: One, context_graph: Flow, active: true, tags: {{managed_by: sisters}}}}
      - {{name: Free, description: The Free, agent: One, context_graph: Flow, active: true}}
"
    );
    let lab = Lab::new(&seed);
    lab.manifests(&[service("Theirs", ""), service("Free", "")].join("---\n"));
    let refused = lab.run(&["plan"]).expect(3);
    assert!(
        refused.stderr.contains("belongs to another project") && refused.stderr.contains("--take-over"),
        "{}",
        refused.stderr
    );
    assert_eq!(lab.writes(), []);
    let run = lab.run(&["apply", "--auto-approve", "--take-over"]).expect(0);
    assert!(run.stdout.contains("adopted"), "{}", run.stdout);
    assert!(lab.services().iter().all(|service| service.tags["managed_by"].as_deref() == Some("amigops")));
    lab.expect_converged();
}

#[test]
fn limits_are_respected_not_hit() {
    let lab =
        Lab::with(EMPTY, |options| options.limits = Limits::Documented { window: Duration::from_secs(2) });
    let services: Vec<String> = (0..45)
        .map(|n| service(&format!("Desk {n:02}"), "version_sets: {dev: {agent_version: 1}}\n"))
        .collect();
    lab.manifests(&services.join("---\n"));
    let run = lab.apply().expect(0);
    let hit = lab.server.requests().iter().filter(|record| record.status == Some(429)).count();
    assert_eq!(hit, 0, "{}", run.stderr);
    let waits = run.stderr.matches("`create service` is limited to 20 a minute").count();
    assert!((1..=4).contains(&waits), "one word a wait, not one a step: {}", run.stderr);
    assert_eq!(lab.services().len(), 45);
}

#[test]
fn an_interrupted_apply_ends_its_requests_says_what_is_left_and_goes_on_later() {
    for signal in ["INT", "TERM"] {
        let lab = Lab::new(EMPTY);
        let services: Vec<String> = (0..12).map(|n| service(&format!("Desk {n:02}"), "")).collect();
        lab.manifests(&services.join("---\n"));
        let hooks = Arc::clone(&lab.hooks);
        let creates = AtomicU64::new(0);
        lab.before(move |request| {
            if is_create(request) && creates.fetch_add(1, Ordering::SeqCst) == 3 {
                hooks.signal(signal);
                return Verdict::Delay(Duration::from_millis(300));
            }
            Verdict::Proceed
        });
        let run = lab.run(&["apply", "--auto-approve", "--parallelism", "1"]).expect(130);
        assert!(
            run.stderr.contains("Interrupted: 4 of 12 steps done, 0 failed, 8 not attempted"),
            "{}",
            run.stderr
        );
        assert_eq!(lab.services().len(), 4);
        lab.unhook();
        lab.apply().expect(0);
        assert_eq!(lab.services().len(), 12);
    }
}

#[test]
fn an_interrupt_ends_a_wait_for_a_limit() {
    let lab =
        Lab::with(EMPTY, |options| options.limits = Limits::Documented { window: Duration::from_secs(60) });
    let services: Vec<String> = (0..30).map(|n| service(&format!("Desk {n:02}"), "")).collect();
    lab.manifests(&services.join("---\n"));
    let hooks = Arc::clone(&lab.hooks);
    let creates = AtomicU64::new(0);
    lab.after(move |request, _, _| {
        if is_create(request) && creates.fetch_add(1, Ordering::SeqCst) == 19 {
            let hooks = Arc::clone(&hooks);
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(300));
                hooks.signal("INT");
            });
        }
    });
    let began = std::time::Instant::now();
    let run = lab.apply().expect(130);
    assert!(began.elapsed() < Duration::from_secs(20), "the wait is over at once: {:?}", began.elapsed());
    assert!(run.stderr.contains("20 of 30 steps done, 0 failed, 10 not attempted"), "{}", run.stderr);
}

#[test]
fn a_second_interrupt_ends_at_once() {
    let lab = Lab::new(EMPTY);
    lab.manifests(&service("Desk", ""));
    let hooks = Arc::clone(&lab.hooks);
    lab.before(move |request| {
        if !is_create(request) {
            return Verdict::Proceed;
        }
        let hooks = Arc::clone(&hooks);
        std::thread::spawn(move || {
            for _ in 0..2 {
                hooks.signal("INT");
                std::thread::sleep(Duration::from_millis(400));
            }
        });
        Verdict::Delay(Duration::from_secs(8))
    });
    let began = std::time::Instant::now();
    let run = lab.apply().expect(130);
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    assert!(run.stderr.contains("interrupted again"), "{}", run.stderr);
    lab.unhook();
    lab.apply().expect(0);
    assert_eq!(lab.services().len(), 1);
}

#[test]
fn half_a_list_is_no_list() {
    let lab = Lab::new(EMPTY);
    lab.manifests(&service("Desk", ""));
    lab.before(|request| {
        if request.method == "GET" && request.path.contains("/service/") {
            let body = r#"{"services":[],"has_more":true,"continuation_token":null,"filter_values":null}"#
                .to_owned();
            return Verdict::Answer { status: 200, headers: Vec::new(), body };
        }
        Verdict::Proceed
    });
    let run = lab.run(&["plan"]).expect(1);
    assert!(run.stderr.contains("continuation_token"), "{}", run.stderr);
}

#[test]
fn addresses_that_are_not_what_they_seem_are_refused_and_not_repeated() {
    let lab = Lab::new(EMPTY);
    lab.manifests(&service("Desk", ""));
    lab.write(
        "amigops.yaml",
        "version: 1\nmanifests: [services/*.yaml]\nenvironments: {lab: {api: classic, organization: acme}}\ndefault_environment: lab\n",
    );
    for address in [
        "http://localhost:hunter2@nowhere.invalid",
        "http://[::1]@nowhere.invalid",
        "https://bob:hunter2@nowhere.invalid",
        "http://api.amigo.ai",
    ] {
        let mut command = crate::harness::amigops(&lab.path());
        command.arg("plan").env("AMIGO_BASE_URL", address);
        command.env("AMIGO_API_KEY", "s3cret").env("AMIGO_API_KEY_ID", "id").env("AMIGO_USER_ID", "user");
        let run = crate::harness::finish(command).expect(1);
        assert!(run.stderr.contains("credentials can't be sent"), "{address}: {}", run.stderr);
        assert!(!run.stderr.contains("hunter2") && !run.stderr.contains("s3cret"), "{}", run.stderr);
    }
}

#[test]
fn an_outage_in_mid_apply_is_waited_for() {
    let lab = Lab::new(EMPTY);
    let services: Vec<String> = (0..6).map(|n| service(&format!("Desk {n}"), "")).collect();
    lab.manifests(&services.join("---\n"));
    let drops = AtomicU64::new(0);
    lab.before(move |request| {
        // Reads and creates alike: answers that never come.
        if request.number > 6 && drops.fetch_add(1, Ordering::SeqCst) < 3 {
            Verdict::Drop
        } else {
            Verdict::Proceed
        }
    });
    lab.apply().expect(0);
    assert_eq!(lab.services().len(), 6);
}

#[test]
fn commands_to_a_ci_system_do_not_come_through() {
    let lab = Lab::new(EMPTY);
    lab.manifests(&service("Desk", ""));
    lab.apply().expect(0);
    let id = lab.active("Desk").id;
    lab.server
        .edit(|world| {
            let service = world.organization_mut(ORGANIZATION).unwrap().service_mut(&id).unwrap();
            service.description = "The Desk\n::add-mask::x\n::stop-commands::y\n##[error]z".to_owned();
        })
        .unwrap();
    let run = lab.run(&["plan"]).expect(0);
    assert!(run.stdout.contains("add-mask"), "{}", run.stdout);
    for line in run.stdout.lines() {
        assert!(!line.trim_start().starts_with("::") && !line.contains("##["), "{line}");
    }
}

#[test]
fn an_active_service_with_a_deprecated_agent_is_refused_in_the_plan() {
    let seed = format!(
        "{EMPTY}    services:
      - {{name: Desk, description: The Desk, agent: Old, context_graph: Flow, active: false, tags: {{managed_by: amigops}}}}
"
    );
    let lab = Lab::new(&seed);
    lab.manifests(&service("Desk", "active: true\n").replace("agent: One", "agent: Old"));
    let run = lab.run(&["plan"]).expect(1);
    assert!(run.stderr.contains("deprecated"), "{}", run.stderr);
}

#[test]
fn a_set_that_a_unit_test_uses_is_a_clear_failure_and_the_rest_is_done() {
    let seed = format!(
        "{EMPTY}    services:
      - name: Desk
        description: The Desk
        agent: One
        context_graph: Flow
        active: true
        tags: {{managed_by: amigops}}
        version_sets: {{dev: {{agent_version: 1, context_graph_version: 1}}}}
    unit_tests: [{{service: Desk, version_set: dev}}]
"
    );
    let lab = Lab::new(&seed);
    lab.manifests(&service("Desk", "version_sets: {staging: {agent_version: 2}}\n"));
    let run = lab.apply().expect(4);
    assert!(run.stderr.contains("unit test"), "{}", run.stderr);
    assert!(lab.active("Desk").version_sets.contains_key("staging"));
}

#[test]
fn an_operators_edit_is_seen_and_undone() {
    let lab = Lab::new(EMPTY);
    lab.manifests(&service(
        "Desk",
        "version_sets: {release: {agent_version: 2, context_graph_version: 1}}\n",
    ));
    lab.apply().expect(0);
    let id = lab.active("Desk").id;
    lab.server
        .edit(|world| {
            let service = world.organization_mut(ORGANIZATION).unwrap().service_mut(&id).unwrap();
            service.description = "edited by hand".to_owned();
            service.version_sets.get_mut("release").unwrap().agent_version = Some(3);
        })
        .unwrap();
    let plan = lab.run(&["plan", "--detailed-exitcode"]).expect(2);
    assert!(plan.stdout.contains("edited by hand") && plan.stdout.contains("3 → 2"), "{}", plan.stdout);
    lab.apply().expect(0);
    assert_eq!(lab.active("Desk").version_sets["release"].agent_version, Some(2));
}

#[test]
fn hostile_names_cannot_reach_the_terminal() {
    let lab = Lab::new(EMPTY);
    lab.manifests(&service("Desk", ""));
    lab.apply().expect(0);
    lab.server
        .edit(|world| {
            let organization = world.organization_mut(ORGANIZATION).unwrap();
            let id = organization.active_service("Desk").unwrap().id.clone();
            let service = organization.service_mut(&id).unwrap();
            service.description = "\u{1b}[31mred\u{7}\u{202e}evil".to_owned();
        })
        .unwrap();
    let run = lab.run(&["plan", "--color", "never"]).expect(0);
    assert!(!run.stdout.contains('\u{1b}') && !run.stdout.contains('\u{202e}'), "{:?}", run.stdout);
    let run = lab.run(&["plan", "--color", "always"]).expect(0);
    assert!(!run.stdout.contains("\u{1b}[31mred\u{7}"), "{:?}", run.stdout);
}
