//! Tests of `amigops.yaml`: its keys, and the problems that are reported in it.

use std::collections::BTreeMap;

use amigops::manifest::{CredentialVariables, EnvironmentTarget, Project, ProjectSource, load_project};
use amigops::model::{Api, Guardrails, MaxRemovals, Ownership};

use super::{Case, PROJECT, SERVICE, listed, load};

const EVERYTHING: &str = r#"
version: 1
manifests: [services/**/*.yaml]
defaults:
  tags: {team: care}
environments:
  sandbox:
    api: embedded
    dialect: classic
    state: .amigops/sandbox.redb
    seed: sandbox-seed.yaml
    limits: true
    prune: false
  scratch: {api: embedded}
  staging:
    api: classic
    organization: acme-staging
    base_url: https://proxy.example/amigo/
    headers: {x-mongo-cluster-name: blue}
    credentials: {api_key: STAGING_KEY, api_key_id: STAGING_KEY_ID, user_id: STAGING_USER}
  production:
    api: platform
    workspace: 3FA85F64-5717-4562-b3fc-2c963f66afa6
    base_url: https://proxy.example/platform/
    headers: {x-team: care}
    credentials: {api_key: PLATFORM_KEY}
    smoke_phone_number: "+12025550100"
    prune: false
  rehearsal: {api: embedded, dialect: platform, smoke_phone_number: "+12025550101"}
default_environment: sandbox
ownership: {tag: managed_by, value: care team, origin: false}
prune: true
unmanaged_version_sets: ["personal-*"]
guardrails:
  max_removals: "10%"
  require_pins: [release]
  protected: [A]
"#;

fn everything() -> (Case, Project) {
    let case = Case::new(&[
        ("amigops.yaml", EVERYTHING),
        ("sandbox-seed.yaml", "agents: []"),
        ("services/a.yaml", SERVICE),
    ]);
    let project = load_project(ProjectSource::WorkingDirectory(case.path()));
    let project = project.unwrap_or_else(|problems| panic!("{:#?}", listed(&problems)));
    (case, project)
}

#[test]
fn every_key_of_a_project_is_loaded() {
    let (case, project) = everything();
    assert_eq!((project.version, project.default_environment.as_deref()), (1, Some("sandbox")));
    assert_eq!(project.manifests, ["services/**/*.yaml"]);
    let policy = &project.policy;
    let ownership = Ownership {
        tag: "managed_by".to_owned(),
        value: "care team".to_owned(),
        is_written: true,
        origin: false,
    };
    assert_eq!(policy.ownership, ownership);
    assert!(policy.is_unmanaged(&"personal-ann".into()) && !policy.is_unmanaged(&"release".into()));
    assert_eq!(
        policy.guardrails,
        Guardrails {
            max_removals: Some(MaxRemovals::Percent(10.0)),
            require_pins: ["release".into()].into(),
            protected: ["A".into()].into(),
        }
    );
    let prunes =
        ["production", "rehearsal", "sandbox", "staging", "no such one"].map(|name| project.prunes(name));
    assert_eq!(prunes, [false, true, false, true, true]);
    assert_eq!(load(case.path(), None).expect("it loads").environment.name, "sandbox");
    let apis = [
        ("production", Api::Platform),
        ("rehearsal", Api::Platform),
        ("sandbox", Api::Classic),
        ("scratch", Api::Classic),
        ("staging", Api::Classic),
    ];
    assert_eq!(project.environments.len(), apis.len());
    for (name, api) in apis {
        let environment = load(case.path(), Some(name)).expect("it loads").environment;
        assert_eq!((environment.name.as_str(), environment.target.api()), (name, api));
    }
}

