//! Tests of `validate --format`: the content of a file can't forge entries in machine-readable reports.

use serde_json::{Value, json};

use super::validate;
use crate::manifest::{Case, PROJECT, SERVICE};

fn broken() -> Case {
    let again = format!("# again\n{SERVICE}");
    Case::new(&[
        ("amigops.yaml", PROJECT),
        ("services/a.yaml", &format!("{SERVICE}version_set: {{}}\nkeyterms: [x, x]\n")),
        ("services/b.yaml", &again),
        ("services/c d.yaml", "service: C\nagent: X\ncontext_graph: Y\nactive: [\n  yes\n]\n"),
    ])
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

#[test]
fn json_contains_every_field() {
    let case = broken();
    let run = validate(case.path(), &["--format", "json"]).expect(1);
    assert_eq!(run.stderr, "", "everything is in stdout");
    let document = parsed(&run.stdout);
    assert_eq!(document["diagnostics"].as_array().map(Vec::len), Some(4));
    assert_eq!(
        document["diagnostics"][0],
        json!({
            "code": "AG012", "severity": "error", "message": "unknown key `version_set`",
            "label": "did you mean `version_sets`?", "file": "services/a.yaml",
            "line": 4, "column": 1, "end_line": 4, "end_column": 12,
            "help": ["declare version sets by name under `version_sets:`"],
            "related": [], "docs": "docs/diagnostics.md#ag012",
        })
    );
    assert_eq!(document["diagnostics"][1]["severity"], "warning");
    let duplicate = &document["diagnostics"][2];
    assert_eq!((&duplicate["line"], &duplicate["column"]), (&json!(2), &json!(10)));
    assert_eq!(
        duplicate["related"],
        json!([{"label": "first declared here", "file": "services/a.yaml",
            "line": 1, "column": 10, "end_line": 1, "end_column": 11}])
    );
    let list = &document["diagnostics"][3];
    assert_eq!((&list["line"], &list["end_line"]), (&json!(4), &json!(4)), "a list's range is its bracket");
    let mut head = document.clone();
    head.as_object_mut().expect("a mapping").remove("diagnostics");
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        head,
        json!({"format_version": 1, "tool_version": version, "valid": false, "files": 4, "services": 3, "omitted": 0})
    );
    assert_eq!(
        run.stdout,
        validate(case.path(), &["--format", "json"]).stdout,
        "the output is deterministic"
    );
}

#[test]
fn valid_project_is_reported_in_every_format() {
    let case = Case::service(&format!("{SERVICE}keyterms: [x, x]\n"));
    let human = validate(case.path(), &[]).expect(0);
    assert_eq!(human.stdout, "valid with warnings: 1 service in 2 files\n");
    assert!(human.stderr.contains("warning[AG032]"), "{}", human.stderr);
    let json = parsed(&validate(case.path(), &["--format", "json"]).expect(0).stdout);
    assert_eq!((&json["valid"], &json["services"], &json["files"]), (&json!(true), &json!(1), &json!(2)));
    let github = validate(case.path(), &["--format", "github"]).expect(0);
    assert!(github.stdout.starts_with("::warning file=services/a.yaml,line=4,col=15,"), "{}", github.stdout);
    let sarif = parsed(&validate(case.path(), &["--format", "sarif"]).expect(0).stdout);
    assert_eq!(sarif["runs"][0]["results"][0]["level"], "warning");
    assert_eq!(sarif["runs"][0]["invocations"][0]["executionSuccessful"], true);

    case.write("services/a.yaml", SERVICE.as_bytes());
    let quiet = validate(case.path(), &["-q", "--format", "github"]).expect(0);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
    let sarif = parsed(&validate(case.path(), &["--format", "sarif"]).expect(0).stdout);
    assert_eq!(sarif["runs"][0]["results"], json!([]), "`results` must be empty, not absent");
}

