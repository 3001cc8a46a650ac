//! Tests of plans that a guardrail refuses. A refusal names the rule, the count and the flag that allows the plan. The
//! run exits with 3 and sends no write. With the flag, the plan is allowed.

mod orphans;
mod ownership;
mod pins;
mod protection;
mod prune_key;
mod unmanage;

use crate::harness::{Lab, service};
use crate::on_both_apis;

/// A seed with the service Desk, which has a version set `dev`. It also has two orphans, one orphan with the tag
/// `protected`, and a service of another project.
const SEED: &str = "
organizations:
  acme:
    agents: [{name: One, versions: 3}, {name: Two, versions: 3}]
    context_graphs: [{name: Flow, versions: 3}]
    services:
      - name: Desk
        description: The Desk
        agent: One
        context_graph: Flow
        active: true
        tags: {managed_by: amigops}
        version_sets: {release: {agent_version: 2, context_graph_version: 1}, dev: {agent_version: 1, context_graph_version: 1}}
      - {name: Theirs, description: The Theirs, agent: One, context_graph: Flow, active: true, tags: {managed_by: sisters}}
";

fn orphan(name: &str, tags: &str) -> String {
    format!(
        "      - {{name: {name}, description: The {name}, agent: One, context_graph: Flow, active: true, tags: {{managed_by: amigops{tags}}}}}\n"
    )
}

/// Returns a manifest of Desk that changes nothing.
fn desk() -> String {
    service("Desk", "")
}

/// Returns a manifest of Desk without the version set `dev`, and with additional lines.
fn desk_without_dev(more: &str) -> String {
    service(
        "Desk",
        &format!("version_sets: {{release: {{agent_version: 2, context_graph_version: 1}}}}\n{more}"),
    )
}

fn replaced_desk() -> String {
    service("Desk", "lifecycle: {on_agent_change: replace}\n").replace("agent: One", "agent: Two")
}

struct Case {
    name: &'static str,
    seed: String,
    project: &'static str,
    manifests: String,
    /// Arguments with which the plan is refused.
    args: &'static [&'static str],
    /// Arguments with which the plan is allowed.
    allowing: &'static [&'static str],
    /// Words that the error message of the refusal must contain.
    words: &'static [&'static str],
}

/// Returns cases in which the plan retires too many services.
fn retired_services() -> Vec<Case> {
    let case = |name, project, args, allowing, words| Case {
        name,
        seed: format!("{SEED}{}{}", orphan("Summer", ""), orphan("Winter", "")),
        project,
        manifests: desk(),
        args,
        allowing,
        words,
    };
    vec![
        case(
            "a number",
            "guardrails: {max_removals: 1}\n",
            &["--prune"],
            &["--prune", "--max-removals", "2"],
            &[
                "the number of removals in the plan is 2,",
                "`guardrails.max_removals` allows 1",
                "2 services retired (`Summer`, `Winter`)",
                "--max-removals 2 ",
            ],
        ),
        case(
            "a share",
            "guardrails: {max_removals: \"50%\"}\n",
            &["--prune"],
            &["--prune", "--max-removals", "67%"],
            &[
                "the number of removals in the plan is 2,",
                "allows 1 (50% of 3 active services of this project, rounded down)",
                "--max-removals 2 ",
            ],
        ),
        case(
            "only the flag",
            "",
            &["--prune", "--max-removals", "0"],
            &["--prune"],
            &["the number of removals in the plan is 2,", "`--max-removals` allows 0", "--max-removals 2 "],
        ),
    ]
}

/// Returns cases in which the plan deletes too many version sets.
fn deleted_sets() -> Vec<Case> {
    let replaced =
        desk_without_dev("lifecycle: {on_agent_change: replace}\n").replace("agent: One", "agent: Two");
    let case = |name, manifests| Case {
        name,
        seed: SEED.to_owned(),
        project: "guardrails: {max_removals: 0}\n",
        manifests,
        args: &[],
        allowing: &["--max-removals", "1"],
        words: &[
            "the number of removals in the plan is 1,",
            "`guardrails.max_removals` allows 0",
            "1 version set deleted (`dev` of `Desk`)",
            "--max-removals 1 ",
        ],
    };
    vec![case("a set", desk_without_dev("")), case("a replacement's set", replaced)]
}

