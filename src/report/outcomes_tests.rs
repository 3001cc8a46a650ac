//! Tests of the messages at the end of a run: every outcome of a step, many steps of each outcome, and hostile text.

use super::markdown::everything;
use super::markdown::hostile_tests::{HOSTILE, poisoned};
use super::text::visible;
use super::{events, run_end};
use crate::apply::{Report, StepFailure, StepOutcome, StopReason};
use crate::plan::{Plan, StepId};

/// Returns the report of an interrupted run. Some steps are done, some failed, some are blocked, and the outcome of
/// some is unknown. The errors contain `text`.
pub(super) fn in_every_way(plan: &Plan, text: &str) -> Report {
    let id = |number| StepId(number);
    let mut report = Report { stopped: Some(StopReason::Interrupt), ..Report::default() };
    for step in &plan.steps {
        report.outcomes.insert(step.id, StepOutcome::Stopped(StopReason::Interrupt));
    }
    let failed = StepFailure::request_failed(text, &[text, "look at it"]);
    let unexpected = StepFailure::Unexpected { expected: text.to_owned(), answer: text.to_owned() };
    report.outcomes.extend([
        (id(1), StepOutcome::Failed(failed)),
        (id(2), StepOutcome::Done(None)),
        (id(3), StepOutcome::Failed(unexpected)),
        (id(4), StepOutcome::Unknown),
        (id(7), StepOutcome::Blocked(id(1))),
        (id(9), StepOutcome::Done(Some("h2".into()))),
        (id(10), StepOutcome::Blocked(id(1))),
        (id(12), StepOutcome::Blocked(id(11))),
        (id(15), StepOutcome::Done(None)),
        (id(16), StepOutcome::Unknown),
    ]);
    report
}

fn end(plan: &Plan, report: &Report) -> String {
    anstream::adapter::strip_str(&run_end::render(plan, report, None)).to_string()
}

#[test]
fn every_unfinished_step_has_a_reason_and_help() {
    let plan = everything();
    insta::assert_snapshot!(end(&plan, &in_every_way(&plan, "the model is unknown")), @"
    · Switched Off: change: not attempted (the run was interrupted)
    · Adaptive Support: write version set release: not attempted (the run was interrupted)
    · Health Coach: write version set staging: not attempted (blocked by `Health Coach: create, inactive`, which failed)
    · Health Coach: apply behavior set Emergency: not attempted (the run was interrupted)
    · Health Coach: cut over: not attempted (blocked by `Health Coach: create, inactive`, which failed)
    · Meet & Greet: create: not attempted (the run was interrupted)
    · Meet & Greet: write version set staging: not attempted (the run was interrupted)
    · Half Done: deactivate: not attempted (the run was interrupted)
    · Health Coach: deactivate: not attempted (the run was interrupted)
    ? New Name: change and rename: outcome unknown (this step was in progress when the run stopped, so it may have been applied)
    ? Adaptive Support: delete version set old: outcome unknown (this step was in progress when the run stopped, so it may have been applied)
    ✗ Health Coach: create, inactive: the model is unknown
        → the model is unknown
        → look at it
    ✗ Foreign: change: the agent's answer does not match `the model is unknown`: the model is unknown
        → fix the error above, then run the command again
    Interrupted: 3 of 16 steps done, 2 failed, 9 not attempted, 2 unknown · not read back
    blocked steps run once the step that blocks them succeeds
    run `amigops plan` to see which unknown steps were applied
    finished steps are kept: plan and apply again to continue
    ");
}

#[test]
fn every_outcome_as_a_json_line() {
    let plan = everything();
    let report = in_every_way(&plan, "the model is unknown");
    let lines = events::remaining(&plan, &report, &[1, 2, 3, 4, 7, 9, 10, 12, 15, 16].map(StepId).into());
    insta::assert_snapshot!(lines.concat(), @r#"
    {"type":"step_ended","step":1,"service":"Health Coach","what":"create, inactive","outcome":"failed","error":"the model is unknown","help":["the model is unknown","look at it"],"seconds":null}
    {"type":"step_ended","step":2,"service":"Adaptive Support","what":"change","outcome":"done","service_id":"s2","seconds":null}
    {"type":"step_ended","step":3,"service":"Foreign","what":"change","outcome":"failed","error":"the agent's answer does not match `the model is unknown`: the model is unknown","help":["fix the error above, then run the command again"],"seconds":null}
    {"type":"step_ended","step":4,"service":"New Name","what":"change and rename","outcome":"unknown","reason":"this step was in progress when the run stopped, so it may have been applied","help":["run `amigops plan` to see if the step was applied, then apply again to continue"],"seconds":null}
    {"type":"step_ended","step":7,"service":"Health Coach","what":"write version set staging","outcome":"not_attempted","reason":"this step is blocked by a step that is not done","waits_for":1,"help":["fix the blocking step, then plan and apply again"],"seconds":null}
    {"type":"step_ended","step":9,"service":"Half Done","what":"cut over","outcome":"done","service_id":"h2","seconds":null}
    {"type":"step_ended","step":10,"service":"Health Coach","what":"cut over","outcome":"not_attempted","reason":"this step is blocked by a step that is not done","waits_for":1,"help":["fix the blocking step, then plan and apply again"],"seconds":null}
    {"type":"step_ended","step":12,"service":"Meet & Greet","what":"write version set staging","outcome":"not_attempted","reason":"this step is blocked by a step that is not done","waits_for":11,"help":["fix the blocking step, then plan and apply again"],"seconds":null}
    {"type":"step_ended","step":15,"service":"Summer Campaign","what":"deactivate","outcome":"done","service_id":"s4","seconds":null}
    {"type":"step_ended","step":16,"service":"Adaptive Support","what":"delete version set old","outcome":"unknown","reason":"this step was in progress when the run stopped, so it may have been applied","help":["run `amigops plan` to see if the step was applied, then apply again to continue"],"seconds":null}
    "#);
}

#[test]
fn long_lists_are_shortened_and_counted() {
    let mut plan = everything();
    let one = plan.steps[1].clone();
    plan.steps = (1..=300).map(|number| crate::plan::Step { id: StepId(number), ..one.clone() }).collect();
    let outcome = |number: usize| match number {
        1..=100 => StepOutcome::Failed(StepFailure::request_failed("no", &[])),
        101..=200 => StepOutcome::Unknown,
        _ => StepOutcome::Blocked(StepId(1)),
    };
    let outcomes = (1..=300).map(|number| (StepId(number), outcome(number))).collect();
    let text = end(&plan, &Report { outcomes, stopped: None });
    for words in ["and 80 more failed", "and 80 more may have been applied", "and 80 more were not attempted"]
    {
        assert!(text.contains(words), "{words}:\n{text}");
    }
    assert!(
        text.contains("Partly applied: 0 of 300 steps done, 100 failed, 100 not attempted, 100 unknown"),
        "{text}"
    );
    assert!(text.lines().count() < 100, "{text}");
}

#[test]
fn hostile_texts_cannot_forge_a_line() {
    let lines = |text: &str| {
        let plan = poisoned(text);
        let shown = end(&plan, &in_every_way(&plan, text));
        assert_eq!(shown.lines().find(|line| visible(line) != **line), None, "{text:?}");
        shown.lines().count()
    };
    for text in HOSTILE {
        assert_eq!(lines(text), lines("harmless"), "{text:?}");
    }
}
