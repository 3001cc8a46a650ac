//! Tests of Platform settings: the values of each kind of field, the effect of nulls, and the loaded result.

use amigops::model::Place;
use amigops::model::settings::{self, Kind, SERVICE, SettingField};
use serde_json::{Value, json};

use super::{expect_on_platform as expect, on_platform};

const EVERYTHING: &str = r#"channel_type: text
environment: sandbox
tool_capacity: 10
safety_filters_enabled: false
voice_config:
  tts_model: sonic-3
  eager_eot_threshold: 0.5
  eot_timeout_ms: 3.0
  filler_vocabulary: [well, "so"]
  max_response_sentences: ~
  tts_config: {voice: {speed: 1, gone: ~}, list: [1, ~]}
  language_providers:
    es: {provider: groq, config: {a: ~}}
    fr: ~
  forwarding: {warm_transfer: false}
escalation_policy:
  risk_scorer: {type: forward}
"#;

#[test]
fn every_setting_of_a_service_is_loaded() {
    let service = on_platform(EVERYTHING);
    let expected = json!({
        "channel_type": "text", "environment": "sandbox", "tool_capacity": 10, "safety_filters_enabled": false,
        "voice_config": {
            "tts_model": "sonic-3", "eager_eot_threshold": 0.5, "eot_timeout_ms": 3,
            "filler_vocabulary": ["well", "so"], "max_response_sentences": null,
            "tts_config": {"voice": {"speed": 1, "gone": null}, "list": [1, null]},
            "language_providers": {"es": {"provider": "groq", "config": {"a": null}}, "fr": null},
            "forwarding": {"warm_transfer": false},
        },
        "escalation_policy": {"risk_scorer": {"type": "forward"}},
    });
    assert_eq!(Value::Object(service.settings), expected);
    let lines =
        service.setting_places.iter().map(|(name, Place { line, column, .. })| (name, *line, *column));
    let lines: Vec<_> = lines.map(|(name, line, column)| format!("{name} {line}:{column}")).collect();
    assert_eq!(
        lines,
        [
            "channel_type 4:1",
            "environment 5:1",
            "escalation_policy 19:1",
            "safety_filters_enabled 7:1",
            "tool_capacity 6:1",
            "voice_config 8:1",
        ]
    );
    let nothing = on_platform("");
    assert!(nothing.settings.is_empty() && nothing.setting_places.is_empty());
}

#[test]
fn every_control_of_a_preference_is_loaded() {
    let controls = |text: &str| {
        let text = format!(
            "version_sets: {{dev: {{llm_model_preferences: {{E: {{llm_name: openai_x{text}}}}}}}}}\n"
        );
        let mut sets = on_platform(&text).version_sets.expect("declared");
        let set = sets.remove("dev").expect("declared");
        set.llm_model_preferences.expect("declared").remove("E").expect("declared").experience_controls
    };
    assert_eq!(controls(""), None);
    assert_eq!(controls(", experience_controls: ~"), Some(None));
    assert_eq!(controls(", experience_controls: {}"), Some(Some(serde_json::Map::new())));
    let all = ", experience_controls: {verbosity: low, reasoning_effort: none, temperature: 2, top_p: 0.5, \
               seed: -1, stop: [a, b], logit_bias: {\"50256\": -100, \"1\": ~}, top_logprobs: 0, store: ~, \
               prompt_cache_retention: 24h, metadata: {a: b, c: ~}, response_format: {type: json, x: ~}}";
    let expected = json!({
        "verbosity": "low", "reasoning_effort": "none", "temperature": 2, "top_p": 0.5, "seed": -1,
        "stop": ["a", "b"], "logit_bias": {"50256": -100, "1": null}, "top_logprobs": 0, "store": null,
        "prompt_cache_retention": "24h", "metadata": {"a": "b", "c": null},
        "response_format": {"type": "json", "x": null},
    });
    assert_eq!(controls(all).flatten().map(Value::Object), Some(expected));
}

/// Checks valid and invalid values of a field. A value is put between the texts `before` and `after`. Each invalid
/// value comes with the code of its problem.
fn table(before: &str, after: &str, good: &[&str], bad: &[(&str, &str)]) {
    for value in good {
        expect(&format!("{before}{value}{after}\n"), &[]);
    }
    let column = before.chars().count() + 1;
    for (value, code) in bad {
        expect(&format!("{before}{value}{after}\n"), &[&format!("{code} 4:{column}")]);
    }
}

