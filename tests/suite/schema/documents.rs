//! Tests that validate documents with the schemas in `schema/` and an independent validator. All examples are accepted,
//! and documents with one mistake are refused.

use jsonschema::Validator;
use serde_json::{Value, json};

use super::{Path, root};
use crate::harness::{amigops, copy_example, run_command};
use amigops::schema::SchemaFile;

const SERVICE: &str = "service: A\nagent: B\ncontext_graph: C\n";
const PROJECT: &str = "version: 1\nmanifests: [a.yaml]\n";
const SANDBOX: &str = "environments: {sandbox: {api: embedded}}\n";

/// Lines that make a valid manifest invalid if one of them is added.
const BAD_LINES_OF_SERVICES: &[&str] = &[
    "name: A",
    "active: yes",
    "keyterms: metformin",
    "tags: {tier: 1}",
    "tags: [gold]",
    "version_sets: {edge: {}}",
    "version_sets: {'my set': {}}",
    "version_sets: {release: {agent_version: 0}}",
    "version_sets: {release: {agent_version: '3'}}",
    "version_sets: {release: {agent_version: newest}}",
    "version_sets: {release: {llm_model_preferences: {E: {llm_name: m, temperature: 1}}}}",
    "version_sets: {release: {llm_model_preferences: {E: {llm_name: m, experience_controls: {top_p: 2}}}}}",
    "lifecycle: {retire: remove}",
    "lifecycle: {ignore: [version_sets.dev.pins]}",
    "smoke: [{says: Hello}]",
    "tool_capacity: 11",
    "channel_type: fax",
    "voice_config: {filler_style: loud}",
    "voice_config: {forwarding: {number: '+12025550100'}}",
    "environments: {staging: {service: B}}",
    "environments: {staging: {environments: {}}}",
    "environments: {staging: {tool_capacity: 0}}",
];

const BAD_SERVICES: &[&str] = &[
    "agent: B\ncontext_graph: C",
    "service: ' '",
    "service: 7",
    "service: A\nagent: {id: 123}",
    "service: A\nagent: {id: 6618791275530b73714e9d18, name: B}",
];

/// Lines that make an invalid `amigops.yaml` if one of them is added to the beginning of the file.
const BAD_LINES_OF_PROJECTS: &[&str] = &[
    "",
    "environments: {}",
    "environments: {sandbox: {}}",
    "environments: {sandbox: {api: embedded, organization: acme}}",
    "environments: {live: {api: platform, workspace: acme}}",
    "environments: {live: {api: classic, base_url: 'http://example.com'}}",
    "environments: {live: {api: classic, credentials: {api_key: sk-123}}}",
];

/// Lines that make a valid `amigops.yaml` invalid if one of them is added.
const BAD_SETTINGS_OF_PROJECTS: &[&str] = &[
    "defaults: {service: A}",
    "defaults: {active: 1}",
    "ownership: {tag: managed-by}",
    "guardrails: {max_removals: 101%}",
    "guardrails: ~",
];

const BAD_PROJECTS: &[&str] = &["version: 2\nmanifests: [a.yaml]", "version: 1\nmanifests: []"];

const BAD_SEEDS: &[&str] = &[
    "organisations: {}",
    "organizations: {acme: {agents: [{versions: 2}]}}",
    "organizations: {acme: {agents: [{name: A, versions: two}]}}",
    "organizations: {acme: {api_keys: [{id: a, key: b, user: c, permissions: [All]}]}}",
    "workspaces: {acme: {}}",
    "workspaces: {sandbox: {services: [{name: A, agent: B, context_graph: C, tool_capacity: 11}]}}",
];

const BAD_FAULTS: &[&str] = &[
    "fault: refuse",
    "faults: [{nth: 2}]",
    "faults: [{fault: loose_answer}]",
    "faults: [{fault: delay}]",
    "faults: [{fault: close, millis: 5}]",
    "faults: [{fault: answer, status: 99}]",
    "faults: [{fault: refuse, method: get}]",
    "faults: [{fault: refuse, nth: 0}]",
];

fn validator(file: &SchemaFile) -> Validator {
    let schema = file.schema();
    jsonschema::meta::validate(&schema).unwrap_or_else(|error| panic!("{}: {error}", file.name()));
    jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{}: {error}", file.name()))
}

