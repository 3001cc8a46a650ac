//! Tests of names that look the same: Unicode normal forms, white space, and invisible characters.

use crate::harness::{EMPTY, Lab, service};
use crate::on_both_apis;

on_both_apis! {
    fn a_live_name_in_another_normal_form_is_the_same_name(api: Api) {
        let lab = Lab::on(api, EMPTY);
        let manifest = "service: Café\ndescription: Serves\nagent: One\ncontext_graph: Flow\n";
        lab.manifests(manifest);
        lab.apply().expect(0);
        let id = lab.active("Café").id;
        lab.change(&id, |service| service.name = "Cafe\u{301}".to_owned());
        let before = lab.writes().len();
        lab.run(&["plan", "--prune", "--detailed-exitcode"]).expect(0);
        lab.run(&["drift"]).expect(0);
        lab.run(&["apply", "--auto-approve", "--prune"]).expect(0);
        assert_eq!(lab.writes().len(), before);
        // A manifest with the name in the other normal form declares the same service.
        lab.manifests(&manifest.replace('é', "e\u{301}"));
        lab.run(&["plan", "--prune", "--detailed-exitcode"]).expect(0);
    }

    fn two_manifests_whose_names_look_the_same_are_refused(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&[service("Café", ""), service("Cafe\u{301}", "")].join("---\n"));
        let run = lab.run(&["validate"]).expect(1);
        assert!(run.stdout.contains("`Café`") || run.stderr.contains("`Café`"), "{}{}", run.stdout, run.stderr);
    }

    fn an_agent_in_another_normal_form_is_found(api: Api) {
        let lab = Lab::on(api, &EMPTY.replace("name: One", "name: \"Ze\u{301}\""));
        lab.manifests(&service("Desk", "").replace("agent: One", "agent: Zé"));
        lab.apply().expect(0);
        lab.expect_converged();
    }

    fn a_live_name_with_a_character_that_looks_like_another_is_explained(api: Api) {
        let lab = Lab::on(api, &EMPTY.replace("name: One", "name: \"Coach\u{a0}Maya\""));
        let manifest = service("Desk", "").replace("agent: One", "agent: Coach Maya");
        lab.manifests(&manifest);
        let run = lab.run(&["plan"]).expect(1);
        let id = lab.agent_id("Coach\u{a0}Maya");
        let help = format!("contains U+00A0 (no-break space), so a manifest can't use this name; use the id, `{{id: {id}}}`");
        assert!(run.stderr.contains(&help), "{help}: {}", run.stderr);
        lab.manifests(&manifest.replace("Coach Maya", &format!("{{id: {id}}}")));
        lab.apply().expect(0);
        lab.expect_converged();
    }
}
