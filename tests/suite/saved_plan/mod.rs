//! Tests of saved plans (`plan --out`, `apply PLAN`): a plan applies only to its environment, and is refused if its
//! services have changed.

mod files;
mod replanning;
mod tampering;

use std::sync::Arc;

use amigops::model::Api;
use amigops_emulator::{Fault, Service, World};
use serde_json::{Value, json};

use crate::apply::replacement;
use crate::harness::{Lab, ORGANIZATION, WORKSPACE, is_create};
use crate::on_both_apis;

const SEED: &str = "
organizations:
  acme:
    agents: [{name: One, versions: 5}, {name: Two, versions: 5}]
    context_graphs: [{name: Flow, versions: 5}]
    services:
      - {name: Desk, description: The desk, agent: One, context_graph: Flow, active: true, tags: {managed_by: amigops},
         version_sets: {release: {agent_version: 1, context_graph_version: 1}, dev: {agent_version: 1, context_graph_version: 1}}}
      - {name: Other, description: The other, agent: One, context_graph: Flow, active: true, tags: {managed_by: amigops}}
";

/// Manifests that change one service, create another, and leave a third unchanged.
const MANIFESTS: &str = "service: Desk
description: The new desk
agent: One
context_graph: Flow
version_sets: {release: {agent_version: 2, context_graph_version: 1}, dev: {agent_version: 1, context_graph_version: 1}}
---
service: New
description: The new one
agent: One
context_graph: Flow
---
service: Other
agent: One
context_graph: Flow
";

fn saved(api: Api) -> Lab {
    let lab = Lab::on(api, SEED);
    lab.manifests(MANIFESTS);
    lab.run(&["plan", "--out", "plan.json", "--detailed-exitcode"]).expect(2);
    assert_eq!(lab.writes(), []);
    lab
}

fn document(lab: &Lab) -> Value {
    serde_json::from_str(&std::fs::read_to_string(lab.path().join("plan.json")).unwrap()).unwrap()
}

/// A function that makes an edit, as another client could between a plan and its apply.
type Interference = fn(&Lab);

fn desk(lab: &Lab, change: impl FnOnce(&mut Service)) {
    lab.change(&lab.active("Desk").id, change);
}

const FITS: &str = "its services have changed since the plan was made";

/// Edits between the plan and its apply: a name, the edit, and words of the refusal. Without words, the plan can still
/// be applied.
const TABLE: &[(&str, Interference, &[&str])] = &[
    ("nothing", |_| {}, &[]),
    ("an untouched field", |lab| desk(lab, |desk| desk.keyterms = vec!["metformin".to_owned()]), &[]),
    (
        "a version set that would be written, too",
        |lab| {
            desk(lab, |desk| desk.version_sets.get_mut("dev").unwrap().agent_version = Some(3));
        },
        &[
            "the plan from the current manifests and live state differs",
            "Desk",
            "write_version_set `dev`.content.agent_version",
            "none → 1",
        ],
    ),
    (
        "another service",
        |lab| lab.change(&lab.active("Other").id, |other| other.description = "By hand".to_owned()),
        &[],
    ),
    ("blanks alone", |lab| desk(lab, |desk| desk.description = " The desk\n".to_owned()), &[]),
    (
        "a touched field",
        |lab| desk(lab, |desk| desk.description = "By hand".to_owned()),
        &[FITS, "Desk", "description", "The desk → By hand"],
    ),
    (
        "a touched version set",
        |lab| {
            desk(lab, |desk| desk.version_sets.get_mut("release").unwrap().agent_version = Some(3));
        },
        &[FITS, "Desk", "version_sets.release.agent_version", "1 → 3"],
    ),
    ("a deleted service", |lab| remove(lab, "Desk"), &[FITS, "Desk", "the service no longer exists"]),
    (
        "a re-created service",
        |lab| {
            let mut again = lab.active("Desk");
            remove(lab, "Desk");
            again.id = String::new();
            lab.add(again);
        },
        &[FITS, "Desk", "the service no longer exists, and another service has its name"],
    ),
    (
        "a new namesake",
        |lab| {
            let mut namesake = lab.active("Other");
            namesake.name = "New".to_owned();
            namesake.id = String::new();
            lab.add(namesake);
        },
        &[FITS, "New", "services named `New`"],
    ),
    (
        "a renamed service",
        |lab| desk(lab, |desk| desk.name = "Counter".to_owned()),
        &[FITS, "Desk", "Desk → Counter"],
    ),
    (
        "a new owner",
        |lab| desk(lab, |desk| drop(desk.tags.insert("managed_by".to_owned(), Some("others".to_owned())))),
        &[FITS, "owner", "amigops → others"],
    ),
    ("deactivation", |lab| desk(lab, |desk| desk.is_active = false), &[FITS, "active", "true → false"]),
];

