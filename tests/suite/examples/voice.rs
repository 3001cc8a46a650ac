//! Tests of `examples/voice` with the real binary. The example has every setting that only the Platform API has.

use std::collections::BTreeSet;
use std::path::Path;

use amigops::model::settings::{EXPERIENCE_CONTROLS, Kind, SERVICE, SettingField};
use amigops::model::{DesiredService, OnAgentChange, Retire};
use serde_json::{Map, Value};

use super::loaded;
use crate::harness::{Run, amigops, copy_example, run_command};

fn run(directory: &Path, args: &[&str]) -> Run {
    let mut command = amigops(directory);
    command.args(args);
    run_command(command)
}

fn services(environment: &str) -> Vec<DesiredService> {
    loaded("voice", environment).desired.services.into_values().collect()
}

/// Returns the paths of all fields, at every depth, that are in none of the values.
fn missing(fields: &[SettingField], values: &[&Map<String, Value>]) -> Vec<String> {
    let mut paths = Vec::new();
    for field in fields {
        let there: Vec<&Value> = values.iter().filter_map(|value| value.get(field.name)).collect();
        let below = match field.kind {
            _ if there.is_empty() => {
                paths.push(field.name.to_owned());
                continue;
            }
            Kind::Object(fields) => missing(fields, &objects(there)),
            Kind::Map { of: Kind::Object(fields), .. } => {
                let entries = objects(there).into_iter().flat_map(Map::values).collect();
                missing(fields, &objects(entries))
            }
            _ => Vec::new(),
        };
        paths.extend(below.into_iter().map(|path| format!("{}.{path}", field.name)));
    }
    paths
}

fn objects(values: Vec<&Value>) -> Vec<&Map<String, Value>> {
    values.into_iter().filter_map(Value::as_object).collect()
}

/// Every setting of the Platform API must be in the example.
#[test]
fn the_example_has_every_platform_setting() {
    let services = services("sandbox");
    let settings: Vec<_> = services.iter().map(|service| &service.settings).collect();
    assert_eq!(missing(SERVICE, &settings), [""; 0]);
    let sets = services.iter().flat_map(|service| service.version_sets.iter().flatten());
    let preferences = sets.flat_map(|(_, set)| set.llm_model_preferences.iter().flatten());
    let controls: Vec<_> =
        preferences.filter_map(|(_, one)| one.experience_controls.as_ref()?.as_ref()).collect();
    assert_eq!(missing(EXPERIENCE_CONTROLS, &controls), [""; 0]);
}

#[test]
fn one_service_has_all_voice_settings() {
    let whole = |service: &DesiredService| missing(SERVICE, &[&service.settings]).is_empty();
    assert_eq!(services("sandbox").iter().filter(|service| whole(service)).count(), 1);
}

#[test]
fn missing_settings_are_found() {
    let voice = serde_json::json!({"voice_config": {"forwarding": {"forward_to": "+1"}, "language_providers": {
        "es": {"provider": "groq"}, "fr": {"config": {}}
    }}});
    let found = missing(SERVICE, &[voice.as_object().unwrap()]);
    for path in ["channel_type", "voice_config.tts_model", "voice_config.forwarding.warm_transfer"] {
        assert!(found.iter().any(|known| known == path), "{path} in {found:?}");
    }
    assert!(!found.iter().any(|path| path.starts_with("voice_config.language_providers")), "{found:?}");
}

#[test]
fn the_example_has_every_channel_environment_and_escalation_type() {
    let services = services("sandbox");
    let words = |pointer: &str| -> BTreeSet<String> {
        let of = |service: &DesiredService| {
            Value::Object(service.settings.clone()).pointer(pointer)?.as_str().map(str::to_owned)
        };
        services.iter().filter_map(of).collect()
    };
    let set = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(words("/channel_type"), set(&["text", "voice"]));
    assert_eq!(words("/environment"), set(&["production", "sandbox"]));
    let triggers = ["context_window_exhaustion", "risk_scorer", "conversation_monitor"];
    let actions = triggers.iter().flat_map(|trigger| words(&format!("/escalation_policy/{trigger}/type")));
    assert_eq!(actions.collect::<BTreeSet<_>>(), set(&["forward", "hangup", "operator"]));
    let lifecycle = |fits: fn(&DesiredService) -> bool| services.iter().any(fits);
    assert!(lifecycle(|it| it.lifecycle.on_agent_change == Some(OnAgentChange::Replace)
        && it.lifecycle.retire == Retire::Delete
        && !it.smoke.is_empty()));
    assert!(lifecycle(|it| it.lifecycle.on_agent_change.is_none()), "the default, in place");
}

