//! Tests of services of other owners, edits by operators, and names with control characters in the output.

use super::{EMPTY, service};
use crate::harness::Lab;
use crate::on_both_apis;

on_both_apis! {
    fn services_of_other_owners_are_refused_and_unowned_ones_adopted(api: Api) {
        let seed = format!(
            "{EMPTY}    services:
      - {{name: Theirs, description: The Theirs, agent: One, context_graph: Flow, active: true, tags: {{managed_by: sisters}}}}
      - {{name: Free, description: The Free, agent: One, context_graph: Flow, active: true}}
"
        );
        let lab = Lab::on(api, &seed);
        lab.manifests(&[service("Theirs", ""), service("Free", "")].join("---\n"));
        let refused = lab.run(&["plan"]).expect(3);
        assert!(
            refused.stderr.contains("belongs to another project") && refused.stderr.contains("--take-over"),
            "{}",
            refused.stderr
        );
        assert_eq!(lab.writes(), []);
        let run = lab.run(&["apply", "--auto-approve", "--take-over", "sisters"]).expect(0);
        assert!(run.stdout.contains("adopted"), "{}", run.stdout);
        let ours = |owner: Option<&str>| owner == Some("amigops");
        assert!(lab.services().iter().all(|service| ours(service.tags["managed_by"].as_deref())));
        lab.expect_converged();
    }

    fn an_operators_edit_is_found_and_reverted(api: Api) {
        let lab = Lab::on(api, EMPTY);
        let pins = "version_sets: {release: {agent_version: 2, context_graph_version: 1}}\n";
        lab.manifests(&service("Desk", pins));
        lab.apply().expect(0);
        lab.change(&lab.active("Desk").id, |service| {
            service.description = "edited by hand".to_owned();
            service.version_sets.get_mut("release").unwrap().agent_version = Some(3);
        });
        let plan = lab.run(&["plan", "--detailed-exitcode"]).expect(2);
        assert!(plan.stdout.contains("edited by hand") && plan.stdout.contains("3 → 2"), "{}", plan.stdout);
        lab.apply().expect(0);
        assert_eq!(lab.active("Desk").version_sets["release"].agent_version, Some(2));
        assert_eq!(lab.active("Desk").description, "The Desk");
    }

    fn control_characters_in_names_do_not_reach_the_terminal(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&service("Desk", ""));
        lab.apply().expect(0);
        lab.change(&lab.active("Desk").id, |service| {
            service.description = "\u{1b}[31mred\u{7}\u{202e}evil".to_owned();
        });
        let run = lab.run(&["plan", "--color", "never"]).expect(0);
        assert!(run.stdout.contains("evil"), "{}", run.stdout);
        assert!(!run.stdout.contains('\u{1b}') && !run.stdout.contains('\u{202e}'), "{:?}", run.stdout);
        let run = lab.run(&["plan", "--color", "always"]).expect(0);
        assert!(!run.stdout.contains("\u{1b}[31mred\u{7}"), "{:?}", run.stdout);
    }

    fn workflow_commands_in_names_are_neutralized(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&service("Desk", ""));
        lab.apply().expect(0);
        lab.change(&lab.active("Desk").id, |service| {
            service.description = "The Desk\n::add-mask::x\n::stop-commands::y\n##[error]z".to_owned();
        });
        let run = lab.run(&["plan"]).expect(0);
        assert!(run.stdout.contains("add-mask"), "{}", run.stdout);
        for line in run.stdout.lines() {
            assert!(!line.trim_start().starts_with("::") && !line.contains("##["), "{line}");
        }
    }
}