/// Returns the documents of a text, read as YAML 1.2.
fn documents(text: &str) -> Vec<Value> {
    let mut options = serde_saphyr::Options::default();
    options.strict_booleans = true;
    serde_saphyr::from_multiple_with_options(text, options).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Checks that the schema accepts every document of the text. Returns the number of documents.
#[track_caller]
fn accept(schema: &Validator, name: &Path, text: &str) -> usize {
    let found = documents(text);
    for document in &found {
        let errors: Vec<String> =
            schema.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{}:\n{}", name.display(), errors.join("\n"));
    }
    found.len()
}

#[track_caller]
fn refuse(schema: &Validator, text: &str) {
    for document in documents(text) {
        assert!(!schema.is_valid(&document), "accepted:\n{text}");
    }
}

/// Returns the YAML files below `examples` for whose path `fits` returns true.
fn examples(fits: impl Fn(&Path) -> bool) -> Vec<std::path::PathBuf> {
    let is_own = |entry: &walkdir::DirEntry| entry.file_name() != ".amigops";
    let files = walkdir::WalkDir::new(root().join("examples")).into_iter().filter_entry(is_own);
    let paths = files.map(|entry| entry.unwrap().into_path());
    paths.filter(|path| path.extension().is_some_and(|ending| ending == "yaml") && fits(path)).collect()
}

#[test]
fn schemas_accept_the_examples() {
    let is_named = |path: &Path, part: &str| path.file_name().unwrap().to_str().unwrap().contains(part);
    let is_service = |path: &Path| path.components().any(|part| part.as_os_str() == "services");
    let kinds = [
        (SchemaFile::Service, examples(is_service), 70),
        (SchemaFile::Project, examples(|path| is_named(path, "amigops.yaml")), 3),
        (SchemaFile::Seed, examples(|path| is_named(path, "seed")), 2),
        (SchemaFile::Faults, examples(|path| is_named(path, "faults")), 1),
    ];
    for (file, paths, least) in kinds {
        let schema = validator(&file);
        let text = |path: &Path| std::fs::read_to_string(path).unwrap();
        let count: usize = paths.iter().map(|path| accept(&schema, path, &text(path))).sum();
        assert!(count >= least, "{}: {count} examples", file.name());
    }
}

#[test]
fn schemas_refuse_documents_with_one_mistake() {
    let with = |start: &str, lines: &[&str]| -> Vec<String> {
        lines.iter().map(|line| format!("{start}{line}\n")).collect()
    };
    let service = validator(&SchemaFile::Service);
    accept(&service, Path::new("a manifest"), SERVICE);
    with("", BAD_SERVICES).iter().for_each(|text| refuse(&service, text));
    with(SERVICE, BAD_LINES_OF_SERVICES).iter().for_each(|text| refuse(&service, text));
    let (project, good) = (validator(&SchemaFile::Project), format!("{PROJECT}{SANDBOX}"));
    accept(&project, Path::new("a project"), &good);
    with(SANDBOX, BAD_PROJECTS).iter().for_each(|text| refuse(&project, text));
    with(PROJECT, BAD_LINES_OF_PROJECTS).iter().for_each(|text| refuse(&project, text));
    with(&good, BAD_SETTINGS_OF_PROJECTS).iter().for_each(|text| refuse(&project, text));
    let (seed, faults) = (validator(&SchemaFile::Seed), validator(&SchemaFile::Faults));
    BAD_SEEDS.iter().for_each(|text| refuse(&seed, text));
    BAD_FAULTS.iter().for_each(|text| refuse(&faults, text));
}

/// Returns plans of the examples: a first plan that creates everything, an empty plan, and a plan that replaces one
/// service and retires another.
fn plans() -> Vec<Value> {
    let mut plans = Vec::new();
    for example in ["quickstart", "clinic", "voice"] {
        let project = copy_example(example);
        let run = |args: &[&str]| {
            let mut command = amigops(project.path());
            command.args(args);
            run_command(command).expect(0).stdout
        };
        let mut plan = |args: &[&str]| plans.push(serde_json::from_str(&run(args)).unwrap());
        plan(&["plan", "--format", "json"]);
        if example == "quickstart" {
            run(&["apply", "--auto-approve"]);
            plan(&["plan", "--format", "json"]);
            let manifest = project.path().join("services/health-coach.yaml");
            let text = std::fs::read_to_string(&manifest).unwrap();
            assert!(text.contains("agent: Coach Maya"));
            std::fs::write(&manifest, text.replace("agent: Coach Maya", "agent: Coach Noor")).unwrap();
            std::fs::remove_file(project.path().join("services/adaptive-support.yaml")).unwrap();
            plan(&["plan", "--prune", "--format", "json"]);
        }
    }
    plans
}

#[test]
fn the_plan_schema_accepts_plans_and_refuses_documents_with_one_mistake() {
    let (schema, plans) = (validator(&SchemaFile::Plan), plans());
    let mut actions = std::collections::BTreeSet::new();
    for plan in &plans {
        let errors: Vec<String> = schema.iter_errors(plan).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}\n{plan:#}", errors.join("\n"));
        let steps = plan["steps"].as_array().unwrap().iter();
        actions.extend(steps.map(|step| step["action"].as_str().unwrap().to_owned()));
    }
    for action in ["create", "write_version_set", "hand_over", "retire"] {
        assert!(actions.contains(action), "no plan has `{action}`: {actions:?}");
    }
    let broken: [fn(&mut Value); 9] = [
        |plan| drop(plan.as_object_mut().unwrap().remove("format_version")),
        |plan| plan["applied"] = json!(true),
        |plan| drop(plan["summary"].as_object_mut().unwrap().remove("adopt")),
        |plan| plan["steps"][0]["action"] = json!("destroy"),
        |plan| drop(plan["steps"][0].as_object_mut().unwrap().remove("does")),
        |plan| drop(plan["steps"][0]["does"].as_object_mut().unwrap().remove("name")),
        |plan| plan["steps"][0]["risk"] = json!("high"),
        |plan| plan["steps"][0]["changes"] = json!([{"path": "a", "before": 1, "after": 2, "cause": "you"}]),
        |plan| plan["fingerprints"] = json!([{"of": {"agent": "a"}, "name": "A", "seen": {}}]),
    ];
    for (number, change) in broken.iter().enumerate() {
        let mut plan = plans[0].clone();
        change(&mut plan);
        assert!(!schema.is_valid(&plan), "mistake {number} is accepted");
    }
}