#[test]
fn every_key_of_an_embedded_environment_is_loaded() {
    let (_case, project) = everything();
    let embedded = |name: &str, dialect, seed: Option<&str>, limits, number: Option<&str>| {
        let target = EnvironmentTarget::Embedded {
            dialect,
            state: project.root.join(format!(".amigops/{name}.redb")),
            seed: seed.map(|seed| project.root.join(seed)),
            limits,
            smoke_phone_number: number.map(str::to_owned),
        };
        assert_eq!(project.environments[name].target, target);
    };
    embedded("sandbox", Api::Classic, Some("sandbox-seed.yaml"), true, None);
    embedded("scratch", Api::Classic, None, false, None);
    embedded("rehearsal", Api::Platform, None, false, Some("+12025550101"));
}

#[test]
fn every_key_of_a_remote_environment_is_loaded() {
    let (_case, project) = everything();
    assert_eq!(
        project.environments["staging"].target,
        EnvironmentTarget::Classic {
            organization: Some("acme-staging".to_owned()),
            base_url: Some("https://proxy.example/amigo".to_owned()),
            headers: BTreeMap::from([("x-mongo-cluster-name".to_owned(), "blue".to_owned())]),
            credentials: CredentialVariables {
                api_key: Some("STAGING_KEY".to_owned()),
                api_key_id: Some("STAGING_KEY_ID".to_owned()),
                user_id: Some("STAGING_USER".to_owned()),
            },
        }
    );
    assert_eq!(
        project.environments["production"].target,
        EnvironmentTarget::Platform {
            workspace: Some("3fa85f64-5717-4562-b3fc-2c963f66afa6".to_owned()),
            base_url: Some("https://proxy.example/platform".to_owned()),
            headers: BTreeMap::from([("x-team".to_owned(), "care".to_owned())]),
            credentials: CredentialVariables {
                api_key: Some("PLATFORM_KEY".to_owned()),
                ..CredentialVariables::default()
            },
            smoke_phone_number: Some("+12025550100".to_owned()),
        }
    );
}

/// Returns the codes and locations of the problems of an `amigops.yaml` with `version`, `manifests` (lines 1 and 2),
/// and the lines in `rest`.
fn codes(rest: &str) -> Vec<String> {
    let text = format!("version: 1\nmanifests: [services/*.yaml]\n{rest}");
    let case = Case::new(&[("amigops.yaml", &text), ("services/a.yaml", SERVICE)]);
    case.codes().into_iter().map(|one| one.replace("amigops.yaml:", "")).collect()
}

const ENV: &str = "environments: {s: {api: embedded}}\n";

#[test]
fn invalid_environments_are_reported() {
    let table: &[(&str, &[&str])] = &[
        ("", &["AG013 1:1"]),
        ("environments: {}\n", &["AG015 3:15"]),
        ("environments: {s: {}}\n", &["AG013 3:16"]),
        ("environments: {s: {api: clasic}}\n", &["AG015 3:25"]),
        ("environments: {s: {api: embedded, organization: x}}\n", &["AG012 3:35"]),
        ("environments: {s: {api: embedded, state: ../x}}\n", &["AG008 3:42"]),
        ("environments: {s: {api: embedded, state: .}}\n", &["AG008 3:42"]),
        ("environments: {s: {api: embedded, seed: /etc/passwd}}\n", &["AG008 3:41"]),
        ("environments: {s: {api: embedded, seed: none.yaml}}\n", &["AG002 3:16"]),
        ("environments: {s: {api: embedded, limits: 1}}\n", &["AG010 3:43"]),
        ("environments: {\"a/b\": {api: embedded}}\n", &["AG015 3:16"]),
        ("environments: {a: {api: embedded}, b: {api: embedded}}\n", &["AG051 3:1"]),
        ("environments: {s: {api: classic, organization: a/b}}\n", &["AG015 3:48"]),
        ("environments: {s: {api: classic, base_url: \"http://example.com\"}}\n", &["AG053 3:44"]),
        ("environments: {s: {api: platform, organization: x}}\n", &["AG012 3:35"]),
        ("environments: {s: {api: platform, workspace: w}}\n", &["AG030 3:46"]),
        ("environments: {s: {api: platform, workspace: 6618791275530b73714e9d18}}\n", &["AG030 3:46"]),
        ("environments: {s: {api: platform, credentials: {user_id: X}}}\n", &["AG012 3:49"]),
        ("environments: {s: {api: platform, smoke_phone_number: \"12025550100\"}}\n", &["AG037 3:55"]),
        ("environments: {s: {api: platform, smoke_phone_number: +12025550100}}\n", &["AG010 3:55"]),
        ("environments: {s: {api: platform, smoke_phone_number: ~}}\n", &["AG014 3:35"]),
        ("environments: {s: {api: classic, smoke_phone_number: \"+12025550100\"}}\n", &["AG012 3:34"]),
        ("environments: {s: {api: embedded, smoke_phone_number: \"+12025550100\"}}\n", &["AG012 3:35"]),
        (
            "environments: {s: {api: embedded, dialect: plattform, smoke_phone_number: \"+12025550100\"}}\n",
            &["AG015 3:44"],
        ),
        (
            "environments: {s: {api: embedded, dialect: platform, smoke_phone_number: \"+0\"}}\n",
            &["AG037 3:74"],
        ),
        (
            "environments: {s: {api: classic, headers: {Cookie: x, Host: y, \"a b\": z, ok: 1}}}\n",
            &["AG054 3:44", "AG054 3:55", "AG054 3:64", "AG010 3:78"],
        ),
    ];
    for (rest, expected) in table {
        assert_eq!(codes(rest), *expected, "{rest}");
    }
}

