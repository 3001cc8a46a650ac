//! Tests of settings that a manifest sets to null: a whole block can't be removed, but its members can.

use amigops::model::Api;
use serde_json::{Value, json};

use crate::harness::{EMPTY, Lab, answer, is_update, service};

const BLOCKS: &str = "voice_config: {max_response_words: 30, tts_model: sonic-3}
escalation_policy: {risk_scorer: {type: hangup}}
";

/// Creates a lab with the service `Desk`, which has both blocks of [`BLOCKS`].
fn lab() -> Lab {
    let lab = Lab::on(Api::Platform, EMPTY);
    lab.manifests(&service("Desk", BLOCKS));
    lab.apply().expect(0);
    lab.expect_converged();
    lab
}

#[test]
fn a_block_that_the_api_cannot_clear_is_refused_with_its_location() {
    let lab = lab();
    let before = lab.writes().len();
    for (block, hint) in
        [("voice_config", "remove the whole key from the manifest"), ("escalation_policy", "type: operator")]
    {
        let kept: String = BLOCKS.lines().filter(|line| !line.starts_with(block)).collect();
        // The null is on the fifth line of the manifest.
        lab.manifests(&service("Desk", &format!("{block}: ~\n{kept}\n")));
        for command in [&["plan"][..], &["apply", "--auto-approve"]] {
            let run = lab.run(command).expect(1);
            assert!(run.stderr.contains(&format!("`{block}` of `Desk` can't be removed")), "{}", run.stderr);
            assert!(run.stderr.contains("ignores nulls"), "the reason: {}", run.stderr);
            assert!(run.stderr.contains(hint), "{}", run.stderr);
            assert!(run.stderr.contains("services/all.yaml:5:"), "{}", run.stderr);
        }
    }
    assert_eq!(lab.writes().len(), before, "nothing is written");
}

#[test]
fn a_null_inside_a_block_clears_the_value() {
    let lab = lab();
    lab.manifests(&service("Desk", "voice_config: {max_response_words: ~, tts_model: sonic-3}\n"));
    let plan = lab.run(&["plan", "--detailed-exitcode"]).expect(2);
    assert!(plan.stdout.contains("max_response_words"), "{}", plan.stdout);
    lab.apply().expect(0);
    let voice = lab.settings(&lab.active("Desk").id)["voice_config"].clone();
    assert!(voice.get("max_response_words").is_none_or(Value::is_null), "{voice}");
    assert_eq!(voice["tts_model"], "sonic-3");
    lab.expect_converged();
}

#[test]
fn a_server_that_ignores_a_null_is_detected() {
    let lab = lab();
    let id = lab.active("Desk").id;
    lab.manifests(&service("Desk", "voice_config: {max_response_words: ~, tts_model: sonic-3}\n"));
    let old = lab.get(&format!("/services/{id}"));
    assert_eq!(old["voice_config"]["max_response_words"], json!(30));
    lab.before(move |request| if is_update(request) { answer(200, old.to_string()) } else { None });
    let run = lab.apply().expect(4);
    assert!(
        run.stderr.contains("did not apply all of it: `voice_config.max_response_words` is 30"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("vendor's console"), "what to do: {}", run.stderr);
}