fn remove(lab: &Lab, name: &str) {
    let id = lab.active(name).id;
    let remove = |world: &mut World| match lab.api {
        Api::Classic => world.organization_mut(ORGANIZATION).unwrap().services_mut().remove(&id),
        Api::Platform => world.workspace_mut(WORKSPACE).unwrap().services_mut().remove(&id),
    };
    lab.server.edit(|world| assert!(remove(world))).unwrap();
}

on_both_apis! {
    fn a_plan_is_refused_if_its_services_changed(api: Api) {
        for (what, interfere, words) in TABLE {
            let lab = saved(api);
            interfere(&lab);
            let before = lab.comparable_state();
            if words.is_empty() {
                let run = lab.run(&["apply", "plan.json"]).expect(0);
                assert!(run.stderr.contains("Applied: 3 steps"), "{what}: {}", run.stderr);
                assert_eq!(lab.active("Desk").description, "The new desk", "{what}");
                assert!(run.stderr.contains("read back: converged"), "{what}: {}", run.stderr);
                lab.expect_converged();
            } else {
                let run = lab.run(&["apply", "plan.json"]).expect(3);
                for word in words.iter().chain(&["nothing was sent", "make a new plan"]) {
                    assert!(run.stderr.contains(word), "{what}: `{word}` is not in\n{}", run.stderr);
                }
                assert_eq!((lab.comparable_state(), lab.writes().len()), (before, 0), "{what}");
            }
        }
    }

    fn a_plan_can_be_applied_only_once(api: Api) {
        let lab = saved(api);
        let copy = std::fs::read(lab.path().join("plan.json")).unwrap();
        let before = lab.active("Desk");
        lab.run(&["apply", "plan.json"]).expect(0);
        lab.expect_converged();
        let writes = lab.writes().len();
        let again = lab.run(&["apply", "plan.json"]).expect(3);
        assert!(again.stderr.contains("an apply of `plan.json` began at 20"), "{}", again.stderr);
        // The copy of the plan file does not record that the plan was applied. The live state shows it, so the copy is
        // refused.
        lab.write("copy.json", std::str::from_utf8(&copy).unwrap());
        let again = lab.run(&["apply", "copy.json"]).expect(3);
        assert!(again.stderr.contains(FITS) && again.stderr.contains("The desk → The new desk"), "{}", again.stderr);
        // A change that was applied and then reverted by hand is not applied again by the same plan.
        lab.change(&before.id, |desk| *desk = before.clone());
        let new = lab.active("New").id;
        lab.change(&new, |new| new.is_active = false);
        lab.run(&["apply", "plan.json"]).expect(3);
        assert_eq!(lab.writes().len(), writes);
    }

    fn a_plan_whose_apply_was_cut_off_is_not_called_applied(api: Api) {
        let lab = saved(api);
        let hooks = Arc::clone(&lab.hooks);
        lab.before(move |request| {
            if !is_create(request) {
                return None;
            }
            hooks.kill();
            Some(Fault::LoseRequest)
        });
        assert_eq!(lab.run(&["apply", "plan.json"]).code, None, "the run is killed at its first create");
        lab.remove_hooks();
        let again = lab.run(&["apply", "plan.json"]).expect(3);
        for words in ["an apply of `plan.json` began at 20", "stopped early or failed in part", "amigops plan"] {
            assert!(again.stderr.contains(words), "{words}: {}", again.stderr);
        }
        assert!(!again.stderr.contains("already applied"), "{}", again.stderr);
        assert!(lab.services().iter().all(|service| service.name != "New"));
    }

    fn a_plan_is_not_saved_as_a_manifest(api: Api) {
        let lab = Lab::on(api, SEED);
        lab.manifests(MANIFESTS);
        for file in ["services/plan.yaml", "./services/../services/plan.yaml"] {
            let run = lab.run(&["plan", "--out", file]).expect(1);
            assert!(run.stderr.contains("a pattern under `manifests` in amigops.yaml matches this file"), "{}", run.stderr);
        }
        assert_eq!(lab.server.requests(), [], "nothing is read first");
        assert!(!lab.path().join("services/plan.yaml").exists());
        lab.run(&["plan", "--out", "services/plan.json"]).expect(0);
    }

    fn a_saved_replacement_is_applied_completely(api: Api) {
        let lab = replacement::lab(api, "Coach Noor", "");
        let old = lab.active("Health Coach").id;
        lab.run(&["plan", "--out", "plan.json"]).expect(0);
        let run = lab.run(&["apply", "plan.json"]).expect(0);
        let new = lab.active("Health Coach");
        assert!(new.id != old && new.agent_id == lab.agent_id("Coach Noor"));
        assert!(run.stdout.contains(&new.id), "{}", run.stdout);
        lab.expect_converged();
        // A replacement does not begin if a field of the old service, which would be copied, has changed since the
        // plan.
        let lab = replacement::lab(api, "Coach Noor", "");
        lab.run(&["plan", "--out", "plan.json"]).expect(0);
        lab.change(&lab.active("Health Coach").id, |coach| drop(coach.version_sets.remove("personal-kim")));
        let run = lab.run(&["apply", "plan.json"]).expect(3);
        assert!(run.stderr.contains("version_sets.personal-kim"), "{}", run.stderr);
        assert_eq!(lab.writes(), []);
    }

    fn the_same_plan_has_the_same_bytes(api: Api) {
        let lab = replacement::lab(api, "Coach Noor", "");
        let made = |format: &str| {
            let run = lab.run_with(&["plan", "--format", format, "--out", "plan.json"], &[("SOURCE_DATE_EPOCH", "1800000000")]).expect(0);
            (run.stdout, std::fs::read_to_string(lab.path().join("plan.json")).unwrap())
        };
        for format in ["human", "json", "markdown", "html"] {
            assert_eq!(made(format), made(format));
        }
        for format in ["mermaid", "dot"] {
            let graph = || lab.run(&["graph", "--format", format]).expect(0).stdout;
            assert_eq!(graph(), graph());
        }
        let (shown, saved) = made("json");
        assert_eq!(shown, saved, "what is printed is what is saved");
        assert!(saved.contains("\"created_at\": \"2027-01-15T08:00:00Z\""), "{saved}");
    }
}

