//! Tests of `examples/clinic`, whose environment `production` is on the Platform API, and of examples that switch to
//! another API by a change of one line.

use std::path::Path;

use amigops::manifest::EnvironmentTarget;
use amigops::model::{DesiredService, Reference};
use amigops_emulator::{Limits, Options, Seed, Server};

use super::{loaded, root};
use crate::harness::{Run, amigops, copy_example, run_command, wall_clock};

/// Returns the clinic's seed, converted to a workspace: ids in manifests become UUIDs, and parts that the Platform API
/// lacks are left out.
fn seed_of(workspace: &str, ids: &[(&str, &str)]) -> String {
    let text = std::fs::read_to_string(root("clinic/sandbox-seed.yaml")).unwrap();
    let (before, rest) = text.split_once("    behavior_sets:\n").unwrap();
    let (_, replies) = rest.split_once("    replies:\n").unwrap();
    let head = format!("workspaces:\n  {workspace}:\n    api_keys: [{{key: l1nden-key}}]");
    let mut text =
        format!("{before}    replies:\n{replies}").replacen("organizations:\n  sandbox:", &head, 1);
    for (classic, platform) in ids {
        assert!(text.contains(classic), "{classic}");
        text = text.replace(classic, platform);
    }
    // No manifest names this service by its id, so the id is removed and the emulator creates one.
    text.replace("        id: 65f0000000000000000000c1\n", "")
}

/// Returns the ids of the emergency line's agent and context graph.
fn ids_of(service: &DesiredService) -> [String; 2] {
    [&service.agent, &service.context_graph].map(|reference| match reference {
        Reference::Id(id) => id.clone(),
        Reference::Name(name) => panic!("{name} is no id"),
    })
}

/// A copy of the example, and an emulator that serves its environment `production`.
struct Production {
    project: tempfile::TempDir,
    server: Server,
}

impl Production {
    fn start() -> Self {
        let clinic = loaded("clinic", "production");
        let EnvironmentTarget::Platform { workspace: Some(workspace), .. } = &clinic.environment.target
        else {
            panic!("production is on Platform: {:?}", clinic.environment);
        };
        let platform = ids_of(&clinic.desired.services["Emergency Line"]);
        let classic = ids_of(&loaded("clinic", "staging").desired.services["Emergency Line"]);
        let ids: Vec<_> =
            classic.iter().map(String::as_str).zip(platform.iter().map(String::as_str)).collect();
        let mut options = Options::new(wall_clock());
        options.seed = Some(Seed::from_yaml(&seed_of(workspace, &ids)).unwrap());
        options.limits = Limits::Off;
        Self { project: copy_example("clinic"), server: Server::start(options).unwrap() }
    }

    /// Runs the binary with the emulator's address in the environment variable `address`, and with the key in the
    /// variable that the project names.
    fn run(&self, address: &str, args: &[&str]) -> Run {
        let mut command = amigops(self.project.path());
        command.args(args).args(["-e", "production"]);
        command.env(address, self.server.url()).env("AMIGO_LINDEN_API_KEY", "l1nden-key");
        run_command(command)
    }
}

#[test]
fn the_clinics_production_can_be_applied_on_platform() {
    let production = Production::start();
    let planned = production.run("PLATFORM_API_URL", &["plan", "--detailed-exitcode"]).expect(2);
    for text in
        ["environment production (platform, ", "Plan: 62 to create, 6 to change, 1 to replace", "1 orphan"]
    {
        assert!(planned.stdout.contains(text), "{text}:\n{}", planned.stdout);
    }
    // There are no warnings about smoke tests that Platform can't run, because the overlays replace those smoke tests.
    assert!(!planned.stderr.contains("warning"), "{}", planned.stderr);
    let applied = production.run("PLATFORM_API_URL", &["apply", "--auto-approve"]).expect(0);
    assert!(applied.stderr.contains("read back: converged"), "{}", applied.stderr);
    let plan = production.run("AMIGO_BASE_URL", &["plan", "--detailed-exitcode"]).expect(0);
    assert!(plan.stdout.contains("Nothing to do: 70 services"), "{}", plan.stdout);
    production.run("AMIGO_BASE_URL", &["apply", "--auto-approve", "--prune"]).expect(0);
    let pruned = production.run("PLATFORM_API_URL", &["plan", "--detailed-exitcode", "--prune"]).expect(0);
    assert!(pruned.stdout.contains("Nothing to do: 70 services"), "{}", pruned.stdout);
}

#[test]
fn productions_key_is_read_from_its_own_variable_or_file() {
    let production = Production::start();
    let with = |name: &str, value: &str| {
        let mut command = amigops(production.project.path());
        command.args(["plan", "-e", "production", "--only", "Front Desk"]);
        command.env("PLATFORM_API_URL", production.server.url()).env(name, value);
        run_command(command)
    };
    let file = production.project.path().join("key");
    std::fs::write(&file, "l1nden-key\n").unwrap();
    with("AMIGO_LINDEN_API_KEY_FILE", file.to_str().unwrap()).expect(0);
    let usual = with("AMIGO_API_KEY", "l1nden-key").expect(1);
    assert!(usual.stderr.contains("AMIGO_LINDEN_API_KEY"), "{}", usual.stderr);
}

/// The other environments of the clinic must be on Classic and must have no Platform settings.
#[test]
fn the_clinics_other_environments_stay_on_classic() {
    for environment in ["sandbox", "rehearsal", "staging"] {
        let clinic = loaded("clinic", environment);
        assert_eq!(clinic.environment.target.api(), amigops::model::Api::Classic);
        assert!(clinic.desired.services.values().all(|service| service.settings.is_empty()));
    }
    let production = loaded("clinic", "production");
    let set = production.desired.services.values().filter(|service| !service.settings.is_empty());
    assert!(set.count() >= 4, "some services say what only Platform has");
}

/// The quickstart is switched to Platform by a change of one line, and must then apply without an error.
#[test]
fn the_quickstart_runs_on_platform_after_changing_its_api() {
    let project = copy_example("quickstart");
    let file = project.path().join("amigops.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        text.replacen("    api: embedded\n", "    api: embedded\n    dialect: platform\n", 1),
    )
    .unwrap();
    let run = |directory: &Path, args: &[&str]| {
        let mut command = amigops(directory);
        command.args(args);
        run_command(command)
    };
    let first = run(project.path(), &["apply", "--auto-approve"]).expect(0);
    assert!(first.stdout.contains("environment sandbox (platform, "), "{}", first.stdout);
    assert!(first.stdout.contains("Plan: 4 to create"), "{}", first.stdout);
    assert!(first.stderr.contains("read back: converged"), "{}", first.stderr);
    let second = run(project.path(), &["apply", "--auto-approve"]).expect(0);
    assert!(second.stdout.contains("Nothing to do: 4 services are as declared"), "{}", second.stdout);
    let agent = project.path().join("services/health-coach.yaml");
    let text = std::fs::read_to_string(&agent).unwrap().replace("agent: Coach Maya", "agent: Coach Noor");
    std::fs::write(&agent, text).unwrap();
    let plan = run(project.path(), &["plan", "--detailed-exitcode"]).expect(2);
    assert!(plan.stdout.contains("Plan: 0 to create, 1 to change, 0 to replace"), "{}", plan.stdout);
    run(project.path(), &["apply", "--auto-approve"]).expect(0);
    run(project.path(), &["plan", "--detailed-exitcode"]).expect(0);
}