#[test]
fn values_of_service_settings_are_checked() {
    table("channel_type: ", "", &["voice", "text"], &[("Voice", "AG015"), ("3", "AG010"), ("[]", "AG010")]);
    table("environment: ", "", &["sandbox", "production"], &[("prod", "AG015"), ("live", "AG015")]);
    table(
        "tool_capacity: ",
        "",
        &["1", "10", "3.0", "1e1", "0x3"],
        &[
            ("0", "AG015"),
            ("11", "AG015"),
            ("2.5", "AG015"),
            ("007", "AG015"),
            ("-1", "AG015"),
            (".inf", "AG015"),
            ("1e30", "AG015"),
            ("99999999999999999999", "AG015"),
            ("\"3\"", "AG010"),
            ("three", "AG010"),
            ("true", "AG010"),
            ("{}", "AG010"),
        ],
    );
    table(
        "safety_filters_enabled: ",
        "",
        &["true", "false"],
        &[("yes", "AG010"), ("1", "AG010"), ("\"true\"", "AG010")],
    );
    table("voice_config: ", "", &["{}"], &[("[]", "AG010"), ("sonic-3", "AG010"), ("1", "AG010")]);
}

#[test]
fn values_of_voice_settings_are_checked() {
    let voice = |field: &str, good: &[&str], bad: &[(&str, &str)]| {
        table(&format!("voice_config: {{{field}: "), "}", good, bad);
    };
    voice("tts_model", &["sonic-turbo", "sonic-3"], &[("sonic", "AG015"), ("3", "AG010")]);
    let most = "9223372036854775807";
    voice("eot_timeout_ms", &["-5", "0", most], &[("9223372036854775808", "AG015"), ("0.5", "AG015")]);
    voice("min_tts_speed", &["-1.5", "0", "1e300"], &[(".nan", "AG015"), ("1e999", "AG015"), ("x", "AG010")]);
    voice("filler_vocabulary", &["[]", "[a, \"\"]"], &[("a", "AG010"), ("{}", "AG010")]);
    expect(
        "voice_config: {filler_vocabulary: [a, 1, ~, [b]]}\n",
        &["AG010 4:39", "AG010 4:42", "AG010 4:45"],
    );
    voice("tts_config", &["{}", "{a: [1, {b: ~}]}"], &[("[]", "AG010"), ("x", "AG010")]);
    expect("voice_config: {tts_config: {a: [.inf, 007]}}\n", &["AG015 4:33", "AG015 4:39"]);
    let languages = |count: usize| {
        let entries: Vec<_> = (0..count).map(|n| format!("l{n}: {{provider: groq}}")).collect();
        format!("{{{}, gone: ~}}", entries.join(", "))
    };
    voice("language_providers", &["{}", &languages(10)], &[(&languages(11), "AG022"), ("[]", "AG010")]);
    let config = |count: usize| {
        let entries: Vec<_> = (0..count).map(|n| format!("c{n}: {n}")).collect();
        format!("{{{}}}", entries.join(", "))
    };
    table(
        "voice_config: {language_providers: {es: {config: ",
        "}}}",
        &["{}", &config(20)],
        &[(&config(21), "AG022"), ("x", "AG010")],
    );
    table(
        "voice_config: {forwarding: {forward_to: ",
        "}}",
        &["\"+12\"", "\"+123456789012345\""],
        &[
            ("x", "AG018"),
            ("\"\"", "AG018"),
            ("\"+1234567890123456\"", "AG018"),
            // The API accepts these two values, so their problems are only warnings.
            ("\"4321\"", "AG037"),
            ("\"+1 202 555\"", "AG037"),
            ("+12025550100", "AG010"),
        ],
    );
    table(
        "escalation_policy: {risk_scorer: {type: ",
        "}}",
        &["operator", "forward", "hangup"],
        &[("hang-up", "AG015"), ("[]", "AG010")],
    );
}

#[test]
fn values_of_controls_are_checked() {
    let control = |field: &str, good: &[&str], bad: &[(&str, &str)]| {
        let before = format!(
            "version_sets: {{d: {{llm_model_preferences: {{E: {{llm_name: aws_x, experience_controls: {{{field}: "
        );
        table(&before, "}}}}}", good, bad);
    };
    control("temperature", &["0", "2", "2.0"], &[("-0.1", "AG015"), ("2.1", "AG015"), ("\"1\"", "AG010")]);
    control("top_p", &["0", "1"], &[("1.01", "AG015")]);
    control("presence_penalty", &["-2", "2"], &[("-2.1", "AG015"), ("2.1", "AG015")]);
    control("top_logprobs", &["0", "20"], &[("-1", "AG015"), ("21", "AG015"), ("1.5", "AG015")]);
    control("stop", &["a", "[a, b]", "[]"], &[("1", "AG010"), ("{}", "AG010")]);
    control("logit_bias", &["{}", "{a: 100, b: -100, c: ~}"], &[("[]", "AG010")]);
    table(
        "version_sets: {d: {llm_model_preferences: {E: {llm_name: aws_x, experience_controls: {logit_bias: {a: ",
        "}}}}}}",
        &["100", "-100"],
        &[("100.5", "AG015"), ("-101", "AG015"), ("x", "AG010")],
    );
    control("metadata", &["{}", "{a: b}"], &[("x", "AG010")]);
    control("store", &["true"], &[("no", "AG010")]);
    control("reasoning_effort", &["none", "xhigh"], &[("max", "AG015")]);
    table(
        "version_sets: {d: {llm_model_preferences: {E: {llm_name: aws_x, experience_controls: ",
        "}}}}",
        &["{}", "~"],
        &[("[]", "AG010"), ("high", "AG010")],
    );
}

