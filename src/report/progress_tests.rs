//! Tests of the lines that an apply prints while it runs: they fit a terminal.

use std::time::Duration;

use super::markdown::{everything, poisoned};
use super::outcomes_tests::in_every_way;
use super::progress::{Lines, waiting};
use super::text::{TERMINAL, width};
use crate::apply::{Event, StepOutcome};
use crate::model::Endpoint;
use crate::plan::{Plan, StepId};

fn lines(plan: &Plan, error: &str) -> Vec<String> {
    let lines = Lines::new(plan);
    let mut report = in_every_way(plan, error);
    report.outcomes.insert(StepId(10), StepOutcome::Done(Some("6745f1a26745f1a26745f1b0".into())));
    let took = Duration::from_secs(1_234);
    let ended = report.outcomes.into_iter().map(|(step, outcome)| Event::Ended { step, outcome, took });
    ended
        .filter_map(|event| lines.event(&event))
        .map(|line| anstream::adapter::strip_str(&line).to_string())
        .collect()
}

#[test]
fn progress_lines_fit_a_terminal() {
    let error = "the model is unknown, and the message about it is longer than a line of a terminal";
    for text in [
        "A name",
        "A service with a name that is much too long for a line",
        "日本語のとても長いサービス名、本当に長い",
    ] {
        for line in lines(&poisoned(text), error).iter().chain(&lines(&everything(), error)) {
            assert!(width(line) <= TERMINAL, "{} columns: {line}", width(line));
        }
    }
    let shown = lines(&everything(), error).join("\n");
    assert!(shown.contains("4d1a…77e0 → 6745…f1b0 1234 s"), "{shown}");
    assert!(shown.contains("✗ Health Coach      create, inactive: the model is unknown, and"), "{shown}");
}

#[test]
fn messages_about_waits_fit_a_terminal() {
    for limit in [Some(20), None] {
        let line = waiting(Endpoint::CreateService, Duration::from_millis(1_500), limit);
        let line = anstream::adapter::strip_str(&line).to_string();
        assert!(width(&line) <= TERMINAL, "{line}");
    }
}
