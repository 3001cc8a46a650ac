//! Tests of sign-in, tokens and permissions.

use std::time::Duration;

use serde_json::json;

use super::harness::{SERVICE, TestServer, service};

#[test]
fn a_token_has_its_expiry() {
    let api = TestServer::new();
    let reply = api.sign_in("acme", "all", "secret", "maya").expect(200).json();
    assert!(reply["id_token"].as_str().unwrap().len() > 30);
    assert_eq!(reply["expires_at"], "2027-01-15T09:00:00Z");
}

#[test]
fn wrong_credentials_are_401() {
    let api = TestServer::new();
    for (id, key, user) in
        [("all", "wrong", "maya"), ("unknown", "secret", "maya"), ("all", "secret", "noor")]
    {
        api.sign_in("acme", id, key, user).refused(401, "wrong");
    }
}

#[test]
fn an_unknown_organization_is_404() {
    let api = TestServer::new();
    let reply = api.sign_in("nowhere", "all", "secret", "maya");
    assert!(reply.header("x-ratelimit-limit").is_some());
    reply.refused(404, "nowhere");
    api.raw("GET", "/v1/nowhere/service/", &[], None).unwrap().refused(404, "nowhere");
}

#[test]
fn missing_headers_are_named() {
    let api = TestServer::new();
    let reply = api.raw("POST", "/v1/acme/user/signin_with_api_key", &[("x-api-key", "k")], None).unwrap();
    reply.invalid("missing", json!(["header", "x-api-key-id"]));
}

#[test]
fn every_other_request_needs_a_token_of_the_organization() {
    let api = TestServer::new();
    let list = |authorization: &str| {
        let headers = [("authorization", authorization)];
        api.raw("GET", "/v1/acme/service/", &headers, None).unwrap().status
    };
    let elsewhere = api.sign_in("globex", "all", "secret", "greg").expect(200).json();
    let elsewhere = elsewhere["id_token"].as_str().unwrap().to_owned();
    assert_eq!(api.raw("GET", "/v1/acme/service/", &[], None).unwrap().status, 401);
    assert_eq!(list("Bearer nonsense"), 401);
    assert_eq!(list(&api.token()), 401, "no scheme");
    assert_eq!(list(&format!("Basic {}", api.token())), 401);
    assert_eq!(list(&format!("Bearer {elsewhere}")), 401);
    assert_eq!(list(&format!("Bearer {}", api.token())), 200);
}

#[test]
fn tokens_expire() {
    let api = TestServer::new();
    api.clock.advance(Duration::from_secs(3599));
    api.get("/service/").expect(200);
    api.clock.advance(Duration::from_secs(1));
    api.get("/service/").expect(401);
    api.sign_in_as("all", "maya");
    api.get("/service/").expect(200);
}

#[test]
fn a_missing_permission_is_named() {
    let api = TestServer::new();
    api.sign_in_as("reader", "rae");
    let set = json!({"version_set": {"agent_version_number": null,
        "service_hierarchical_state_machine_version_number": null, "llm_model_preferences": {}}});
    let sets = format!("/service/{SERVICE}/version_sets");
    api.post("/service/", &service(&json!({}))).refused(403, "Service:CreateService");
    api.post(&format!("/service/{SERVICE}/"), &json!({})).refused(403, "Service:UpdateService");
    api.put(&format!("{sets}/new/"), &set).refused(403, "Service:CreateVersionSet");
    api.put(&format!("{sets}/staging/"), &set).refused(403, "Service:UpdateVersionSet");
    api.delete(&format!("{sets}/staging/")).refused(403, "Service:DeleteVersionSet");
    api.get(&format!("{sets}/staging/")).expect(200);
    let start = json!({"service_id": SERVICE});
    api.post("/conversation/?response_format=text", &start).refused(403, "Conversation:CreateConversation");
    let finish = "/conversation/999999999999999999999999/finish/";
    api.post(finish, &json!({})).refused(403, "Conversation:FinishConversation");
    let update = "/dynamic_behavior_set/222222222222222222222222/";
    api.post(update, &json!({})).refused(403, "UpdateDynamicBehaviorInstruction");
    api.sign_in_as("nobody", "nils");
    api.get(&format!("{sets}/staging/")).refused(403, "Service:GetService");
}

#[test]
fn lists_omit_hidden_services() {
    let api = TestServer::new();
    api.create(&json!({"tags": {"tier": "gold"}}));
    api.sign_in_as("half", "hal");
    let list = api.get("/service/").expect(200).json();
    assert_eq!(list["services"].as_array().unwrap().len(), 1);
    assert_eq!(list["services"][0]["name"], "Meet & Greet");
    assert_eq!(list["filter_values"]["tags"], json!(["audited", "team", "tier"]), "counted for all");
    api.sign_in_as("nobody", "nils");
    for (path, name) in [
        ("/service/", "services"),
        ("/organization/agent", "agents"),
        ("/organization/service_hierarchical_state_machine", "service_hierarchical_state_machines"),
        ("/dynamic_behavior_set/", "dynamic_behavior_sets"),
        ("/conversation/", "conversations"),
    ] {
        assert_eq!(api.get(path).expect(200).json()[name], json!([]), "{path}");
    }
}
