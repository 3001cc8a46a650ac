//! Tests of credential variables: their precedence, variables that name files, and errors about them.

use amigops::model::Api;

use crate::harness::{EMPTY, Lab, Run, WORKSPACE, amigops, run_command, service};

const OTHER: &str = "99999999-2222-4333-8444-555555555555";

/// Creates a lab whose `amigops.yaml` has no address, no workspace and no credentials.
fn lab() -> Lab {
    let lab = Lab::on(Api::Platform, EMPTY);
    lab.manifests(&service("Desk", ""));
    lab.write("right", "s3cret-key\n");
    environment(&lab, "");
    lab
}

fn environment(lab: &Lab, more: &str) {
    lab.write(
        "amigops.yaml",
        &format!("version: 1\nmanifests: [services/*.yaml]\nenvironments: {{lab: {{api: platform{more}}}}}\ndefault_environment: lab\n"),
    );
}

fn plan(lab: &Lab, variables: &[(&str, &str)]) -> Run {
    let mut command = amigops(&lab.path());
    command.arg("plan").envs(variables.iter().copied());
    run_command(command)
}

#[test]
fn platform_variables_take_precedence_over_amigo_variables() {
    let lab = lab();
    let url = lab.server.url();
    let amigo = [
        ("AMIGO_BASE_URL", url.as_str()),
        ("AMIGO_WORKSPACE_ID", WORKSPACE),
        ("AMIGO_API_KEY", "s3cret-key"),
    ];
    let platform = [
        ("PLATFORM_API_URL", url.as_str()),
        ("PLATFORM_WORKSPACE_ID", WORKSPACE),
        ("PLATFORM_API_KEY", "s3cret-key"),
    ];
    let wrong = ["http://127.0.0.1:9", OTHER, "wr0ng-s3cret-key"];
    plan(&lab, &amigo).expect(0);
    plan(&lab, &platform).expect(0);
    for n in 0..3 {
        plan(&lab, &[&platform[..], &[(amigo[n].0, wrong[n])]].concat()).expect(0);
        let run = plan(&lab, &[&amigo[..], &[(platform[n].0, wrong[n])]].concat()).expect(1);
        assert!(!run.stderr.contains("wr0ng"), "{}", run.stderr);
    }
    // `PLATFORM_API_KEY_FILE` takes precedence over `AMIGO_API_KEY`.
    plan(&lab, &[&amigo[..2], &[("PLATFORM_API_KEY_FILE", "right"), ("AMIGO_API_KEY", "wr0ng")]].concat())
        .expect(0);
    let both = [("PLATFORM_API_KEY_FILE", "right"), ("PLATFORM_API_KEY", "s3cret-key")];
    let run = plan(&lab, &[&amigo[..], &both].concat()).expect(1);
    assert!(run.stderr.contains("both PLATFORM_API_KEY and PLATFORM_API_KEY_FILE are set"), "{}", run.stderr);
}

#[test]
fn missing_credentials_are_named() {
    let lab = lab();
    let url = lab.server.url();
    let run = plan(&lab, &[("PLATFORM_API_URL", &url), ("PLATFORM_API_KEY", "s3cret-key")]).expect(1);
    for words in ["environment `lab` has no workspace", "PLATFORM_WORKSPACE_ID or AMIGO_WORKSPACE_ID"] {
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
    let run = plan(&lab, &[("PLATFORM_API_URL", &url), ("PLATFORM_WORKSPACE_ID", WORKSPACE)]).expect(1);
    for words in
        ["PLATFORM_API_KEY and AMIGO_API_KEY are not set", "PLATFORM_API_KEY_FILE or AMIGO_API_KEY_FILE"]
    {
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
    let run = plan(&lab, &[("PLATFORM_API_URL", &url)]).expect(1);
    for words in
        ["environment `lab` has no workspace and no API key", "PLATFORM_WORKSPACE_ID", "AMIGO_API_KEY_FILE"]
    {
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
    assert_eq!(lab.server.requests(), [], "nothing is sent");
}

#[test]
fn the_project_file_takes_precedence_over_variables() {
    let lab = lab();
    environment(
        &lab,
        &format!(
            ", workspace: {WORKSPACE}, base_url: \"{}\", credentials: {{api_key: OUR_KEY}}",
            lab.server.url()
        ),
    );
    let others = [
        ("PLATFORM_API_URL", "http://127.0.0.1:9"),
        ("PLATFORM_WORKSPACE_ID", OTHER),
        ("PLATFORM_API_KEY", "wr0ng"),
        ("AMIGO_API_KEY", "wr0ng"),
        ("AMIGOPS_ALLOWED_CREDENTIALS", "OUR_KEY"),
    ];
    plan(&lab, &[&others[..], &[("OUR_KEY", "s3cret-key")]].concat()).expect(0);
    plan(&lab, &[&others[..], &[("OUR_KEY_FILE", "right")]].concat()).expect(0);
    let run = plan(&lab, &others).expect(1);
    assert!(run.stderr.contains("OUR_KEY is not set"), "{}", run.stderr);
}

#[test]
fn a_wrong_key_or_workspace_says_what_to_check() {
    let lab = lab();
    let url = lab.server.url();
    let with = |workspace, key| {
        plan(
            &lab,
            &[("PLATFORM_API_URL", &url), ("PLATFORM_WORKSPACE_ID", workspace), ("AMIGO_API_KEY", key)],
        )
    };
    let run = with(WORKSPACE, "wr0ng-s3cret-key").expect(1);
    for words in ["401", "check AMIGO_API_KEY, and `workspace:`"] {
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
    let run = with(OTHER, "s3cret-key").expect(1);
    assert!(run.stderr.contains("workspace"), "{}", run.stderr);
    assert!(!run.stderr.contains("s3cret"), "{}", run.stderr);
}
