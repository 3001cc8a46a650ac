//! Tests of `drift --metrics`: the content of the metrics file after successful and failed runs.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::SystemTime;

use amigops::model::Api;
use amigops_emulator::Fault;

use super::{applied_lab, declared};
use crate::harness::{Lab, answer, on_first, service};
use crate::on_both_apis;

/// Runs `drift --metrics drift.prom`, which must end with the exit code `code`. Returns the text of the metrics file.
#[track_caller]
fn drift_metrics(lab: &Lab, more: &[&str], code: i32) -> String {
    lab.run(&[&["drift", "--metrics", "drift.prom"], more].concat()).expect(code);
    std::fs::read_to_string(file(lab)).unwrap()
}

fn file(lab: &Lab) -> PathBuf {
    lab.path().join("drift.prom")
}

/// The name of a metric sample, and the value of its label.
type Key = (String, String);

/// Parses metrics in the text format of Prometheus. Checks that each metric has one `HELP` line and one `TYPE` line,
/// before its samples.
fn samples(text: &str) -> BTreeMap<Key, f64> {
    let mut found = BTreeMap::new();
    let (mut helped, mut typed) = (Vec::new(), Vec::new());
    assert!(text.ends_with('\n'), "the last line ends, too");
    for line in text.lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", "HELP", name, help] if !help.is_empty() => helped.push(name.to_owned()),
            ["#", "TYPE", name, "gauge"] => typed.push(name.to_owned()),
            _ => {
                let (name, rest) = line.split_once('{').unwrap();
                let (label, rest) = rest.split_once("=\"").unwrap();
                assert!(["environment", "version"].contains(&label), "{line}");
                let (mut value, mut escaped, mut end) = (String::new(), false, None);
                for (at, c) in rest.char_indices() {
                    match (escaped, c) {
                        (true, 'n') => value.push('\n'),
                        (true, '"' | '\\') => value.push(c),
                        (true, _) => panic!("no such escape: {line}"),
                        (false, '"') => {
                            end = Some(at);
                            break;
                        }
                        (false, '\\') => {}
                        (false, _) => value.push(c),
                    }
                    escaped = !escaped && c == '\\';
                }
                let number = rest[end.unwrap() + 1..].strip_prefix("} ").unwrap();
                assert_eq!(helped.last().map(String::as_str), Some(name), "{line}");
                assert_eq!(typed.last().map(String::as_str), Some(name), "{line}");
                let former = found.insert((name.to_owned(), value), number.parse().unwrap());
                assert_eq!(former, None, "twice: {line}");
            }
        }
    }
    let distinct: std::collections::BTreeSet<&String> = helped.iter().collect();
    assert_eq!(distinct.len(), helped.len(), "one help a metric");
    found
}

fn sample(text: &str, name: &str, environment: &str) -> Option<f64> {
    samples(text).get(&(format!("amigops_{name}"), environment.to_owned())).copied()
}

