//! Tests of error messages for responses that refuse a request.

use amigops::model::Api;

use crate::harness::{EMPTY, Lab, amigops, answer, is_create, on_first, run_command, service};

#[test]
fn a_problem_inside_a_request_is_reported_with_its_path() {
    let lab = Lab::on(Api::Platform, &format!("{EMPTY}    llms: [known]\n"));
    let set = "version_sets: {dev: {llm_model_preferences: {EngageUser: {llm_name: unheard_of}}}}\n";
    lab.manifests(&service("Desk", set));
    let run = lab.apply().expect(4);
    let path = "version_sets.dev.llm_model_preferences.EngageUser.llm_name";
    assert!(run.stderr.contains(path), "{}", run.stderr);
    assert!(run.stderr.contains("unheard_of") && run.stderr.contains("422"), "{}", run.stderr);
    assert_eq!(lab.services().len(), 0);
}

#[test]
fn places_codes_and_request_ids_of_any_answer_are_shown() {
    let lab = Lab::on(Api::Platform, EMPTY);
    lab.manifests(&service("Desk", ""));
    let body = r#"{"detail":[
        {"loc":["body","voice_config","forwarding","rules",2,"to"],"msg":"no such number","type":"value_error"},
        {"loc":["query","x"],"msg":"odd","type":"value_error"}
    ],"error_code":"voice","request_id":"req_42"}"#;
    lab.before(on_first(is_create, answer(422, body)));
    let run = lab.apply().expect(4);
    for words in [
        "voice_config.forwarding.rules.2.to: no such number",
        "x: odd",
        "error code voice",
        "request id req_42",
    ] {
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
}

#[test]
fn a_key_in_an_error_response_is_masked() {
    // The key is as long as real keys, because shorter values are treated as ordinary words and not masked.
    const KEY: &str = "amigo_live_0123456789abcdef";
    let lab = Lab::on(Api::Platform, EMPTY);
    lab.manifests(&service("Desk", ""));
    for body in [
        format!(r#"{{"detail":"{KEY} may not"}}"#),
        format!(r#"{{"detail":[{{"loc":["header","authorization"],"msg":"Bearer {KEY}"}}]}}"#),
        format!(r#"{{"detail":"no","request_id":"{KEY}"}}"#),
        format!("<html>{KEY}</html>"),
        format!("not {KEY}"),
    ] {
        lab.before(move |_| answer(403, body.clone()));
        for format in ["text", "json"] {
            let mut command = amigops(&lab.path());
            command.args(["plan", "-vvv", "--log-format", format]).env("PLATFORM_API_KEY", KEY);
            let run = run_command(command).expect(1);
            assert!(!run.stderr.contains(KEY) && !run.stdout.contains(KEY), "{}", run.stderr);
            assert!(run.stderr.contains("403"), "{}", run.stderr);
        }
    }
}
