//! Tests of links, pipes and devices in a checkout: no file outside the project is read or created.
#![cfg(unix)]

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::{Lab, Run, amigops};
use crate::on_both_apis;

const SEED: &str = "
organizations:
  acme:
    agents: [{name: Coach Maya, versions: 3}]
    context_graphs: [{name: Coaching Flow, versions: 3}]
";
const SERVICE: &str = "service: Desk\ndescription: d\nagent: Coach Maya\ncontext_graph: Coaching Flow\nversion_sets:\n  release: {agent_version: 1, context_graph_version: 1}\n  dev: {agent_version: 2, context_graph_version: 2}\n";
const SANDBOX: &str =
    "version: 1\nmanifests: [services/*.yaml]\nenvironments:\n  sandbox: {api: embedded, seed: seed.yaml}\n";
const COMMANDS: &[&[&str]] =
    &[&["validate"], &["plan"], &["apply", "--auto-approve"], &["drift"], &["outdated"]];

/// Creates a project with an embedded sandbox.
fn sandbox() -> tempfile::TempDir {
    let project = tempfile::tempdir().unwrap();
    write(project.path(), "amigops.yaml", SANDBOX);
    write(project.path(), "services/desk.yaml", SERVICE);
    write(project.path(), "seed.yaml", &SEED.replace("acme", "sandbox"));
    project
}

