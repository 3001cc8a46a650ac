//! Tests of invalid input with the real binary: an error with its location, exit code 1, and no write request. The
//! tests in `manifest/` test the loader itself.

use amigops::model::Api;

use crate::harness::Lab;
use crate::on_both_apis;

const SEED: &str = "
organizations:
  acme:
    agents: [{name: Coach Maya, versions: 3}]
    context_graphs: [{name: Coaching Flow, versions: 3}]
";

const GOOD: &str = "service: Desk\ndescription: The desk\nagent: Coach Maya\ncontext_graph: Coaching Flow\n";

/// A broken manifest, and the location and words that the error must contain.
struct Case {
    name: &'static str,
    text: String,
    place: &'static str,
    words: &'static [&'static str],
}

fn case(
    name: &'static str,
    text: impl Into<String>,
    place: &'static str,
    words: &'static [&'static str],
) -> Case {
    Case { name, text: text.into(), place, words }
}

fn with(more: &str) -> String {
    format!("{GOOD}{more}")
}

fn cases() -> Vec<Case> {
    vec![
        case("invalid YAML", "service: [Desk\nagent: x\n", "services/all.yaml:", &["error[AG"]),
        case("wrong type", GOOD.replace("The desk", "[1, 2]"), "services/all.yaml:2:14", &["AG010"]),
        case(
            "unknown key",
            with("version_set: {}\n"),
            "services/all.yaml:5:1",
            &["AG012", "did you mean `version_sets`?"],
        ),
        case("duplicate key", with("agent: Other\n"), "services/all.yaml:5:1", &["AG011"]),
        case("duplicate service", format!("{GOOD}---\n{GOOD}"), "services/all.yaml:6:10", &["AG040"]),
        case("edge", with("version_sets: {edge: {}}\n"), "services/all.yaml:5:16", &["AG026"]),
        case(
            "latest",
            with("version_sets: {release: {agent_version: latest, context_graph_version: 1}}\n"),
            "services/all.yaml:5:41",
            &["AG029"],
        ),
        case(
            "missing agent",
            GOOD.replace("Maya", "Mya"),
            "services/all.yaml:3:8",
            &["Coach Mya", "did you mean `Coach Maya`?"],
        ),
        case(
            "missing pin",
            with("version_sets: {dev: {agent_version: 9}}\n"),
            "services/all.yaml:5:16",
            &["version 9", "the latest version is 3"],
        ),
        case("10 MB", format!("{GOOD}# {}\n", "x".repeat(10 << 20)), "services/all.yaml", &["AG003"]),
        case(
            "deep",
            format!("service: {}1{}\n", "[".repeat(5_000), "]".repeat(5_000)),
            "services/all.yaml:1:",
            &["AG006"],
        ),
        case(
            "alias bomb",
            (0..12).fold("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned(), |text, n| {
                let alias = format!("*a{n}, ").repeat(10);
                format!("{text}a{}: &a{} [{alias}]\n", n + 1, n + 1)
            }),
            "services/all.yaml:",
            &["AG006"],
        ),
    ]
}

/// Manifests that only one of the APIs refuses.
fn cases_of(api: Api) -> Vec<Case> {
    let capacity = "tool_capacity: 11\n";
    match api {
        Api::Classic => vec![
            case("bad tag", with("tags: {\"a/b\": x}\n"), "services/all.yaml:5:8", &["AG021"]),
            case("bad keyterm", with("keyterms: [UPPER]\n"), "services/all.yaml:5:12", &["AG024"]),
            case("bad set name", with("version_sets: {a b: {}}\n"), "services/all.yaml:5:16", &["AG025"]),
            case("Platform's field", with(capacity), "services/all.yaml:5:1", &["AG016", "Platform API"]),
        ],
        Api::Platform => vec![
            case(
                "bad set name",
                with("version_sets: {\" a\": {}}\n"),
                "services/all.yaml:5:16",
                &["AG025", "1 to 40 visible characters"],
            ),
            case("out of bounds", with(capacity), "services/all.yaml:5:16", &["error[AG", "10"]),
            case(
                "unknown setting",
                with("voice_config: {forwarding: {forward_too: \"+12025550100\"}}\n"),
                "services/all.yaml:5:29",
                &["AG012", "did you mean `forward_to`?"],
            ),
            case(
                "too long",
                GOOD.replace("The desk", &"x".repeat(2_001)),
                "services/all.yaml:2:14",
                &["error[AG", "2000"],
            ),
        ],
    }
}

on_both_apis! {
    fn every_kind_of_invalid_input_is_reported_and_nothing_is_written(api: Api) {
        for Case { name, text, place, words } in cases().into_iter().chain(cases_of(api)) {
            let lab = Lab::on(api, SEED);
            lab.project("guardrails: {require_pins: [release]}\n");
            lab.manifests(&text);
            let run = lab.apply();
            // If the manifest breaks a rule of the project, the exit code is 3.
            let code = if words.contains(&"AG029") { 3 } else { 1 };
            assert_eq!(run.code, Some(code), "{name}: {}", run.stderr);
            assert!(run.stderr.contains(place), "{name}: {place}: {}", run.stderr);
            for word in words {
                assert!(run.stderr.contains(word), "{name}: {word}: {}", run.stderr);
            }
            assert!(run.stderr.contains("nothing was sent"), "{name}: {}", run.stderr);
            assert!(run.stderr.len() < 20_000, "{name}: an error of {} bytes", run.stderr.len());
            assert_eq!(lab.writes(), [], "{name}");
        }
    }

    fn project_without_manifests_is_an_error(api: Api) {
        let lab = Lab::on(api, SEED);
        let run = lab.run(&["apply", "--auto-approve", "--prune"]).expect(3);
        assert!(run.stderr.contains("AG009"), "{}", run.stderr);
        lab.write("services/empty.yaml", "# nothing yet\n");
        lab.run(&["apply", "--auto-approve", "--prune"]).expect(3);
        assert_eq!(lab.writes(), []);
    }
}

#[test]
fn unreadable_file_is_reported_with_the_reason() {
    let lab = Lab::new(SEED);
    lab.manifests(GOOD);
    lab.write("services/directory.yaml/inner.txt", "");
    let run = lab.run(&["plan"]).expect(1);
    assert!(run.stderr.contains("AG002") && run.stderr.contains("directory"), "{}", run.stderr);
    assert_eq!(lab.hooks.count(), 0, "nothing is sent");
}

#[test]
fn all_problems_of_all_files_are_reported_at_once() {
    let lab = Lab::new(SEED);
    lab.write("services/a.yaml", &with("colour: red\nkeyterms: [UPPER]\n").replace("Desk", "A"));
    lab.write("services/b.yaml", &with("tags: 7\n").replace("Desk", "B"));
    let run = lab.run(&["validate"]).expect(1);
    for place in ["services/a.yaml:5:1", "services/a.yaml:6:12", "services/b.yaml:5:7"] {
        assert!(run.stderr.contains(place), "{place}: {}", run.stderr);
    }
    assert!(run.stderr.contains("3 problems in 2 files; nothing was sent"), "{}", run.stderr);
}
