//! Tests of one manifest for both APIs: overlays contain the keys that only one API has.

use std::path::{Path, PathBuf};

use amigops::manifest::{Loaded, Problems};
use serde_json::{Value, json};

use super::{Case, SERVICE, listed, load};

const BOTH: &str = "\
version: 1
manifests: [services/**/*.yaml]
environments:
  old: {api: classic, organization: acme}
  new: {api: platform, workspace: 3fa85f64-5717-4562-b3fc-2c963f66afa6}
default_environment: old
";

fn case(project: &str, document: &str) -> Case {
    Case::new(&[("amigops.yaml", &format!("{BOTH}{project}")), ("services/a.yaml", document)])
}

fn codes(document: &str) -> Vec<String> {
    let codes = case("", document).codes();
    codes.into_iter().map(|one| one.replace("services/a.yaml:", "")).collect()
}

#[test]
fn classic_refuses_each_platform_setting() {
    for key in [
        "channel_type",
        "environment",
        "tool_capacity",
        "safety_filters_enabled",
        "voice_config",
        "escalation_policy",
    ] {
        let document = format!("{SERVICE}environments: {{old: {{{key}: x}}}}\n");
        assert_eq!(codes(&document), ["AG016 4:22"], "{document}");
    }
    let document = |environment: &str| {
        format!(
            "{SERVICE}environments: {{{environment}: {{version_sets: {{d: {{llm_model_preferences: {{E: {{llm_name: aws_x, experience_controls: {{}}}}}}}}}}}}}}\n"
        )
    };
    assert_eq!(codes(&document("old")), ["AG016 4:86"]);
    assert_eq!(codes(&document("new")), Vec::<String>::new());
    let retire = |environment: &str| {
        format!("{SERVICE}environments: {{{environment}: {{lifecycle: {{retire: delete}}}}}}\n")
    };
    assert_eq!(codes(&retire("old")), ["AG016 4:42"]);
    assert_eq!(codes(&retire("new")), Vec::<String>::new());
    // A setting in the document applies to every environment, so Classic refuses it.
    assert_eq!(codes(&format!("{SERVICE}tool_capacity: 11\n")), ["AG016 4:1", "AG015 4:16"]);
    // Ignoring a field that Classic lacks is allowed.
    assert_eq!(codes(&format!("{SERVICE}lifecycle: {{ignore: [voice_config]}}\n")), Vec::<String>::new());
}

#[test]
fn document_without_overlay_must_fit_every_api() {
    let by_id = |id: &str| format!("service: A\nagent: {{id: {id}}}\ncontext_graph: C\n");
    assert_eq!(codes(&by_id("6618791275530b73714e9d18")), ["AG030 2:13"]);
    assert_eq!(codes(&by_id("3fa85f64-5717-4562-b3fc-2c963f66afa6")), ["AG030 2:13"]);
    let overlaid = format!(
        "{}environments: {{new: {{agent: {{id: 3fa85f64-5717-4562-b3fc-2c963f66afa6}}}}}}\n",
        by_id("6618791275530b73714e9d18")
    );
    assert_eq!(codes(&overlaid), Vec::<String>::new());
    // The problem must be reported only once, although both APIs refuse the key.
    assert_eq!(codes(&format!("{SERVICE}colour: x\n")), ["AG012 4:1"]);
    assert_eq!(codes(&format!("{SERVICE}tags: {{a-b: x}}\n")), ["AG021 4:8"]);
    // The circle contains a dependency that only an overlay declares.
    let circle = format!(
        "{SERVICE}environments: {{new: {{depends_on: [B]}}}}\n---\nservice: B\nagent: X\ncontext_graph: Y\ndepends_on: [A]\n"
    );
    assert_eq!(codes(&circle), ["AG042 9:14"]);
}

fn settings(project: &str, document: &str) -> Value {
    let case = case(project, document);
    let loaded = |environment: &str| {
        load(case.path(), Some(environment)).unwrap_or_else(|problems| panic!("{:#?}", listed(&problems)))
    };
    assert!(loaded("old").desired.services["A"].settings.is_empty(), "{document}");
    Value::Object(loaded("new").desired.services["A"].settings.clone())
}

#[test]
fn overlays_can_contain_settings() {
    let overlay = |overlay: &str| format!("{SERVICE}environments: {{new: {overlay}}}\n");
    let table = [
        ("{}", json!({})),
        (
            "{voice_config: {max_response_words: 40}, tool_capacity: 5}",
            json!({"voice_config": {"max_response_words": 40}, "tool_capacity": 5}),
        ),
        ("{voice_config: {max_response_words: ~}}", json!({"voice_config": {"max_response_words": null}})),
        ("{voice_config: ~}", json!({"voice_config": null})),
        ("{environment: sandbox}", json!({"environment": "sandbox"})),
    ];
    for (text, expected) in table {
        assert_eq!(settings("", &overlay(text)), expected, "{text}");
    }
    assert_eq!(codes(&overlay("{voice_config: {max_response_words: many}}")), ["AG010 4:57"]);
    assert_eq!(codes(&overlay("{tool_capacity: ~}")), ["AG014 4:22"]);
}

