//! Observers: watching requests and injecting faults.

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

fn count(stand: &TestServer) -> usize {
    stand.server().world().organization("acme").unwrap().services().len()
}

#[test]
fn it_sees_the_request_and_the_world_after_it() {
    let watch = creates(None);
    let stand = TestServer::watched(watch.clone());
    stand.create(&json!({"name": "New"}));
    let seen = watch.seen.lock().unwrap();
    let (request, status, services) = seen.last().unwrap();
    assert_eq!((request.number, *status, *services), (2, 201, 2));
    assert_eq!((request.method.as_str(), request.organization.as_deref()), ("POST", Some("acme")));
    assert_eq!(request.user_agent.as_deref(), Some("suite"));
    assert!(request.body.contains("\"New\""));
}

#[test]
fn a_dropped_request_never_happened() {
    let stand = TestServer::watched(creates(Some(Fault::LoseRequest)));
    assert!(stand.try_send("POST", "/service/", Some(&service(&json!({})))).is_err());
    assert_eq!(count(&stand), 1);
    stand.get("/service/").expect(200);
    let records = stand.server().requests();
    let statuses: Vec<_> = records.iter().map(|record| (record.number, record.status)).collect();
    assert_eq!(statuses, [(1, Some(200)), (2, None), (3, Some(200))]);
    assert_eq!(records[1].path, "/v1/acme/service/");
}

#[test]
fn an_answer_can_be_lost_after_the_deed() {
    let stand = TestServer::watched(creates(Some(Fault::LoseAnswer)));
    assert!(stand.try_send("POST", "/service/", Some(&service(&json!({})))).is_err());
    assert_eq!(count(&stand), 2);
    assert_eq!(stand.server().requests()[1].status, Some(201));
    stand.get("/service/").expect(200);
}

#[test]
fn an_answer_can_be_made_up() {
    let fault = Fault::Answer {
        status: 503,
        processed: false,
        headers: [("bad header\n".into(), "x".into())].into(),
        retry_after: Some(RetryAfter::Seconds(7)),
        body: "maintenance".into(),
    };
    let stand = TestServer::watched(creates(Some(fault)));
    let reply = stand.post("/service/", &service(&json!({}))).expect(503);
    assert_eq!((reply.header("retry-after"), reply.text.as_str()), (Some("7"), "maintenance"));
    assert_eq!(count(&stand), 1);
    assert_eq!(stand.server().requests()[1].status, Some(503));
}

#[test]
fn an_answer_can_be_late() {
    let delay = std::time::Duration::from_millis(80);
    let stand = TestServer::watched(creates(Some(Fault::Delay { millis: 80 })));
    let started = std::time::Instant::now();
    stand.create(&json!({}));
    assert!(started.elapsed() >= delay);
}