#[test]
fn problems_without_a_location_are_reported_in_every_format() {
    let empty = tempfile::tempdir().unwrap();
    let json = validate(empty.path(), &["--format", "json"]).expect(1);
    let document = parsed(&json.stdout);
    let problem = &document["diagnostics"][0];
    assert_eq!(
        (&problem["code"], &problem["line"], &document["files"]),
        (&json!("AG001"), &Value::Null, &json!(0))
    );
    let github = validate(empty.path(), &["--format", "github"]).expect(1);
    assert!(github.stdout.starts_with("::error title=AG001::`.` has no `amigops.yaml`"), "{}", github.stdout);
    assert!(github.stderr.contains("error[AG001]"), "{}", github.stderr);
    let sarif = parsed(&validate(empty.path(), &["--format", "sarif"]).expect(1).stdout);
    let run = &sarif["runs"][0];
    assert_eq!(run["results"], json!([]), "viewers refuse a result without a location");
    assert_eq!(run["invocations"][0]["executionSuccessful"], false);
    let notification = &run["invocations"][0]["toolConfigurationNotifications"][0];
    assert_eq!(notification["associatedRule"]["id"], "AG001");

    let case = broken();
    for format in ["json", "github", "sarif"] {
        let run = validate(case.path(), &["--format", format, "none.yaml"]).expect(1);
        assert!(run.stdout.contains("AG062") && !run.stdout.contains("AG012"), "{format}: {}", run.stdout);
    }
}

#[test]
fn annotations_have_file_and_line() {
    let case = broken();
    let run = validate(case.path(), &["--format", "github"]).expect(1);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(
        lines[0],
        "::error file=services/a.yaml,line=4,col=1,endColumn=12,title=AG012::unknown key `version_set`%0A\
         did you mean `version_sets`?%0Ahelp: declare version sets by name under `version_sets:`"
    );
    assert!(lines[1].starts_with("::warning file=services/a.yaml,line=5,"), "{}", lines[1]);
    assert!(lines[2].contains("%0Aservices/a.yaml:1:10: first declared here%0A"), "{}", lines[2]);
    assert!(lines[3].starts_with("::error file=services/c d.yaml,line=4,"), "{}", lines[3]);
    assert!(run.stderr.contains("--> services/a.yaml:4:1"), "stderr has the human format: {}", run.stderr);

    // File names are relative to the repository, whatever the working directory.
    std::fs::create_dir(case.path().join(".git")).unwrap();
    let below = case.path().join("infra/agents");
    std::fs::create_dir_all(below.join("services")).unwrap();
    std::fs::write(below.join("amigops.yaml"), PROJECT).unwrap();
    std::fs::write(below.join("services/a.yaml"), "service: A\n").unwrap();
    let run = validate(&below.join("services"), &["--format", "github"]).expect(1);
    assert!(run.stdout.starts_with("::error file=infra/agents/services/a.yaml,line=1,"), "{}", run.stdout);
    let sarif = parsed(&validate(&below, &["--format", "sarif"]).expect(1).stdout);
    let place = &sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"];
    assert_eq!(*place, json!({"uri": "infra/agents/services/a.yaml", "uriBaseId": "%SRCROOT%"}));
}

/// Texts that would have an effect if they were not escaped.
const HOSTILE: &[&str] = &[
    "::set-output name=x::y",
    "a\\n::error::forged",
    "a\\r\\n::add-mask::x",
    "%0A::error::forged",
    "100%25%0D%0A,title=forged::x",
    "##[error]forged",
    "##vso[task.setvariable variable=x]y",
    "\u{202e}drow\u{2066}",
    "\\e[31mred\\e[0m\\u009b31m",
    "a\\u2028b\\u0085c\\0d",
];

#[test]
fn file_content_forges_no_command() {
    for text in HOSTILE {
        let manifest =
            format!("{SERVICE}\"{text}\": 1\ntags: {{\"{text}\": \"{text}\"}}\nkeyterms: [\"{text}\"]\n");
        let case = Case::service(&manifest);
        let run = validate(case.path(), &["--format", "github"]).expect(1);
        let problems = parsed(&validate(case.path(), &["--format", "json"]).expect(1).stdout);
        let problems = problems["diagnostics"].as_array().expect("a list").len();
        assert_eq!(run.stdout.lines().count(), problems, "one line per problem:\n{}", run.stdout);
        for line in run.stdout.lines() {
            assert!(line.starts_with("::error file=services/a.yaml,line="), "{line}");
            let (properties, _) = line["::error ".len()..].split_once("::").expect("a command has data");
            assert_eq!(properties.split(',').count(), 5, "no property is forged: {line}");
        }
        for format in ["human", "github", "json", "sarif"] {
            let run = validate(case.path(), &["--format", format]).expect(1);
            let all = format!("{}{}", run.stdout, run.stderr);
            let obeyed = |c: char| {
                (c.is_control() && c != '\n')
                    || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202e}' | '\u{2066}')
            };
            assert!(!all.chars().any(obeyed), "{format}: {all:?}");
            let commands = run.stderr.lines().filter(|line| line.trim_start().starts_with("::"));
            assert_eq!(commands.count(), 0, "{format}: {}", run.stderr);
            let out = if format == "github" { &run.stderr } else { &all };
            assert!(!out.contains("##[") && !out.contains("##vso["), "{format}: {out}");
        }
    }
}

