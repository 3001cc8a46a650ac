//! Tests of `examples/quickstart` with the real binary and the embedded sandbox.

use crate::harness::{Run, amigops, copy_example, run_command};

fn run(directory: &std::path::Path, args: &[&str]) -> Run {
    let mut command = amigops(directory);
    command.args(args);
    run_command(command)
}

#[test]
fn the_first_apply_creates_services_and_the_second_has_nothing_to_do() {
    let project = copy_example("quickstart");
    let first = run(project.path(), &["apply", "--auto-approve"]).expect(0);
    for name in ["Meet & Greet", "Adaptive Support", "Customer Support", "Health Coach"] {
        let shown = first.stdout.lines().any(|line| {
            let id = line.trim().strip_prefix(name).map(str::trim).unwrap_or_default();
            id.len() == 24 && id.chars().all(|c| c.is_ascii_hexdigit())
        });
        assert!(shown, "{name}'s id is shown:\n{}", first.stdout);
    }
    assert!(first.stdout.contains("Plan: 4 to create"), "{}", first.stdout);
    assert!(first.stderr.contains("read back: converged"), "{}", first.stderr);

    let second = run(project.path(), &["apply", "--auto-approve"]).expect(0);
    assert!(second.stdout.contains("Nothing to do: 4 services are as declared"), "{}", second.stdout);
    run(project.path(), &["plan", "--detailed-exitcode"]).expect(0);

    let file = project.path().join("services/health-coach.yaml");
    let text = std::fs::read_to_string(&file).unwrap().replace("agent_version: 2", "agent_version: 3");
    std::fs::write(&file, text).unwrap();
    let plan = run(project.path(), &["plan", "--detailed-exitcode"]).expect(2);
    assert!(plan.stdout.contains("2 → 3"), "{}", plan.stdout);
    run(project.path(), &["plan"]).expect(0);
    run(project.path(), &["apply", "--auto-approve"]).expect(0);
    run(project.path(), &["plan", "--detailed-exitcode"]).expect(0);
}

#[test]
fn the_project_is_found_from_a_subdirectory_and_by_option() {
    let project = copy_example("quickstart");
    run(&project.path().join("services"), &["validate"]).expect(0);
    let elsewhere = tempfile::tempdir().unwrap();
    let directory = project.path().to_str().unwrap();
    run(elsewhere.path(), &["validate", "-C", directory]).expect(0);
    let none = run(elsewhere.path(), &["validate"]).expect(1);
    assert!(none.stderr.contains("AG001"), "{}", none.stderr);
}

#[test]
fn ids_are_printed_in_each_format() {
    let project = copy_example("quickstart");
    run(project.path(), &["apply", "--auto-approve", "-q"]).expect(0);
    let json = run(project.path(), &["ids", "--format", "json"]).expect(0);
    let ids: std::collections::BTreeMap<String, String> = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(ids.len(), 4);
    let env = run(project.path(), &["ids", "--format", "env"]).expect(0);
    assert!(
        env.stdout.contains(&format!("AMIGO_SERVICE_MEET_GREET={}\n", ids["Meet & Greet"])),
        "{}",
        env.stdout
    );
    let yaml = run(project.path(), &["ids"]).expect(0);
    assert!(
        yaml.stdout.contains(&format!("\"Health Coach\": \"{}\"\n", ids["Health Coach"])),
        "{}",
        yaml.stdout
    );
}

#[test]
fn an_apply_without_a_terminal_or_auto_approve_is_an_error() {
    let project = copy_example("quickstart");
    let refused = run(project.path(), &["apply"]).expect(1);
    assert!(refused.stderr.contains("--auto-approve"), "{}", refused.stderr);
    let plan = run(project.path(), &["plan"]).expect(0);
    assert!(plan.stdout.contains("Plan: 4 to create"), "{}", plan.stdout);
}

#[test]
fn wrong_arguments_exit_with_1_not_2() {
    let project = copy_example("quickstart");
    run(project.path(), &["plan", "--detailed-exit-code"]).expect(1);
    run(project.path(), &["--version"]).expect(0);
    run(project.path(), &["plan", "-e", "prod"]).expect(1);
}

#[test]
fn a_second_run_on_a_sandbox_in_use_is_an_error() {
    let project = copy_example("quickstart");
    let held = amigops_emulator::Server::start({
        std::fs::create_dir_all(project.path().join(".amigops")).unwrap();
        let mut options = amigops_emulator::Options::new(crate::harness::wall_clock());
        options.state = Some(project.path().join(".amigops/sandbox.redb"));
        options
    })
    .unwrap();
    let refused = run(project.path(), &["plan"]).expect(1);
    assert!(refused.stderr.contains("in use by another process"), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("wait until that process ends, or stop that process"),
        "{}",
        refused.stderr
    );
    held.stop();
    run(project.path(), &["plan"]).expect(0);
}
