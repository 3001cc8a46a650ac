//! Tests of edited plans with a recomputed fingerprint, as an attacker would write them. A plan file only records what
//! was approved, so an edit must not change what an apply does.

use amigops::model::Api;
use amigops::plan_file;
use amigops_emulator::Service;
use serde_json::{Value, json};

use crate::harness::{Lab, Run};
use crate::on_both_apis;

/// A seed with services for every kind of step, a service of another project, and a protected service.
const SEED: &str = "
organizations:
  acme:
    agents: [{name: One, versions: 5}, {name: Two, versions: 5}]
    context_graphs: [{name: Flow, versions: 5}]
    services:
      - {name: Desk, description: The desk, agent: One, context_graph: Flow, active: true, tags: {managed_by: amigops},
         version_sets: {release: {agent_version: 1, context_graph_version: 1}, old: {agent_version: 1, context_graph_version: 1}}}
      - {name: Coach, description: The coach, agent: One, context_graph: Flow, active: true, tags: {managed_by: amigops},
         version_sets: {release: {agent_version: 1, context_graph_version: 1}}}
      - {name: Left, description: The left, agent: One, context_graph: Flow, active: true, tags: {managed_by: amigops}}
      - {name: Right, description: The right, agent: Two, context_graph: Flow, active: true, tags: {managed_by: amigops}}
      - {name: Line, description: The line, agent: One, context_graph: Flow, active: true, tags: {managed_by: amigops}}
      - {name: Summer, description: The summer, agent: One, context_graph: Flow, active: true, tags: {managed_by: amigops}}
      - {name: Emergency, description: The emergency, agent: One, context_graph: Flow, active: true, tags: {managed_by: amigops}}
      - {name: Theirs, description: The others, agent: One, context_graph: Flow, active: true, tags: {managed_by: sisters}}
    behavior_sets:
      - {name: Calm, applied_to: [Coach]}
";

const PROJECT: &str = "ownership: {value: amigops}\nguardrails: {max_removals: 2, protected: [Emergency]}\n";

/// The manifests change a description, pins and a version set of Desk, replace Coach, swap the names of Left and Right,
/// and add a service. Summer has no manifest, and Line has an unfinished replacement that is no longer wanted.
const MANIFESTS: &str = "service: Desk
description: The new desk
agent: One
context_graph: Flow
version_sets: {release: {agent_version: 2, context_graph_version: 1}}
---
service: Coach
agent: Two
context_graph: Flow
version_sets: {release: {agent_version: 2, context_graph_version: 1}, dev: {agent_version: 1, context_graph_version: 1}}
lifecycle: {on_agent_change: replace}
smoke: [{version_set: release, say: Hello}]
---
service: Left
agent: Two
context_graph: Flow
lifecycle: {renamed_from: Right}
---
service: Right
agent: One
context_graph: Flow
lifecycle: {renamed_from: Left}
---
service: Line
agent: One
context_graph: Flow
---
service: Emergency
agent: One
context_graph: Flow
---
service: New
description: The new one
agent: One
context_graph: Flow
";

/// Creates a lab with a saved plan that has every kind of step of the API.
fn saved(api: Api) -> Lab {
    let lab = Lab::on(api, SEED);
    lab.project(PROJECT);
    lab.manifests(MANIFESTS);
    let line = lab.active("Line");
    let name = match api {
        Api::Classic => "Line".to_owned(),
        Api::Platform => format!("Line (replacing {})", &line.id[..6]),
    };
    let tags = [("managed_by", "amigops"), ("replaces", line.id.as_str())];
    let tags = tags.map(|(key, value)| (key.to_owned(), Some(value.to_owned())));
    let unfinished = Service {
        id: String::new(),
        name,
        is_active: false,
        agent_id: lab.agent_id("Two"),
        tags: tags.into(),
        ..line
    };
    lab.add(unfinished);
    // `Summer` could be the new service under another name.
    lab.run(&["plan", "--prune", "--create", "New", "--out", "plan.json"]).expect(0);
    lab
}

fn document(lab: &Lab) -> Value {
    serde_json::from_str(&std::fs::read_to_string(lab.path().join("plan.json")).unwrap()).unwrap()
}

/// Writes a plan document to `plan.json` with a recomputed fingerprint. The format version comes first, as in every
/// plan file.
pub(crate) fn seal(lab: &Lab, mut document: Value) {
    document["fingerprint"] = json!(plan_file::fingerprint_of(document.clone()));
    let version = document.as_object_mut().unwrap().remove("format_version").unwrap();
    let rest = format!("{document:#}\n");
    lab.write("plan.json", &rest.replacen('{', &format!("{{\n  \"format_version\": {version},"), 1));
}

/// Applies the saved plan, with the options that it was made with.
fn apply(lab: &Lab) -> Run {
    lab.run(&["apply", "plan.json", "--prune", "--create", "New"])
}

/// Returns the index of the first step with this action.
fn step(plan: &Value, action: &str) -> usize {
    let steps = plan["steps"].as_array().unwrap();
    let found = steps.iter().position(|step| step["action"] == action);
    found.unwrap_or_else(|| panic!("no step is a {action}"))
}