#[cfg(unix)]
#[test]
fn file_name_forges_no_command() {
    let case = Case::new(&[("amigops.yaml", PROJECT)]);
    let name = "services/a,line=1::x%0A\n::error::forged, title=b.yaml";
    case.write(name, b"service: A\n");
    let run = validate(case.path(), &["--format", "github"]).expect(1);
    assert_eq!(run.stdout.lines().count(), 2, "{}", run.stdout);
    for line in run.stdout.lines() {
        let file = "file=services/a%2Cline=1%3A%3Ax%250A %3A%3Aerror%3A%3Aforged%2C title=b.yaml,line=1,";
        assert!(line.starts_with(&format!("::error {file}")), "{line}");
    }
    let sarif = parsed(&validate(case.path(), &["--format", "sarif"]).expect(1).stdout);
    let uri = &sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    let expected = "services/a%2Cline%3D1%3A%3Ax%250A%0A%3A%3Aerror%3A%3Aforged%2C%20title%3Db.yaml";
    assert_eq!(uri, expected, "the URI must refer to the file");
}

#[test]
fn sarif_has_rules_locations_and_stable_fingerprints() {
    let case = broken();
    let sarif = parsed(&validate(case.path(), &["--format", "sarif"]).expect(1).stdout);
    assert_eq!(sarif["version"], "2.1.0");
    let run = &sarif["runs"][0];
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    let rules = run["tool"]["driver"]["rules"].as_array().expect("a list");
    let results = run["results"].as_array().expect("a list");
    assert_eq!(results.len(), 4);
    for result in results {
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().expect("a number")).unwrap()];
        assert_eq!(rule["id"], result["ruleId"]);
        assert!(rule["help"]["markdown"].as_str().is_some_and(|text| text.contains("```")), "{rule}");
    }
    let region = &results[0]["locations"][0]["physicalLocation"]["region"];
    assert_eq!(*region, json!({"startLine": 4, "startColumn": 1, "endLine": 4, "endColumn": 12}));
    assert_eq!(results[2]["relatedLocations"][0]["message"]["text"], "first declared here");
    let uri = &results[3]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert_eq!(uri, "services/c%20d.yaml");

    let prints = |sarif: &Value| -> Vec<Value> {
        let results = sarif["runs"][0]["results"].as_array().expect("a list");
        results.iter().map(|result| result["partialFingerprints"].clone()).collect()
    };
    let before = prints(&sarif);
    let distinct: std::collections::BTreeSet<String> = before.iter().map(Value::to_string).collect();
    assert_eq!(distinct.len(), before.len());
    case.write(
        "services/a.yaml",
        format!("# moved\n\n{SERVICE}version_set: {{}}\nkeyterms: [x, x]\n").as_bytes(),
    );
    let after = prints(&parsed(&validate(case.path(), &["--format", "sarif"]).expect(1).stdout));
    assert_eq!(before, after, "moving lines must not change fingerprints");
}

#[test]
fn no_format_shows_a_secret() {
    let project = PROJECT.replace("organization: acme", "credentials: {api_key: sk-hunter2}");
    let case = Case::new(&[("amigops.yaml", &project), ("services/a.yaml", SERVICE)]);
    for format in ["human", "json", "github", "sarif"] {
        let run = validate(case.path(), &["--format", format]).expect(1);
        let all = format!("{}{}", run.stdout, run.stderr);
        assert!(all.contains("AG055") && !all.contains("hunter2"), "{format}: {all}");
    }
}
