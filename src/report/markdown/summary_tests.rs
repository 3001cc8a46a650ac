//! Tests of the summary of an apply: each verdict, all lists at once, hostile texts, and very large plans.

use super::hostile_tests::{HOSTILE, check, poisoned};
use super::summary::{Ended, Verdict, render};
use super::tests::{everything, origin};
use super::*;
use crate::apply::{StepFailure, StepOutcome, StopReason};
use crate::plan::{Origin, Step, StepId};
use crate::report::outcomes_tests::in_every_way;

/// Applies `change` to the result of a run, and renders the summary of that result.
fn summary_of<'a>(change: impl FnOnce(&mut Ended<'a>)) -> String {
    let mut ended = Ended {
        verdict: Verdict::Failed,
        exit_code: 1,
        environment: Some("production"),
        planned: None,
        has_started: false,
        report: Box::leak(Box::default()),
        converged: None,
        ids: Box::leak(Box::default()),
        differing: &[],
        reason: None,
        requests: 0,
        took: std::time::Duration::from_millis(40),
    };
    change(&mut ended);
    ended.has_started |= !ended.report.outcomes.is_empty();
    let text = render(&ended);
    check(&text);
    assert!(text.len() < MOST, "{}", text.len());
    text
}

#[test]
fn a_summary_with_every_list() {
    let (plan, origin) = (everything(), origin());
    let mut report = in_every_way(&plan, "the model is unknown");
    report.outcomes.insert(StepId(11), StepOutcome::Done(Some("m1".into())));
    let ids = [("Meet & Greet".into(), "m1".into())].into();
    let text = summary_of(|ended| {
        (ended.verdict, ended.exit_code) = (Verdict::Interrupted, 130);
        (ended.planned, ended.report) = (Some((&plan, &origin)), &report);
        (ended.ids, ended.requests, ended.took) = (&ids, 42, std::time::Duration::from_secs(12));
    });
    insta::assert_snapshot!(text, @"
    ## amigops apply · `production`

    > [!CAUTION]
    > **Interrupted.** Exit code 130: finished steps are kept; plan and apply again to continue.

    classic · organization `acme`

    | services | create | change | replace | retire |
    |---|--:|--:|--:|--:|
    | planned | 1 | 4 | 2 | 1 |
    | finished | 0 | 0 | 0 | 1 |

    4 of 16 steps done, 2 failed, 8 not attempted, 2 unknown.

    Not read back · 42 requests · 12 s

    ### Failed: 2

    - `Health Coach: create, inactive`: `the model is unknown`
      - the model is unknown
      - look at it
    - `Foreign: change`: ``the agent's answer does not match `the model is unknown`: the model is unknown``
      - fix the error above, then run the command again

    ### Unknown: 2

    What to do: run `amigops plan` to see if the step was applied, then apply again to continue.

    - `New Name: change and rename`: this step was in progress when the run stopped, so it may have been applied
    - `Adaptive Support: delete version set old`: this step was in progress when the run stopped, so it may have been applied

    ### Replaced: 1

    Applications that use the old id need the new id.

    - `Half Done`: `h1` → `h2`

    ### Removed: 1

    - `Summer Campaign`, `s4`, is deactivated (owned by this project, not declared)

    ### Not attempted: 8

    What to do: fix the blocking step, then plan and apply again.

    What to do: plan and apply again to continue.

    - `Switched Off: change`: the run was interrupted
    - `Adaptive Support: write version set release`: the run was interrupted
    - `Health Coach: write version set staging`: blocked by `Health Coach: create, inactive`, which failed
    - `Health Coach: apply behavior set Emergency`: the run was interrupted
    - `Health Coach: cut over`: blocked by `Health Coach: create, inactive`, which failed
    - `Meet & Greet: write version set staging`: blocked by `Meet & Greet: create`, which was not attempted
    - `Half Done: deactivate`: the run was interrupted
    - `Health Coach: deactivate`: the run was interrupted

    ### Created: 1

    - `Meet & Greet`: `m1`
    ");
}

#[test]
fn an_error_before_the_first_step() {
    insta::assert_snapshot!(
        summary_of(|ended| ended.reason = Some("error: environment `production` has no API key\n   = help: set AMIGO_API_KEY\n")),
        @"
        ## amigops apply · `production`

        > [!CAUTION]
        > **Failed.** Exit code 1: nothing was changed.

        Not read back · 0 requests · 0.0 s

        ```text
        error: environment `production` has no API key
           = help: set AMIGO_API_KEY
        ```
        "
    );
}

#[test]
fn a_successful_run() {
    let (plan, origin) = (everything(), origin());
    let outcomes = plan.steps.iter().map(|step| (step.id, StepOutcome::Done(None))).collect();
    let report = crate::apply::Report { outcomes, stopped: None };
    let text = summary_of(|ended| {
        (ended.verdict, ended.exit_code, ended.converged) = (Verdict::Applied, 0, Some(true));
        (ended.planned, ended.report) = (Some((&plan, &origin)), &report);
    });
    insta::assert_snapshot!(text, @"
    ## amigops apply · `production`

    **Applied.** Exit code 0: every step is done.

    classic · organization `acme`

    | services | create | change | replace | retire |
    |---|--:|--:|--:|--:|
    | planned | 1 | 4 | 2 | 1 |
    | finished | 1 | 4 | 2 | 1 |

    16 of 16 steps done, 0 failed, 0 not attempted.

    Read back: **converged** · 0 requests · 0.0 s

    ### Removed: 3

    - `Switched Off`, `s7`, is deactivated
    - `Summer Campaign`, `s4`, is deactivated (owned by this project, not declared)
    - version set `old` of `Adaptive Support` is deleted
    ");
}

#[test]
fn the_verdict_on_a_stopped_run_depends_on_its_progress() {
    let (done, left) = (StepOutcome::Done(None), StepOutcome::Stopped(StopReason::Timeout));
    let table = [
        (Verdict::Interrupted, &done, "Interrupted", "every step is done"),
        (Verdict::OutOfTime, &done, "Applied, but timed out", "every step is done, but no time"),
        (Verdict::OutOfTime, &left, "Timed out", "finished steps are kept"),
        (Verdict::Failed, &done, "Applied, but the final check failed", "every step is done"),
    ];
    for (verdict, outcome, word, means) in table {
        let outcomes = [(StepId(1), outcome.clone())].into();
        let report = crate::apply::Report { outcomes, stopped: None };
        let text = summary_of(|ended| (ended.verdict, ended.exit_code, ended.report) = (verdict, 9, &report));
        assert!(text.contains(&format!("> **{word}.** Exit code 9: {means}")), "{text}");
    }
}

/// Checks the verdicts that a run can get before and after its first step has started. The summary may say that nothing
/// was changed only if no step has started.
#[test]
fn after_the_first_step_no_verdict_says_that_nothing_was_changed() {
    for verdict in
        [Verdict::Refused, Verdict::Declined, Verdict::Interrupted, Verdict::OutOfTime, Verdict::Failed]
    {
        let says_nothing = |has_started| {
            let text = summary_of(|ended| (ended.verdict, ended.has_started) = (verdict, has_started));
            text.contains("nothing was changed")
        };
        assert_eq!((says_nothing(false), says_nothing(true)), (true, false), "{verdict:?}");
    }
}

#[test]
fn every_verdict_with_its_exit_code() {
    let (plan, report) = (everything(), in_every_way(&everything(), "no"));
    let lines = [
        (Verdict::Applied, 0, true),
        (Verdict::NothingToDo, 0, false),
        (Verdict::InPart, 4, true),
        (Verdict::Refused, 3, false),
        (Verdict::Declined, 1, false),
        (Verdict::Interrupted, 130, true),
        (Verdict::Interrupted, 130, false),
        (Verdict::OutOfTime, 4, true),
        (Verdict::OutOfTime, 1, false),
        (Verdict::NotConverged, 1, true),
        (Verdict::Failed, 1, false),
    ]
    .map(|(verdict, exit_code, begun)| {
        let origin = origin();
        let text = summary_of(|ended| {
            (ended.verdict, ended.exit_code) = (verdict, exit_code);
            if begun {
                (ended.planned, ended.report) = (Some((&plan, &origin)), &report);
            }
        });
        text.lines().find(|line| line.contains("Exit code")).map(str::to_owned).unwrap_or_default()
    });
    insta::assert_snapshot!(lines.join("\n"), @"
    **Applied.** Exit code 0: every step is done.
    **Nothing to do.** Exit code 0: everything is as declared.
    > **Partly applied.** Exit code 4: some steps failed, the others are done; plan and apply again to continue.
    > **Refused.** Exit code 3: nothing was changed.
    > **Not approved.** Exit code 1: nothing was changed.
    > **Interrupted.** Exit code 130: finished steps are kept; plan and apply again to continue.
    > **Interrupted.** Exit code 130: nothing was changed.
    > **Timed out.** Exit code 4: finished steps are kept; plan and apply again to continue.
    > **Timed out.** Exit code 1: nothing was changed.
    > **Applied, but not converged.** Exit code 1: every step is done, but the live state still differs from the manifests.
    > **Failed.** Exit code 1: nothing was changed.
    ");
}

#[test]
fn hostile_texts_cannot_break_or_forge_a_summary() {
    for text in HOSTILE.iter().copied().chain(["`a\n".repeat(20_000).as_str(), &"語".repeat(20_000)]) {
        let plan = poisoned(text);
        let report = in_every_way(&plan, text);
        let origin = Origin { environment: text.to_owned(), organization: text.to_owned(), ..origin() };
        let (ids, differing) = (plan.ids.clone(), [text.into()]);
        summary_of(|ended| {
            (ended.verdict, ended.environment, ended.reason) =
                (Verdict::NotConverged, Some(text), Some(text));
            (ended.planned, ended.report) = (Some((&plan, &origin)), &report);
            (ended.ids, ended.differing) = (&ids, &differing);
        });
    }
}

#[test]
fn long_lists_are_shortened_and_counted() {
    let (mut plan, origin) = (everything(), origin());
    let one = plan.steps[0].clone();
    plan.steps = (1..=9_000).map(|number| Step { id: StepId(number), ..one.clone() }).collect();
    let outcome = |number: usize| match number % 3 {
        0 => StepOutcome::Failed(StepFailure::request_failed(&"no ".repeat(700), &["mend it"])),
        1 => StepOutcome::Unknown,
        _ => StepOutcome::Blocked(StepId(3)),
    };
    let report = crate::apply::Report {
        outcomes: (1..=9_000).map(|number| (StepId(number), outcome(number))).collect(),
        stopped: Some(StopReason::Interrupt),
    };
    let reason = "a line\n".repeat(90_000);
    let text = summary_of(|ended| {
        (ended.planned, ended.report) = (Some((&plan, &origin)), &report);
        ended.reason = Some(&reason);
    });
    assert!(text.contains("more lines not shown)"), "{text:.2000}");
    for title in ["Failed", "Unknown", "Not attempted"] {
        let (_, list) = text.split_once(&format!("### {title}: 3000\n\n")).unwrap();
        let list = list.split("\n### ").next().unwrap();
        let listed = list.matches("\n- `").count() + usize::from(list.starts_with("- `"));
        assert!(listed > 5, "{title}: {listed}");
        assert!(list.contains(&format!("- **and {} more**", 3_000 - listed)), "{list:.300}");
    }
}
