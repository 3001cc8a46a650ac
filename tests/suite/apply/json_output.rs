//! Tests of `apply --format json`: one line for each event, one outcome for each step, and the exit code of the
//! process.

use std::sync::Arc;

use amigops_emulator::Fault;
use serde_json::{Value, json};

use super::interrupts::interrupt_twice;
use super::{EMPTY, service, services};
use crate::harness::{Lab, Run, answer, is_create};
use crate::on_both_apis;

/// Returns the output lines of a run as JSON. Checks that the first line is the plan, that the last line is the result,
/// and that each step of the plan has one outcome.
fn lines(run: &Run) -> Vec<Value> {
    let lines: Vec<Value> = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["type"], "plan", "{}", run.stdout);
    let last = lines.last().unwrap();
    assert_eq!(
        (last["type"].as_str(), last["exit_code"].as_i64()),
        (Some("result"), run.code.map(i64::from))
    );
    let mut ended: Vec<&Value> =
        lines.iter().filter(|line| line["type"] == "step_ended").map(|line| &line["step"]).collect();
    ended.sort_by_key(|step| step.as_u64());
    let steps = lines[0]["plan"]["steps"].as_array().unwrap();
    assert_eq!(ended, steps.iter().map(|step| &step["id"]).collect::<Vec<_>>());
    lines
}

on_both_apis! {
    fn a_successful_run(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&service("Desk", ""));
        let run = lab.run(&["apply", "--auto-approve", "--format", "json"]).expect(0);
        let lines = lines(&run);
        let id = lab.active("Desk").id;
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[1], json!({"type": "step_started", "step": 1, "service": "Desk", "what": "create"}));
        assert_eq!((&lines[2]["outcome"], &lines[2]["service_id"]), (&json!("done"), &json!(id)));
        assert!(lines[2]["seconds"].as_f64().is_some());
        let expected = json!({"type": "result", "exit_code": 0, "done": 1, "failed": 0, "not_attempted": 0, "unknown": 0,
            "interrupted": false, "timed_out": false, "converged": true, "ids": {"Desk": id}});
        assert_eq!(lines[3], expected);
        // A run with nothing to do prints the same kinds of lines.
        let run = lab.run(&["apply", "--auto-approve", "--format", "json"]).expect(0);
        assert_eq!(self::lines(&run)[1], json!({"type": "result", "exit_code": 0, "done": 0, "failed": 0,
            "not_attempted": 0, "unknown": 0, "interrupted": false, "timed_out": false, "converged": true, "ids": {"Desk": id}}));
    }

    fn a_change_has_the_id_of_its_service(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&service("Desk", ""));
        lab.apply().expect(0);
        let more = "version_sets: {dev: {agent_version: 1, context_graph_version: 1}}\n";
        lab.manifests(&service("Desk", more).replace("The Desk", "The new one"));
        let run = lab.run(&["apply", "--auto-approve", "--format", "json"]).expect(0);
        let lines = lines(&run);
        let id = json!(lab.active("Desk").id);
        let ended: Vec<&Value> = lines.iter().filter(|line| line["type"] == "step_ended").collect();
        assert_eq!(ended.len(), 2, "{}", run.stdout);
        assert!(ended.iter().all(|line| line["service_id"] == id), "{}", run.stdout);
    }

    fn the_plan_has_the_key_order_of_its_document(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&service("Desk", ""));
        let alone = lab.run(&["plan", "--format", "json"]).expect(0);
        let looked = lab.run(&["drift", "--format", "json"]).expect(2);
        let applied = lab.run(&["apply", "--auto-approve", "--format", "json"]).expect(0);
        let beginning = "{\"type\":\"plan\",\"plan\":{\"format_version\":1,";
        assert!(applied.stdout.starts_with(beginning), "{}", applied.stdout);
        let first = |run: &Run| run.stdout.lines().nth(1).unwrap().trim().to_owned();
        assert_eq!((first(&alone), first(&looked)), ("\"format_version\": 1,".into(), "\"format_version\": 1,".into()));
    }

    fn a_partly_failed_run(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&[service("First", ""), service("Second", "depends_on: [First]\n"), service("Third", "")].join("---\n"));
        lab.before(|request| {
            if is_create(request) && request.body.contains("\"First\"") {
                return answer(400, r#"{"detail":"the model is \u001b[31m unknown"}"#);
            }
            None
        });
        let run = lab.run(&["apply", "--auto-approve", "--format", "json"]).expect(4);
        let lines = lines(&run);
        let of = |name: &str| {
            lines.iter().find(|line| line["type"] == "step_ended" && line["service"] == name).unwrap().clone()
        };
        assert!(of("First")["outcome"] == "failed" && of("First")["error"].as_str().unwrap().contains("unknown"));
        let second = of("Second");
        assert_eq!((&second["outcome"], &second["waits_for"]), (&json!("not_attempted"), &of("First")["step"]));
        assert_eq!(of("Third")["outcome"], "done");
        let last = lines.last().unwrap();
        assert_eq!((&last["done"], &last["failed"], &last["not_attempted"]), (&json!(1), &json!(1), &json!(1)));
        assert_eq!(last["converged"], false);
        assert!(!run.stdout.contains('\u{1b}'), "{}", run.stdout);
    }

    fn an_interrupted_run(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&services(5, ""));
        let hooks = Arc::clone(&lab.hooks);
        lab.before(move |request| {
            if is_create(request) {
                hooks.signal("INT");
                return Some(Fault::Delay { millis: 300 });
            }
            None
        });
        let run = lab.run(&["apply", "--auto-approve", "--format", "json", "--parallelism", "1"]).expect(130);
        let lines = lines(&run);
        let last = lines.last().unwrap();
        assert_eq!((&last["done"], &last["not_attempted"], &last["converged"]), (&json!(1), &json!(4), &Value::Null));
        assert_eq!(last["interrupted"], true);
    }

    fn a_run_that_is_stopped_at_once(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&services(3, ""));
        interrupt_twice(&lab);
        let run = lab.run(&["apply", "--auto-approve", "--format", "json", "--parallelism", "1"]).expect(130);
        let lines = lines(&run);
        let ended: Vec<&Value> = lines.iter().filter(|line| line["type"] == "step_ended").collect();
        assert_eq!(ended[0]["outcome"], "unknown", "it may have been applied: {}", run.stdout);
        assert!(ended[0]["reason"].as_str().unwrap().contains("may have been applied"), "{}", run.stdout);
        assert!(ended.iter().all(|line| !line["help"].as_array().unwrap().is_empty()), "{}", run.stdout);
        assert_eq!((&ended[1]["outcome"], &ended[2]["outcome"]), (&json!("not_attempted"), &json!("not_attempted")));
        let last = lines.last().unwrap();
        assert_eq!((&last["done"], &last["not_attempted"], &last["unknown"]), (&json!(0), &json!(2), &json!(1)));
        assert_eq!((&last["interrupted"], &last["converged"]), (&json!(true), &Value::Null));
    }
}
