//! Renders metrics of drift runs in the Prometheus text format, for node_exporter's textfile collector.
//!
//! If a run could not measure a metric, the metric is omitted, because an old value would be misleading. Only the time
//! of the last success keeps its old value, which is read from the previous file.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::plan::{Deviation, Plan, ServiceKind};

/// The first characters of every metrics file, by which amigops recognizes its own files.
pub const BEGINNING: &str = "# HELP amigops_";
/// The name of the only metric that keeps its previous value when a run fails.
const LAST_SUCCESS: &str = "amigops_drift_last_success_timestamp_seconds";

/// The results of comparing one environment with its manifests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// The number of declared services that differ from their manifests because the live state has changed. Services whose
    /// base is unknown count, too.
    pub drifted: usize,
    /// The number of declared services that differ because their manifests are not applied yet. A service with a conflict
    /// counts as drifted and as pending.
    pub pending: usize,
    /// The number of owned, active services that no manifest declares, including services that the plan retires.
    pub orphans: usize,
    /// The number of live services that are neither declared nor owned.
    pub unmanaged: usize,
    /// The number of declared services.
    pub declared: usize,
    /// The number of active live services.
    pub live: usize,
}

impl Figures {
    /// Counts the services in a plan by their state.
    pub fn of(plan: &Plan) -> Self {
        let declared = plan.services.iter().filter(|service| service.kind != ServiceKind::Retire);
        let deviations: Vec<Deviation> = declared.map(|service| Deviation::of(plan, service)).collect();
        Self {
            drifted: deviations.iter().filter(|deviation| deviation.drifted).count(),
            pending: deviations.iter().filter(|deviation| deviation.pending).count(),
            orphans: plan.orphans.len() + plan.summary.retire,
            unmanaged: plan.unmanaged.len(),
            declared: plan.declared,
            live: plan.active,
        }
    }
}

/// A drift run on one environment, for which metrics are rendered.
#[derive(Clone, Debug, PartialEq)]
pub struct Run<'a> {
    /// The environment's name.
    pub environment: &'a str,
    /// The results of the comparison; `None` if the run failed.
    pub figures: Option<Figures>,
    /// The time at which the run ended, in seconds since 1970.
    pub ended: u64,
    /// The time at which the last successful run ended, in seconds since 1970. The last successful run can be this run.
    /// 0 if no run has succeeded.
    pub last_success: u64,
    /// The duration of the run, in seconds.
    pub duration: f64,
    /// The number of requests that were sent, including sign-ins and retries.
    pub requests: u64,
}

