//! `import` without `--out`, and `import --dry-run`, with the real binary on both APIs.

use amigops::model::Api;

use crate::harness::Lab;
use crate::on_both_apis;

const SEED: &str = "organizations:
  acme:
    agents:
      - {name: Coach Maya, versions: 5}
    context_graphs:
      - {name: Coaching Flow, versions: 6}
";
const MANIFEST: &str = "# Our coaches.
service: Coach   # the first one
description: Old.
agent: Coach Maya
context_graph: Coaching Flow
";

/// Creates a lab with an applied manifest whose service has another description since, and with a service that has no
/// manifest.
fn lab(api: Api) -> Lab {
    let lab = Lab::on(api, SEED);
    lab.manifests(&format!("{MANIFEST}---\n{}", MANIFEST.replace("service: Coach ", "service: Other ")));
    lab.apply().expect(0);
    lab.manifests(MANIFEST);
    let id = lab.active("Coach").id;
    lab.change(&id, |service| service.description = "New.".to_owned());
    let other = lab.active("Other").id;
    lab.change(&other, |service| service.tags.clear());
    lab
}

fn manifest(lab: &Lab) -> String {
    std::fs::read_to_string(lab.path().join("services/all.yaml")).unwrap()
}

fn files(lab: &Lab) -> usize {
    std::fs::read_dir(lab.path().join("services")).unwrap().count()
}

on_both_apis! {
    fn an_import_without_a_directory_updates_manifests_in_place(api: Api) {
        let lab = lab(api);
        let run = lab.run(&["import"]).expect(0);
        assert_eq!(manifest(&lab), MANIFEST.replace("Old.", "New."));
        assert_eq!(files(&lab), 1, "no file is created");
        assert_eq!(
            run.stdout,
            "  ~ services/all.yaml  Coach\nImport: 0 files created, 1 file updated\nA plan made now would change nothing.\n"
        );
        let note = "note: 1 live service has no manifest and was not imported: `Other`. Use `--out DIR` to write new manifests\n";
        assert_eq!(run.stderr, note);
        lab.run(&["drift"]).expect(0);
    }

    fn an_import_without_a_directory_needs_manifests(api: Api) {
        let lab = Lab::on(api, SEED);
        let run = lab.run(&["import"]).expect(1);
        assert!(run.stderr.contains("the project has no manifests that the import could update"), "{}", run.stderr);
        assert!(run.stderr.contains("use `--out DIR`"), "{}", run.stderr);
    }

    fn a_dry_run_lists_new_and_changed_files(api: Api) {
        let lab = lab(api);
        let state = lab.comparable_state();
        let run = lab.run(&["import", "--dry-run", "--out", "services"]).expect(0);
        assert_eq!(lab.comparable_state(), state);
        let expected = "  + services/other.yaml  Other
  ~ services/all.yaml  Coach
--- /dev/null
+++ b/services/other.yaml
@@ -0,0 +1,4 @@
+service: Other
+description: Old.
+agent: Coach Maya
+context_graph: Coaching Flow
--- a/services/all.yaml
+++ b/services/all.yaml
@@ -1,5 +1,5 @@
 # Our coaches.
 service: Coach   # the first one
-description: Old.
+description: New.
 agent: Coach Maya
 context_graph: Coaching Flow
Dry run: 1 file would be created, 1 file would be updated; nothing was written
A plan made after this import would only add the ownership tag to 1 service: run `amigops apply`.
";
        assert_eq!(run.stdout, expected);
        assert!(manifest(&lab) == MANIFEST && files(&lab) == 1, "nothing is written");
        // The import writes exactly the files of the dry run.
        lab.run(&["import", "--out", "services"]).expect(0);
        assert_eq!(manifest(&lab), MANIFEST.replace("Old.", "New."));
        assert_eq!(files(&lab), 2);
        let run = lab.run(&["import", "--dry-run"]).expect(0);
        let nothing = "Dry run: 0 files would be created, 0 files would be updated; nothing was written\n";
        assert!(run.stdout.starts_with(nothing), "{}", run.stdout);
    }

    fn editors_that_strip_trailing_white_space_change_nothing(api: Api) {
        let lab = lab(api);
        let describe = |name: &str, text: &str| {
            let id = lab.active(name).id;
            lab.change(&id, |service| service.description = text.to_owned());
        };
        let strip = || {
            for entry in std::fs::read_dir(lab.path().join("services")).unwrap() {
                let path = entry.unwrap().path();
                let text = std::fs::read_to_string(&path).unwrap();
                let stripped: String = text.lines().map(|line| format!("{}\n", line.trim_end())).collect();
                assert_eq!(stripped, text, "no line ends with white space");
            }
        };
        describe("Other", "One  \nfirst\t\n \nlast\n\n");
        describe("Coach", "Two \n\n  second  \nend\n");
        lab.run(&["import", "--out", "services"]).expect(0);
        strip();
        assert!(manifest(&lab).contains("description: \"Two \\n\\n  second  \\nend"), "{}", manifest(&lab));
        lab.apply().expect(0);
        lab.expect_converged();
        lab.run(&["plan", "--detailed-exitcode"]).expect(0);
        // Existing block scalars are replaced, too.
        describe("Other", "Block\nof lines");
        lab.run(&["import"]).expect(0);
        describe("Other", "Block \nof lines");
        lab.run(&["import"]).expect(0);
        strip();
        lab.run(&["drift"]).expect(0);
    }
}
