//! Tests of conversations: streamed answers, the end of a conversation, and refused requests.

use std::io::{Read, Write};

use amigops_emulator::{CannedReply, ReplyError, World};
use serde_json::{Value, json};

use super::harness::{MISSING, SERVICE, TestServer};

const START: &str = "/conversation/?response_format=text";

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

fn text_of(events: &[Value]) -> String {
    let pieces = events.iter().filter(|event| event["type"] == "new-message");
    pieces.map(|event| event["message"].as_str().unwrap()).collect()
}

fn add_canned_reply(api: &TestServer, reply: CannedReply) {
    let edit = |world: &mut World| {
        world.organization_mut("acme").unwrap().settings_mut().replies.canned.push(reply);
    };
    api.server().edit(edit).unwrap();
}

#[test]
fn the_agent_speaks_first_or_answers() {
    let api = TestServer::new();
    let quiet = format!("{START}&current_agent_action_type=%5E%24");
    let reply = api.post(&quiet, &json!({"service_id": SERVICE})).expect(201);
    assert_eq!(reply.header("content-type"), Some("application/x-ndjson"));
    let events = reply.events();
    assert_eq!(kinds(&events)[0], "conversation-created");
    assert_eq!(kinds(&events)[1], "new-message");
    let last = events.last().unwrap();
    assert_eq!(last["type"], "interaction-complete");
    assert_eq!(last["conversation_completed"], false);
    assert_eq!(last["full_message"], text_of(&events));
    assert!(text_of(&events).contains("Coach Maya"), "{}", text_of(&events));
    let pieces: Vec<&Value> = events.iter().filter(|event| event["type"] == "new-message").collect();
    for (n, piece) in pieces.iter().enumerate() {
        assert_eq!(piece["sequence_number"], n + 1);
        assert_eq!(piece["stop"], n + 1 == pieces.len());
        assert_eq!(piece["message_id"], last["message_id"]);
    }
    api.sign_in_as("other", "noor");
    let body =
        json!({"service_id": SERVICE, "initial_message": "Hi!", "initial_message_type": "user-message"});
    let events = api.post(&quiet, &body).expect(201).events();
    let known = ["conversation-created", "new-message", "interaction-complete"];
    assert!(kinds(&events).iter().all(|kind| known.contains(kind)), "only what the schema has: {events:?}");
    assert!(text_of(&events).contains("Hi!"));
}

#[test]
fn every_event_is_sent_separately() {
    let api = TestServer::new();
    let body = json!({"service_id": SERVICE}).to_string();
    let request = format!(
        "POST /v1/acme{START} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        api.token(),
        body.len()
    );
    let mut stream = std::net::TcpStream::connect(api.server().address()).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, chunks) = answer.split_once("\r\n\r\n").unwrap();
    let events = chunks.lines().filter(|line| line.starts_with('{')).count();
    let sizes =
        chunks.lines().filter(|line| u32::from_str_radix(line, 16).is_ok_and(|size| size > 0)).count();
    assert!(events > 5 && sizes == events, "{answer}");
}

#[test]
fn actions_are_filtered_by_their_type() {
    let api = TestServer::new();
    let actions = |query: &str, user: (&str, &str)| {
        api.sign_in_as(user.0, user.1);
        let events =
            api.post(&format!("{START}{query}"), &json!({"service_id": SERVICE})).expect(201).events();
        let id = events[0]["conversation_id"].as_str().unwrap().to_owned();
        api.post(&format!("/conversation/{id}/finish/"), &json!({})).expect(204);
        kinds(&events).iter().filter(|kind| **kind == "current-agent-action").count()
    };
    assert_eq!(actions("", ("all", "maya")), 3);
    assert_eq!(actions("&current_agent_action_type=%5Eengage", ("all", "maya")), 1);
    let bad = api.post(&format!("{START}&current_agent_action_type=("), &json!({"service_id": SERVICE}));
    bad.invalid("value_error", json!(["query", "current_agent_action_type"]));
}

#[test]
fn a_user_has_one_unfinished_conversation_per_service() {
    let api = TestServer::new();
    let body = json!({"service_id": SERVICE});
    let events = api.post(START, &body).expect(201).events();
    let id = events[0]["conversation_id"].as_str().unwrap().to_owned();
    api.post(START, &body).refused(400, "unfinished");
    let other = api.create(&json!({}));
    api.post(START, &json!({"service_id": other})).expect(201);
    api.sign_in_as("other", "noor");
    api.post(START, &body).expect(201);
    api.sign_in_as("all", "maya");
    let finish = format!("/conversation/{id}/finish/");
    api.post(&finish, &json!({})).expect(204);
    api.post(&finish, &json!({})).refused(409, "already finished");
    api.post(START, &body).expect(201);
    api.post(&format!("/conversation/{MISSING}/finish/"), &json!({})).refused(404, MISSING);
    api.post("/conversation/x/finish/", &json!({})).expect(422);
}

