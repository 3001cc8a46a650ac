//! Tests of `promote` with the real binary. The edited files are compared byte for byte.

use std::path::Path;

use tempfile::TempDir;

use crate::harness::{Run, amigops, run_command};

const PROJECT: &str = "version: 1
manifests: [services/*.yaml]
defaults: {version_sets: {canary: {agent_version: 1}}}
environments:
  sandbox: {api: embedded}
  live: {api: classic, organization: acme}
default_environment: sandbox
unmanaged_version_sets: [\"personal-*\"]
guardrails: {require_pins: [release]}
";

const DESK: &str = "# The desk. \u{2014} Everybody's first.
service: Desk            # its name
description: The desk
agent: Maya
context_graph: Flow
version_sets:
  release: {agent_version: 2,  context_graph_version: 5}   # what users have
  staging:
    # tried out since Monday
    agent_version: 3
    context_graph_version: 6   # the new flow
    llm_model_preferences:
      EngageUser: {llm_name: openai_x, params: {temperature: 0.4}}
  newest: {agent_version: latest, context_graph_version: latest}
  half: {agent_version: 3}
environments:
  live: {version_sets: {release: {agent_version: 1}}}
";
const OTHERS: &str = "service: Alpha\r
description: A\r
agent: Maya\r
context_graph: Flow\r
version_sets:\r
  staging: {agent_version: 4, context_graph_version: 4}\r
---\r
# nothing yet\r
---\r
service: Beta\r
description: B\r
agent: Maya\r
context_graph: Flow";

struct Case(TempDir);

impl Case {
    fn new() -> Self {
        let case = Self(tempfile::tempdir().unwrap());
        case.write("amigops.yaml", PROJECT);
        case.write("services/desk.yaml", DESK);
        case.write("services/others.yaml", OTHERS);
        case
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap()
    }

    fn run(&self, args: &[&str]) -> Run {
        let mut command = amigops(self.path());
        command.args(args);
        run_command(command)
    }

    /// Runs `promote`, and checks that the project is still valid.
    #[track_caller]
    fn promote(&self, args: &str) -> Run {
        let args: Vec<&str> = ["promote"].into_iter().chain(args.split(' ')).collect();
        let run = self.run(&args).expect(0);
        self.run(&["validate"]).expect(0);
        run
    }

    /// Runs `promote`, and checks that it is refused and that no file has changed.
    #[track_caller]
    fn expect_refusal(&self, args: &[&str], expected: &str) {
        let run = self.run(args).expect(1);
        assert!(run.stderr.contains(expected), "{}", run.stderr);
        self.expect_unchanged();
    }

    #[track_caller]
    fn expect_unchanged(&self) {
        assert_eq!(self.read("services/desk.yaml"), DESK);
        assert_eq!(self.read("services/others.yaml"), OTHERS);
        assert_eq!(self.read("amigops.yaml"), PROJECT);
        assert_eq!(
            std::fs::read_dir(self.path().join("services")).unwrap().count(),
            2,
            "nothing is left over"
        );
    }
}

#[test]
fn pins_are_copied_to_where_they_are_declared() {
    let case = Case::new();
    let run = case.promote("--from staging --to release Desk");
    let expected = DESK.replace(
        "release: {agent_version: 2,  context_graph_version: 5}",
        "release: {agent_version: 3,  context_graph_version: 6}",
    );
    assert_eq!(case.read("services/desk.yaml"), expected);
    assert_eq!(case.read("services/others.yaml"), OTHERS);
    assert_eq!(
        run.stdout,
        "services/desk.yaml\n  Desk  release  agent_version          2 → 3\n  \
         Desk  release  context_graph_version  5 → 6\n\n2 values changed in 1 file\n"
    );
    let again = case.promote("--from staging --to release Desk");
    assert!(again.stdout.starts_with("Nothing to do"), "{}", again.stdout);
}

#[test]
fn a_pin_declared_in_an_overlay_is_changed_there() {
    let case = Case::new();
    let run = case.promote("-e live --from staging --to release Desk");
    let expected = DESK.replace("{release: {agent_version: 1}}", "{release: {agent_version: 3}}").replace(
        "agent_version: 2,  context_graph_version: 5",
        "agent_version: 2,  context_graph_version: 6",
    );
    assert_eq!(case.read("services/desk.yaml"), expected);
    assert!(run.stdout.contains("1 → 3   (environments.live)"), "{}", run.stdout);
}

#[test]
fn a_missing_set_is_created_beside_the_source_set() {
    let case = Case::new();
    case.promote("--from staging --to release");
    let others = OTHERS.replace(
        "context_graph_version: 4}\r\n",
        "context_graph_version: 4}\r\n  release: {agent_version: 4, context_graph_version: 4}\r\n",
    );
    assert_eq!(
        case.read("services/others.yaml"),
        others,
        "the third document has no version sets of its own"
    );
}

#[test]
fn a_set_in_an_overlay_is_copied_within_it() {
    let case = Case::new();
    let desk = DESK.replace("{release: {agent_version: 1}}", "{trial: {agent_version: 7}}");
    case.write("services/desk.yaml", &desk);
    case.promote("-e live --from trial --to next");
    let expected =
        desk.replace("{trial: {agent_version: 7}}", "{trial: {agent_version: 7}, next: {agent_version: 7}}");
    assert_eq!(case.read("services/desk.yaml"), expected);
}

#[test]
fn a_set_that_the_overlay_removes_is_restored_there() {
    let case = Case::new();
    let desk = DESK.replace("{release: {agent_version: 1}}", "{half: ~}");
    case.write("services/desk.yaml", &desk);
    case.promote("-e live --from staging --to half");
    let written = case.read("services/desk.yaml");
    let expected = desk.replace("{half: ~}", "{half: {agent_version: 3, context_graph_version: 6}}");
    assert_eq!(written, expected);
}

#[test]
fn a_value_from_the_defaults_is_written_into_the_document() {
    let case = Case::new();
    let run = case.promote("--from staging --to canary Alpha");
    assert!(run.stdout.contains("Alpha  canary  agent_version          1 → 4"), "{}", run.stdout);
    let others = OTHERS.replace(
        "context_graph_version: 4}\r\n",
        "context_graph_version: 4}\r\n  canary: {agent_version: 4, context_graph_version: 4}\r\n",
    );
    assert_eq!(case.read("services/others.yaml"), others);
    assert_eq!(case.read("amigops.yaml"), PROJECT);
    case.promote("--from canary --to other Beta");
    let others = format!("{others}\r\nversion_sets:\r\n  other:\r\n    agent_version: 1");
    assert_eq!(case.read("services/others.yaml"), others);
}

#[test]
fn preferences_are_copied_with_the_flag() {
    let case = Case::new();
    let run = case.promote("--from staging --to newest --preferences Desk");
    let expected = DESK.replace(
        "newest: {agent_version: latest, context_graph_version: latest}",
        "newest: {agent_version: 3, context_graph_version: 6, llm_model_preferences: {EngageUser: \
         {llm_name: openai_x, params: {temperature: 0.4}}}}",
    );
    assert_eq!(case.read("services/desk.yaml"), expected);
    assert!(run.stdout.contains("none → 1 interaction"), "{}", run.stdout);
}

#[test]
fn a_dry_run_writes_nothing() {
    let case = Case::new();
    let run = case.promote("--from staging --to release --dry-run");
    assert!(
        run.stdout.ends_with("4 values would change in 2 files; nothing was written\n"),
        "{}",
        run.stdout
    );
    case.expect_unchanged();
}

#[test]
fn impossible_requests_are_refused_and_no_file_is_changed() {
    let case = Case::new();
    let promote = |from, to| vec!["promote", "--from", from, "--to", to];
    let with = |from, to, name| [promote(from, to), vec![name]].concat();
    case.expect_refusal(&with("newest", "release", "Desk"), "`latest`, which is not a pin");
    case.expect_refusal(&with("newest", "release", "Desk"), "lists `release`");
    case.expect_refusal(&with("staging", "release", "Dsek"), "did you mean `Desk`?");
    case.expect_refusal(&promote("stagign", "release"), "error: no service has a version set `stagign`\n");
    case.expect_refusal(&promote("stagign", "release"), "did you mean `staging`?");
    case.expect_refusal(&with("half", "release", "Alpha"), "error: `Alpha` has no version set `half`\n");
    case.expect_refusal(&promote("staging", "staging"), "the same version set");
    case.expect_refusal(&promote("staging", "edge"), "belongs to the server");
    case.expect_refusal(&promote("staging", "personal-me"), "as unmanaged");
    case.expect_refusal(&promote("staging", "a b"), "can't be a version set's name");
}

#[test]
fn no_file_is_written_if_one_cannot_be_edited() {
    let case = Case::new();
    let shared = "service: Gamma\ndescription: G\nagent: Maya\ncontext_graph: Flow\nversion_sets:\n  \
                  staging: {agent_version: 9, context_graph_version: 9}\n  \
                  release: &pins {agent_version: 1, context_graph_version: 1}\n  beta: *pins\n";
    case.write("services/zz.yaml", shared);
    let run = case.run(&["promote", "--from", "staging", "--to", "release", "--all"]).expect(1);
    assert!(run.stderr.contains("services/zz.yaml, line 7"), "{}", run.stderr);
    assert!(run.stderr.contains("inside the anchor `&pins`"), "{}", run.stderr);
    assert!(run.stderr.contains("no file was changed"), "{}", run.stderr);
    assert_eq!(case.read("services/zz.yaml"), shared);
    std::fs::remove_file(case.path().join("services/zz.yaml")).unwrap();
    case.expect_unchanged();
}

#[cfg(unix)]
#[test]
fn permissions_and_links_are_kept() {
    use std::os::unix::fs::PermissionsExt;
    let case = Case::new();
    let desk = case.path().join("services/desk.yaml");
    let real = case.path().join("real.yaml");
    std::fs::rename(&desk, &real).unwrap();
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("../real.yaml", &desk).unwrap();
    case.promote("--from staging --to release Desk");
    assert!(desk.symlink_metadata().unwrap().is_symlink());
    assert_eq!(real.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    assert!(case.read("real.yaml").contains("release: {agent_version: 3,"));
}
