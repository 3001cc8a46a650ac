//! Tests with real files, links and pipes in temporary directories: pipes are refused without waiting, and links are
//! followed.

use std::os::unix::fs::symlink;

use super::*;

fn pipe(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().is_ok_and(|status| status.success()));
}

#[test]
fn only_regular_files_are_read() {
    let top = tempfile::tempdir().unwrap();
    let at = |name: &str| top.path().join(name);
    fs::write(at("file"), "text").unwrap();
    symlink("file", at("link")).unwrap();
    pipe(&at("pipe"));
    symlink("pipe", at("to-pipe")).unwrap();
    let read = |name: &str| match read_text(&at(name), 4) {
        Ok(text) => text,
        Err(error) => format!("{error:?}"),
    };
    assert_eq!((read("file"), read("link")), ("text".to_owned(), "text".to_owned()));
    for name in ["pipe", "to-pipe", "/dev/null", "/dev/zero"] {
        assert_eq!(read(name), "NotRegular", "{name}");
    }
    assert_eq!(read(""), "IsDirectory");
    fs::write(at("file"), "texts").unwrap();
    assert_eq!(read("file"), "TooLarge(4)");
    fs::write(at("file"), b"\xff").unwrap();
    assert_eq!(read("file"), "NotUtf8");
}

#[test]
fn the_target_of_a_link_is_found_even_if_it_does_not_exist() {
    let top = tempfile::tempdir().unwrap();
    let at = |name: &str| top.path().join(name);
    fs::create_dir(at("in")).unwrap();
    symlink("../new", at("in/link")).unwrap();
    symlink("in/link", at("chain")).unwrap();
    symlink("round", at("round")).unwrap();
    pipe(&at("pipe"));
    let target = |name: &str| find_target(&at(name));
    assert_eq!(target("plain").unwrap(), at("plain"));
    assert_eq!(target("chain").unwrap(), at("in/../new"));
    fs::write(at("new"), "").unwrap();
    assert_eq!(target("chain").unwrap(), at("in/../new"));
    assert!(target("round").is_err());
    assert!(matches!(target("pipe"), Err(PathError::NotRegular)));
    assert!(matches!(target("in"), Err(PathError::IsDirectory)));
}

#[test]
fn appending_never_waits_for_a_reader() {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join("pipe");
    pipe(&path);
    let error = open_to_append(&path).unwrap_err();
    assert_eq!(error.to_string(), "it is a pipe that no process reads, or a socket");
    let reader = without_waiting(OpenOptions::new().read(true)).open(&path).unwrap();
    let file = open_to_append(&path).unwrap();
    let flags = rustix::fs::fcntl_getfl(&file).unwrap();
    assert!(!flags.contains(rustix::fs::OFlags::NONBLOCK));
    drop(reader);
    open_to_append(&top.path().join("new")).unwrap();
}
