//! Sign-in, tokens and permissions.

use std::time::Duration;

use serde_json::json;

use super::harness::{SERVICE, TestServer, service};

#[test]
fn a_token_comes_with_its_end() {
    let stand = TestServer::new();
    let reply = stand.sign_in("acme", "all", "secret", "maya").expect(200).json();
    assert!(reply["id_token"].as_str().unwrap().len() > 30);
    assert_eq!(reply["expires_at"], "2027-01-15T09:00:00Z");
}

#[test]
fn wrong_credentials_are_401() {
    let stand = TestServer::new();
    for (id, key, user) in
        [("all", "wrong", "maya"), ("unknown", "secret", "maya"), ("all", "secret", "noor")]
    {
        stand.sign_in("acme", id, key, user).refused(401, "wrong");
    }
}

#[test]
fn an_unknown_organization_is_404() {
    let stand = TestServer::new();
    let reply = stand.sign_in("nowhere", "all", "secret", "maya");
    assert!(reply.header("x-ratelimit-limit").is_some());
    reply.refused(404, "nowhere");
    stand.raw("GET", "/v1/nowhere/service/", &[], None).unwrap().refused(404, "nowhere");
}

#[test]
fn missing_headers_are_named() {
    let stand = TestServer::new();
    let reply = stand.raw("POST", "/v1/acme/user/signin_with_api_key", &[("x-api-key", "k")], None).unwrap();
    reply.invalid("missing", json!(["header", "x-api-key-id"]));
}

#[test]
fn every_other_call_needs_a_token_of_the_organization() {
    let stand = TestServer::new();
    let list = |authorization: &str| {
        let headers = [("authorization", authorization)];
        stand.raw("GET", "/v1/acme/service/", &headers, None).unwrap().status
    };
    let elsewhere = stand.sign_in("globex", "all", "secret", "greg").expect(200).json();
    let elsewhere = elsewhere["id_token"].as_str().unwrap().to_owned();
    assert_eq!(stand.raw("GET", "/v1/acme/service/", &[], None).unwrap().status, 401);
    assert_eq!(list("Bearer nonsense"), 401);
    assert_eq!(list(&stand.token()), 401, "no scheme");
    assert_eq!(list(&format!("Basic {}", stand.token())), 401);
    assert_eq!(list(&format!("Bearer {elsewhere}")), 401);
    assert_eq!(list(&format!("Bearer {}", stand.token())), 200);
}

#[test]
fn tokens_end_by_the_clock() {
    let stand = TestServer::new();
    stand.clock.advance(Duration::from_secs(3599));
    stand.get("/service/").expect(200);
    stand.clock.advance(Duration::from_secs(1));
    stand.get("/service/").expect(401);
    stand.sign_in_as("all", "maya");
    stand.get("/service/").expect(200);
}

#[test]
fn a_missing_permission_is_named() {
    let stand = TestServer::new();
    stand.sign_in_as("reader", "rae");
    let set = json!({"version_set": {"agent_version_number": null,
        "service_hierarchical_state_machine_version_number": null, "llm_model_preferences": {}}});
    let sets = format!("/service/{SERVICE}/version_sets");
    stand.post("/service/", &service(&json!({}))).refused(403, "Service:CreateService");
    stand.post(&format!("/service/{SERVICE}/"), &json!({})).refused(403, "Service:UpdateService");
    stand.put(&format!("{sets}/new/"), &set).refused(403, "Service:CreateVersionSet");
    stand.put(&format!("{sets}/staging/"), &set).refused(403, "Service:UpdateVersionSet");
    stand.delete(&format!("{sets}/staging/")).refused(403, "Service:DeleteVersionSet");
    stand.get(&format!("{sets}/staging/")).expect(200);
    let start = json!({"service_id": SERVICE});
    stand.post("/conversation/?response_format=text", &start).refused(403, "Conversation:CreateConversation");
    let finish = "/conversation/999999999999999999999999/finish/";
    stand.post(finish, &json!({})).refused(403, "Conversation:FinishConversation");
    let update = "/dynamic_behavior_set/222222222222222222222222/";
    stand.post(update, &json!({})).refused(403, "UpdateDynamicBehaviorInstruction");
    stand.sign_in_as("nobody", "nils");
    stand.get(&format!("{sets}/staging/")).refused(403, "Service:GetService");
}

#[test]
fn lists_leave_out_what_may_not_be_seen() {
    let stand = TestServer::new();
    stand.create(&json!({"tags": {"tier": "gold"}}));
    stand.sign_in_as("half", "hal");
    let list = stand.get("/service/").expect(200).json();
    assert_eq!(list["services"].as_array().unwrap().len(), 1);
    assert_eq!(list["services"][0]["name"], "Meet & Greet");
    assert_eq!(list["filter_values"]["tags"], json!(["audited", "team", "tier"]), "counted for all");
    stand.sign_in_as("nobody", "nils");
    for (path, name) in [
        ("/service/", "services"),
        ("/organization/agent", "agents"),
        ("/organization/service_hierarchical_state_machine", "service_hierarchical_state_machines"),
        ("/dynamic_behavior_set/", "dynamic_behavior_sets"),
        ("/conversation/", "conversations"),
    ] {
        assert_eq!(stand.get(path).expect(200).json()[name], json!([]), "{path}");
    }
}
