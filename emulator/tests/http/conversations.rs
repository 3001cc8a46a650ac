//! Conversations: streams, endings and refusals.

use std::io::{Read, Write};

use amigops_emulator::{CannedReply, ReplyError, World};
use serde_json::{Value, json};

use super::harness::{MISSING, SERVICE, TestServer};

const START: &str = "/conversation/?response_format=text";

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

fn said(events: &[Value]) -> String {
    let pieces = events.iter().filter(|event| event["type"] == "new-message");
    pieces.map(|event| event["message"].as_str().unwrap()).collect()
}

fn can(stand: &TestServer, reply: CannedReply) {
    let edit = |world: &mut World| {
        world.organization_mut("acme").unwrap().settings_mut().replies.canned.push(reply);
    };
    stand.server().edit(edit).unwrap();
}

#[test]
fn the_agent_speaks_first_or_answers() {
    let stand = TestServer::new();
    let quiet = format!("{START}&current_agent_action_type=%5E%24");
    let reply = stand.post(&quiet, &json!({"service_id": SERVICE})).expect(201);
    assert_eq!(reply.header("content-type"), Some("application/x-ndjson"));
    let events = reply.events();
    assert_eq!(kinds(&events)[0], "conversation-created");
    assert_eq!(kinds(&events)[1], "new-message");
    let last = events.last().unwrap();
    assert_eq!(last["type"], "interaction-complete");
    assert_eq!(last["conversation_completed"], false);
    assert_eq!(last["full_message"], said(&events));
    assert!(said(&events).contains("Coach Maya"), "{}", said(&events));
    let pieces: Vec<&Value> = events.iter().filter(|event| event["type"] == "new-message").collect();
    for (n, piece) in pieces.iter().enumerate() {
        assert_eq!(piece["sequence_number"], n + 1);
        assert_eq!(piece["stop"], n + 1 == pieces.len());
        assert_eq!(piece["message_id"], last["message_id"]);
    }
    stand.sign_in_as("other", "noor");
    let body =
        json!({"service_id": SERVICE, "initial_message": "Hi!", "initial_message_type": "user-message"});
    let events = stand.post(&quiet, &body).expect(201).events();
    let known = ["conversation-created", "new-message", "interaction-complete"];
    assert!(kinds(&events).iter().all(|kind| known.contains(kind)), "only what the schema has: {events:?}");
    assert!(said(&events).contains("Hi!"));
}

#[test]
fn every_event_leaves_on_its_own() {
    let stand = TestServer::new();
    let body = json!({"service_id": SERVICE}).to_string();
    let request = format!(
        "POST /v1/acme{START} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        stand.token(),
        body.len()
    );
    let mut stream = std::net::TcpStream::connect(stand.server().address()).unwrap();
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
    let stand = TestServer::new();
    let actions = |query: &str, user: (&str, &str)| {
        stand.sign_in_as(user.0, user.1);
        let events =
            stand.post(&format!("{START}{query}"), &json!({"service_id": SERVICE})).expect(201).events();
        let id = events[0]["conversation_id"].as_str().unwrap().to_owned();
        stand.post(&format!("/conversation/{id}/finish/"), &json!({})).expect(204);
        kinds(&events).iter().filter(|kind| **kind == "current-agent-action").count()
    };
    assert_eq!(actions("", ("all", "maya")), 3);
    assert_eq!(actions("&current_agent_action_type=%5Eengage", ("all", "maya")), 1);
    let bad = stand.post(&format!("{START}&current_agent_action_type=("), &json!({"service_id": SERVICE}));
    bad.invalid("value_error", json!(["query", "current_agent_action_type"]));
}

#[test]
fn one_unfinished_conversation_a_user_and_service() {
    let stand = TestServer::new();
    let body = json!({"service_id": SERVICE});
    let events = stand.post(START, &body).expect(201).events();
    let id = events[0]["conversation_id"].as_str().unwrap().to_owned();
    stand.post(START, &body).refused(400, "unfinished");
    let other = stand.create(&json!({}));
    stand.post(START, &json!({"service_id": other})).expect(201);
    stand.sign_in_as("other", "noor");
    stand.post(START, &body).expect(201);
    stand.sign_in_as("all", "maya");
    let finish = format!("/conversation/{id}/finish/");
    stand.post(&finish, &json!({})).expect(204);
    stand.post(&finish, &json!({})).refused(409, "already finished");
    stand.post(START, &body).expect(201);
    stand.post(&format!("/conversation/{MISSING}/finish/"), &json!({})).refused(404, MISSING);
    stand.post("/conversation/x/finish/", &json!({})).expect(422);
}