fn write(project: &Path, name: &str, text: &str) {
    let path = project.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn make_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Runs a command. Fails if it does not end by itself, for example because it waits for a pipe.
#[track_caller]
fn run(project: &Path, args: &[&str]) -> Run {
    let mut command = amigops(project);
    command.args(args).env("AMIGO_API_KEY", "s3cret-key-of-acme");
    let mut child = command.spawn().unwrap();
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > Duration::from_secs(20) {
            child.kill().unwrap();
            panic!("`{}` hangs", args.join(" "));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn replace_by_link(project: &Path, name: &str, target: &str) {
    let path = project.join(name);
    let _ = std::fs::remove_file(&path);
    symlink(target, path).unwrap();
}

#[test]
fn a_project_file_that_links_out_of_the_project_is_not_read() {
    for target in ["/proc/self/environ", "/etc/hostname", "/dev/zero", "/dev/stdin", "../outside.yaml"] {
        let top = tempfile::tempdir().unwrap();
        write(top.path(), "outside.yaml", "planted: s3cret-outside\n");
        let project = top.path().join("project");
        std::fs::create_dir(&project).unwrap();
        replace_by_link(&project, "amigops.yaml", target);
        for command in COMMANDS {
            let run = run(&project, command).expect(1);
            assert!(
                run.stderr.contains("AG008") && run.stderr.contains("amigops.yaml"),
                "{target}: {}",
                run.stderr
            );
            assert!(
                !run.stderr.contains("s3cret") && !run.stderr.contains("HOME="),
                "{target}: {}",
                run.stderr
            );
        }
    }
}

#[test]
fn pipes_and_devices_are_refused_without_blocking() {
    for name in ["amigops.yaml", "services/desk.yaml", "seed.yaml"] {
        let project = sandbox();
        std::fs::remove_file(project.path().join(name)).unwrap();
        make_pipe(&project.path().join(name));
        for command in COMMANDS {
            let run = run(project.path(), command).expect(1);
            assert!(
                run.stderr.contains(name) && run.stderr.contains("not a regular file"),
                "{name}: {}",
                run.stderr
            );
        }
        // A socket, and a link to a device.
        std::fs::remove_file(project.path().join(name)).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(project.path().join(name)).unwrap();
        run(project.path(), &["plan"]).expect(1);
        replace_by_link(project.path(), name, "/dev/zero");
        let run = run(project.path(), &["plan"]).expect(1);
        assert!(run.stderr.contains("AG008"), "{name}: {}", run.stderr);
    }
}

#[test]
fn sandbox_state_stays_in_the_project() {
    let keep = [("plan", "state: kept/lab.redb"), ("plan", "state: lab.redb"), ("apply", "")];
    for (command, state) in keep {
        for dangling in [true, false] {
            let top = tempfile::tempdir().unwrap();
            let outside = top.path().join("outside");
            std::fs::create_dir(&outside).unwrap();
            let project = sandbox();
            let text = SANDBOX.replace("seed: seed.yaml", &format!("seed: seed.yaml, {state}"));
            write(project.path(), "amigops.yaml", text.replace(", }", "}").as_str());
            let target = if dangling { outside.join("none") } else { outside.clone() };
            let (link, file) = match state {
                "" => (".amigops", "sandbox.redb"),
                "state: lab.redb" => ("lab.redb", "lab.redb"),
                _ => ("kept", "lab.redb"),
            };
            let target = if link == file && !dangling {
                std::fs::write(outside.join(file), "").unwrap();
                outside.join(file)
            } else {
                target
            };
            symlink(target, project.path().join(link)).unwrap();
            let args: &[&str] = if command == "apply" { &["apply", "--auto-approve"] } else { &["plan"] };
            let run = run(project.path(), args).expect(1);
            assert!(run.stderr.contains(link), "{}", run.stderr);
            assert!(!outside.join("none").exists(), "{link}");
            assert!(std::fs::metadata(outside.join(file)).map_or(0, |about| about.len()) == 0, "{link}");
        }
    }
    // A pipe in place of the state file is refused without waiting. A link in place of its directory is also refused,
    // even if it leads to a directory of the project.
    let project = sandbox();
    std::fs::create_dir(project.path().join(".amigops")).unwrap();
    make_pipe(&project.path().join(".amigops/sandbox.redb"));
    run(project.path(), &["plan"]).expect(1);
    let project = sandbox();
    symlink("services", project.path().join(".amigops")).unwrap();
    run(project.path(), &["plan"]).expect(1);
    assert!(!project.path().join("services/sandbox.redb").exists());
}

#[test]
fn a_seed_that_links_out_of_the_project_is_not_read() {
    for (target, code) in
        [("/proc/self/environ", "AG008"), ("../nowhere.yaml", "AG002"), ("nowhere.yaml", "AG002")]
    {
        let project = sandbox();
        replace_by_link(project.path(), "seed.yaml", target);
        for command in [&["plan"][..], &["apply", "--auto-approve"]] {
            let run = run(project.path(), command).expect(1);
            assert!(run.stderr.contains(code), "{target}: {}", run.stderr);
            assert!(!run.stderr.contains("s3cret"), "{}", run.stderr);
        }
    }
}

/// `actions/checkout` leaves a token in `.git/config`, so no file below a `.git` directory may be used.
#[test]
fn nothing_below_a_git_directory_is_read_or_written() {
    let token = "AUTHORIZATION: basic c2VjcmV0LXRva2Vu";
    let git = |project: &Path| write(project, ".git/config", &format!("[http]\n\textraheader = {token}\n"));
    let expect = |project: &Path| {
        for command in COMMANDS {
            let run = run(project, command).expect(1);
            assert!(run.stderr.contains("AG008") && !run.stderr.contains("c2VjcmV0"), "{}", run.stderr);
        }
    };
    let project = sandbox();
    git(project.path());
    for (from, to) in [
        ("services/*.yaml", ".git/config"),
        ("services/*.yaml", ".git/**"),
        ("services/*.yaml", ".GIT/config"),
        ("seed: seed.yaml", "seed: .git/config"),
        ("seed: seed.yaml", "state: .git/x.redb"),
        ("seed: seed.yaml", "state: sub/.git/hooks/x"),
    ] {
        write(project.path(), "amigops.yaml", &SANDBOX.replace(from, to));
        expect(project.path());
    }
    let project = sandbox();
    git(project.path());
    symlink("../.git/config", project.path().join("services/x.yaml")).unwrap();
    expect(project.path());
    let project = sandbox();
    git(project.path());
    symlink(".git", project.path().join("linked")).unwrap();
    write(project.path(), "amigops.yaml", &SANDBOX.replace("services/*.yaml", "linked/*"));
    expect(project.path());
}

#[test]
fn links_within_the_project_are_followed() {
    let project = sandbox();
    for name in ["amigops.yaml", "seed.yaml", "services/desk.yaml"] {
        let real = format!("real/{}", name.replace('/', "-"));
        std::fs::create_dir_all(project.path().join("real")).unwrap();
        std::fs::rename(project.path().join(name), project.path().join(&real)).unwrap();
        let up = if name.contains('/') { "../" } else { "" };
        symlink(format!("{up}{real}"), project.path().join(name)).unwrap();
    }
    run(project.path(), &["apply", "--auto-approve"]).expect(0);
    let elsewhere = tempfile::tempdir().unwrap();
    symlink(project.path(), elsewhere.path().join("link")).unwrap();
    run(elsewhere.path(), &["plan", "-C", "link", "--detailed-exitcode"]).expect(0);
}

#[test]
fn a_new_project_is_not_written_through_links() {
    let elsewhere = tempfile::tempdir().unwrap();
    for link in ["services", "sandbox-seed.yaml", ".gitignore"] {
        let project = tempfile::tempdir().unwrap();
        symlink(elsewhere.path().join("made"), project.path().join(link)).unwrap();
        run(project.path(), &["init"]).expect(1);
        assert!(!elsewhere.path().join("made").exists(), "{link}");
        std::fs::remove_file(project.path().join(link)).unwrap();
        symlink(elsewhere.path(), project.path().join(link)).unwrap();
        run(project.path(), &["init"]).expect(1);
        assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0, "{link}");
    }
    let project = tempfile::tempdir().unwrap();
    make_pipe(&project.path().join(".gitignore"));
    run(project.path(), &["init"]).expect(1);
}

on_both_apis! {
    fn commands_that_edit_manifests_write_only_in_the_project(api: Api) {
        let lab = Lab::on(api, SEED);
        lab.manifests(SERVICE);
        lab.apply().expect(0);
        let elsewhere = tempfile::tempdir().unwrap();
        let outside = elsewhere.path().join("all.yaml");
        std::fs::rename(lab.path().join("services/all.yaml"), &outside).unwrap();
        symlink(&outside, lab.path().join("services/all.yaml")).unwrap();
        for command in [
            &["outdated", "--write"][..],
            &["promote", "--from", "dev", "--to", "release"],
            &["import", "--out", "services"],
        ] {
            let run = lab.run_unchecked(command, &[]).expect(1);
            assert!(run.stderr.contains("AG008"), "{}", run.stderr);
        }
        assert_eq!(std::fs::read_to_string(&outside).unwrap(), SERVICE);
        std::fs::remove_file(lab.path().join("services/all.yaml")).unwrap();
        lab.manifests(SERVICE);
        symlink(elsewhere.path(), lab.path().join("out")).unwrap();
        symlink(elsewhere.path().join("none"), lab.path().join("dangling")).unwrap();
        lab.write(".git/config", "");
        for out in ["out", "out/below", "dangling", "dangling/below", ".git/hooks"] {
            let run = lab.run(&["import", "--out", out]).expect(1);
            assert!(run.stderr.contains(out.split('/').next().unwrap()), "{out}: {}", run.stderr);
        }
        assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 1);
    }
}