fn kinds(api: Api) -> Vec<&'static str> {
    let all = [
        "create",
        "update",
        "set_aside",
        "write_version_set",
        "delete_version_set",
        "apply_behavior_set",
        "smoke",
        "hand_over",
        "retire",
        "discard",
    ];
    all.into_iter().filter(|kind| api == Api::Classic || *kind != "apply_behavior_set").collect()
}

/// Adds the JSON pointers of all scalar values below `value` to `found`. `at` is the pointer of `value` itself.
fn leaves(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                leaves(member, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                leaves(item, &format!("{at}/{index}"), found);
            }
        }
        _ => found.push(at.to_owned()),
    }
}

/// Returns a different value of the same type, or `None` for null.
fn other(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Bool(yes) => Some(json!(!yes)),
        Value::Number(number) => Some(json!(number.as_u64().unwrap_or_default() + 1)),
        Value::String(text) => Some(json!(format!("{text}x"))),
        Value::Array(_) => Some(json!(["x"])),
        Value::Object(_) => Some(json!({"x": "x"})),
    }
}

/// Adds a step to a plan that deactivates the live service with this name.
fn retire(plan: &mut Value, lab: &Lab, name: &str) {
    let id = lab.active(name).id;
    let steps = plan["steps"].as_array_mut().unwrap();
    let number = steps.len() + 1;
    steps.push(json!({
        "id": number, "action": "retire",
        "does": {"id": id, "update": {"active": false}, "how": "deactivate"},
        "service": name, "service_id": id, "version_set": null, "depends_on": [],
        "risk": "destructive", "changes": [], "reason": null,
    }));
}

/// Removes the step at the index `at`. Renumbers the other steps and all references to them.
fn remove_step(plan: &mut Value, at: usize) {
    plan["steps"].as_array_mut().unwrap().remove(at);
    let gone = at as u64 + 1;
    let lower = |value: &mut Value| {
        if let Some(number) = value.as_u64().filter(|number| *number > gone) {
            *value = json!(number - 1);
        }
    };
    for step in plan["steps"].as_array_mut().unwrap() {
        lower(&mut step["id"]);
        let after = step["depends_on"].as_array_mut().unwrap();
        after.retain(|id| id.as_u64() != Some(gone));
        after.iter_mut().for_each(lower);
        for target in ["/does/target/created", "/does/new/created"] {
            step.pointer_mut(target).into_iter().for_each(lower);
        }
    }
    for service in plan["services"].as_array_mut().unwrap() {
        let steps = service["steps"].as_array_mut().unwrap();
        steps.retain(|id| id.as_u64() != Some(gone));
        steps.iter_mut().for_each(lower);
    }
}

/// Swaps two adjacent steps that do not depend on each other.
fn reorder(plan: &mut Value) {
    let steps = plan["steps"].as_array_mut().unwrap();
    let waits = |step: &Value, id: usize| step["depends_on"].as_array().unwrap().contains(&json!(id));
    let plain = |step: &Value| step["action"] != "create";
    let at = (1..steps.len())
        .find(|&at| !waits(&steps[at], at) && plain(&steps[at]) && plain(&steps[at - 1]))
        .expect("two steps could change places");
    steps.swap(at - 1, at);
    let swap = |value: &mut Value| {
        if value.as_u64() == Some(at as u64) {
            *value = json!(at + 1);
        } else if value.as_u64() == Some(at as u64 + 1) {
            *value = json!(at);
        }
    };
    for step in steps {
        swap(&mut step["id"]);
        step["depends_on"].as_array_mut().unwrap().iter_mut().for_each(swap);
    }
    for service in plan["services"].as_array_mut().unwrap() {
        service["steps"].as_array_mut().unwrap().iter_mut().for_each(swap);
    }
}

/// An attack: a function that edits the plan, the live state, or both.
type Attack = fn(&Lab, &mut Value);

