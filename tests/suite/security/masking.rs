//! Tests that known secrets are masked in all output: quoted lines, every report format, and logs.

use crate::harness::{EMPTY, Lab, Run, answer};
use crate::on_both_apis;

/// The API key that the tests set in the environment.
const KEY: &str = "k3y-of-the-cl1nic-0123456789";
const SERVICE: &str = "service: Desk\nagent: One\ncontext_graph: Flow\n";

#[track_caller]
fn expect_masked(run: &Run, what: &str) {
    let all = format!("{}{}", run.stdout, run.stderr);
    assert!(all.contains("***"), "{what}: nothing is masked\n{all}");
    for part in [KEY, "k3y-of", "0123456789", "cl1nic"] {
        assert!(!all.contains(part), "{what}: `{part}` is shown\n{all}");
    }
}

/// Returns manifests that contain the key in places that the report of a problem quotes: whole, in a message, and
/// truncated at its beginning or end.
fn manifests() -> Vec<String> {
    let filler = "x".repeat(45);
    vec![
        format!("{SERVICE}colour: {KEY}\n"),
        format!("{SERVICE}{KEY}: 1\n"),
        format!("{SERVICE}tags: {{\"{filler}/{KEY}\": y}}\n"),
        format!("{SERVICE}colour: {}{KEY}\n", "x".repeat(38)),
        format!("{SERVICE}tags: {{a: \"{KEY}{}\", \"b/c\": y}}\n", "x".repeat(40)),
        format!("just a text: {KEY}: {KEY}\n"),
        format!("{KEY}\n"),
    ]
}

#[test]
fn quoted_lines_and_messages_are_masked() {
    let lab = Lab::new(EMPTY);
    lab.write("key", &format!("{KEY}\n"));
    for (number, text) in manifests().into_iter().enumerate() {
        lab.manifests(&text);
        for format in ["human", "json", "github", "sarif"] {
            for variable in [
                ("AMIGO_CLINIC_API_KEY", KEY),
                ("PLATFORM_API_KEY", KEY),
                ("AMIGO_CLINIC_API_KEY_FILE", "key"),
            ] {
                let run = lab.run_with(&["validate", "--format", format], &[variable]).expect(1);
                let all = format!("{}{}", run.stdout, run.stderr);
                for part in [KEY, "k3y-of", "0123456789", "cl1nic"] {
                    assert!(!all.contains(part), "{number}, {format}: `{part}` is shown\n{all}");
                }
            }
        }
        let run = lab.run_with(&["plan"], &[("AMIGO_CLINIC_API_KEY", KEY)]).expect(1);
        expect_masked(&run, &format!("{number}, plan"));
    }
    let named = [("AMIGOPS_ALLOWED_CREDENTIALS", "CLINIC"), ("CLINIC", KEY)];
    expect_masked(&lab.run_with(&["plan"], &named).expect(1), "a variable that is listed");
    // A value that is too short to be a secret is not masked.
    lab.manifests(&format!("{SERVICE}colour: red\n"));
    let run = lab.run_with(&["validate"], &[("AMIGO_API_KEY", "colour")]).expect(1);
    assert!(run.stderr.contains("colour"), "{}", run.stderr);
}

on_both_apis! {
    fn secrets_repeated_by_the_server_are_masked_in_every_format(api: Api) {
        let lab = Lab::on(api, EMPTY);
        let good = format!("{SERVICE}description: Uses {KEY}.\n");
        lab.manifests(&good);
        let key = ("AMIGO_CLINIC_API_KEY", KEY);
        for format in ["human", "json", "markdown", "html"] {
            expect_masked(&lab.run_with(&["plan", "--format", format], &[key]).expect(0), format);
        }
        let run = lab.run_with(&["apply", "--auto-approve", "--format", "json", "--summary", "summary.md"], &[key]);
        expect_masked(&run.expect(0), "apply");
        let summary = std::fs::read_to_string(lab.path().join("summary.md")).unwrap();
        assert!(!summary.contains(KEY), "{summary}");
        lab.before(|_| answer(400, format!("{{\"detail\":\"no: {KEY}\"}}")));
        for format in ["human", "json"] {
            let run = lab.run_with(&["apply", "--auto-approve", "--format", format, "--summary", "failed.md", "-vv"], &[key]);
            expect_masked(&run.expect(1), format);
        }
        let summary = std::fs::read_to_string(lab.path().join("failed.md")).unwrap();
        assert!(summary.contains("***") && !summary.contains(KEY), "{summary}");
    }
}

/// The output must contain neither the API key nor the token, although the token is known only after signing in.
#[test]
fn a_token_is_masked_as_soon_as_it_is_received() {
    let lab = Lab::new(EMPTY);
    lab.manifests(&format!("{SERVICE}description: d\n"));
    let token = "t0ken-of-the-run-abcdefgh";
    lab.before(move |request| {
        if request.path.ends_with("/signin_with_api_key") {
            answer(200, format!("{{\"id_token\":\"{token}\",\"expires_at\":null}}"))
        } else {
            answer(400, format!("{{\"detail\":\"no: {token} s3cret-key\"}}"))
        }
    });
    let run = lab.run(&["plan", "-vv"]).expect(1);
    assert!(run.stderr.contains("no: *** ***"), "{}", run.stderr);
    assert!(!run.stderr.contains("t0ken") && !run.stderr.contains("s3cret"), "{}", run.stderr);
}