#[test]
fn settings_of_defaults_and_overlays_are_merged() {
    let project = "version: 1\nmanifests: [services/*.yaml]\nenvironments: {s: {api: platform}, t: {api: platform}}\n\
                   default_environment: s\n\
                   defaults: {voice_config: {max_response_words: 40, tts_model: sonic-3}, tool_capacity: 5}\n";
    let document = format!(
        "{SERVICE}voice_config: {{tts_model: ~, eot_timeout_ms: ~}}\nenvironments: {{t: {{voice_config: {{eot_timeout_ms: ~, max_response_words: 7}}, tool_capacity: ~}}}}\n"
    );
    let case = Case::new(&[("amigops.yaml", project), ("services/a.yaml", &document)]);
    let of = |environment: &str| {
        let loaded = load(case.path(), Some(environment))
            .unwrap_or_else(|problems| panic!("{:#?}", listed(&problems)));
        let service = loaded.desired.services.get("A").expect("it is there").clone();
        let places: Vec<_> = service.setting_places.values().map(ToString::to_string).collect();
        (Value::Object(service.settings), places)
    };
    // A null in the document removes the default, but does not remove the live value.
    assert_eq!(
        of("s"),
        (
            json!({"voice_config": {"max_response_words": 40, "eot_timeout_ms": null}, "tool_capacity": 5}),
            vec!["amigops.yaml:5:72".to_owned(), "services/a.yaml:4:1".to_owned()]
        )
    );
    assert_eq!(
        of("t"),
        (json!({"voice_config": {"max_response_words": 7}}), vec!["services/a.yaml:5:20".to_owned()])
    );
}

/// Copies an example and replaces the text `from` in `amigops.yaml` with `to`, so that one environment is on the
/// Platform API.
fn switched(example: &str, from: &str, to: &str) -> (tempfile::TempDir, PathBuf) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(example);
    let copy = tempfile::tempdir().expect("a directory can be made");
    for entry in walkdir::WalkDir::new(&source) {
        let entry = entry.expect("the example can be read");
        let target = copy.path().join(entry.path().strip_prefix(&source).expect("it is below"));
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(&target).expect("it can be made");
        } else {
            std::fs::copy(entry.path(), &target).expect("it can be copied");
        }
    }
    let project = copy.path().join("amigops.yaml");
    let text = std::fs::read_to_string(&project).expect("it is there");
    assert_eq!(text.matches(from).count(), 1, "{from}");
    std::fs::write(&project, text.replace(from, to)).expect("it can be written");
    let root = copy.path().to_owned();
    (copy, root)
}

fn loaded(root: &Path, environment: &str) -> Result<Loaded, Problems> {
    let loaded = load(root, Some(environment))?;
    for warning in &loaded.warnings {
        assert_eq!(warning.code.as_str(), "AG036", "{warning:?}");
    }
    Ok(loaded)
}

#[test]
fn the_quickstart_moves_to_platform() {
    let (_copy, root) = switched(
        "quickstart",
        "api: classic\n    organization: acme-staging",
        "api: platform\n    workspace: 3fa85f64-5717-4562-b3fc-2c963f66afa6",
    );
    for environment in ["sandbox", "staging"] {
        let loaded = loaded(&root, environment).unwrap_or_else(|problems| panic!("{:#?}", listed(&problems)));
        assert_eq!((loaded.desired.services.len(), loaded.warnings.len()), (4, 1));
    }
}

#[test]
fn the_clinic_moves_to_platform_but_for_its_ids() {
    let (_copy, root) = switched(
        "clinic",
        "api: classic\n    organization: linden-staging\n    credentials: {api_key: AMIGO_LINDEN_TEST_API_KEY, api_key_id: AMIGO_LINDEN_TEST_API_KEY_ID, user_id: AMIGO_LINDEN_TEST_USER_ID}",
        "api: platform\n    credentials: {api_key: AMIGO_LINDEN_TEST_API_KEY}",
    );
    let problems = loaded(&root, "staging").expect_err("the ids are Classic's");
    let errors = problems.diagnostics.iter().filter(|one| one.code.as_str() != "AG036");
    let errors: Vec<_> = errors.map(|one| format!("{} {}", one.code, one.location)).collect();
    assert_eq!(errors, ["AG030 services/front-door.yaml:8:13", "AG030 services/front-door.yaml:9:21"]);

    let file = root.join("services/front-door.yaml");
    let text = std::fs::read_to_string(&file).expect("it is there");
    let uuid = "00000000-0000-4000-8000-000000000001";
    let overlay =
        format!("environments:\n  staging: {{agent: {{id: {uuid}}}, context_graph: {{id: {uuid}}}}}\n");
    std::fs::write(&file, text.replacen("environments:\n", &overlay, 1)).expect("it can be written");
    let classic = loaded(&root, "rehearsal").unwrap_or_else(|problems| panic!("{:#?}", listed(&problems)));
    let platform = loaded(&root, "staging").unwrap_or_else(|problems| panic!("{:#?}", listed(&problems)));
    assert!(platform.desired.services.len() > 60);
    assert_eq!(classic.desired.services.len(), platform.desired.services.len());
    let smoke = |loaded: &Loaded| loaded.desired.services.values().map(|one| one.smoke.len()).sum::<usize>();
    assert!(smoke(&classic) > smoke(&platform) && smoke(&platform) > 0);
}
