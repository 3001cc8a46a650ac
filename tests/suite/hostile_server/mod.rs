//! Tests of servers that send too much data, send data too slowly, or send invalid data. Every run must end, with
//! limited memory and an error that names the limit.

mod bodies;
mod conversations;
mod echoes;
mod lists;
mod long_integers;
mod server;

use std::io::Read;
use std::time::{Duration, Instant};

use amigops::model::Api;

use self::server::{Hostile, Reply, Request, json};
use crate::harness::{Lab, Run};

/// The maximum duration of each run.
const LONGEST: Duration = Duration::from_secs(100);

/// A finished run, with its peak memory if the system reports it.
struct Measured {
    run: Run,
    peak_megabytes: Option<u64>,
}

impl Measured {
    /// Checks the exit code, the words of the error, and the peak memory.
    #[track_caller]
    fn expect(self, code: i32, words: &[&str], megabytes: u64) -> Run {
        let run = self.run.expect(code);
        for words in words {
            assert!(run.stderr.contains(words), "{words:?} is not said: {}", run.stderr);
        }
        assert!(run.stderr.len() < 20_000, "the error is cut: {} bytes", run.stderr.len());
        if cfg!(target_os = "linux") {
            let peak = self.peak_megabytes.expect("Linux tells it");
            assert!(peak <= megabytes, "{peak} MB, and {megabytes} are allowed");
        }
        run
    }
}

/// Starts a hostile proxy in front of a lab's emulator.
fn start_hostile_proxy(
    lab: &Lab,
    handler: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static,
) -> Hostile {
    let server = Hostile::start(&lab.server.url(), handler);
    lab.project_at(&server.url, "");
    server
}

/// Returns true if a request reads a page of services.
fn lists_services(request: &Request) -> bool {
    let path = request.target.split('?').next().unwrap_or_default();
    request.method == "GET" && (path.ends_with("/service/") || path.ends_with("/services"))
}

/// Returns the JSON of an owned service that both APIs could return, with these fields in its version set.
fn service(number: usize, name: &str, description: &str, carried: &str) -> String {
    format!(
        r#"{{"id":"{number:024x}","name":"{name}","description":"{description}","is_active":true,"agent_id":"a","service_hierarchical_state_machine_id":"g","context_graph_id":"g","tags":[{{"key":"managed_by","value":"amigops"}}],"keyterms":[],"version_sets":{{"release":{{"agent_version_number":1,"llm_model_preferences":{{}},"carried":[{carried}]}}}}}}"#
    )
}

/// Returns a response with a page of services, and with the continuation token of the next page.
fn page(api: Api, services: &str, token: Option<&str>) -> Option<Reply> {
    let key = match api {
        Api::Classic => "services",
        Api::Platform => "items",
    };
    let (more, token) = (token.is_some(), token.unwrap_or("null"));
    json(format!(r#"{{"{key}":[{services}],"has_more":{more},"continuation_token":{token}}}"#))
}

/// Runs the binary in the lab's project and measures its memory. Kills it and fails if it does not end.
#[track_caller]
fn measure(lab: &Lab, args: &[&str]) -> Measured {
    let mut child = lab.command(args).spawn().unwrap();
    let status_file = format!("/proc/{}/status", child.id());
    let stdout: Box<dyn Read + Send> = Box::new(child.stdout.take().unwrap());
    let stderr: Box<dyn Read + Send> = Box::new(child.stderr.take().unwrap());
    let pipes = [stdout, stderr].map(|mut pipe| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            pipe.read_to_end(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes).into_owned()
        })
    });
    let began = Instant::now();
    let mut peak_kilobytes = None;
    let code = loop {
        let told = std::fs::read_to_string(&status_file).unwrap_or_default();
        let line = told.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        peak_kilobytes = peak_kilobytes.max(kilobytes);
        if let Some(status) = child.try_wait().unwrap() {
            break status.code();
        }
        if began.elapsed() > LONGEST {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{args:?} does not end; it took {:?} MB", peak_kilobytes.map(|kilobytes| kilobytes >> 10));
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let [stdout, stderr] = pipes.map(|pipe| pipe.join().unwrap());
    Measured {
        run: Run { code, stdout, stderr },
        peak_megabytes: peak_kilobytes.map(|kilobytes| kilobytes >> 10),
    }
}
