//! Tests that every command that connects sends credentials only to allowed hosts, and reads them only from allowed
//! variables.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use amigops::model::Api;

use crate::harness::{EMPTY, Lab, ORGANIZATION, Run, WORKSPACE, amigops, run_command, service};
use crate::on_both_apis;

/// Every command that connects to an environment.
const COMMANDS: &[&[&str]] = &[
    &["plan"],
    &["plan", "--format", "json"],
    &["plan", "--out", "plan.json"],
    &["apply", "--auto-approve"],
    &["drift"],
    &["import", "--out", "services"],
    &["ids"],
    &["outdated"],
    &["graph"],
];

/// A proxy for `https://` addresses. It records the requests for tunnels, but opens no tunnel.
struct Proxy {
    address: String,
    received_requests: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let received_requests = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&received_requests);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
                let mut bytes = [0; 4096];
                let read = stream.read(&mut bytes).unwrap_or_default();
                let text = String::from_utf8_lossy(&bytes[..read]).into_owned();
                notes.lock().unwrap().push(text.lines().next().unwrap_or_default().to_owned());
                let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
            }
        });
        Self { address, received_requests }
    }

    fn received_requests(&self) -> Vec<String> {
        self.received_requests.lock().unwrap().clone()
    }
}

/// Writes an `amigops.yaml` with one environment, `lab`, on line 4. `keys` are added to the environment.
fn project(lab: &Lab, keys: &str) {
    let home = match lab.api {
        Api::Classic => format!("api: classic, organization: {ORGANIZATION}"),
        Api::Platform => format!("api: platform, workspace: {WORKSPACE}"),
    };
    lab.write(
        "amigops.yaml",
        &format!("version: 1\nmanifests: [services/*.yaml]\nenvironments:\n  lab: {{{home}{keys}}}\n"),
    );
}

fn lab(api: Api, keys: &str) -> Lab {
    let lab = Lab::on(api, EMPTY);
    lab.manifests(&service("Desk", ""));
    project(&lab, keys);
    lab
}

#[track_caller]
fn expect_words(run: &Run, words: &[&str]) {
    for word in words {
        assert!(run.stderr.contains(word), "{word}: {}", run.stderr);
    }
}

