//! Tests of each kind of drift, on both APIs.

use super::{applied_lab, declared, edit, remove};
use amigops::model::Api;

use crate::harness::{Lab, ORGANIZATION, WORKSPACE, answer, service};
use crate::on_both_apis;

/// An edit by an operator, and words that the drift report must contain about this edit.
pub(super) type Kind = (fn(&Lab), &'static [&'static str]);

pub(super) const KINDS: &[Kind] = &[
    (
        |lab| lab.change(&lab.active("Desk").id, |desk| desk.description = "edited by hand".to_owned()),
        &[
            "~ Desk",
            "The Desk → edited by hand",
            "Drift: 1 of 2 declared services differs from the manifests (1 changed)",
        ],
    ),
    (
        |lab| {
            lab.change(&lab.active("Desk").id, |desk| {
                desk.tags.insert("tier".to_owned(), Some("silver".to_owned()));
            });
        },
        &["~ Desk", "tags.tier", "gold → silver"],
    ),
    (
        |lab| {
            lab.change(&lab.active("Desk").id, |desk| {
                desk.tags.remove("managed_by");
            });
        },
        &["~ Desk", "owner                    none", "tags.managed_by", " → none\n"],
    ),
    (
        |lab| {
            lab.change(&lab.active("Desk").id, |desk| {
                desk.version_sets.get_mut("release").unwrap().agent_version = Some(3);
            });
        },
        &["~ version set release", "agent_version", "2 → 3", "version sets: 1 changed"],
    ),
    (
        |lab| {
            lab.change(&lab.active("Desk").id, |desk| {
                let set = desk.version_sets.remove("dev").unwrap();
                desk.version_sets.insert("extra".to_owned(), set);
            });
        },
        &[
            "    - version set dev          (agent 1, graph latest)\n",
            "    + version set extra        (agent 1, graph latest)\n",
            "version sets: 1 missing, 1 undeclared",
        ],
    ),
    (
        |lab| lab.change(&lab.active("Desk").id, |desk| desk.is_active = false),
        &["~ Desk", "active", "true → false"],
    ),
    (|lab| remove(lab, "Desk"), &["- Desk", "1 missing"]),
    (
        |lab| lab.change(&lab.active("Shop").id, |shop| shop.name = "Shop 2".to_owned()),
        &[
            "~ Shop",
            "live name                Shop 2",
            "Drift: 1 of 2 declared services differs from the manifests (1 changed)",
        ],
    ),
    (
        |lab| {
            let two = lab.agent_id("Two");
            lab.change(&lab.active("Shop").id, |shop| shop.agent_id = two);
        },
        &["Shop", "agent", "One → Two"],
    ),
];

