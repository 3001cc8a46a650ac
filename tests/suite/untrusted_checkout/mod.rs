//! A pull request can add any file to a checkout. None of them makes amigops run a program: these are the real
//! binary, real repositories, and programs that leave a mark when they run.
#![cfg(unix)]

mod environment;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use amigops::model::Api;

use crate::apply::{EMPTY, service};
use crate::harness::{Lab, finish};
use crate::on_both_apis;
use crate::three_way::git_in;

/// Writes a program that leaves a mark with its environment, and does nothing else.
fn program(path: &Path, mark: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("#!/bin/sh\n/usr/bin/env >> '{}'\nexit 1\n", mark.display())).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A program outside the checkout, and the mark that it leaves when it runs.
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

    /// The environment that the program has run with since the last call; none where it has not run.
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

/// Moves the project into the directory `clinic` of a repository, which is committed, and applied.
fn clinic(api: Api) -> Lab {
    let lab = Lab::on(api, EMPTY);
    lab.manifests(&service("Desk", "tags: {tier: gold}\n"));
    lab.apply().expect(0);
    fs::create_dir(lab.path().join("clinic")).unwrap();
    for name in ["amigops.yaml", "services"] {
        fs::rename(lab.path().join(name), lab.path().join("clinic").join(name)).unwrap();
    }
    git_in(&lab.path(), &["init", "-q"]);
    git_in(&lab.path(), &["add", "-A"]);
    git_in(&lab.path(), &["commit", "-qm", "Start"]);
    lab
}

/// The pull request: it makes the project's own directory a bare repository with a filter for every file.
fn add_embedded_repository(lab: &Lab, trap: &Trap) {
    let clinic = lab.path().join("clinic");
    fs::write(clinic.join(".gitattributes"), "* filter=x\n").unwrap();
    let inner = tempfile::tempdir().unwrap();
    for name in ["amigops.yaml", "services", ".gitattributes"] {
        copy(&clinic.join(name), &inner.path().join(name));
    }
    git_in(inner.path(), &["init", "-q"]);
    git_in(inner.path(), &["add", "-A"]);
    git_in(inner.path(), &["commit", "-qm", "Inner"]);
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
    git_in(&lab.path(), &["add", "-A"]);
    git_in(&lab.path(), &["commit", "-qm", "Pull request"]);
    // The attack works on who trusts that repository.
    fs::write(clinic.join("services/all.yaml"), service("Desk", "tags: {tier: platinum}\n")).unwrap();
    git_in(&clinic, &["-c", "safe.bareRepository=all", "status", "--porcelain"]);
    assert!(trap.take().is_some(), "the trap catches nothing");
}

on_both_apis! {
    fn a_repository_that_a_pull_request_adds_is_not_used(api: Api) {
        let lab = clinic(api);
        let trap = Trap::set();
        add_embedded_repository(&lab, &trap);
        let outer = git_in(&lab.path(), &["rev-parse", "HEAD"]);
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

/// A program in the place of git that runs some lines of shell first. Answers the directory for PATH.
fn wrapper(lines: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("git");
    fs::write(&path, format!("#!/bin/sh\n{lines}\nPATH=/usr/local/bin:/usr/bin:/bin exec git \"$@\"\n"))
        .unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    directory
}

/// Every setting of the repository's own configuration that names a program, and what makes some of them run.
fn poison(lab: &Lab, trap: &Trap) {
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
        git_in(&top, &["config", key, &format!("{start}{program}")]);
    }
    // The same settings again, in a file that is included and in the work tree's own configuration.
    let config = fs::read_to_string(top.join(".git/config")).unwrap();
    fs::write(top.join(".git/included"), &config).unwrap();
    fs::write(top.join(".git/config.worktree"), &config).unwrap();
    git_in(&top, &["config", "core.hooksPath", trap.directory.path().join("hooks").to_str().unwrap()]);
    git_in(&top, &["config", "include.path", "included"]);
    git_in(&top, &["config", "core.repositoryFormatVersion", "1"]);
    git_in(&top, &["config", "extensions.worktreeConfig", "true"]);
    for hook in
        ["fsmonitor-watchman", "post-checkout", "post-index-change", "pre-auto-gc", "reference-transaction"]
    {
        program_at_hook(trap, hook);
    }
    // The pull request's part: it gives every file the filter and the drivers.
    fs::write(top.join("clinic/.gitattributes"), "* filter=x diff=x merge=x text\n").unwrap();
}

fn program_at_hook(trap: &Trap, hook: &str) {
    program(&trap.directory.path().join("hooks").join(hook), &trap.mark());
}

on_both_apis! {
    fn no_setting_of_the_repository_runs_a_program(api: Api) {
        let lab = clinic(api);
        let trap = Trap::set();
        poison(&lab, &trap);
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

/// A clone without the files of older commits fetches them when git reads them: by a program that its
/// configuration names. Git before 2.45 knows no `GIT_NO_LAZY_FETCH`, so the wrapper takes that away.
#[test]
fn objects_that_a_clone_lacks_are_not_fetched() {
    let lab = clinic(Api::Classic);
    lab.write("clinic/services/all.yaml", &service("Desk", "tags: {tier: silver}\n"));
    git_in(&lab.path(), &["commit", "-qam", "Silver"]);
    git_in(&lab.path(), &["config", "uploadpack.allowFilter", "true"]);
    let clone = tempfile::tempdir().unwrap();
    let url = format!("file://{}", lab.path().display());
    git_in(clone.path(), &["clone", "-q", "--filter=blob:none", &url, "."]);
    let trap = Trap::set();
    let program = trap.program().display().to_string();
    git_in(clone.path(), &["config", "remote.origin.uploadpack", &program]);
    let old_git = wrapper("unset GIT_NO_LAZY_FETCH");
    for (path, remote) in [
        ("/usr/bin:/bin", url.clone()),
        (old_git.path().to_str().unwrap(), url),
        (old_git.path().to_str().unwrap(), format!("ext::{program} %S")),
        (old_git.path().to_str().unwrap(), "ssh://example.invalid/x".to_owned()),
    ] {
        git_in(clone.path(), &["config", "remote.origin.url", &remote]);
        git_in(clone.path(), &["config", "core.sshCommand", &program]);
        git_in(clone.path(), &["config", "protocol.ext.allow", "always"]);
        let mut command = lab.command(&["plan", "--base", "HEAD~1"]);
        command.current_dir(clone.path().join("clinic")).env("PATH", path);
        let run = finish(command);
        assert_eq!(trap.take(), None, "{remote}: a program has run\n{}", run.stderr);
        let run = run.expect(1);
        assert!(
            run.stderr.contains("objects are missing in this clone, and amigops never fetches"),
            "{}",
            run.stderr
        );
    }
    // The checked out commit's files are there, and so it is told.
    let mut command = lab.command(&["plan", "--format", "json"]);
    command.current_dir(clone.path().join("clinic"));
    let plan: serde_json::Value = serde_json::from_str(&finish(command).expect(0).stdout).unwrap();
    assert_eq!(plan["commit"], git_in(clone.path(), &["rev-parse", "HEAD"]));
}

/// A `.git` file can't be in a commit, but an archive that was unpacked may hold one.
#[test]
fn a_git_file_that_leads_into_the_work_tree_is_refused() {
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
    assert!(run.stderr.contains("names a directory of the work tree itself"), "{}", run.stderr);
    assert_eq!(trap.take(), None, "the program has run");
}