#[test]
fn invalid_conversations_are_refused() {
    let api = TestServer::new();
    let body = json!({"service_id": SERVICE});
    api.post("/conversation/", &body).invalid("missing", json!(["query", "response_format"]));
    let odd = api.post("/conversation/?response_format=smoke", &body);
    odd.invalid("literal_error", json!(["query", "response_format"]));
    api.post("/conversation/?response_format=voice", &body).refused(400, "voice");
    api.post(START, &json!({})).invalid("missing", json!(["body", "service_id"]));
    let typed = json!({"service_id": SERVICE, "initial_message_type": "user-message"});
    api.post(START, &typed).invalid("value_error", json!(["body"]));
    let empty = json!({"service_id": SERVICE, "initial_message": " "});
    api.post(START, &empty).invalid("string_too_short", json!(["body", "initial_message"]));
    let odd = json!({"service_id": SERVICE, "initial_message": "x", "initial_message_type": "shout"});
    api.post(START, &odd).invalid("literal_error", json!(["body", "initial_message_type"]));
    api.post(START, &json!({"service_id": MISSING})).refused(404, MISSING);
    let unknown = json!({"service_id": SERVICE, "service_version_set_name": "nope"});
    api.post(START, &unknown).refused(404, "nope");
}

#[test]
fn conversations_with_inactive_services_are_allowed() {
    let api = TestServer::new();
    let id = api.create(&json!({"is_active": false}));
    api.post(START, &json!({"service_id": id})).expect(201);
}

#[test]
fn a_failure_comes_after_the_201() {
    let api = TestServer::new();
    let error = Some(ReplyError { code: 500, description: "model is away".to_owned() });
    let staging = Some("staging".to_owned());
    add_canned_reply(&api, CannedReply { version_set: staging, error, ..CannedReply::default() });
    let body = json!({"service_id": SERVICE, "service_version_set_name": "staging"});
    let events = api.post(START, &body).expect(201).events();
    let last = events.last().unwrap();
    assert_eq!(*last, json!({"type": "error", "http_error_code": 500, "error_description": "model is away"}));
    assert!(!kinds(&events).contains(&"interaction-complete"));
    api.post(START, &body).refused(400, "unfinished");
    let id = events[0]["conversation_id"].as_str().unwrap();
    api.post(&format!("/conversation/{id}/finish/"), &json!({})).expect(204);
    assert!(api.server().world().organization("acme").unwrap().conversations().is_empty());
}

#[test]
fn an_agent_can_end_the_conversation() {
    let api = TestServer::new();
    let answer = Some("Bye from {agent}".to_owned());
    add_canned_reply(&api, CannedReply { answer, finishes: true, ..CannedReply::default() });
    let events = api.post(START, &json!({"service_id": SERVICE})).expect(201).events();
    assert_eq!(text_of(&events), "Bye from Coach Maya");
    assert_eq!(events.last().unwrap()["conversation_completed"], true);
    api.post(START, &json!({"service_id": SERVICE})).expect(201);
}

#[test]
fn conversations_are_listed() {
    let api = TestServer::new();
    let body = json!({"service_id": SERVICE, "initial_message": "Hi", "tags": {"kind": "smoke"}});
    let events = api.post(START, &body).expect(201).events();
    let id = events[0]["conversation_id"].clone();
    let list = |query: &str| {
        let list = api.get(&format!("/conversation/?{query}")).expect(200).json();
        list["conversations"].as_array().unwrap().clone()
    };
    let shown = list("is_finished=false");
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0]["id"], id);
    assert_eq!((&shown[0]["user_id"], &shown[0]["num_messages"]), (&json!("maya"), &json!(2)));
    let version_set = &shown[0]["version_set_info"];
    assert_eq!(version_set["name"], "release");
    assert_eq!(version_set["agent_version_info"], json!(["aaaaaaaaaaaaaaaaaaaaaaaa", 3]));
    assert_eq!(list("is_finished=true").len(), 0);
    assert_eq!(list(&format!("service_id={SERVICE}&user_id=maya&tag=kind:*&sort_by=-created_at")).len(), 1);
    assert_eq!(list(&format!("service_id={MISSING}")).len(), 0);
    api.get("/conversation/?limit=151").expect(422);
}

#[test]
fn tag_values_have_up_to_100_characters() {
    let api = TestServer::new();
    let tagged = |value: &str| api.post(START, &json!({"service_id": SERVICE, "tags": {"a b": value}}));
    tagged(&"x".repeat(101)).invalid("string_too_long", json!(["body", "tags", "a b"]));
    tagged("why: pain, 7/10").expect(201);
    let list = api.get("/conversation/?tag=a%20b:why:%20pain,%207/10").expect(200).json();
    assert_eq!(list["conversations"].as_array().unwrap().len(), 1);
}