#[test]
fn invalid_rules_are_reported() {
    let table: &[(&str, &[&str])] = &[
        ("default: s\n", &["AG012 4:1"]),
        ("default_environment: t\n", &["AG050 4:22"]),
        ("ownership: {tag: a-b}\n", &["AG021 4:18"]),
        ("ownership: {tag: replaces}\n", &["AG023 4:18"]),
        ("ownership: {value: \"\"}\n", &["AG020 4:20"]),
        ("unmanaged_version_sets: [\"a[\"]\n", &["AG056 4:26"]),
        ("guardrails: {max_removals: -1}\n", &["AG015 4:28"]),
        ("guardrails: {max_removals: \"101%\"}\n", &["AG015 4:28"]),
        ("guardrails: {max_removals: ten}\n", &["AG015 4:28"]),
        ("guardrails: {require_pins: [xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx]}\n", &["AG025 4:29"]),
        ("guardrails: {protected: [B]}\n", &["AG061 4:26"]),
        ("guardrails: {protect: [B]}\n", &["AG012 4:14"]),
        ("defaults: [1]\n", &["AG010 4:11"]),
    ];
    for (rest, expected) in table {
        assert_eq!(codes(&format!("{ENV}{rest}")), *expected, "{rest}");
    }
    for (text, expected) in [
        ("", vec!["AG013 amigops.yaml"]),
        (
            "version: 2\nmanifests: [x.yaml]\nenvironments: {s: {api: embedded}}\n",
            vec!["AG009 amigops.yaml:2:13", "AG015 amigops.yaml:1:10"],
        ),
        (
            "version: 1\nmanifests: [../x/*.yaml, \"/etc/*\"]\nenvironments: {s: {api: embedded}}\n",
            vec!["AG008 amigops.yaml:2:13", "AG008 amigops.yaml:2:26"],
        ),
    ] {
        let mut found = Case::new(&[("amigops.yaml", text)]).codes();
        found.sort();
        let found: Vec<_> =
            found.iter().filter(|one| text.starts_with("version: 2") || !one.starts_with("AG009")).collect();
        assert_eq!(found, expected.iter().collect::<Vec<_>>(), "{text}");
    }
}

