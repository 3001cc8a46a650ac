//! Tests of errors about credentials: credentials that can't be sent are named before anything is sent, and credentials
//! that the server refuses are named afterwards.

use amigops::model::Api;

use crate::harness::{EMPTY, Lab, ORGANIZATION, WORKSPACE, amigops, run_command, service};
use crate::on_both_apis;

fn lab(api: Api) -> Lab {
    let lab = Lab::on(api, EMPTY);
    lab.manifests(&service("Desk", ""));
    lab
}

/// Writes an `amigops.yaml` whose environment has no organization or workspace. The keys in `more` are added to the
/// environment.
fn environment(lab: &Lab, more: &str) {
    let (api, url) = (lab.api.as_str().to_lowercase(), lab.server.url());
    lab.write(
        "amigops.yaml",
        &format!(
            "version: 1\nmanifests: [services/*.yaml]\nenvironments:\n  lab: {{api: {api}, base_url: \"{url}\"{more}}}\n"
        ),
    );
}

on_both_apis! {
    fn a_key_that_cant_be_sent_is_refused_before_anything_is_sent(api: Api) {
        let lab = lab(api);
        lab.write("key", "\u{feff}s3cret-key\n");
        for (variables, words) in [
            ([("AMIGO_API_KEY", "s3cret\nkey"), ("A", "")], "AMIGO_API_KEY contains U+000A (line break)"),
            ([("AMIGO_API_KEY", "\u{feff}s3cret-key"), ("A", "")], "AMIGO_API_KEY contains U+FEFF (byte-order mark)"),
            ([("AMIGO_API_KEY", " "), ("A", "")], "AMIGO_API_KEY is empty"),
            (
                [("AMIGO_API_KEY", ""), ("AMIGO_API_KEY_FILE", "key")],
                "the file `key`, which AMIGO_API_KEY_FILE names, contains U+FEFF (byte-order mark)",
            ),
        ] {
            let run = lab.run_with(&["plan"], &variables).expect(1);
            assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
            assert!(!run.stderr.contains("s3cret"), "{}", run.stderr);
        }
        assert_eq!(lab.server.requests(), []);
        lab.write("key", "s3cret-key\r\n");
        lab.run_with(&["plan"], &[("AMIGO_API_KEY", ""), ("AMIGO_API_KEY_FILE", "key")]).expect(0);
    }

    #[cfg(unix)]
    fn variables_that_are_not_utf8_are_refused(api: Api) {
        use std::os::unix::ffi::OsStrExt;
        let lab = lab(api);
        for name in ["AMIGO_API_KEY", "AMIGOPS_ALLOWED_HOSTS", "AMIGO_BASE_URL"] {
            let mut command = lab.command(&["plan"]);
            command.env(name, std::ffi::OsStr::from_bytes(b"s3cret-\xff"));
            let run = run_command(command).expect(1);
            assert!(run.stderr.contains(&format!("{name} is not UTF-8")), "{}", run.stderr);
        }
        assert_eq!(lab.server.requests(), []);
    }

    fn the_organization_and_the_workspace_are_trimmed(api: Api) {
        let lab = lab(api);
        environment(&lab, "");
        let (name, value, key) = match api {
            Api::Classic => ("AMIGO_ORGANIZATION_ID", ORGANIZATION, "organization"),
            Api::Platform => ("PLATFORM_WORKSPACE_ID", WORKSPACE, "workspace"),
        };
        lab.run_with(&["plan"], &[(name, &format!(" {value}\r\n"))]).expect(0);
        environment(&lab, &format!(", {key}: \" {value} \""));
        lab.run(&["plan"]).expect(0);
        environment(&lab, "");
        let run = lab.run_with(&["plan"], &[(name, &format!("{value}\u{200b}"))]).expect(1);
        assert!(run.stderr.contains(&format!("{name} contains U+200B (zero-width space)")), "{}", run.stderr);
    }

    fn a_refused_key_names_the_variables_that_were_used(api: Api) {
        let lab = lab(api);
        let (home, keys, named) = match api {
            Api::Classic => (
                format!("organization: {ORGANIZATION}"),
                "{api_key: AMIGO_CLINIC_KEY, user_id: AMIGO_CLINIC_USER}",
                "check AMIGO_CLINIC_KEY_FILE, AMIGO_API_KEY_ID and AMIGO_CLINIC_USER",
            ),
            Api::Platform => (
                format!("workspace: {WORKSPACE}"),
                "{api_key: AMIGO_CLINIC_KEY}",
                "check AMIGO_CLINIC_KEY_FILE, and `workspace:`",
            ),
        };
        environment(&lab, &format!(", {home}, credentials: {keys}"));
        lab.write("key", "wr0ng-s3cret-key\n");
        let mut command = amigops(&lab.path());
        command.arg("plan").envs([
            ("AMIGO_CLINIC_KEY_FILE", "key"),
            ("AMIGO_API_KEY_ID", "key-id"),
            ("AMIGO_CLINIC_USER", "user-1"),
        ]);
        let run = run_command(command).expect(1);
        assert!(run.stderr.contains("401") && run.stderr.contains(named), "{}", run.stderr);
    }
}
