//! Tests that no file that a pull request adds makes amigops run a program. They use real repositories, and programs
//! that write a file, the mark, when they run.
#![cfg(unix)]

mod git_process;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use amigops::model::Api;

use crate::harness::{EMPTY, Lab, run_command, run_git, service};
use crate::on_both_apis;

/// Writes a program that saves its environment to a mark file and does nothing else.
fn program(path: &Path, mark: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("#!/bin/sh\n/usr/bin/env >> '{}'\nexit 1\n", mark.display())).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A directory outside the checkout with a program, and with the mark file that the program writes when it runs.
struct Trap {
    directory: tempfile::TempDir,
}

impl Trap {
    fn set() -> Self {
        let trap = Self { directory: tempfile::tempdir().unwrap() };
        program(&trap.program(), &trap.mark());
        trap
    }

    fn program(&self) -> PathBuf {
        self.directory.path().join("program")
    }

    fn mark(&self) -> PathBuf {
        self.directory.path().join("mark")
    }

    /// Returns the environment of the program's runs since the previous call, or `None` if it has not run. Removes the
    /// mark.
    fn take(&self) -> Option<String> {
        let mark = fs::read_to_string(self.mark()).ok()?;
        fs::remove_file(self.mark()).unwrap();
        Some(mark)
    }
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::copy(from, to).unwrap();
    }
}

/// Moves the project into the directory `clinic` of a repository, commits it, and applies it.
fn clinic(api: Api) -> Lab {
    let lab = Lab::on(api, EMPTY);
    lab.manifests(&service("Desk", "tags: {tier: gold}\n"));
    lab.apply().expect(0);
    fs::create_dir(lab.path().join("clinic")).unwrap();
    for name in ["amigops.yaml", "services"] {
        fs::rename(lab.path().join(name), lab.path().join("clinic").join(name)).unwrap();
    }
    run_git(&lab.path(), &["init", "-q"]);
    run_git(&lab.path(), &["add", "-A"]);
    run_git(&lab.path(), &["commit", "-qm", "Start"]);
    lab
}

/// Turns the project's directory into a bare repository with a filter for every file, as a pull request could.
fn add_embedded_repository(lab: &Lab, trap: &Trap) {
    let clinic = lab.path().join("clinic");
    fs::write(clinic.join(".gitattributes"), "* filter=x\n").unwrap();
    let inner = tempfile::tempdir().unwrap();
    for name in ["amigops.yaml", "services", ".gitattributes"] {
        copy(&clinic.join(name), &inner.path().join(name));
    }
    run_git(inner.path(), &["init", "-q"]);
    run_git(inner.path(), &["add", "-A"]);
    run_git(inner.path(), &["commit", "-qm", "Inner"]);
    for name in ["HEAD", "index", "objects", "refs"] {
        copy(&inner.path().join(".git").join(name), &clinic.join(name));
    }
    let program = trap.program();
    let program = program.display();
    fs::write(
        clinic.join("config"),
        format!(
            "[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tworktree = .\n\tfsmonitor = {program}\n\
             [filter \"x\"]\n\tclean = {program}\n\tsmudge = {program}\n"
        ),
    )
    .unwrap();
    run_git(&lab.path(), &["add", "-A"]);
    run_git(&lab.path(), &["commit", "-qm", "Pull request"]);
    // The attack works if a user trusts bare repositories. This shows that the trap itself works.
    fs::write(clinic.join("services/all.yaml"), service("Desk", "tags: {tier: platinum}\n")).unwrap();
    run_git(&clinic, &["-c", "safe.bareRepository=all", "status", "--porcelain"]);
    assert!(trap.take().is_some(), "the trap catches nothing");
}

