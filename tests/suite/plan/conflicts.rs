//! Tests of the exit code of `plan --base` if an apply would refuse the plan, in a pull request and after a merge.

use amigops::model::Api;

use super::three_way::{branched, desk, set_live};
use crate::harness::{Lab, Run};
use crate::on_both_apis;

const FORMATS: [&str; 4] = ["human", "json", "markdown", "html"];

/// Runs `plan --base main` with a fixed time, so that the outputs of two runs can be compared.
#[track_caller]
fn plan(lab: &Lab, more: &[&str]) -> Run {
    lab.run_with(&[&["plan", "--base", "main"], more].concat(), &[("SOURCE_DATE_EPOCH", "1")])
}

/// Creates a lab with a conflict: the branch and an operator have changed the same tag.
fn conflicting(api: Api) -> Lab {
    let lab = branched(api);
    lab.manifests(&desk("platinum", "care"));
    lab.commit();
    set_live(&lab, "tier", "silver");
    lab
}

fn last_line(run: &Run) -> &str {
    run.stderr.lines().last().expect("a message")
}

on_both_apis! {
    fn conflicts_exit_with_3_and_the_plan_is_still_written(api: Api) {
        let lab = conflicting(api);
        for format in FORMATS {
            let run = plan(&lab, &["--format", format, "--out", "plan.json"]).expect(3);
            assert_eq!(
                last_line(&run),
                "refused: `amigops apply` would refuse this plan because of 1 conflict: resolve it and plan again, \
                 or use --allow-conflicts to look at the plan"
            );
            let conflict = "refused: `Desk`: `tags.tier` is `silver` live and `platinum` in the manifest";
            assert!(run.stderr.contains(conflict) && run.stderr.contains("amigops import"), "{}", run.stderr);
            let written = std::fs::read(lab.path().join("plan.json")).expect("a saved plan");
            std::fs::remove_file(lab.path().join("plan.json")).unwrap();
            let allowed = plan(&lab, &["--format", format, "--out", "plan.json", "--allow-conflicts"]).expect(0);
            assert_eq!((&run.stdout, allowed.stderr.trim_end()), (&allowed.stdout, "saved the plan to plan.json"));
            assert_eq!(written, std::fs::read(lab.path().join("plan.json")).unwrap(), "{format}");
        }
        plan(&lab, &["--detailed-exitcode"]).expect(3);
        plan(&lab, &["--detailed-exitcode", "--allow-conflicts"]).expect(2);
        // Conflicts do not change the exit codes of `drift` and `graph`, because these commands only show the
        // differences.
        lab.run(&["drift", "--base", "main"]).expect(2);
        lab.run(&["graph", "--base", "main"]).expect(0);
        // `--allow-conflicts` allows only the plan. The apply needs `--overwrite-drift`.
        lab.run(&["apply", "plan.json"]).expect(3);
        lab.run(&["apply", "plan.json", "--overwrite-drift"]).expect(0);
        plan(&lab, &["--detailed-exitcode"]).expect(0);
    }

    fn a_branch_that_is_behind_exits_with_3(api: Api) {
        let lab = branched(api);
        lab.git(&["checkout", "-q", "main"]);
        lab.manifests(&desk("platinum", "care"));
        lab.commit();
        lab.apply().expect(0);
        lab.git(&["checkout", "-q", "topic"]);
        let run = plan(&lab, &["--detailed-exitcode"]).expect(3);
        assert!(run.stderr.contains("merge the base branch into this one and plan again"), "{}", run.stderr);
        assert!(last_line(&run).contains("because of 1 conflict: resolve it and plan again"), "{}", run.stderr);
        plan(&lab, &["--allow-conflicts"]).expect(0);
        lab.git(&["merge", "-q", "main"]);
        plan(&lab, &["--detailed-exitcode"]).expect(0);
    }

    fn drift_alone_does_not_refuse_a_plan(api: Api) {
        let lab = branched(api);
        set_live(&lab, "tier", "silver");
        let run = plan(&lab, &["--detailed-exitcode"]).expect(2);
        assert_eq!(run.stderr, "");
    }

    /// Runs the workflow of docs/ci.md, in which a tag names the commit that was applied last. If the job of an older
    /// commit runs again, its apply must be refused.
    fn after_a_merge_a_stale_checkout_is_refused(api: Api) {
        let lab = branched(api);
        lab.git(&["checkout", "-q", "main"]);
        lab.write(".gitignore", "plan.json\n");
        lab.git(&["tag", "applied-lab"]);
        let args = ["plan", "--base", "applied-lab", "--out", "plan.json"];
        for tier in ["platinum", "silver"] {
            lab.manifests(&desk(tier, "care"));
            lab.commit();
            lab.run(&args).expect(0);
            lab.run(&["apply", "plan.json"]).expect(0);
            lab.git(&["tag", "-f", "applied-lab"]);
        }
        // The job of the older commit runs again.
        lab.git(&["checkout", "-q", "HEAD~1"]);
        let run = lab.run(&args).expect(3);
        assert!(run.stderr.contains("this branch is behind"), "{}", run.stderr);
        lab.run(&["apply", "plan.json"]).expect(3);
        // A change in the vendor's console between two merges is a conflict only if the merge changes the same value.
        lab.git(&["checkout", "-q", "main"]);
        lab.manifests(&desk("bronze", "care"));
        lab.commit();
        set_live(&lab, "team", "sales");
        lab.run(&args).expect(0);
        set_live(&lab, "tier", "gold");
        lab.run(&args).expect(3);
    }
}
