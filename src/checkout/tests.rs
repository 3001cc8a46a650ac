//! Tests the checks of paths with real files, directories and links in a temporary directory.
#![cfg(unix)]

use std::os::unix::fs::symlink;

use super::*;

/// A temporary checkout for a test, and a directory outside it. Each contains a few files.
struct Trial {
    _top: tempfile::TempDir,
    root: PathBuf,
    outside: PathBuf,
}

impl Trial {
    fn new() -> Self {
        let top = tempfile::tempdir().unwrap();
        let real = fs::canonicalize(top.path()).unwrap();
        let (root, outside) = (real.join("root"), real.join("outside"));
        for directory in [&root.join("in/.git"), &outside] {
            fs::create_dir_all(directory).unwrap();
        }
        for file in [root.join("in/file"), root.join("in/.git/config"), outside.join("secret")] {
            fs::write(file, "text").unwrap();
        }
        Self { _top: top, root, outside }
    }

    fn link(&self, name: &str, target: impl AsRef<Path>) {
        symlink(target, self.root.join(name)).unwrap();
    }

    fn read(&self, name: &str) -> String {
        result_text(read_text(&self.root, Path::new(name), 100))
    }

    fn own(&self, name: &str) -> String {
        result_text(open_own(&self.root, Path::new(name)).map(|_| "open".to_owned()))
    }
}

fn result_text(result: Result<String, PathError>) -> String {
    result.unwrap_or_else(|error| format!("{error:?}"))
}

#[test]
fn only_regular_files_inside_are_read() {
    let trial = Trial::new();
    trial.link("near", "in/file");
    trial.link("in/up", "../in/file");
    trial.link("far", trial.outside.join("secret"));
    trial.link("farther", "../outside/secret");
    trial.link("away", &trial.outside);
    trial.link("chain", "far");
    trial.link("nowhere", "none");
    trial.link("round", "round");
    trial.link("git", "in/.git/config");
    trial.link("environment", "/proc/self/environ");
    trial.link("device", "/dev/null");
    let pipe = std::process::Command::new("mkfifo").arg(trial.root.join("pipe")).status();
    assert!(pipe.unwrap().success());
    for name in ["in/file", "near", "in/up", "./in/file"] {
        assert_eq!(trial.read(name), "text", "{name}");
    }
    for name in
        ["far", "farther", "away/secret", "chain", "environment", "device", "../outside/secret", "/dev/null"]
    {
        assert_eq!(trial.read(name), "Outside", "{name}");
    }
    for name in ["git", "in/.git/config"] {
        assert_eq!(trial.read(name), "InGitDirectory", "{name}");
    }
    assert_eq!((trial.read("in"), trial.read("pipe")), ("IsDirectory".to_owned(), "NotRegular".to_owned()));
    for name in ["nowhere", "round", "none"] {
        assert!(trial.read(name).starts_with("Io("), "{name}");
    }
    fs::write(trial.root.join("large"), "x".repeat(101)).unwrap();
    assert_eq!(trial.read("large"), "TooLarge(100)");
    fs::write(trial.root.join("bytes"), b"\xff").unwrap();
    assert_eq!(trial.read("bytes"), "NotUtf8");
}

#[test]
fn own_files_have_no_link_in_their_path() {
    let trial = Trial::new();
    trial.link("near", "in");
    trial.link("away", &trial.outside);
    trial.link("nowhere", trial.outside.join("none"));
    assert_eq!((trial.own("new/deep/file"), trial.own("in/file")), ("open".to_owned(), "open".to_owned()));
    assert!(trial.root.join("new/deep/file").is_file());
    for name in ["near/file", "away/file", "nowhere", "nowhere/file"] {
        assert!(trial.own(name).starts_with("Link("), "{name}");
    }
    assert_eq!(trial.own("../outside/file"), "Outside");
    assert_eq!(trial.own("in/.git/file"), "InGitDirectory");
    assert_eq!(trial.own("in"), "IsDirectory");
    assert_eq!(fs::read_dir(&trial.outside).unwrap().count(), 1, "nothing was made outside");
    assert_eq!(fs::read_to_string(trial.root.join("in/file")).unwrap(), "text", "nothing was cut off");
}

#[test]
fn directories_are_created_inside_only() {
    let trial = Trial::new();
    trial.link("near", "in");
    trial.link("away", &trial.outside);
    trial.link("nowhere", trial.outside.join("none"));
    let made = |name: &str| make_directory(&trial.root, Path::new(name));
    assert_eq!(made("near/new").unwrap(), trial.root.join("in/new"));
    assert!(trial.root.join("in/new").is_dir());
    assert_eq!(made("").unwrap(), trial.root);
    for name in ["away", "away/new", "nowhere", "nowhere/new", "in/.git/hooks", "../new", "/tmp/x"] {
        assert!(made(name).is_err_and(|error| error.is_unsafe()), "{name}");
    }
    assert!(matches!(made("in/file"), Err(PathError::Io(_))));
    assert_eq!(fs::read_dir(&trial.outside).unwrap().count(), 1);
}

/// A link can replace a directory or file after its path was checked. The functions that open the path must then fail,
/// and not follow the link.
#[test]
fn directory_is_not_entered_through_a_link() {
    let trial = Trial::new();
    trial.link("away", &trial.outside);
    let root = Directory::open(&trial.root).unwrap();
    assert!(root.enter(Path::new("away")).is_err());
    assert!(root.enter_or_make(Path::new("away")).is_err());
    trial.link("far", trial.outside.join("secret"));
    assert!(root.open_to_read(Path::new("far")).is_err());
    assert!(root.open_to_write(Path::new("far")).is_err());
}