#[test]
fn credentials_are_never_shown() {
    let secret = "sk-0123456789abcdefSECRET";
    for environment in [
        format!("{{api: classic, credentials: {{api_key: {secret}}}}}"),
        format!("{{api: classic, credentials: {{apikey: {secret}}}}}"),
        format!("{{api: classic, crednetials: {{api_key: {secret}}}}}"),
        format!("{{api: classic, api_key: {secret}}}"),
        format!("{{api: classic, headers: {{Authorization: \"Bearer {secret}\"}}}}"),
        format!("{{api: classic, headers: {{x-api-key: [{secret}]}}}}"),
        format!("{{api: classic, base_url: \"https://me:{secret}@host\"}}"),
        format!("{{api: embedded, credentials: {{api_key: {secret}}}}}"),
        format!("{{api: classic, credentials: {secret}}}"),
        format!("{{api: classic, credentials: {{api_key: {secret}}}"),
        format!("{{api: classic, access_token: {{x: [{secret}]}}}}"),
        format!("{{api: embedded}}}}\napi_key: {secret}\nx: {{y: {{}}"),
        format!("{{api: embedded}}}}\napi_key: {secret}\nx: {{y: {{z: {{}}}}"),
        format!("{{api: classic, credentials: [{secret}]}}"),
        format!("{{api: classic, headers: \"Authorization: {secret}\"}}"),
    ] {
        let text = format!("version: 1\nmanifests: [services/*.yaml]\nenvironments: {{s: {environment}}}\n");
        let case = Case::new(&[("amigops.yaml", &text), ("services/a.yaml", SERVICE)]);
        let problems = case.problems();
        let shown = amigops::report::diagnostics::render_problems(&problems, false);
        assert!(!format!("{shown}{problems:?}").contains("SECRET"), "{environment}\n{shown}");
    }
}

#[test]
fn root_is_found_upwards() {
    let case = Case::new(&[
        ("amigops.yaml", &format!("version: 1\nmanifests: [services/*.yaml]\n{ENV}")),
        ("services/a.yaml", SERVICE),
    ]);
    let root = case.path().canonicalize().expect("it exists");
    let below = case.path().join("services");
    let working = |directory| load_project(ProjectSource::WorkingDirectory(directory));
    assert_eq!(working(&below).expect("found upwards").root, root);
    assert_eq!(working(case.path()).expect("found").root, root);
    let at_top = load_project(ProjectSource::CommitTree(case.path()));
    assert_eq!(at_top.expect("found").root, root);
    let empty = tempfile::tempdir().expect("made");
    let missing = empty.path().join("none");
    for problems in [
        working(empty.path()).expect_err("nothing there"),
        working(&missing).expect_err("not there"),
        load(empty.path(), None).expect_err("nothing there"),
        load_project(ProjectSource::CommitTree(&below)).expect_err("a commit's project is at its top"),
    ] {
        assert_eq!(problems.diagnostics[0].code.as_str(), "AG001");
        assert!(problems.is_project_missing());
    }
    let unknown = load(case.path(), Some("t")).expect_err("there is no such environment");
    assert_eq!(unknown.diagnostics[0].code.as_str(), "AG050");
}

/// Editors and operating systems write hidden files, such as `.#a.yaml`, beside manifests. These files must not be
/// loaded.
#[test]
fn hidden_files_are_manifests_only_if_a_pattern_names_the_dot() {
    let case = Case::service(SERVICE);
    for name in ["services/.#a.yaml", "services/._a.yaml", "services/.cache/b.yaml"] {
        case.write(name, b"\xff not a manifest");
    }
    assert_eq!(case.loaded().desired.services.len(), 1);
    case.write("amigops.yaml", PROJECT.replace("[services/**/*.yaml]", "[services/._*.yaml]").as_bytes());
    assert_eq!(case.codes(), ["AG004 services/._a.yaml:1:1"]);
    case.write("services/.cache/b.yaml", SERVICE.as_bytes());
    case.write("amigops.yaml", PROJECT.replace("[services/**/*.yaml]", "[\"**/.cache/*.yaml\"]").as_bytes());
    assert_eq!(case.loaded().desired.services.len(), 1);
}