/// A metric: its name, its help text, and a function that returns its value for a run. The function returns `None` if
/// the run has no value for the metric.
type Metric = (&'static str, &'static str, fn(&Run<'_>) -> Option<String>);

const METRICS: &[Metric] = &[
    (
        "amigops_drift_services",
        "Declared services that differ from their manifests because they have changed live, or for an unknown reason.",
        |run| Some(run.figures?.drifted.to_string()),
    ),
    (
        "amigops_pending_services",
        "Declared services that differ from their manifests because these are not applied yet.",
        |run| Some(run.figures?.pending.to_string()),
    ),
    ("amigops_orphans", "Active services of this project that no manifest declares.", |run| {
        Some(run.figures?.orphans.to_string())
    }),
    (
        "amigops_unmanaged_services",
        "Live services that are neither declared nor owned by this project.",
        |run| Some(run.figures?.unmanaged.to_string()),
    ),
    ("amigops_declared_services", "Services that the manifests declare.", |run| {
        Some(run.figures?.declared.to_string())
    }),
    ("amigops_live_services", "Active live services.", |run| Some(run.figures?.live.to_string())),
    ("amigops_drift_success", "1 if the last run could compare the environment, else 0.", |run| {
        Some(u8::from(run.figures.is_some()).to_string())
    }),
    ("amigops_drift_last_run_timestamp_seconds", "Time at which the last run ended.", |run| {
        Some(run.ended.to_string())
    }),
    (LAST_SUCCESS, "Time of the last successful run; 0 if there was none.", |run| {
        Some(run.last_success.to_string())
    }),
    ("amigops_drift_duration_seconds", "Duration of the last run.", |run| {
        Some(format!("{:.3}", run.duration))
    }),
    ("amigops_drift_requests", "Requests that the last run sent, including sign-ins and retries.", |run| {
        Some(run.requests.to_string())
    }),
];

/// Renders a metrics file with the metrics of all runs.
pub fn render(version: &str, runs: &[Run<'_>]) -> String {
    let mut out = String::new();
    head(&mut out, "amigops_build_info", "The version of amigops, as a label. The value is always 1.");
    let _ = writeln!(out, "amigops_build_info{{version=\"{}\"}} 1", escaped(version));
    for (name, help, value) in METRICS {
        let mut samples = runs.iter().filter_map(|run| Some((run.environment, value(run)?))).peekable();
        if samples.peek().is_some() {
            head(&mut out, name, help);
        }
        for (environment, value) in samples {
            let _ = writeln!(out, "{name}{{environment=\"{}\"}} {value}", escaped(environment));
        }
    }
    out
}

fn head(out: &mut String, name: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge");
}

/// Escapes the value of a label for the Prometheus text format.
fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

/// Reads the time of the last successful run of each environment from the text of an existing metrics file. Ignores
/// lines that can't be parsed.
pub fn last_successes(former: &str) -> BTreeMap<String, u64> {
    former.lines().filter_map(last_success).collect()
}

fn last_success(line: &str) -> Option<(String, u64)> {
    let rest = line.strip_prefix(LAST_SUCCESS)?.strip_prefix("{environment=\"")?;
    let mut environment = String::new();
    let mut characters = rest.chars();
    loop {
        match characters.next()? {
            '"' => break,
            '\\' => environment.push(match characters.next()? {
                'n' => '\n',
                other => other,
            }),
            other => environment.push(other),
        }
    }
    let value = characters.as_str().strip_prefix("} ")?;
    Some((environment, value.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn run(environment: &str, figures: Option<Figures>) -> Run<'_> {
        Run { environment, figures, ended: 1_800_000_000, last_success: 17, duration: 0.25, requests: 4 }
    }

    #[test]
    fn a_file_has_every_metric_with_its_help_and_type() {
        let figures = Figures { drifted: 1, pending: 6, orphans: 2, unmanaged: 3, declared: 4, live: 5 };
        assert_snapshot!(render("1.2.3", &[run("lab", Some(figures)), run("prod", None)]), @r#"
        # HELP amigops_build_info The version of amigops, as a label. The value is always 1.
        # TYPE amigops_build_info gauge
        amigops_build_info{version="1.2.3"} 1
        # HELP amigops_drift_services Declared services that differ from their manifests because they have changed live, or for an unknown reason.
        # TYPE amigops_drift_services gauge
        amigops_drift_services{environment="lab"} 1
        # HELP amigops_pending_services Declared services that differ from their manifests because these are not applied yet.
        # TYPE amigops_pending_services gauge
        amigops_pending_services{environment="lab"} 6
        # HELP amigops_orphans Active services of this project that no manifest declares.
        # TYPE amigops_orphans gauge
        amigops_orphans{environment="lab"} 2
        # HELP amigops_unmanaged_services Live services that are neither declared nor owned by this project.
        # TYPE amigops_unmanaged_services gauge
        amigops_unmanaged_services{environment="lab"} 3
        # HELP amigops_declared_services Services that the manifests declare.
        # TYPE amigops_declared_services gauge
        amigops_declared_services{environment="lab"} 4
        # HELP amigops_live_services Active live services.
        # TYPE amigops_live_services gauge
        amigops_live_services{environment="lab"} 5
        # HELP amigops_drift_success 1 if the last run could compare the environment, else 0.
        # TYPE amigops_drift_success gauge
        amigops_drift_success{environment="lab"} 1
        amigops_drift_success{environment="prod"} 0
        # HELP amigops_drift_last_run_timestamp_seconds Time at which the last run ended.
        # TYPE amigops_drift_last_run_timestamp_seconds gauge
        amigops_drift_last_run_timestamp_seconds{environment="lab"} 1800000000
        amigops_drift_last_run_timestamp_seconds{environment="prod"} 1800000000
        # HELP amigops_drift_last_success_timestamp_seconds Time of the last successful run; 0 if there was none.
        # TYPE amigops_drift_last_success_timestamp_seconds gauge
        amigops_drift_last_success_timestamp_seconds{environment="lab"} 17
        amigops_drift_last_success_timestamp_seconds{environment="prod"} 17
        # HELP amigops_drift_duration_seconds Duration of the last run.
        # TYPE amigops_drift_duration_seconds gauge
        amigops_drift_duration_seconds{environment="lab"} 0.250
        amigops_drift_duration_seconds{environment="prod"} 0.250
        # HELP amigops_drift_requests Requests that the last run sent, including sign-ins and retries.
        # TYPE amigops_drift_requests gauge
        amigops_drift_requests{environment="lab"} 4
        amigops_drift_requests{environment="prod"} 4
        "#);
        assert!(render("1", &[]).starts_with(BEGINNING));
    }

    const HOSTILE: &[&str] = &[
        "",
        "a\"} 1\namigops_drift_success{environment=\"b",
        "back\\slash\\",
        "\\n is no \n",
        "quote\"",
        "\\\"",
        "{},= #",
        "日本\u{202e}\u{1b}[31m",
    ];

    #[test]
    fn hostile_labels_are_escaped_and_read_back() {
        let runs: Vec<Run<'_>> = HOSTILE.iter().map(|name| run(name, None)).collect();
        let text = render("1", &runs);
        let samples = |metric: &str| text.lines().filter(|line| line.starts_with(metric)).count();
        assert_eq!(samples("amigops_drift_success{"), HOSTILE.len(), "{text}");
        assert!(text.lines().all(|line| line.starts_with("amigops_") || line.starts_with("# ")), "{text}");
        let expected: BTreeMap<String, u64> = HOSTILE.iter().map(|name| ((*name).to_owned(), 17)).collect();
        assert_eq!(last_successes(&text), expected);
        assert!(
            text.contains(r#"{environment="a\"} 1\namigops_drift_success{environment=\"b"} 0"#),
            "{text}"
        );
    }

    #[test]
    fn lines_that_cannot_be_parsed_are_ignored() {
        let text = format!(
            "{LAST_SUCCESS}{{environment=\"a\"}} 5\n{LAST_SUCCESS}{{environment=\"b\"}} NaN\n{LAST_SUCCESS} 7\n\
             {LAST_SUCCESS}{{environment=\"c\n{LAST_SUCCESS}{{environment=\"d\\\n{LAST_SUCCESS}{{environment=\"e\"}}\n\
             # {LAST_SUCCESS}{{environment=\"f\"}} 5\r\n{LAST_SUCCESS}{{environment=\"g\"}} -3"
        );
        assert_eq!(last_successes(&text), [("a".to_owned(), 5)].into());
    }
}