on_both_apis! {
    fn no_command_sends_a_request_to_a_host_that_is_not_allowed(api: Api) {
        let lab = lab(api, ", base_url: \"https://evil.example/v9\"");
        let proxy = Proxy::start();
        // The file of the key can't be read. There is no error about that, because the host is checked before
        // credentials are read.
        let variables =
            [("HTTPS_PROXY", proxy.address.as_str()), ("AMIGO_API_KEY", ""), ("AMIGO_API_KEY_FILE", "nowhere")];
        for command in COMMANDS {
            let run = lab.run_with(command, &variables).expect(3);
            let place = format!("amigops.yaml:4:{}", match api { Api::Classic => 53, Api::Platform => 83 });
            expect_words(&run, &["AG057", "`evil.example`", "AMIGOPS_ALLOWED_HOSTS", "nothing was sent", &place]);
        }
        let other = [&variables[..], &[("AMIGOPS_ALLOWED_HOSTS", "api.amigo.ai,evil.example:8443")]].concat();
        lab.run_with(&["plan"], &other).expect(3);
        assert_eq!(proxy.received_requests(), Vec::<String>::new());
        assert!(!lab.path().join("plan.json").exists());
        let allowed = [("HTTPS_PROXY", proxy.address.as_str()), ("AMIGOPS_ALLOWED_HOSTS", "a.example, EVIL.example")];
        lab.run_with(&["plan", "--timeout", "1s"], &allowed).expect(1);
        assert!(proxy.received_requests().iter().any(|line| line.starts_with("CONNECT evil.example:443 ")), "{:?}", proxy.received_requests());
    }

    fn a_variable_that_is_not_allowed_is_not_read(api: Api) {
        let url = Lab::on(api, EMPTY).server.url();
        let lab = lab(api, &format!(", base_url: \"{url}\", credentials: {{api_key: GITHUB_TOKEN}}"));
        project(&lab, &format!(", base_url: \"{}\", credentials: {{api_key: GITHUB_TOKEN}}", lab.server.url()));
        let secret = ("GITHUB_TOKEN", "s3cret-key");
        for command in COMMANDS {
            let run = lab.run_with(command, &[secret]).expect(3);
            expect_words(&run, &["AG058", "`GITHUB_TOKEN`", "AMIGOPS_ALLOWED_CREDENTIALS", "amigops.yaml:4:"]);
            assert!(!run.stderr.contains("s3cret"), "{}", run.stderr);
        }
        // `GITHUB_TOKEN_FILE` would be another way to set the credential of `GITHUB_TOKEN`, so it is not allowed
        // either.
        lab.run_with(&["plan"], &[("GITHUB_TOKEN_FILE", "/etc/hostname")]).expect(3);
        assert_eq!(lab.hooks.count(), 0, "nothing is sent");
        let names = ("AMIGOPS_ALLOWED_CREDENTIALS", "OTHER_KEY, GITHUB_TOKEN");
        lab.run_with(&["plan"], &[secret, names]).expect(0);
        lab.write("key", "s3cret-key\n");
        lab.run_with(&["plan"], &[("GITHUB_TOKEN_FILE", "key"), names]).expect(0);
    }

    fn the_vendors_variable_names_are_allowed(api: Api) {
        let lab = lab(api, "");
        for name in ["AMIGO_CLINIC_API_KEY", "PLATFORM_CLINIC_API_KEY"] {
            project(&lab, &format!(", base_url: \"{}\", credentials: {{api_key: {name}}}", lab.server.url()));
            lab.run_with(&["plan"], &[(name, "s3cret-key")]).expect(0);
            // A variable that names a file holds no credential.
            project(&lab, &format!(", base_url: \"{}\", credentials: {{api_key: {name}_FILE}}", lab.server.url()));
            let file = format!("{name}_FILE");
            let run = lab.run_with(&["plan"], &[(&file, "s3cret-key")]).expect(1);
            expect_words(&run, &["AG055", "_FILE"]);
        }
    }

    fn an_address_from_the_process_environment_is_allowed(api: Api) {
        let lab = lab(api, ", base_url: \"https://proxy.example\"");
        let proxy = Proxy::start();
        let https = ("HTTPS_PROXY", proxy.address.as_str());
        for variable in ["AMIGO_BASE_URL", "PLATFORM_API_URL"] {
            let given = |url| [https, (variable, url)];
            lab.run_with(&["plan"], &given("https://other.example")).expect(3);
            lab.run_with(&["plan", "--timeout", "1s"], &given("https://proxy.example/")).expect(1);
        }
        assert!(proxy.received_requests().iter().all(|line| line.starts_with("CONNECT proxy.example:443 ")));
        assert!(!proxy.received_requests().is_empty());
        // If the project has no address, the one from the process environment is used.
        project(&lab, "");
        let url = lab.server.url();
        lab.run_with(&["plan"], &[("AMIGO_BASE_URL", &url), ("AMIGOPS_ALLOWED_HOSTS", "a.example")]).expect(0);
    }

    fn allowed_hosts_replaces_the_default_list(api: Api) {
        let lab = lab(api, "");
        let url = lab.server.url();
        let project_at = |url: &str| project(&lab, &format!(", base_url: \"{url}\""));
        project_at(&url);
        lab.run(&["plan"]).expect(0);
        let host = url.trim_start_matches("http://").to_owned();
        for (list, code) in [("a.example", 3), ("127.0.0.1", 0), (host.as_str(), 0), ("127.0.0.1:1", 3), ("", 0)] {
            let run = lab.run_with(&["plan"], &[("AMIGOPS_ALLOWED_HOSTS", list)]);
            assert_eq!(run.code, Some(code), "{list}: {}", run.stderr);
        }
        // The default address is checked against the list as well.
        project(&lab, "");
        let run = lab.run_with(&["plan"], &[("AMIGOPS_ALLOWED_HOSTS", "a.example")]).expect(3);
        expect_words(&run, &["AG057", "amigops.yaml:4:3"]);
        for list in ["*.amigo.ai", "https://a.example", "a.example/x", "me@a.example", "a.example:0", "a b"] {
            let run = lab.run_with(&["plan"], &[("AMIGOPS_ALLOWED_HOSTS", list)]).expect(1);
            expect_words(&run, &["AMIGOPS_ALLOWED_HOSTS"]);
        }
        let run = lab.run_with(&["plan"], &[("AMIGOPS_ALLOWED_CREDENTIALS", "GITHUB_*")]).expect(1);
        expect_words(&run, &["AMIGOPS_ALLOWED_CREDENTIALS"]);
        assert_eq!(lab.hooks.count(), 0);
    }

    fn only_the_selected_environment_is_checked(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&service("Desk", ""));
        let home = match api {
            Api::Classic => format!("api: classic, organization: {ORGANIZATION}"),
            Api::Platform => format!("api: platform, workspace: {WORKSPACE}"),
        };
        let url = lab.server.url();
        lab.write(
            "amigops.yaml",
            &format!(
                "version: 1\nmanifests: [services/*.yaml]\nenvironments:\n  lab: {{{home}, base_url: \"{url}\"}}\n  far: {{{home}, base_url: \"https://evil.example\"}}\ndefault_environment: lab\n"
            ),
        );
        let run = lab.run(&["plan"]).expect(0);
        assert!(!run.stderr.contains("AG057"), "{}", run.stderr);
        lab.run(&["plan", "-e", "far"]).expect(3);
        let run = lab.run(&["drift", "--all-environments"]).expect(1);
        assert!(run.stdout.contains("AG057") || run.stderr.contains("AG057"), "{}{}", run.stdout, run.stderr);
        // `validate` connects to nothing, so it checks all environments and only warns.
        let run = lab.run(&["validate"]).expect(0);
        expect_words(&run, &["warning[AG057]", "amigops.yaml:5:"]);
        let run = lab.run_with(&["validate"], &[("AMIGOPS_ALLOWED_HOSTS", "evil.example,127.0.0.1")]).expect(0);
        assert!(!run.stderr.contains("AG057"), "{}", run.stderr);
    }

    fn a_saved_plan_is_checked_as_well(api: Api) {
        let lab = lab(api, "");
        project(&lab, &format!(", base_url: \"{}\"", lab.server.url()));
        lab.run(&["plan", "--out", "plan.json"]).expect(0);
        project(&lab, ", base_url: \"https://evil.example\"");
        let run = lab.run(&["apply", "plan.json"]).expect(3);
        expect_words(&run, &["AG057"]);
        assert_eq!(lab.writes(), []);
    }

    fn init_connects_to_the_address_from_the_process_environment(api: Api) {
        let lab = Lab::on(api, EMPTY);
        let directory = tempfile::tempdir().unwrap();
        let home = match api {
            Api::Classic => ("AMIGO_ORGANIZATION_ID", ORGANIZATION),
            Api::Platform => ("AMIGO_WORKSPACE_ID", WORKSPACE),
        };
        let mut command = amigops(directory.path());
        command.args(["init", "--from-env"]).envs([
            ("AMIGO_API_KEY", "s3cret-key"),
            ("AMIGO_API_KEY_ID", "key-id"),
            ("AMIGO_USER_ID", "user-1"),
            ("AMIGO_BASE_URL", &lab.server.url()),
            home,
        ]);
        run_command(command).expect(0);
    }
}