/// Replaces the values that differ from run to run (in metrics of seconds) with `…`.
fn scrubbed(text: &str) -> String {
    let scrub = |line: &str| match line.rsplit_once(' ') {
        Some((before, _)) if before.contains("_seconds{") => format!("{before} …\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(scrub).collect()
}

#[allow(clippy::disallowed_methods, reason = "the metrics are of the wall clock")]
fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64()
}

/// Adds a service that no project owns and no manifest declares.
fn add_unowned_service(lab: &Lab) {
    let mut service = lab.active("Shop");
    (service.name, service.tags) = ("Stranger".to_owned(), BTreeMap::new());
    lab.add(service);
}

on_both_apis! {
    fn a_run_writes_all_metrics(api: Api) {
        let lab = applied_lab(api);
        lab.manifests(&[declared(), service("Summer", "")].join("---\n"));
        lab.apply().expect(0);
        lab.manifests(&declared());
        add_unowned_service(&lab);
        lab.change(&lab.active("Desk").id, |desk| desk.description = "edited".to_owned());
        let before = now().floor();
        let text = drift_metrics(&lab, &[], 2);
        let expected = format!(
            r#"# HELP amigops_build_info The version of amigops, as a label. The value is always 1.
# TYPE amigops_build_info gauge
amigops_build_info{{version="{}"}} 1
# HELP amigops_drift_services Declared services that differ from their manifests because they have changed live, or for an unknown reason.
# TYPE amigops_drift_services gauge
amigops_drift_services{{environment="lab"}} 1
# HELP amigops_pending_services Declared services that differ from their manifests because these are not applied yet.
# TYPE amigops_pending_services gauge
amigops_pending_services{{environment="lab"}} 0
# HELP amigops_orphans Active services of this project that no manifest declares.
# TYPE amigops_orphans gauge
amigops_orphans{{environment="lab"}} 1
# HELP amigops_unmanaged_services Live services that are neither declared nor owned by this project.
# TYPE amigops_unmanaged_services gauge
amigops_unmanaged_services{{environment="lab"}} 1
# HELP amigops_declared_services Services that the manifests declare.
# TYPE amigops_declared_services gauge
amigops_declared_services{{environment="lab"}} 2
# HELP amigops_live_services Active live services.
# TYPE amigops_live_services gauge
amigops_live_services{{environment="lab"}} 4
# HELP amigops_drift_success 1 if the last run could compare the environment, else 0.
# TYPE amigops_drift_success gauge
amigops_drift_success{{environment="lab"}} 1
# HELP amigops_drift_last_run_timestamp_seconds Time at which the last run ended.
# TYPE amigops_drift_last_run_timestamp_seconds gauge
amigops_drift_last_run_timestamp_seconds{{environment="lab"}} …
# HELP amigops_drift_last_success_timestamp_seconds Time of the last successful run; 0 if there was none.
# TYPE amigops_drift_last_success_timestamp_seconds gauge
amigops_drift_last_success_timestamp_seconds{{environment="lab"}} …
# HELP amigops_drift_duration_seconds Duration of the last run.
# TYPE amigops_drift_duration_seconds gauge
amigops_drift_duration_seconds{{environment="lab"}} …
# HELP amigops_drift_requests Requests that the last run sent, including sign-ins and retries.
# TYPE amigops_drift_requests gauge
amigops_drift_requests{{environment="lab"}} {}
"#,
            env!("CARGO_PKG_VERSION"),
            lab.hooks.count()
        );
        assert_eq!(scrubbed(&text), expected);
        for name in ["drift_last_run_timestamp_seconds", "drift_last_success_timestamp_seconds"] {
            let at = sample(&text, name, "lab").unwrap();
            assert!((before..=now()).contains(&at), "{name}: {at}");
        }
        let took = sample(&text, "drift_duration_seconds", "lab").unwrap();
        assert!(took > 0.0 && took < 60.0, "{took}");
        // Orphans are counted with and without `--prune`.
        let pruned = drift_metrics(&lab, &["--prune"], 2);
        assert_eq!(sample(&pruned, "orphans", "lab"), Some(1.0));
        assert_eq!(sample(&pruned, "drift_services", "lab"), Some(1.0));
    }

    fn a_failed_run_keeps_the_time_of_the_last_success(api: Api) {
        let lab = applied_lab(api);
        let never = {
            lab.before(|_| answer(403, "{}"));
            drift_metrics(&lab, &[], 1)
        };
        assert_eq!(sample(&never, "drift_last_success_timestamp_seconds", "lab"), Some(0.0));
        lab.remove_hooks();
        drift_metrics(&lab, &[], 0);
        // The file gets an old time, so that the test can detect if the failed run replaces it.
        let good = "amigops_drift_last_success_timestamp_seconds{environment=\"lab\"}";
        lab.write("drift.prom", &format!("# HELP amigops_x y\n{good} 1700000000\n"));
        lab.before(|_| answer(403, "{}"));
        let failed = drift_metrics(&lab, &[], 1);
        assert_eq!(sample(&failed, "drift_last_success_timestamp_seconds", "lab"), Some(1_700_000_000.0));
        assert_eq!(sample(&failed, "drift_success", "lab"), Some(0.0));
        assert_eq!(sample(&failed, "drift_services", "lab"), None, "an old figure would pass for the truth");
        assert!(sample(&failed, "drift_requests", "lab") >= Some(1.0), "{failed}");
        lab.remove_hooks();
        // The time of the last success must also be kept if `amigops.yaml` itself can't be read.
        for broken in ["version: 1\n", ""] {
            lab.write("amigops.yaml", broken);
            let text = drift_metrics(&lab, &[], 1);
            assert_eq!(sample(&text, "drift_last_success_timestamp_seconds", "lab"), Some(1_700_000_000.0));
            assert_eq!(sample(&text, "drift_success", "lab"), Some(0.0));
        }
        lab.project("");
        let good = drift_metrics(&lab, &[], 0);
        assert!(sample(&good, "drift_last_success_timestamp_seconds", "lab") > Some(1_700_000_000.0));
        assert_eq!(sample(&good, "drift_success", "lab"), Some(1.0));
    }

    fn retried_requests_are_counted(api: Api) {
        let lab = applied_lab(api);
        lab.before(on_first(|request| request.method == "GET", answer(503, "{}")));
        let text = drift_metrics(&lab, &[], 0);
        assert_eq!(sample(&text, "drift_requests", "lab"), Some(lab.hooks.count() as f64));
        lab.before(on_first(|request| request.method == "GET", Some(Fault::LoseRequest)));
        let text = drift_metrics(&lab, &[], 0);
        assert_eq!(sample(&text, "drift_requests", "lab"), Some(lab.hooks.count() as f64));
    }
}

#[test]
fn every_environment_has_its_samples_and_names_are_escaped() {
    let lab = applied_lab(Api::Classic);
    let more = "  other: {api: classic, organization: other, credentials: {api_key: AMIGO_NOT_SET}}\n";
    let project = std::fs::read_to_string(lab.path().join("amigops.yaml")).unwrap();
    lab.write("amigops.yaml", &project.replace("default_environment", &format!("{more}default_environment")));
    let text = drift_metrics(&lab, &["--all-environments"], 1);
    let success = |name| sample(&text, "drift_success", name);
    assert_eq!((success("lab"), success("other")), (Some(1.0), Some(0.0)));
    assert_eq!(sample(&text, "declared_services", "lab"), Some(2.0));
    assert_eq!(sample(&text, "declared_services", "other"), None);

    let hostile = "a\"} 1\nb\\";
    let text = drift_metrics(&lab, &["-e", hostile], 1);
    assert_eq!(sample(&text, "drift_success", hostile), Some(0.0));
    assert_eq!(sample(&text, "drift_success", "lab"), None);
}

#[test]
fn the_file_is_readable_and_replaced_as_a_whole() {
    let lab = applied_lab(Api::Classic);
    lab.write("drift.prom", "");
    std::fs::set_permissions(file(&lab), PermissionsExt::from_mode(0o600)).unwrap();
    drift_metrics(&lab, &[], 0);
    assert_eq!(std::fs::metadata(file(&lab)).unwrap().permissions().mode() & 0o777, 0o644);
    let left: Vec<_> = std::fs::read_dir(lab.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name.to_str().unwrap().starts_with(".amigops-"))
        .collect();
    assert!(left.is_empty(), "{left:?}");

    let before = lab.server.requests().len();
    let manifest = std::fs::read_to_string(lab.path().join("services/all.yaml")).unwrap();
    for (path, why) in [
        ("services/all.yaml", "the file contains something other than metrics"),
        ("services", "it is a directory"),
    ] {
        let run = lab.run(&["drift", "--metrics", path]).expect(1);
        assert!(run.stderr.contains(why), "{}", run.stderr);
    }
    assert_eq!(std::fs::read_to_string(lab.path().join("services/all.yaml")).unwrap(), manifest);
    assert_eq!(lab.server.requests().len(), before, "said before anything is sent");
    let run = lab.run(&["drift", "--metrics", "no/such/directory.prom"]).expect(1);
    assert!(
        run.stderr.contains("the directory `no/such` does not exist") && run.stdout.contains("No drift"),
        "{}",
        run.stderr
    );

    let link = lab.path().join("link.prom");
    std::os::unix::fs::symlink(file(&lab), &link).unwrap();
    lab.run(&["drift", "--metrics", "link.prom"]).expect(0);
    assert!(std::fs::symlink_metadata(link).unwrap().is_symlink(), "a link stays one");
}