on_both_apis! {
    fn nothing_has_drifted_after_an_apply(api: Api) {
        let lab = applied_lab(api);
        let run = lab.run(&["drift"]).expect(0);
        let first = run.stdout.lines().next().unwrap();
        assert!(first.starts_with("amigops drift · environment lab (") && first.ends_with(" · no drift"), "{first}");
        assert_eq!(run.stdout.lines().last(), Some("No drift: 2 services are as declared."), "{}", run.stdout);
        assert_eq!(run.stderr, "");
    }

    fn each_kind_is_reported_and_an_apply_reverts_it(api: Api) {
        for (number, (change, shown)) in KINDS.iter().enumerate() {
            let lab = applied_lab(api);
            change(&lab);
            let run = lab.run(&["drift"]).expect(2);
            for part in *shown {
                assert!(run.stdout.contains(part), "kind {number} lacks {part:?}:\n{}", run.stdout);
            }
            let first = run.stdout.lines().next().unwrap();
            assert!(first.ends_with(" · drift: 1 differs"), "{first}");
            assert!(!run.stdout.contains("Plan:") && run.stdout.contains("reverting this drift takes "), "{}", run.stdout);
            lab.apply().expect(0);
            lab.run(&["drift"]).expect(0);
        }
    }

    fn the_last_editor_and_time_are_shown_with_control_characters_escaped(api: Api) {
        let lab = applied_lab(api);
        let id = lab.active("Desk").id;
        edit(&lab, |world| match api {
            Api::Classic => {
                let home = world.organization_mut(ORGANIZATION).unwrap();
                let desk = home.services_mut().get_mut(&id).unwrap();
                desk.description = "edited".to_owned();
                desk.updated_by = "mallory\u{1b}[31m\n::error::x".to_owned();
            }
            Api::Platform => {
                let desk = world.workspace_mut(WORKSPACE).unwrap().services_mut().get_mut(&id).unwrap();
                desk.description = "edited".to_owned();
                desk.updated_at = 1_795_306_632_000;
            }
        });
        let told = match api {
            Api::Classic => "\n      last changed by mallory␛[31m ::error::x\n",
            Api::Platform => "\n      last changed at 2026-11-22T00:17:12Z\n",
        };
        for args in [&["drift"][..], &["plan", "--detailed-exitcode"]] {
            let run = lab.run(args).expect(2);
            assert!(run.stdout.contains(told), "{}", run.stdout);
            assert_eq!(run.stdout.matches("last changed").count(), 1, "{}", run.stdout);
        }
    }

    fn an_incomparable_live_state_is_an_error(api: Api) {
        let lab = applied_lab(api);
        lab.manifests(&[service("Desk", ""), service("Shop", "").replace("agent: One", "agent: Onne")].join("---\n"));
        let run = lab.run(&["drift"]).expect(1);
        assert_eq!(run.stdout, "");
        assert!(run.stderr.contains("Onne") && run.stderr.contains("services/all.yaml:"), "{}", run.stderr);
        lab.manifests("service: Desk\n");
        lab.run(&["drift"]).expect(1);
        lab.manifests(&declared());
        lab.run(&["drift", "-e", "elsewhere"]).expect(1);
        lab.before(|_| answer(403, r#"{"detail":"not yours"}"#));
        let run = lab.run(&["drift"]).expect(1);
        assert_eq!(run.stdout, "");
        assert!(run.stderr.contains("403"), "{}", run.stderr);
    }

    fn values_that_look_the_same_are_escaped(api: Api) {
        let lab = applied_lab(api);
        lab.change(&lab.active("Desk").id, |desk| desk.description = "The\u{a0}Desk".to_owned());
        let escaped = "The\\u{a0}Desk";
        let drift = lab.run(&["drift"]).expect(2);
        assert!(drift.stdout.contains(&format!("The Desk → {escaped}\n")), "{}", drift.stdout);
        let plan = lab.run(&["plan"]).expect(0);
        assert!(plan.stdout.contains(&format!("{escaped} → The Desk\n")), "{}", plan.stdout);
        let markdown = lab.run(&["drift", "--format", "markdown"]).expect(2).stdout;
        let lines = format!("\n- description: The Desk\n+ description: {escaped}\n");
        assert!(markdown.contains(&lines), "{markdown}");
        let html = lab.run(&["drift", "--format", "html"]).expect(2).stdout;
        assert!(html.contains(&format!("<del>The Desk</del> → <ins>{escaped}</ins>")), "{html}");
        // In JSON, the texts are not changed.
        let json = lab.run(&["drift", "--format", "json"]).expect(2).stdout;
        assert!(!json.contains("\\\\u{a0}") && json.contains("The\u{a0}Desk\""), "{json}");
    }

    fn options_that_relax_a_guardrail_are_unknown(api: Api) {
        let lab = applied_lab(api);
        for args in [&["--max-removals", "3"][..], &["--allow-protected"], &["--take-over", "sisters"]] {
            let run = lab.run(&[&["drift"], args].concat()).expect(1);
            let error = format!("error: unexpected argument '{}' found\n", args[0]);
            assert!(run.stderr.contains(&error) && !run.stderr.contains("tip:"), "{}", run.stderr);
        }
        let help = lab.run(&["drift", "--help"]).expect(0).stdout;
        assert!(!help.contains("--max-removals") && help.contains("--prune"), "{help}");
    }

    fn only_restricts_the_services(api: Api) {
        let lab = applied_lab(api);
        lab.change(&lab.active("Desk").id, |desk| desk.description = "edited".to_owned());
        lab.run(&["drift", "--only", "Shop"]).expect(0);
        lab.run(&["drift", "--only", "Desk"]).expect(2);
    }
}