/// Returns the path and the definition of each field in the tables of settings, at every depth.
fn every_field(
    fields: &'static [SettingField],
    path: &[String],
) -> Vec<(Vec<String>, &'static SettingField)> {
    let mut found = Vec::new();
    for field in fields {
        let path = [path, &[field.name.to_owned()]].concat();
        found.push((path.clone(), field));
        match field.kind {
            Kind::Object(below) => found.extend(every_field(below, &path)),
            Kind::Map { of: Kind::Object(below), .. } => {
                found.extend(every_field(below, &[path, vec!["es".to_owned()]].concat()));
            }
            _ => {}
        }
    }
    found
}

/// Returns YAML on one line in which the value is at this path. Each part of the path is a key of a nested mapping.
fn nested(path: &[String], value: &str) -> String {
    let (first, rest) = path.split_first().expect("a path has parts");
    let inner = rest.iter().rev().fold(value.to_owned(), |value, part| format!("{{{part}: {value}}}"));
    format!("{first}: {inner}\n")
}

#[test]
fn null_removes_only_nullable_fields() {
    let fields = every_field(SERVICE, &[]);
    assert!(fields.len() > 30, "{fields:?}");
    for (path, field) in fields {
        let line = nested(&path, "~");
        if field.nullable {
            let settings = Value::Object(on_platform(&line).settings);
            let pointer = format!("/{}", path.join("/"));
            assert_eq!(settings.pointer(&pointer), Some(&Value::Null), "{line}");
        } else {
            let at = line.rfind(field.name).expect("it is there") + 1;
            expect(&line, &[&format!("AG014 4:{at}")]);
        }
    }
    for field in settings::EXPERIENCE_CONTROLS {
        assert!(field.nullable, "{} is nullable", field.name);
    }
}

#[test]
fn unknown_keys_are_reported_at_every_depth() {
    expect("voice_confg: {}\n", &["AG012 4:1"]);
    expect("voice_config: {tts_modle: sonic-3}\n", &["AG012 4:16"]);
    expect("voice_config: {forwarding: {forwardto: x}}\n", &["AG012 4:29"]);
    expect("voice_config: {language_providers: {es: {provder: groq}}}\n", &["AG012 4:42"]);
    expect("escalation_policy: {risk_score: {}}\n", &["AG012 4:21"]);
    expect("escalation_policy: {risk_scorer: {kind: hangup}}\n", &["AG012 4:35"]);
    let controls = "version_sets: {d: {llm_model_preferences: {E: {llm_name: aws_x, experience_controls: {max_tokens: 1}}}}}\n";
    expect(controls, &["AG012 4:87"]);
    // These keys are one level too high or too low.
    expect("forward_call_enabled: true\n", &["AG012 4:1"]);
    expect("experience_controls: {}\n", &["AG012 4:1"]);
    expect("version_sets: {d: {experience_controls: {}}}\n", &["AG012 4:20"]);
    expect("voice_config: {channel_type: text}\n", &["AG012 4:16"]);
}

#[test]
fn all_problems_in_settings_are_reported_at_once() {
    let text = "tool_capacity: 0\nvoice_config:\n  tts_model: sonic\n  forwarding: {forward_to: \"1\", warm: 1}\nchannel_type:\n";
    expect(text, &["AG015 4:16", "AG015 6:14", "AG018 7:28", "AG012 7:33", "AG014 8:1"]);
}

#[test]
fn settings_can_be_ignored_at_every_depth() {
    for (path, _) in every_field(SERVICE, &[]) {
        let path = path.join(".");
        let service = on_platform(&format!("lifecycle: {{ignore: [{path}]}}\n"));
        let ignored: Vec<_> = service.lifecycle.ignore.iter().map(ToString::to_string).collect();
        assert_eq!(ignored, [path]);
    }
    let below = "voice_config.tts_config.a, voice_config.tts_config.a.b, voice_config.language_providers.es, \
                 voice_config.language_providers.es.config.x.y";
    expect(&format!("lifecycle: {{ignore: [{below}]}}\n"), &[]);
    for bad in [
        "voice_confg",
        "voice_config.tts_modle",
        "voice_config.",
        "voice_config.tts_config.",
        "voice_config.tts_model.x",
        "voice_config.filler_vocabulary.0",
        "voice_config.language_providers.es.name",
        "tool_capacity.x",
        "experience_controls",
        "version_sets.dev.experience_controls",
    ] {
        expect(&format!("lifecycle: {{ignore: [{bad}]}}\n"), &["AG034 4:22"]);
    }
}