const ATTACKS: &[(&str, Attack)] = &[
    ("another text", |_, plan| {
        let at = step(plan, "update");
        plan["steps"][at]["does"]["update"]["description"] = json!("Call 555-0100 instead");
    }),
    ("another target", |lab, plan| {
        let at = step(plan, "update");
        let id = lab.active("Theirs").id;
        plan["steps"][at]["does"]["id"] = json!(id);
        plan["steps"][at]["service_id"] = json!(id);
        plan["fingerprints"] = json!([]);
    }),
    ("another project's service retired", |lab, plan| retire(plan, lab, "Theirs")),
    ("a protected service retired", |lab, plan| retire(plan, lab, "Emergency")),
    ("more retired than the rule allows", |lab, plan| {
        retire(plan, lab, "Line");
        retire(plan, lab, "Emergency");
    }),
    ("no fingerprints", |_, plan| plan["fingerprints"] = json!([])),
    ("no fingerprints, and a live value that has changed", |lab, plan| {
        lab.change(&lab.active("Desk").id, |desk| desk.description = "By an operator".to_owned());
        plan["fingerprints"] = json!([]);
    }),
    ("one fingerprint less", |_, plan| drop(plan["fingerprints"].as_array_mut().unwrap().pop())),
    ("a step less", |_, plan| remove_step(plan, step(plan, "retire"))),
    ("a step of a group less", |_, plan| remove_step(plan, step(plan, "write_version_set"))),
    ("steps in another order", |_, plan| reorder(plan)),
    ("a step that waits for nothing", |_, plan| {
        let at = step(plan, "hand_over");
        let creates = plan["steps"][at]["does"]["new"]["created"].clone();
        plan["steps"][at]["depends_on"] = json!([creates]);
    }),
    ("another owner", |_, plan| {
        let at = step(plan, "create");
        plan["steps"][at]["does"]["tags"]["managed_by"] = json!("sisters");
    }),
    ("protection taken away", |_, plan| plan["options"]["allow_protected"] = json!(true)),
    ("more removals", |_, plan| plan["options"]["max_removals"] = json!("99")),
    ("removals in words", |_, plan| plan["options"]["max_removals"] = json!("any")),
    ("not pruned", |_, plan| plan["options"]["prune"] = json!(false)),
    ("another service that may be created", |_, plan| plan["options"]["create"] = json!(["New", "Theirs"])),
    ("no service that may be created", |_, plan| plan["options"]["create"] = json!([])),
    ("only one service", |_, plan| plan["options"]["only"] = json!(["Desk"])),
    ("another kind of risk", |_, plan| {
        let at = step(plan, "retire");
        plan["steps"][at]["risk"] = json!("safe");
    }),
    ("another change shown", |_, plan| {
        let at = step(plan, "update");
        plan["steps"][at]["changes"][0]["after"] = json!("Nothing much");
    }),
    ("a service that is not shown", |_, plan| {
        plan["services"].as_array_mut().unwrap().retain(|service| service["name"] != "Summer");
    }),
    ("another summary", |_, plan| plan["summary"]["retire"] = json!(0)),
    ("another id", |lab, plan| plan["ids"]["Desk"] = json!(lab.active("Line").id)),
    ("other manifests", |_, plan| plan["manifests"] = json!({})),
    ("another organization", |_, plan| plan["organization"] = json!("other")),
    ("another server", |_, plan| plan["server"] = json!("https://example.com")),
];

/// Returns a description of the failure if a run was not refused or has sent a write. Returns `None` if it was refused
/// correctly.
fn not_refused(lab: &Lab, run: &Run) -> Option<String> {
    let is_none = run.code == Some(1) && run.stderr.contains("the file is not a plan");
    let refused = run.code == Some(3) || is_none;
    let writes = lab.writes().len();
    (!refused || writes > 0).then(|| format!("exit {:?}, {writes} writes: {}", run.code, run.stderr))
}

on_both_apis! {
    fn an_unedited_plan_with_every_kind_of_step_is_applied(api: Api) {
        let lab = saved(api);
        let plan = document(&lab);
        for kind in kinds(api) {
            step(&plan, kind);
        }
        // A plan file that is written again with the same content is still valid.
        seal(&lab, plan);
        let run = apply(&lab).expect(0);
        assert!(run.stderr.contains("read back: converged"), "{}", run.stderr);
        lab.run(&["plan", "--prune", "--detailed-exitcode"]).expect(0);
    }

    fn an_edited_plan_is_refused(api: Api) {
        let mut failed = Vec::new();
        for (name, attack) in ATTACKS {
            let lab = saved(api);
            let mut plan = document(&lab);
            attack(&lab, &mut plan);
            seal(&lab, plan);
            let run = apply(&lab);
            failed.extend(not_refused(&lab, &run).map(|why| format!("{name}: {why}")));
            if run.code == Some(3) && !run.stderr.contains("nothing was sent") {
                failed.push(format!("{name}: {}", run.stderr));
            }
        }
        assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), ATTACKS.len(), failed.join("\n"));
    }

    fn changing_any_value_of_any_step_is_refused(api: Api) {
        let (mut lab, mut failed, mut edits) = (saved(api), Vec::new(), 0);
        let mut good = document(&lab);
        for kind in kinds(api) {
            let at = step(&good, kind);
            let mut paths = Vec::new();
            leaves(&good["steps"][at]["does"], &format!("/steps/{at}/does"), &mut paths);
            for path in paths {
                let mut plan = good.clone();
                let value = plan.pointer_mut(&path).unwrap();
                let Some(other) = other(value) else { continue };
                *value = other;
                edits += 1;
                seal(&lab, plan);
                let run = apply(&lab);
                if let Some(why) = not_refused(&lab, &run) {
                    failed.push(format!("{kind}: {path}: {why}"));
                    lab = saved(api);
                    good = document(&lab);
                }
            }
        }
        assert!(edits > 30, "{edits}");
        assert!(failed.is_empty(), "{} of {edits}:\n{}", failed.len(), failed.join("\n"));
    }
}
