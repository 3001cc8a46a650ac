//! Tests of text turns and voice turns.

use amigops_emulator::{CannedReply, ReplyError, SANDBOX_WORKSPACE};
use serde_json::json;

use super::super::harness::Reply;
use super::harness::{MISSING, SERVICE, WorkspaceServer, problems};

fn add_canned_reply(api: &WorkspaceServer, reply: CannedReply) {
    let edit = |world: &mut amigops_emulator::World| {
        world.workspace_mut(SANDBOX_WORKSPACE).unwrap().settings_mut().replies.canned.push(reply);
    };
    api.0.server().edit(edit).unwrap();
}

fn say(api: &WorkspaceServer, text: &str) -> Reply {
    api.post(&format!("/services/{SERVICE}/text-turn"), json!({"phone_number": "+4912345", "text": text}))
}

const FILE: &str = "Content-Disposition: form-data; name=\"audio\"; filename=\"a.ogg\"\r\n\
    Content-Type: audio/ogg\r\n\r\nOggS";
const NUMBER: &str = "Content-Disposition: form-data; name=\"phone_number\"\r\n\r\n+4912345";

/// Sends a voice turn as a multipart form with these parts.
fn speak(api: &WorkspaceServer, parts: &[&str]) -> Reply {
    let mut body: String = parts.iter().map(|part| format!("--edge\r\n{part}\r\n")).collect();
    body.push_str("--edge--\r\n");
    let path = format!("/v1/{SANDBOX_WORKSPACE}/services/{SERVICE}/voice-turn");
    let headers = [("authorization", "Bearer all"), ("content-type", "multipart/form-data; boundary=edge")];
    api.0.raw("POST", &path, &headers, Some(body.into_bytes())).unwrap()
}

fn of_version(version: u32, answer: &str) -> CannedReply {
    CannedReply { agent_version: Some(version), answer: Some(answer.to_owned()), ..CannedReply::default() }
}

#[test]
fn a_turn_uses_release_or_the_latest_versions() {
    let api = WorkspaceServer::new();
    assert_eq!(say(&api, "Hi").expect(200).json(), json!({"text": "Coach Maya here. You said: Hi"}));
    add_canned_reply(&api, of_version(3, "three of {service}"));
    add_canned_reply(&api, of_version(5, "five"));
    assert_eq!(say(&api, "Hi").expect(200).json()["text"], "three of Health Coach");
    api.update(json!({"version_sets": {}})).expect(200);
    assert_eq!(say(&api, "Hi").expect(200).json()["text"], "five");
    api.update(json!({"is_active": false})).expect(200);
    say(&api, "Hi").expect(200);
}

#[test]
fn an_agent_can_be_silent_busy_or_failing() {
    let api = WorkspaceServer::new();
    let says = |part: &str| CannedReply { says: Some(part.to_owned()), ..CannedReply::default() };
    let error = Some(ReplyError { code: 502, description: "the model is away".into() });
    add_canned_reply(&api, CannedReply { silent: true, ..says("shh") });
    add_canned_reply(&api, CannedReply { busy: true, ..says("again") });
    add_canned_reply(&api, CannedReply { error, ..says("break") });
    add_canned_reply(&api, CannedReply { answer: Some("x".repeat(9000)), ..says("much") });
    assert_eq!(say(&api, "shh").expect(204).text, "");
    say(&api, "again").refused(409, "in progress");
    say(&api, "break").refused(502, "the model is away");
    assert_eq!(say(&api, "much").expect(200).json()["text"].as_str().unwrap().len(), 8192);
}

#[test]
fn a_turn_needs_a_speaker_and_a_text() {
    let api = WorkspaceServer::new();
    let path = format!("/services/{SERVICE}/text-turn");
    let at =
        |number: &str, text: &str| problems(api.post(&path, json!({"phone_number": number, "text": text})));
    let pattern = ["string_pattern_mismatch body.phone_number"];
    for number in ["12345", "+0123", "+1", "", "+12a", "+12 3", "tel:+123"] {
        assert_eq!(at(number, "x"), pattern, "{number}");
    }
    assert_eq!(
        at("+1234567890123456", ""),
        ["string_too_long body.phone_number", "string_too_short body.text"]
    );
    assert_eq!(at("+12", &"x".repeat(8193)), ["string_too_long body.text"]);
    let long = json!({"phone_number": "+123456789012345", "text": "x".repeat(8192)});
    api.post(&path, long).expect(200);
    assert_eq!(problems(api.post(&path, json!({}))), ["missing body.phone_number", "missing body.text"]);
    let nowhere = format!("/services/{MISSING}/text-turn");
    api.post(&nowhere, json!({"phone_number": "+12", "text": "x"})).refused(404, MISSING);
}

#[test]
fn a_spoken_turn_is_answered_in_ogg() {
    let api = WorkspaceServer::new();
    let reply = speak(&api, &[FILE, NUMBER]).expect(200);
    assert_eq!(reply.header("content-type"), Some("audio/ogg"));
    assert!(reply.text.starts_with("OggS") && reply.text.contains("this is Coach Maya"));
    assert_eq!(speak(&api, &[NUMBER, FILE]).text, reply.text, "always the same");
    add_canned_reply(&api, CannedReply { silent: true, ..CannedReply::default() });
    speak(&api, &[FILE, NUMBER]).expect(204);
}

#[test]
fn a_spoken_turn_must_be_a_form_with_a_file() {
    let api = WorkspaceServer::new();
    let empty = FILE.strip_suffix("OggS").unwrap();
    let text = FILE.replace("; filename=\"a.ogg\"", "");
    assert_eq!(problems(speak(&api, &[])), ["missing body.audio", "missing body.phone_number"]);
    assert_eq!(problems(speak(&api, &[empty, NUMBER])), ["value_error body.audio"]);
    assert_eq!(problems(speak(&api, &[&text, NUMBER])), ["value_error body.audio"]);
    let wrong = NUMBER.replace("+49", "0");
    assert_eq!(problems(speak(&api, &[FILE, &wrong])), ["string_pattern_mismatch body.phone_number"]);
    speak(&api, &["nonsense", NUMBER]).expect(400);
    let as_json = api.post(&format!("/services/{SERVICE}/voice-turn"), json!({"phone_number": "+12"}));
    assert_eq!(problems(as_json), ["missing body.audio", "missing body.phone_number"]);
}