#[test]
fn what_a_conversation_needs() {
    let stand = TestServer::new();
    let body = json!({"service_id": SERVICE});
    stand.post("/conversation/", &body).invalid("missing", json!(["query", "response_format"]));
    let odd = stand.post("/conversation/?response_format=smoke", &body);
    odd.invalid("literal_error", json!(["query", "response_format"]));
    stand.post("/conversation/?response_format=voice", &body).refused(400, "voice");
    stand.post(START, &json!({})).invalid("missing", json!(["body", "service_id"]));
    let typed = json!({"service_id": SERVICE, "initial_message_type": "user-message"});
    stand.post(START, &typed).invalid("value_error", json!(["body"]));
    let empty = json!({"service_id": SERVICE, "initial_message": " "});
    stand.post(START, &empty).invalid("string_too_short", json!(["body", "initial_message"]));
    let odd = json!({"service_id": SERVICE, "initial_message": "x", "initial_message_type": "shout"});
    stand.post(START, &odd).invalid("literal_error", json!(["body", "initial_message_type"]));
    stand.post(START, &json!({"service_id": MISSING})).refused(404, MISSING);
    let unknown = json!({"service_id": SERVICE, "service_version_set_name": "nope"});
    stand.post(START, &unknown).refused(404, "nope");
}

#[test]
fn an_inactive_service_can_be_talked_to() {
    let stand = TestServer::new();
    let id = stand.create(&json!({"is_active": false}));
    stand.post(START, &json!({"service_id": id})).expect(201);
}

#[test]
fn a_failure_comes_after_the_201() {
    let stand = TestServer::new();
    let error = Some(ReplyError { code: 500, description: "model is away".to_owned() });
    let staging = Some("staging".to_owned());
    can(&stand, CannedReply { version_set: staging, error, ..CannedReply::default() });
    let body = json!({"service_id": SERVICE, "service_version_set_name": "staging"});
    let events = stand.post(START, &body).expect(201).events();
    let last = events.last().unwrap();
    assert_eq!(*last, json!({"type": "error", "http_error_code": 500, "error_description": "model is away"}));
    assert!(!kinds(&events).contains(&"interaction-complete"));
    stand.post(START, &body).refused(400, "unfinished");
    let id = events[0]["conversation_id"].as_str().unwrap();
    stand.post(&format!("/conversation/{id}/finish/"), &json!({})).expect(204);
    assert!(stand.server().world().organization("acme").unwrap().conversations().is_empty());
}

#[test]
fn an_agent_may_end_the_conversation() {
    let stand = TestServer::new();
    let answer = Some("Bye from {agent}".to_owned());
    can(&stand, CannedReply { answer, finishes: true, ..CannedReply::default() });
    let events = stand.post(START, &json!({"service_id": SERVICE})).expect(201).events();
    assert_eq!(said(&events), "Bye from Coach Maya");
    assert_eq!(events.last().unwrap()["conversation_completed"], true);
    stand.post(START, &json!({"service_id": SERVICE})).expect(201);
}

#[test]
fn conversations_are_listed() {
    let stand = TestServer::new();
    let body = json!({"service_id": SERVICE, "initial_message": "Hi", "tags": {"kind": "smoke"}});
    let events = stand.post(START, &body).expect(201).events();
    let id = events[0]["conversation_id"].clone();
    let list = |query: &str| {
        let list = stand.get(&format!("/conversation/?{query}")).expect(200).json();
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
    stand.get("/conversation/?limit=151").expect(422);
}

#[test]
fn tags_take_texts_of_up_to_100_characters() {
    let stand = TestServer::new();
    let tagged = |value: &str| stand.post(START, &json!({"service_id": SERVICE, "tags": {"a b": value}}));
    tagged(&"x".repeat(101)).invalid("string_too_long", json!(["body", "tags", "a b"]));
    tagged("why: pain, 7/10").expect(201);
    let list = stand.get("/conversation/?tag=a%20b:why:%20pain,%207/10").expect(200).json();
    assert_eq!(list["conversations"].as_array().unwrap().len(), 1);
}