on_both_apis! {
    fn a_repository_added_by_a_pull_request_is_not_used(api: Api) {
        let lab = clinic(api);
        let trap = Trap::set();
        add_embedded_repository(&lab, &trap);
        let outer = run_git(&lab.path(), &["rev-parse", "HEAD"]);
        let mut caught = Vec::new();
        for args in [
            &["plan", "-C", "clinic"][..],
            &["plan", "-C", "clinic", "--base", "HEAD"],
            &["plan", "-C", "clinic/services", "--out", "plan.json"],
            &["drift", "-C", "clinic"],
            &["apply", "-C", "clinic", "--auto-approve", "--base", "HEAD"],
            &["apply", "-C", "clinic", "--auto-approve"],
        ] {
            lab.run(args).expect(if args[0] == "drift" { 2 } else { 0 });
            if trap.take().is_some() {
                caught.push(args.join(" "));
            }
        }
        assert_eq!(caught, Vec::<String>::new(), "these ran the pull request's program");
        let plan: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(lab.path().join("plan.json")).unwrap()).unwrap();
        assert_eq!(plan["commit"], format!("{outer}+"), "the commit of the repository around it");
    }
}

/// Creates a program `git` that runs these shell lines and then the real git. Returns its directory, to be added to
/// `PATH`.
fn wrapper(lines: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("git");
    fs::write(&path, format!("#!/bin/sh\n{lines}\nPATH=/usr/local/bin:/usr/bin:/bin exec git \"$@\"\n"))
        .unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    directory
}

/// Sets every setting in the configuration of the repository that can make git run a program.
fn set_up_hostile_settings(lab: &Lab, trap: &Trap) {
    let top = lab.path();
    let program = trap.program().display().to_string();
    for setting in [
        "alias.cat-file=!",
        "alias.ls-tree=!",
        "alias.merge-base=!",
        "alias.rev-parse=!",
        "alias.status=!",
        "core.alternateRefsCommand=",
        "core.askPass=",
        "core.editor=",
        "core.fsmonitor=",
        "core.gitProxy=",
        "core.pager=",
        "core.sshCommand=",
        "credential.helper=",
        "diff.external=",
        "diff.x.command=",
        "diff.x.textconv=",
        "filter.x.clean=",
        "filter.x.process=",
        "filter.x.smudge=",
        "gpg.program=",
        "gpg.ssh.program=",
        "interactive.diffFilter=",
        "merge.x.driver=",
        "pager.cat-file=",
        "pager.ls-tree=",
        "pager.rev-parse=",
        "sequence.editor=",
        "uploadpack.packObjectsHook=",
    ] {
        let (key, start) = setting.split_once('=').unwrap();
        run_git(&top, &["config", key, &format!("{start}{program}")]);
    }
    // The same settings again, in a file that is included and in the work tree's own configuration.
    let config = fs::read_to_string(top.join(".git/config")).unwrap();
    fs::write(top.join(".git/included"), &config).unwrap();
    fs::write(top.join(".git/config.worktree"), &config).unwrap();
    run_git(&top, &["config", "core.hooksPath", trap.directory.path().join("hooks").to_str().unwrap()]);
    run_git(&top, &["config", "include.path", "included"]);
    run_git(&top, &["config", "core.repositoryFormatVersion", "1"]);
    run_git(&top, &["config", "extensions.worktreeConfig", "true"]);
    for hook in
        ["fsmonitor-watchman", "post-checkout", "post-index-change", "pre-auto-gc", "reference-transaction"]
    {
        program_at_hook(trap, hook);
    }
    // A pull request can add this file, which assigns the filter and the drivers to every file.
    fs::write(top.join("clinic/.gitattributes"), "* filter=x diff=x merge=x text\n").unwrap();
}

fn program_at_hook(trap: &Trap, hook: &str) {
    program(&trap.directory.path().join("hooks").join(hook), &trap.mark());
}

on_both_apis! {
    fn no_repository_setting_runs_a_program(api: Api) {
        let lab = clinic(api);
        let trap = Trap::set();
        set_up_hostile_settings(&lab, &trap);
        lab.write("clinic/services/all.yaml", &service("Desk", "tags: {tier: silver}\n"));
        let mut caught = Vec::new();
        for args in [
            &["plan", "-C", "clinic"][..],
            &["plan", "-C", "clinic", "--base", "main"],
            &["plan", "-C", "clinic", "--out", "plan.json"],
            &["drift", "-C", "clinic"],
            &["apply", "-C", "clinic", "plan.json"],
            &["apply", "-C", "clinic", "--auto-approve", "--base", "HEAD"],
        ] {
            lab.run(args).expect(if args[0] == "drift" { 2 } else { 0 });
            if trap.take().is_some() {
                caught.push(args.join(" "));
            }
        }
        assert_eq!(caught, Vec::<String>::new(), "these ran a program of the configuration");
    }
}

