//! Tests of observers. An observer is a hook that the emulator calls for each request. It can inject a fault.

use std::sync::{Arc, Mutex};

use amigops_emulator::{Fault, Observer, RequestInfo, RetryAfter, World};
use serde_json::json;

use super::harness::{TestServer, service};

type Judge = Box<dyn Fn(&RequestInfo) -> Option<Fault> + Send + Sync>;

struct Watch {
    judge: Judge,
    seen: Mutex<Vec<(RequestInfo, u16, usize)>>,
}

impl Watch {
    fn new(judge: impl Fn(&RequestInfo) -> Option<Fault> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { judge: Box::new(judge), seen: Mutex::default() })
    }
}

impl Observer for Watch {
    fn before(&self, request: &RequestInfo) -> Option<Fault> {
        (self.judge)(request)
    }

    fn after(&self, request: &RequestInfo, status: u16, world: &World) {
        let services = world.organization("acme").unwrap().services().len();
        self.seen.lock().unwrap().push((request.clone(), status, services));
    }
}

fn creates(fault: Option<Fault>) -> Arc<Watch> {
    Watch::new(move |request| match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/v1/acme/service/") => fault.clone(),
        _ => None,
    })
}

fn count(api: &TestServer) -> usize {
    api.server().world().organization("acme").unwrap().services().len()
}

#[test]
fn an_observer_sees_the_request_and_the_state_after_it() {
    let watch = creates(None);
    let api = TestServer::watched(watch.clone());
    api.create(&json!({"name": "New"}));
    let seen = watch.seen.lock().unwrap();
    let (request, status, services) = seen.last().unwrap();
    assert_eq!((request.number, *status, *services), (2, 201, 2));
    assert_eq!((request.method.as_str(), request.organization.as_deref()), ("POST", Some("acme")));
    assert_eq!(request.user_agent.as_deref(), Some("suite"));
    assert!(request.body.contains("\"New\""));
}

#[test]
fn a_lost_request_is_not_processed() {
    let api = TestServer::watched(creates(Some(Fault::LoseRequest)));
    assert!(api.try_send("POST", "/service/", Some(&service(&json!({})))).is_err());
    assert_eq!(count(&api), 1);
    api.get("/service/").expect(200);
    let records = api.server().requests();
    let statuses: Vec<_> = records.iter().map(|record| (record.number, record.status)).collect();
    assert_eq!(statuses, [(1, Some(200)), (2, None), (3, Some(200))]);
    assert_eq!(records[1].path, "/v1/acme/service/");
}

#[test]
fn an_answer_can_be_lost_after_processing() {
    let api = TestServer::watched(creates(Some(Fault::LoseAnswer)));
    assert!(api.try_send("POST", "/service/", Some(&service(&json!({})))).is_err());
    assert_eq!(count(&api), 2);
    assert_eq!(api.server().requests()[1].status, Some(201));
    api.get("/service/").expect(200);
}

#[test]
fn an_answer_can_be_replaced() {
    let fault = Fault::Answer {
        status: 503,
        processed: false,
        headers: [("bad header\n".into(), "x".into())].into(),
        retry_after: Some(RetryAfter::Seconds(7)),
        body: "maintenance".into(),
    };
    let api = TestServer::watched(creates(Some(fault)));
    let reply = api.post("/service/", &service(&json!({}))).expect(503);
    assert_eq!((reply.header("retry-after"), reply.text.as_str()), (Some("7"), "maintenance"));
    assert_eq!(count(&api), 1);
    assert_eq!(api.server().requests()[1].status, Some(503));
}

#[test]
fn an_answer_can_be_delayed() {
    let delay = std::time::Duration::from_millis(80);
    let api = TestServer::watched(creates(Some(Fault::Delay { millis: 80 })));
    let started = std::time::Instant::now();
    api.create(&json!({}));
    assert!(started.elapsed() >= delay);
}