fn other_refusals() -> Vec<Case> {
    let case = |name, seed: String, project, manifests, args, allowing, words| Case {
        name,
        seed,
        project,
        manifests,
        args,
        allowing,
        words,
    };
    vec![
        case(
            "replaced by name",
            SEED.to_owned(),
            "guardrails: {protected: [Desk]}\n",
            replaced_desk(),
            &[],
            &["--allow-protected"],
            &["`Desk` would be replaced, but `guardrails.protected` lists it", "--allow-protected"],
        ),
        case(
            "retired by name",
            format!("{SEED}{}", orphan("Summer", "")),
            "guardrails: {protected: [Summer]}\n",
            desk(),
            &["--prune"],
            &["--prune", "--allow-protected"],
            &["`Summer` would be retired, but `guardrails.protected` lists it", "--allow-protected"],
        ),
        case(
            "retired by tag",
            format!("{SEED}{}", orphan("Summer", ", protected: \"true\"")),
            "",
            desk(),
            &["--prune"],
            &["--prune", "--allow-protected"],
            &["`Summer` would be retired, but the tag `protected`", "--allow-protected"],
        ),
        case(
            "another project's",
            SEED.to_owned(),
            "",
            [desk(), service("Theirs", "")].join("---\n"),
            &[],
            &["--take-over", "sisters"],
            &[
                "`Theirs`",
                "belongs to another project",
                "`managed_by` has the value `sisters`",
                "--take-over sisters",
            ],
        ),
    ]
}

on_both_apis! {
    fn each_refusal_names_rule_count_and_flag_and_sends_nothing(api: Api) {
        for case in [retired_services(), deleted_sets(), other_refusals()].into_iter().flatten() {
            let lab = Lab::on(api, &case.seed);
            lab.project(case.project);
            lab.manifests(&case.manifests);
            let name = case.name;
            lab.run(&[&["plan"], case.args].concat()).expect(3);
            let refused = lab.hooks.count();
            for command in [&["plan"][..], &["plan", "--detailed-exitcode"], &["apply", "--auto-approve"]] {
                let run = lab.run(&[command, case.args].concat());
                assert_eq!(run.code, Some(3), "{name} {command:?}:\n{}\n{}", run.stdout, run.stderr);
                for word in case.words.iter().chain(&["refused: ", "nothing was sent"]) {
                    assert!(run.stderr.contains(word), "{name}: {word}: {}", run.stderr);
                }
                assert_eq!(lab.writes(), [], "{name}");
            }
            let run = lab.run(&[&["plan", "--detailed-exitcode"], case.allowing].concat());
            assert_eq!(run.code, Some(2), "{name}: {}", run.stderr);
            assert_eq!(refused, lab.hooks.count(), "{name}: a refused plan reads what any plan reads, once");
            let run = lab.run(&[&["apply", "--auto-approve"], case.allowing].concat());
            assert_eq!(run.code, Some(0), "{name}: {}", run.stderr);
            assert_ne!(lab.writes(), [], "{name}");
            // The change was made by the allowed run, so the flag is no longer needed.
            let run = lab.run(&[&["plan", "--detailed-exitcode"], case.args].concat());
            assert_eq!(run.code, Some(0), "{name}: {}\n{}", run.stdout, run.stderr);
        }
    }

    fn a_version_set_that_a_replacement_drops_counts_as_a_removal(api: Api) {
        let lab = Lab::on(api, SEED);
        let manifest = desk_without_dev("lifecycle: {on_agent_change: replace}\n");
        lab.manifests(&manifest.replace("agent: One", "agent: Two"));
        let run = lab.run(&["plan", "--color", "never"]).expect(0);
        assert!(run.stdout.contains("    - version set dev\n"), "{}", run.stdout);
        assert!(run.stdout.contains("1 to replace, 0 to retire · version sets: ") && run.stdout.contains("1 to delete"), "{}", run.stdout);
    }

    fn a_service_that_its_manifest_deactivates_is_not_a_removal(api: Api) {
        let lab = Lab::on(api, SEED);
        lab.project("guardrails: {max_removals: 0, protected: [Desk]}\n");
        lab.manifests(&service("Desk", "active: false\n"));
        lab.apply().expect(0);
        assert!(lab.services().iter().all(|service| service.name != "Desk" || !service.is_active));
        lab.expect_converged();
    }

    fn a_flag_value_that_is_not_a_number_is_an_error(api: Api) {
        let lab = Lab::on(api, SEED);
        lab.manifests(&desk());
        let run = lab.run(&["plan", "--max-removals", "few"]).expect(1);
        assert!(run.stderr.contains("a number of at least 0, or a share such as \"10%\""), "{}", run.stderr);
        assert_eq!(lab.hooks.count(), 0);
    }
}
