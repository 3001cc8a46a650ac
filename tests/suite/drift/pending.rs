//! `drift` tells what has changed live from what is not applied yet, by the commits in the tags `origin`.

use amigops::model::Api;
use serde_json::Value;

use super::remove;
use crate::harness::{EMPTY, Lab, Run, run_git, service};
use crate::on_both_apis;

/// Writes the manifests of Desk, with these two tags, and of Shop, with this description.
fn declare(lab: &Lab, tags: (&str, &str), shop: &str) {
    let desk = service("Desk", &format!("tags: {{tier: {}, team: {}}}\n", tags.0, tags.1));
    let shop = service("Shop", "").replace("The Shop", shop);
    lab.manifests(&[desk, shop].join("---\n"));
}

/// Creates a lab with two services that were applied from the first commit.
fn committed_lab(api: Api) -> Lab {
    let lab = Lab::on(api, EMPTY);
    declare(&lab, ("gold", "care"), "The Shop");
    lab.git(&["init", "-q"]);
    lab.commit();
    lab.apply().expect(0);
    lab.run(&["drift", "--pending"]).expect(0);
    lab
}

/// Sets a tag of Desk, as another client would.
fn set_live(lab: &Lab, tag: &str, value: &str) {
    let id = lab.active("Desk").id;
    lab.change(&id, |service| drop(service.tags.insert(tag.to_owned(), Some(value.to_owned()))));
}

/// Changes the manifest of Shop in a new commit.
fn change_shop(lab: &Lab) {
    declare(lab, ("gold", "care"), "A new text");
    lab.commit();
}