/// Applies the example to an empty server on each API. A second apply must have nothing to do.
#[test]
fn the_example_can_be_applied_on_both_apis() {
    let project = copy_example("voice");
    for environment in ["sandbox", "legacy"] {
        let applied = run(project.path(), &["apply", "--auto-approve", "-e", environment]).expect(0);
        assert!(applied.stdout.contains("Plan: 4 to create"), "{}", applied.stdout);
        assert!(applied.stderr.contains("read back: converged"), "{}", applied.stderr);
        let plan = run(project.path(), &["plan", "--detailed-exitcode", "-e", environment]).expect(0);
        assert!(plan.stdout.contains("Nothing to do: 4 services"), "{}", plan.stdout);
        let again = run(project.path(), &["apply", "--auto-approve", "-e", environment]).expect(0);
        assert!(again.stdout.contains("Nothing to do"), "{}", again.stdout);
    }
}

fn edit(project: &Path, file: &str, from: &str, to: &str) {
    let file = project.join("services").join(file);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{from} in {}", file.display());
    std::fs::write(&file, text.replacen(from, to, 1)).unwrap();
}

/// One service is replaced and the old service is deleted. Another service changes in place. Both must end as the
/// manifests declare.
#[test]
fn agents_change_in_place_or_by_replacement() {
    let project = copy_example("voice");
    let project = project.path();
    run(project, &["apply", "--auto-approve", "-q"]).expect(0);
    let ids = |project: &Path| -> Map<String, Value> {
        let run = run(project, &["ids", "--format", "json"]).expect(0);
        serde_json::from_str(&run.stdout).unwrap()
    };
    let before = ids(project);
    edit(project, "nurse-line.yaml", "agent: Nurse Amara", "agent: Nurse Amara bilingual");
    edit(project, "nurse-line.yaml", "agent_version: 4", "agent_version: 2");
    edit(project, "main-line.yaml", "agent: Operator Brigid", "agent: Nurse Amara");
    edit(project, "main-line.yaml", "agent_version: 5", "agent_version: 4");
    edit(project, "main-line.yaml", "eot_timeout_ms: 1800", "eot_timeout_ms: 2000");
    let plan = run(project, &["plan", "--detailed-exitcode"]).expect(2);
    let told = |text: &str| assert!(plan.stdout.contains(text), "{text}:\n{}", plan.stdout);
    told("Plan: 0 to create, 1 to change, 1 to replace, 0 to retire");
    told("2 smoke tests · rename old · activate new · delete old");
    told("1800 → 2000");
    let applied = run(project, &["apply", "--auto-approve"]).expect(0);
    assert!(applied.stderr.contains("read back: converged"), "{}", applied.stderr);
    let plan = run(project, &["plan", "--detailed-exitcode"]).expect(0);
    assert!(plan.stdout.contains("· 4 services live, 4 declared"), "the old one is gone:\n{}", plan.stdout);
    let after = ids(project);
    assert_eq!(before["Main Line"], after["Main Line"]);
    assert_ne!(before["After-Hours Nurse"], after["After-Hours Nurse"]);
}

/// The new service of a replacement fails its smoke test, so it must never be activated.
#[test]
fn a_replacement_that_fails_its_smoke_test_is_not_activated() {
    let project = copy_example("voice");
    let project = project.path();
    run(project, &["apply", "--auto-approve", "-q"]).expect(0);
    let before = run(project, &["ids"]).expect(0).stdout;
    edit(project, "nurse-line.yaml", "agent: Nurse Amara", "agent: Discharge Nurse");
    edit(project, "nurse-line.yaml", "agent_version: 4", "agent_version: 2");
    edit(project, "nurse-line.yaml", "(?i)how high", "(?i)how long");
    let failed = run(project, &["apply", "--auto-approve"]).expect(4);
    assert!(failed.stderr.contains("How high is the fever"), "{}", failed.stderr);
    assert_eq!(run(project, &["ids"]).expect(0).stdout, before);
}
