//! Tests of `drift` on several environments: a failure in one environment does not hide the drift of the others.

use amigops::model::Api;

use super::applied_lab;
use crate::harness::{Lab, ORGANIZATION, Run, WORKSPACE, answer};

/// Creates a lab on each API. The project of the first lab has both servers as environments, and the lines in `more`.
fn both(more: &str) -> (Lab, Lab) {
    let (classic, platform) = (applied_lab(Api::Classic), applied_lab(Api::Platform));
    let (here, there) = (classic.server.url(), platform.server.url());
    let project = format!(
        "version: 1
manifests: [services/*.yaml]
environments:
  east: {{api: classic, organization: {ORGANIZATION}, base_url: \"{here}\"}}
  west: {{api: platform, workspace: {WORKSPACE}, base_url: \"{there}\"}}
{more}default_environment: east
"
    );
    classic.write("amigops.yaml", &project);
    (classic, platform)
}

fn run_drift(lab: &Lab, code: i32) -> Run {
    lab.run(&["drift", "--all-environments"]).expect(code)
}

fn headings(run: &Run) -> Vec<&str> {
    run.stdout.lines().filter(|line| line.starts_with("amigops drift")).collect()
}

#[test]
fn the_exit_code_is_that_of_the_worst_environment() {
    let (classic, platform) = both("");
    let run = run_drift(&classic, 0);
    let clean = "amigops drift · 2 environments\n\n  environment  result\n  east         no drift\n  west         no drift\n";
    assert_eq!(run.stdout, clean);

    platform.change(&platform.active("Desk").id, |desk| desk.description = "edited".to_owned());
    let run = run_drift(&classic, 2);
    let headings = headings(&run);
    let table = "\n  east         no drift\n  west         drift: 1 of 2 differs\n\n";
    assert!(run.stdout.contains(table) && headings.len() == 2, "{}", run.stdout);
    assert!(
        headings[1].contains("environment west (platform, ") && headings[1].ends_with("drift: 1 differs")
    );

    let [markdown, html] = ["markdown", "html"]
        .map(|format| classic.run(&["drift", "--all-environments", "--format", format]).expect(2).stdout);
    assert!(markdown.contains("| `east` | 0 | 0 | 0 | 0 | 0 | no drift |"), "{markdown}");
    assert!(markdown.contains("| `west` | 0 | 1 | 0 | 0 | 0 | **drift: 1 of 2 differs** |"), "{markdown}");
    assert!(markdown.contains("**Drift:** 1 of 2 declared services differs from the manifests (1 changed)"));
    assert!(html.contains("<td>no drift</td>") && html.contains("<td>drift: 1 of 2 differs</td>"), "{html}");
    for text in [markdown, html] {
        assert!(
            !text.contains("as declared.") && !text.contains("#environment-0"),
            "no part for a clean one: {text}"
        );
        assert!(!text.contains("Nothing to do") && !text.contains("to create"), "{text}");
    }

    // Now the first environment fails, and the second one has drifted.
    classic.before(|_| answer(403, r#"{"detail":"the key \u001b[2J is \u202e gone"}"#));
    let run = run_drift(&classic, 1);
    assert!(run.stdout.contains("\n  east         could not be compared\n  west  "), "{}", run.stdout);
    let expected = "\n\namigops drift · environment east\n\n  ✗ error: ";
    assert!(run.stdout.contains(expected) && run.stdout.contains("403"), "{}", run.stdout);
    assert!(!run.stdout.contains(['\u{1b}', '\u{202e}']), "{}", run.stdout);
    assert!(run.stdout.contains("The Desk → edited"), "{}", run.stdout);
    assert!(run.stderr.contains("1 environment of 2 could not be compared: east"), "{}", run.stderr);
    assert_eq!(platform.writes().len(), 2, "both creates, and nothing since");
}

#[test]
fn json_reports_keep_the_order_of_environments_if_one_fails() {
    let (classic, _platform) = both("");
    classic.before(|_| answer(403, "{}"));
    let run = classic.run(&["drift", "--all-environments", "--format", "json"]).expect(1);
    let keys: Vec<&str> =
        run.stdout.lines().filter_map(|line| line.trim().strip_prefix('"')?.split('"').next()).collect();
    let expected = ["format_version", "environments", "environment", "error", "format_version"];
    assert_eq!(keys[..5], expected, "{}", run.stdout);
}

#[test]
fn missing_credentials_fail_only_their_environment() {
    let more = "  north: {api: classic, organization: other, credentials: {api_key: AMIGO_NORTHERN_KEY}}
  box: {api: embedded, state: box.redb, seed: seed.yaml}
";
    let (classic, _platform) = both(more);
    let seed = "organizations:\n  sandbox:\n    agents: [{name: One, versions: 3}]\n    context_graphs: [{name: Flow, versions: 3}]\n";
    classic.write("seed.yaml", seed);
    let run = run_drift(&classic, 1);
    let table = "amigops drift · 4 environments\n
  environment  result
  box          drift: 2 of 2 differ
  east         no drift
  north        could not be compared
  west         no drift\n\n";
    assert!(run.stdout.starts_with(table), "{}", run.stdout);
    let names: Vec<&str> =
        headings(&run).iter().skip(1).map(|line| line.split(' ').nth(4).unwrap_or_default()).collect();
    assert_eq!(names, ["box", "north"], "no part for an environment without drift");
    assert!(
        run.stdout.contains("environment `north` has no API key: AMIGO_NORTHERN_KEY is not set"),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout.contains("Drift: 2 of 2 declared services differ from the manifests (2 missing)"),
        "{}",
        run.stdout
    );
    assert!(run.stderr.contains("1 environment of 4 could not be compared: north"), "{}", run.stderr);
    let again = classic.run(&["drift", "--all-environments", "-e", "east"]).expect(1);
    assert!(again.stderr.contains("can't be combined"), "{}", again.stderr);
}

#[test]
fn broken_manifests_are_reported_once() {
    let (classic, _platform) = both("");
    classic.manifests("service: Desk\nagnet: One\n");
    let run = run_drift(&classic, 1);
    assert_eq!(run.stdout, "");
    assert_eq!(run.stderr.matches("unknown key `agnet`").count(), 1, "{}", run.stderr);
}