/// The addresses look like an allowed address but lead to other hosts, so they must be refused.
#[test]
fn hosts_that_look_like_an_allowed_host_are_refused() {
    let lab = lab(Api::Classic, "");
    let proxy = Proxy::start();
    for (url, code) in [
        ("https://api.amigo.ai@evil.example", "AG053"),
        ("https://api.amigo.ai:443@evil.example", "AG053"),
        ("https://evil.example\\\\@api.amigo.ai", "AG053"),
        ("https://evil.example#@api.amigo.ai", "AG053"),
        ("https://evil.example?@api.amigo.ai", "AG053"),
        ("https://api.amigo.ai.evil.example", "AG057"),
        ("https://api.amigo.ai.", "AG057"),
        ("https://xn--pi-7fa.amigo.ai", "AG057"),
        ("https://аpi.amigo.ai", "AG053"),
        ("https://2130706433", "AG057"),
        ("https://0x7f.1", "AG057"),
        ("https://[::ffff:127.0.0.1]", "AG057"),
        ("http://127.0.0.1.evil.example", "AG053"),
        ("https://127.0.0.1.evil.example", "AG057"),
    ] {
        project(&lab, &format!(", base_url: \"{url}\""));
        let run = lab.run_with(&["plan"], &[("HTTPS_PROXY", &proxy.address), ("HTTP_PROXY", &proxy.address)]);
        assert_eq!(run.code, Some(if code == "AG053" { 1 } else { 3 }), "{url}: {}", run.stderr);
        assert!(run.stderr.contains(code), "{url}: {}", run.stderr);
    }
    assert_eq!(proxy.received_requests(), Vec::<String>::new());
}

#[test]
fn headers_that_change_the_host_or_the_credentials_are_refused() {
    let lab = lab(Api::Classic, "");
    for name in ["Host", "AUTHORIZATION", "Cookie", "X-Api-Key", "Connection", "x-http-method-override"] {
        project(&lab, &format!(", base_url: \"{}\", headers: {{{name}: something}}", lab.server.url()));
        let run = lab.run(&["plan"]).expect(1);
        expect_words(&run, &["AG054", "amigops.yaml:4:"]);
    }
    assert_eq!(lab.hooks.count(), 0);
}