/// In a partial clone, git fetches the files of older commits when it reads them. To fetch them, it runs a program that
/// the configuration names. Git before 2.45 ignores `GIT_NO_LAZY_FETCH`, so the wrapper removes this variable to
/// simulate such a version.
#[test]
fn missing_objects_of_a_clone_are_not_fetched() {
    let lab = clinic(Api::Classic);
    lab.write("clinic/services/all.yaml", &service("Desk", "tags: {tier: silver}\n"));
    run_git(&lab.path(), &["commit", "-qam", "Silver"]);
    run_git(&lab.path(), &["config", "uploadpack.allowFilter", "true"]);
    let clone = tempfile::tempdir().unwrap();
    let url = format!("file://{}", lab.path().display());
    run_git(clone.path(), &["clone", "-q", "--filter=blob:none", &url, "."]);
    let trap = Trap::set();
    let program = trap.program().display().to_string();
    run_git(clone.path(), &["config", "remote.origin.uploadpack", &program]);
    let old_git = wrapper("unset GIT_NO_LAZY_FETCH");
    for (path, remote) in [
        ("/usr/bin:/bin", url.clone()),
        (old_git.path().to_str().unwrap(), url),
        (old_git.path().to_str().unwrap(), format!("ext::{program} %S")),
        (old_git.path().to_str().unwrap(), "ssh://example.invalid/x".to_owned()),
    ] {
        run_git(clone.path(), &["config", "remote.origin.url", &remote]);
        run_git(clone.path(), &["config", "core.sshCommand", &program]);
        run_git(clone.path(), &["config", "protocol.ext.allow", "always"]);
        let mut command = lab.command(&["plan", "--base", "HEAD~1"]);
        command.current_dir(clone.path().join("clinic")).env("PATH", path);
        let run = run_command(command);
        assert_eq!(trap.take(), None, "{remote}: a program has run\n{}", run.stderr);
        let run = run.expect(1);
        assert!(
            run.stderr.contains("objects are missing in this clone, and amigops never fetches"),
            "{}",
            run.stderr
        );
    }
    // The files of the checked-out commit exist in the clone, so the plan names this commit.
    let mut command = lab.command(&["plan", "--format", "json"]);
    command.current_dir(clone.path().join("clinic"));
    let plan: serde_json::Value = serde_json::from_str(&run_command(command).expect(0).stdout).unwrap();
    assert_eq!(plan["commit"], run_git(clone.path(), &["rev-parse", "HEAD"]));
}

/// The checkout contains a `.git` file that points to a repository inside the work tree. A commit can't contain such a
/// file, but an unpacked archive can.
#[test]
fn a_git_file_that_points_into_the_work_tree_is_refused() {
    let lab = clinic(Api::Classic);
    let trap = Trap::set();
    add_embedded_repository(&lab, &trap);
    let clinic = lab.path().join("clinic");
    fs::create_dir(clinic.join("bare")).unwrap();
    for name in ["HEAD", "config", "index", "objects", "refs"] {
        fs::rename(clinic.join(name), clinic.join("bare").join(name)).unwrap();
    }
    fs::write(clinic.join(".git"), "gitdir: bare\n").unwrap();
    let plan = lab.run(&["plan", "-C", "clinic", "--format", "json"]).expect(0).stdout;
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    assert_eq!(plan["commit"], serde_json::Value::Null);
    let run = lab.run(&["plan", "-C", "clinic", "--base", "HEAD"]).expect(1);
    assert!(run.stderr.contains("names a directory inside the work tree"), "{}", run.stderr);
    assert_eq!(trap.take(), None, "the program has run");
}