/// Runs `drift` in each format, with these exit codes without and with `--pending`. Checks the two metrics. Returns the
/// reports.
#[track_caller]
fn reports(lab: &Lab, more: &[&str], codes: [i32; 2], figures: [usize; 2]) -> [Run; 4] {
    let drift = |args: &[&str], code| lab.run(&[&["drift"], args, more].concat()).expect(code);
    let [without, with] = codes;
    drift(&["--pending", "--metrics", "drift.prom"], with);
    let metrics = std::fs::read_to_string(lab.path().join("drift.prom")).unwrap();
    let [drifted, pending] = figures;
    for (name, number) in [("drift", drifted), ("pending", pending)] {
        let line = format!("\namigops_{name}_services{{environment=\"lab\"}} {number}\n");
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
    ["human", "json", "markdown", "html"].map(|format| drift(&["--format", format], without))
}

#[track_caller]
fn expect_words(run: &Run, words: &[&str]) {
    for word in words {
        assert!(run.stdout.contains(word), "{word}:\n{}\n{}", run.stdout, run.stderr);
    }
}

/// Returns the causes of a service's changes in the JSON report, without duplicates.
fn causes(json: &Run, name: &str) -> Vec<Value> {
    let plan: Value = serde_json::from_str(&json.stdout).unwrap();
    let mut causes: Vec<Value> = Vec::new();
    for list in ["services", "steps"] {
        for entry in plan[list].as_array().unwrap() {
            if entry["name"] == name || entry["service"] == name {
                causes.extend(
                    entry["changes"].as_array().unwrap().iter().map(|change| change["cause"].clone()),
                );
            }
        }
    }
    causes.sort_by_key(Value::to_string);
    causes.dedup();
    causes
}

/// Returns the base of a service in the JSON report.
fn base(json: &Run, name: &str) -> Value {
    let plan: Value = serde_json::from_str(&json.stdout).unwrap();
    plan["bases"][name].clone()
}

const PENDING: &str = "pending: not applied yet";
const DRIFT: &str = "drift: the live value differs from the base";
const CONFLICT: &str = "conflict: live value, base and manifest all differ";

on_both_apis! {
    fn a_live_edit_alone_is_drift(api: Api) {
        let lab = committed_lab(api);
        let applied = lab.git(&["rev-parse", "HEAD"]);
        // A newer commit that does not change the service makes no difference.
        lab.write("README.md", "Services");
        lab.commit();
        set_live(&lab, "tier", "silver");
        let [human, json, markdown, html] = reports(&lab, &[], [2, 2], [1, 0]);
        expect_words(&human, &[
            " · drift: 1 differs\n",
            &format!("gold → silver   {DRIFT}\n"),
            "Drift: 1 of 2 declared services differs from the manifests (1 changed)\n",
            "; reverting this drift takes ",
        ]);
        assert_eq!((causes(&json, "Desk"), base(&json, "Desk")), (vec!["drift".into()], applied.into()));
        expect_words(&markdown, &["**Drift:** 1 of 2 ", "! drift: the live value changed since the base"]);
        expect_words(&html, &["<b>Drift:</b> 1 of 2 ", ">drift</span>"]);
        for run in [human, markdown, html] {
            assert!(!run.stdout.contains("ending") && !run.stdout.contains("unknown"), "{}", run.stdout);
            assert_eq!(run.stderr, "");
        }
    }

    fn a_new_commit_alone_is_pending(api: Api) {
        let lab = committed_lab(api);
        declare(&lab, ("gold", "care"), "A new text");
        // It makes no difference if the change is committed.
        for _ in 0..2 {
            let [human, json, markdown, html] = reports(&lab, &[], [0, 2], [0, 1]);
            expect_words(&human, &[
                " · no drift, 1 pending\n",
                &format!("A new text → The Shop   {PENDING}\n"),
                "No drift, but pending: 1 of 2 declared services is not applied yet (1 changed)\n",
                "; an apply takes ",
            ]);
            assert_eq!(causes(&json, "Shop"), ["manifest"]);
            expect_words(&markdown, &[
                "**No drift, but pending:** 1 of 2 declared services is not applied yet (1 changed)\n",
                "! pending: the manifest changed since the base, and is not applied yet\n",
            ]);
            expect_words(&html, &["<b>No drift, but pending:</b> 1 of 2 ", ">pending</span>", "value=\"pending\""]);
            lab.commit();
            lab.git(&["commit", "-q", "--allow-empty", "-m", "Change"]);
        }
        lab.apply().expect(0);
        lab.run(&["drift", "--pending"]).expect(0);
    }

    fn drift_and_pending_changes_are_told_apart(api: Api) {
        let lab = committed_lab(api);
        change_shop(&lab);
        set_live(&lab, "tier", "silver");
        let [human, json, markdown, html] = reports(&lab, &[], [2, 2], [1, 1]);
        expect_words(&human, &[
            " · drift: 1 differs, 1 pending\n",
            &format!("gold → silver   {DRIFT}\n"),
            &format!("A new text → The Shop   {PENDING}\n"),
            "Drift: 1 of 2 declared services has drifted (1 changed)\n",
            "Pending: 1 of 2 declared services is not applied yet (1 changed)\n",
        ]);
        assert_eq!((causes(&json, "Desk"), causes(&json, "Shop")), (vec!["drift".into()], vec!["manifest".into()]));
        let both = ["rift:** 1 of 2 declared services has drifted", "ending:** 1 of 2 declared services is not applied yet"];
        expect_words(&markdown, &both);
        expect_words(&html, &[">drift</span>", ">pending</span>", "<b>Drift:</b> 1 of 2 ", "<b>Pending:</b> 1 of 2 "]);
        // One service can have both, in different values.
        declare(&lab, ("gold", "sales"), "The Shop");
        let [human, json, ..] = reports(&lab, &[], [2, 2], [1, 1]);
        expect_words(&human, &[&format!("gold → silver   {DRIFT}\n"), &format!("sales → care   {PENDING}\n")]);
        assert_eq!(causes(&json, "Desk"), ["drift", "manifest"]);
        // Of two services, one is chosen.
        change_shop(&lab);
        lab.run(&["drift", "--only", "Shop"]).expect(0);
        lab.run(&["drift", "--only", "Desk"]).expect(2);
    }

    fn a_value_that_was_changed_in_both_places_is_a_conflict(api: Api) {
        let lab = committed_lab(api);
        declare(&lab, ("platinum", "care"), "The Shop");
        lab.commit();
        set_live(&lab, "tier", "silver");
        let [human, json, markdown, html] = reports(&lab, &[], [2, 2], [1, 1]);
        expect_words(&human, &[
            &format!("platinum → silver   {CONFLICT}\n"),
            "Drift: 1 of 2 declared services has drifted",
            "Pending: 1 of 2 declared services is not applied yet",
            "⚠ 1 conflict: `amigops apply` refuses it unless --overwrite-drift is given",
        ]);
        assert_eq!(causes(&json, "Desk"), ["both"]);
        expect_words(&markdown, &["### Conflicts: 1\n", "! conflict: the manifest and the live value changed"]);
        expect_words(&html, &[">1 conflict</p>", ">conflict</span>"]);
    }

    fn a_missing_service_is_pending_until_it_was_applied(api: Api) {
        let lab = committed_lab(api);
        let manifests = std::fs::read_to_string(lab.path().join("services/all.yaml")).unwrap();
        lab.manifests(&[manifests, service("Kiosk", "")].join("---\n"));
        lab.commit();
        let [human, _, markdown, html] = reports(&lab, &[], [0, 2], [0, 1]);
        expect_words(&human, &["- Kiosk", "cause                    pending: not created yet\n", "(1 missing)"]);
        expect_words(&markdown, &["! pending: the manifest changed since the base"]);
        expect_words(&html, &[">pending</span>"]);
        lab.apply().expect(0);
        // Another service was written later, so its tag says that the manifest of Kiosk was applied.
        let manifests = std::fs::read_to_string(lab.path().join("services/all.yaml")).unwrap();
        lab.manifests(&manifests.replace("The Shop", "A new text"));
        lab.commit();
        lab.apply().expect(0);
        remove(&lab, "Kiosk");
        let gone = "cause                    drift: the base declares this service, but the live service is gone\n";
        let [human, _, markdown, _] = reports(&lab, &[], [2, 2], [1, 0]);
        expect_words(&human, &["- Kiosk", gone, "drift: 1 differs"]);
        expect_words(&markdown, &["! drift: the live value changed since the base"]);
        // A new manifest does not hide that the service was deleted, and is no conflict, because nothing is overwritten.
        let kiosk = service("Kiosk", "keyterms: [tickets]\n");
        let manifests = std::fs::read_to_string(lab.path().join("services/all.yaml")).unwrap();
        lab.manifests(&manifests.replace(&service("Kiosk", ""), &kiosk));
        lab.commit();
        expect_words(&lab.run(&["drift"]).expect(2), &[gone]);
        lab.apply().expect(0);
        lab.run(&["drift", "--pending"]).expect(0);
    }

    fn an_orphan_is_pending_until_it_is_retired(api: Api) {
        let lab = committed_lab(api);
        lab.manifests(&service("Desk", "tags: {tier: gold, team: care}\n"));
        lab.commit();
        lab.run(&["drift", "--pending"]).expect(0);
        let [human, _, markdown, html] = reports(&lab, &["--prune"], [0, 2], [0, 0]);
        expect_words(&human, &[
            " · no drift, 1 pending\n",
            "+ Shop",
            "cause                    pending: not retired yet\n",
            "0 of 1 declared service are not applied yet · 1 orphan not retired yet\n",
        ]);
        expect_words(&markdown, &["1 orphan not retired yet"]);
        expect_words(&html, &["1 orphan not retired yet", ">pending</span>"]);
        // If the orphan was also edited, retiring it would undo the edit.
        lab.change(&lab.active("Shop").id, |shop| shop.description = "Edited".to_owned());
        let run = lab.run(&["drift", "--prune"]).expect(2);
        expect_words(&run, &["drift: 1 orphan, 1 pending\n", "conflict: this service has changed since the base"]);
    }

    fn a_shallow_clone_names_the_commit_that_it_lacks(api: Api) {
        let lab = committed_lab(api);
        let applied = lab.git(&["rev-parse", "HEAD"]);
        declare(&lab, ("platinum", "care"), "A new text");
        lab.commit();
        lab.git(&["config", "uploadpack.allowAnySHA1InWant", "true"]);
        let clone = tempfile::tempdir().unwrap();
        let url = format!("file://{}", lab.path().display());
        run_git(clone.path(), &["clone", "-q", "--depth=1", &url, "."]);
        let directory = clone.path().to_str().unwrap();
        let human = lab.run(&["drift", "-C", directory]).expect(2);
        let command = format!("git fetch --depth=1 origin {applied}");
        let note = format!(
            "note: this clone does not have commit {applied}, which was applied last to `Desk` and `Shop`, so the causes of \
             changes are unknown; fetch the commit with `{command}`\n"
        );
        assert_eq!(human.stderr, note);
        assert_eq!(human.stdout.matches("cause                    base unknown\n").count(), 2, "{}", human.stdout);
        expect_words(&human, &["drift: 2 differ\n"]);
        let markdown = lab.run(&["drift", "-C", directory, "--format", "markdown"]).expect(2);
        assert_eq!(markdown.stdout.matches("\n! base unknown\n").count(), 2, "{}", markdown.stdout);
        let html = lab.run(&["drift", "-C", directory, "--format", "html"]).expect(2);
        assert_eq!(html.stdout.matches(">base unknown</span>").count(), 2, "{}", html.stdout);
        let json = lab.run(&["drift", "-C", directory, "--format", "json"]).expect(2);
        assert_eq!((causes(&json, "Desk"), base(&json, "Desk")), (vec![Value::Null], Value::Null));
        let plan = lab.run(&["plan", "-C", directory]).expect(0);
        assert_eq!(plan.stderr, note);
        assert!(!plan.stdout.contains("unknown"), "{}", plan.stdout);
        // The command of the note gives the right answer.
        run_git(clone.path(), &command.split(' ').skip(1).collect::<Vec<_>>());
        let human = lab.run(&["drift", "-C", directory]).expect(0);
        assert_eq!(human.stderr, "");
        expect_words(&human, &["no drift, 2 pending\n"]);
        // Only the history says if a missing service existed before.
        lab.write("services/kiosk.yaml", &service("Kiosk", ""));
        lab.commit();
        run_git(clone.path(), &["fetch", "-q", "--depth=1", "origin", "main"]);
        run_git(clone.path(), &["checkout", "-q", "FETCH_HEAD"]);
        let human = lab.run(&["drift", "-C", directory]).expect(2);
        assert!(human.stderr.contains("this clone is too shallow to find out if `Kiosk` existed before"), "{}", human.stderr);
        expect_words(&human, &["drift: 1 differs, 2 pending\n"]);
        run_git(clone.path(), &["fetch", "-q", "--unshallow", "origin", "main"]);
        let human = lab.run(&["drift", "-C", directory]).expect(0);
        assert_eq!(human.stderr, "");
        expect_words(&human, &["no drift, 3 pending\n"]);
    }

    fn without_a_commit_every_difference_is_drift(api: Api) {
        let lab = Lab::on(api, EMPTY);
        declare(&lab, ("gold", "care"), "The Shop");
        lab.apply().expect(0);
        declare(&lab, ("gold", "care"), "A new text");
        // Neither a commit in the tag nor a repository.
        let run = lab.run(&["drift"]).expect(2);
        expect_words(&run, &["drift: 1 differs\n", "cause                    base unknown\n"]);
        assert_eq!(run.stderr, "");
        // A repository, but the manifests were not committed when they were applied.
        lab.git(&["init", "-q"]);
        lab.commit();
        expect_words(&lab.run(&["drift"]).expect(2), &["base unknown"]);
        lab.apply().expect(0);
        declare(&lab, ("gold", "care"), "Not committed");
        lab.apply().expect(0);
        lab.commit();
        declare(&lab, ("gold", "care"), "Another text");
        let run = lab.run(&["drift"]).expect(2);
        expect_words(&run, &["base unknown"]);
        assert_eq!(run.stderr, "");
        // A commit in the tag, but no repository. The note is about all services.
        lab.commit();
        lab.apply().expect(0);
        std::fs::rename(lab.path().join(".git"), lab.path().join("hidden")).unwrap();
        declare(&lab, ("silver", "care"), "No repository");
        let run = lab.run(&["drift"]).expect(2);
        expect_words(&run, &["base unknown"]);
        let note = "note: the causes of changes are unknown for `Desk` and `Shop`: ";
        assert!(run.stderr.contains(note) || run.stderr.contains(&note.replace("`Desk` and ", "")), "{}", run.stderr);
        assert!(run.stderr.contains("is not in a readable Git work tree"), "{}", run.stderr);
        assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    }

    fn without_the_tag_drift_is_reported_as_one(api: Api) {
        let lab = committed_lab(api);
        lab.project("ownership: {value: amigops, origin: false}\n");
        change_shop(&lab);
        let [human, json, markdown, html] = reports(&lab, &[], [2, 2], [1, 0]);
        assert_eq!((causes(&json, "Shop"), human.stderr.as_str()), (vec![Value::Null], ""));
        assert_eq!(base(&json, "Shop"), Value::Null);
        for run in [human, markdown, html] {
            assert!(!run.stdout.contains("base unknown") && !run.stdout.contains("ending"), "{}", run.stdout);
        }
    }

    fn with_base_the_same_is_counted(api: Api) {
        let lab = committed_lab(api);
        change_shop(&lab);
        set_live(&lab, "tier", "silver");
        let [human, json, ..] = reports(&lab, &["--base", "HEAD~1"], [2, 2], [1, 1]);
        expect_words(&human, &["drift: 1 differs, 1 pending\n"]);
        assert_eq!((causes(&json, "Desk"), base(&json, "Desk")), (vec!["drift".into()], Value::Null));
        set_live(&lab, "tier", "gold");
        reports(&lab, &["--base", "HEAD~1"], [0, 2], [0, 1]);
        // For HEAD as the base, nothing is pending.
        reports(&lab, &["--base", "HEAD"], [2, 2], [1, 0]);
    }

    fn the_table_of_environments_shows_both_numbers(api: Api) {
        let lab = Lab::on(api, EMPTY);
        let project = std::fs::read_to_string(lab.path().join("amigops.yaml")).unwrap();
        let line = project.lines().find(|line| line.starts_with("  lab: ")).unwrap();
        lab.write("amigops.yaml", &project.replace(line, &format!("{line}\n{}", line.replace("lab", "second"))));
        declare(&lab, ("gold", "care"), "The Shop");
        lab.git(&["init", "-q"]);
        lab.commit();
        lab.apply().expect(0);
        change_shop(&lab);
        let args = ["drift", "--all-environments"];
        let row = "\n  lab          no drift, 1 pending\n  second       no drift, 1 pending\n";
        expect_words(&lab.run(&args).expect(0), &[row]);
        lab.run(&[&args[..], &["--pending"]].concat()).expect(2);
        set_live(&lab, "tier", "silver");
        expect_words(&lab.run(&args).expect(2), &["\n  lab          drift: 1 of 2 differs, 1 pending\n"]);
        let markdown = lab.run(&[&args[..], &["--format", "markdown"]].concat()).expect(2);
        expect_words(&markdown, &["| **drift: 1 of 2 differs, 1 pending** |"]);
        let html = lab.run(&[&args[..], &["--format", "html"]].concat()).expect(2);
        expect_words(&html, &["<td>drift: 1 of 2 differs, 1 pending</td>"]);
    }

    fn causes_cost_no_request(api: Api) {
        let lab = committed_lab(api);
        change_shop(&lab);
        set_live(&lab, "tier", "silver");
        let [with, without] = [Some("ownership: {value: amigops, origin: false}\n"), None].map(|more| {
            lab.run(&["drift"]).expect(2);
            let requests = lab.hooks.count();
            more.into_iter().for_each(|more| lab.project(more));
            requests
        });
        assert_eq!(with, without);
    }
}