#[cfg(unix)]
#[test]
fn only_its_owner_can_read_a_plan_file() {
    use std::os::unix::fs::PermissionsExt;
    let lab = saved(Api::Classic);
    let file = lab.path().join("plan.json");
    let mode = || std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    // The permissions of an existing file are also changed.
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    lab.run(&["plan", "--out", "plan.json"]).expect(0);
    assert_eq!(mode(), 0o600);
    lab.run(&["apply", "plan.json"]).expect(0);
    assert_eq!(mode(), 0o600);
    let refused = lab.run(&["plan", "--out", "services"]).expect(1);
    assert!(refused.stderr.contains("it is a directory"), "{}", refused.stderr);
}

#[test]
fn a_plan_is_bound_to_its_environment_and_its_services_manifests() {
    let lab = saved(Api::Classic);
    let url = lab.server.url();
    lab.write(
        "amigops.yaml",
        &format!(
            "version: 1\nmanifests: [services/*.yaml]\nenvironments:\n  lab: {{api: classic, organization: acme, base_url: \"{url}\"}}\n  twin: {{api: classic, organization: acme, base_url: \"{url}\"}}\ndefault_environment: twin\n"
        ),
    );
    let other = lab.run(&["apply", "plan.json", "-e", "twin"]).expect(3);
    assert!(other.stderr.contains("is for environment `lab`, not for `twin`"), "{}", other.stderr);
    // A comment in the manifests does not make the plan invalid, but a change of a declared value does.
    lab.manifests(&format!("# a comment\n{MANIFESTS}"));
    let edited = MANIFESTS.replace("The new desk", "A newer desk");
    lab.manifests(&edited);
    let other = lab.run(&["apply", "plan.json"]).expect(3);
    for words in [
        "the plan from the current manifests and live state differs",
        "update.description",
        "The new desk → A newer desk",
    ] {
        assert!(other.stderr.contains(words), "{words}: {}", other.stderr);
    }
    lab.manifests(&format!("# a comment\n{MANIFESTS}"));
    assert_eq!(lab.writes(), []);
    // Without `-e`, the plan is applied to the environment that it was made for.
    lab.run(&["apply", "plan.json"]).expect(0);
}

