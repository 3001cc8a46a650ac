//! Tests that a server that is killed while it writes keeps every change that it has confirmed.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use amigops_emulator::{Options, Seed, Server};
use serde_json::json;

use super::harness::{Clock, SEED, service};

/// The environment variable with the path of the state file. The test starts its own program again as a child process
/// that runs a server, and kills the child. The variable is set only in the child, so that the child knows its role.
const STATE: &str = "AMIGOPS_TEST_CRASH_STATE";
const THIS_TEST: &str = "crash::confirmed_changes_survive_a_kill";

/// Runs the server in the child process until the process is killed.
fn serve(state: &Path) -> ! {
    let mut options = Options::new(Clock::new().source());
    options.seed = Some(Seed::from_yaml(SEED).unwrap());
    options.state = Some(state.to_owned());
    let server = Server::start(options).unwrap();
    let told = state.with_extension("tmp");
    std::fs::write(&told, server.url()).unwrap();
    std::fs::rename(&told, state.with_extension("url")).unwrap();
    // Standard input ends when the parent process ends, so the child never outlives the test.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    panic!("the server was not killed");
}

fn spawn(state: &Path) -> (Child, String) {
    let url = state.with_extension("url");
    let _ = std::fs::remove_file(&url);
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", THIS_TEST])
        .env(STATE, state)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    loop {
        match std::fs::read_to_string(&url) {
            Ok(url) => return (child, url),
            Err(_) if started.elapsed() < Duration::from_secs(30) => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => panic!("the child did not start: {error}"),
        }
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the environment is the only way into another process's test")]
fn confirmed_changes_survive_a_kill() {
    if let Some(state) = std::env::var_os(STATE) {
        serve(Path::new(&state));
    }
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("state.redb");
    let mut created: Vec<String> = Vec::new();
    for round in 0..3u64 {
        let (mut child, url) = spawn(&state);
        let mut second = Options::new(Clock::new().source());
        second.state = Some(state.clone());
        let second = Server::start(second).err().unwrap();
        assert!(second.to_string().contains("in use by another process"), "{second}");
        let answered = Arc::new(AtomicUsize::new(0));
        let progress = Arc::clone(&answered);
        let killer = std::thread::spawn(move || {
            let started = Instant::now();
            while progress.load(Ordering::SeqCst) < 10 && started.elapsed() < Duration::from_secs(30) {
                std::thread::sleep(Duration::from_millis(1));
            }
            // Kills the server during one of the next requests.
            std::thread::sleep(Duration::from_micros(1_700 * round));
            child.kill().unwrap();
            child.wait().unwrap();
        });
        created.extend(create_until_it_breaks(&url, round, &answered));
        killer.join().unwrap();
    }
    let mut options = Options::new(Clock::new().source());
    options.state = Some(state);
    let server = Server::start(options).unwrap();
    let world = server.world();
    let services = world.organization("acme").unwrap().services();
    assert!(created.len() >= 30, "{}", created.len());
    for id in &created {
        assert!(services.get(id).is_some(), "{id} was answered and is gone");
    }
    let extra = services.len() - 1 - created.len();
    assert!(extra <= 3, "at most one unanswered create a round: {extra}");
}

#[test]
fn a_copy_of_an_open_file_can_be_read() {
    let home = tempfile::tempdir().unwrap();
    let open = |name: &str| {
        let mut options = Options::new(Clock::new().source());
        options.seed = Some(Seed::from_yaml(SEED).unwrap());
        options.state = Some(home.path().join(name));
        Server::start(options).unwrap()
    };
    let server = open("state.redb");
    let edit = |world: &mut amigops_emulator::World| {
        world.organization_mut("acme").unwrap().service_mut("Health Coach").unwrap().description =
            "New".into();
    };
    server.edit(edit).unwrap();
    // The file is copied while the server has it open. So the copy was never closed, as after a power failure.
    std::fs::copy(home.path().join("state.redb"), home.path().join("copy.redb")).unwrap();
    let copy = open("copy.redb");
    assert_eq!(copy.world(), server.world());
}

/// Creates services until the connection breaks. Returns the ids of the services whose creation the server confirmed.
fn create_until_it_breaks(url: &str, round: u64, answered: &AtomicUsize) -> Vec<String> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut ids = Vec::new();
        let signed = client
            .post(format!("{url}/v1/acme/user/signin_with_api_key"))
            .header("x-api-key", "secret")
            .header("x-api-key-id", "all")
            .header("x-user-id", "maya")
            .send()
            .await;
        let Ok(signed) = signed else { return ids };
        let Ok(signed) = signed.json::<serde_json::Value>().await else { return ids };
        let token = signed["id_token"].as_str().unwrap();
        for n in 0.. {
            let body = service(&json!({"name": format!("Service {round} {n}")}));
            let request = client.post(format!("{url}/v1/acme/service/")).bearer_auth(token).json(&body);
            let Ok(reply) = request.send().await else { break };
            let Ok(reply) = reply.json::<serde_json::Value>().await else { break };
            ids.push(reply["id"].as_str().unwrap().to_owned());
            answered.fetch_add(1, Ordering::SeqCst);
        }
        ids
    })
}
