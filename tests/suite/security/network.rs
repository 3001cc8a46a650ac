//! Tests of the environment variables for connections. An invalid proxy or an invalid file with certificates is
//! reported before anything is sent. A connection error names the variables that were used.

use amigops::model::Api;

use crate::harness::{EMPTY, Lab, service};
use crate::on_both_apis;

const ELSEWHERE: &str = "https://api.example.test";
const ALLOWED: (&str, &str) = ("AMIGOPS_ALLOWED_HOSTS", "api.example.test");

fn lab(api: Api, url: &str) -> Lab {
    let lab = Lab::on(api, EMPTY);
    lab.manifests(&service("Desk", ""));
    lab.project_at(url, "");
    lab
}

on_both_apis! {
    #[cfg(not(any(windows, target_vendor = "apple")))]
    fn a_bad_file_with_certificates_is_refused(api: Api) {
        let lab = lab(api, "https://127.0.0.1:1");
        lab.write("text.pem", "no certificate\n");
        assert!(std::process::Command::new("mkfifo").arg(lab.path().join("pipe")).status().unwrap().success());
        for (file, words) in [
            ("nowhere.pem", "can't read `nowhere.pem`, which SSL_CERT_FILE names: No such file"),
            ("services", "can't read `services`, which SSL_CERT_FILE names: it is a directory"),
            ("pipe", "can't read `pipe`, which SSL_CERT_FILE names: the path is not a regular file"),
            ("text.pem", "`text.pem`, which SSL_CERT_FILE names, contains no certificate in PEM format"),
        ] {
            let run = lab.run_with(&["plan"], &[("SSL_CERT_FILE", file)]).expect(1);
            assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
        }
        let run = lab.run_with(&["plan"], &[("SSL_CERT_DIR", "nowhere")]).expect(1);
        assert!(run.stderr.contains("SSL_CERT_DIR leads to no usable certificate"), "{}", run.stderr);
        // A connection to this machine with `http://` needs no certificates.
        lab.project("");
        lab.run_with(&["plan"], &[("SSL_CERT_FILE", "nowhere.pem")]).expect(0);
    }

    fn a_bad_proxy_is_refused(api: Api) {
        let lab = lab(api, ELSEWHERE);
        for (name, address) in [
            ("HTTPS_PROXY", "http://"),
            ("https_proxy", "http://bob:hunter2@proxy.example:port"),
            ("ALL_PROXY", "socks5://bob:hunter2@proxy.example"),
        ] {
            let run = lab.run_with(&["plan"], &[ALLOWED, (name, address)]).expect(1);
            assert!(run.stderr.contains(&format!("{name} is not the address of a proxy")), "{}", run.stderr);
            assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
        }
        // A proxy is not used for this machine.
        lab.project("");
        lab.run_with(&["plan"], &[("HTTPS_PROXY", "http://")]).expect(0);
    }

    fn a_connection_error_names_the_proxy(api: Api) {
        let lab = lab(api, ELSEWHERE);
        let proxy = ("HTTPS_PROXY", "http://bob:hunter2@127.0.0.1:1");
        let run = lab.run_with(&["plan", "--timeout", "1s"], &[ALLOWED, proxy]).expect(1);
        let words = "requests go through the proxy http://127.0.0.1:1, which HTTPS_PROXY names";
        assert!(run.stderr.contains(words), "{}", run.stderr);
        assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
    }
}