/// The path names a pipe without a writer. Opening it would block, and no signal would end that, so it must be refused.
#[cfg(unix)]
#[test]
fn a_pipe_is_refused_without_blocking() {
    let lab = Lab::new("{}");
    let pipe = lab.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let run = lab.run(&["apply", "pipe"]).expect(1);
    assert!(run.stderr.contains("`pipe` is not a plan: the path is not a regular file"), "{}", run.stderr);
}

#[test]
fn a_file_that_is_not_a_plan_is_refused() {
    let lab = saved(Api::Classic);
    let good = std::fs::read_to_string(lab.path().join("plan.json")).unwrap();
    let edited = |from: &str, to: &str| {
        assert!(good.contains(from));
        good.replacen(from, to, 1)
    };
    let table = [
        (edited("The new desk", "Another"), 3, "the plan was edited: its fingerprint does not match"),
        (edited("\"format_version\": 1", "\"format_version\": 99"), 1, "format version 99"),
        (good[..good.len() / 2].to_owned(), 1, "the file is not a plan"),
        ("{}".to_owned(), 1, "format_version"),
        (String::new(), 1, "the file is not a plan"),
        ("service: Desk\n".to_owned(), 1, "the file is not a plan"),
    ];
    for (text, code, words) in table {
        lab.write("plan.json", &text);
        let run = lab.run(&["apply", "plan.json"]).expect(code);
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
    let missing = lab.run(&["apply", "nowhere.json"]).expect(1);
    assert!(missing.stderr.contains("nowhere.json"), "{}", missing.stderr);
    lab.run(&["apply", "services"]).expect(1);
    assert_eq!(lab.writes(), []);
}

#[test]
fn the_document_has_the_documented_keys() {
    let lab = saved(Api::Classic);
    let plan = document(&lab);
    assert_eq!(plan["format_version"], 1);
    assert_eq!(plan["environment"], "lab");
    assert_eq!(
        plan["summary"],
        json!({
            "create": 1, "update": 1, "replace": 0, "retire": 0, "reactivate": 0, "adopt": 0,
            "version_sets": {"create": 0, "update": 1, "delete": 0}, "unchanged": 1,
        })
    );
    // The run reads the version set before it writes it, and the service before it writes the tag `origin`. These reads
    // count as requests.
    assert_eq!(plan["estimate"]["requests"], 6);
    let steps = plan["steps"].as_array().unwrap();
    let actions: Vec<&str> = steps.iter().map(|step| step["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["create", "update", "write_version_set"]);
    assert_eq!(
        steps[1]["changes"],
        json!([{"path": "description", "before": "The desk", "after": "The new desk", "cause": null}])
    );
    assert_eq!(steps[2]["version_set"], "release");
    assert_eq!(steps[2]["service_id"], json!(lab.active("Desk").id));
    assert_eq!(steps[2]["risk"], "disruptive");
    for name in ["tool_version", "created_at", "base", "unmanaged", "diagnostics", "fingerprints"] {
        assert!(plan.get(name).is_some(), "{name}");
    }
}

#[test]
fn saving_a_plan_overwrites_only_plans() {
    let lab = saved(Api::Classic);
    lab.write("services/notes.txt", "Call Kim.");
    for (file, words) in [
        ("amigops.yaml", "exists and is not a plan"),
        ("services/notes.txt", "exists and is not a plan"),
        ("services/all.yaml", "it would be read as a manifest"),
    ] {
        let before = std::fs::read_to_string(lab.path().join(file)).unwrap();
        let refused = lab.run(&["plan", "--out", file]).expect(1);
        assert!(refused.stderr.contains(words), "{file}: {}", refused.stderr);
        assert_eq!(std::fs::read_to_string(lab.path().join(file)).unwrap(), before, "{file}");
    }
    lab.run(&["plan", "--out", "plan.json"]).expect(0);
    lab.write("empty.json", "");
    lab.run(&["plan", "--out", "empty.json"]).expect(0);
}

on_both_apis! {
    fn refused_plans_are_not_saved_and_previews_are_not_applied(api: Api) {
        let lab = Lab::on(api, SEED);
        lab.project("guardrails: {max_removals: 0}\n");
        lab.manifests(MANIFESTS.split("---\nservice: Other").next().unwrap());
        for format in ["human", "json", "markdown", "html"] {
            let run = lab.run(&["plan", "--prune", "--format", format, "--out", "refused.json"]).expect(3);
            assert!(run.stdout.to_lowercase().contains("an apply would be refused")
                    && run.stdout.contains("the number of removals in the plan is 1"), "{}", run.stdout);
            assert!(run.stderr.contains("max_removals"), "{}", run.stderr);
            assert!(!lab.path().join("refused.json").exists());
            if format == "json" {
                lab.write("looked.json", &run.stdout);
            }
        }
        let drift = lab.run(&["drift", "--prune", "--format", "json"]).expect(2);
        lab.write("drift.json", &drift.stdout);
        for file in ["looked.json", "drift.json"] {
            let run = lab.run(&["apply", file]).expect(3);
            assert!(run.stderr.contains("is a preview and can't be applied"), "{}", run.stderr);
        }
        assert_eq!(lab.writes(), []);
        // An apply is refused as before, and its JSON output contains the reason.
        let run = lab.run(&["apply", "--auto-approve", "--prune", "--format", "json"]).expect(3);
        let last: Value = serde_json::from_str(run.stdout.lines().last().unwrap()).unwrap();
        assert_eq!((&last["type"], &last["exit_code"]), (&json!("result"), &json!(3)));
        assert!(last["error"].as_str().unwrap().contains("max_removals"), "{last}");
        assert_eq!(lab.writes(), []);
    }
}

#[test]
fn a_plan_of_another_environment_is_refused_before_credentials_are_read() {
    let lab = saved(Api::Classic);
    let project = std::fs::read_to_string(lab.path().join("amigops.yaml")).unwrap();
    let more = "  far: {api: platform, workspace: 11111111-2222-4333-8444-555555555555}\ndefault_environment";
    lab.write("amigops.yaml", &project.replace("default_environment", more));
    let run = lab.run(&["apply", "plan.json", "-e", "far"]).expect(3);
    assert!(run.stderr.contains("is for environment `lab`, not for `far`"), "{}", run.stderr);
    lab.write("amigops.yaml", &project.replace("lab", "home"));
    let run = lab.run(&["apply", "plan.json"]).expect(3);
    assert!(run.stderr.contains("`lab`, which this project does not have"), "{}", run.stderr);
    lab.write("amigops.yaml", &project);
    for flags in [["--base", "HEAD"], ["--only", "Desk"]] {
        let run = lab.run(&["apply", "plan.json", flags[0], flags[1]]).expect(1);
        assert!(run.stderr.contains("cannot be used with"), "{}", run.stderr);
    }
    assert_eq!(lab.writes(), []);
}
