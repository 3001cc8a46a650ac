//! The repository that a project is in, read through the `git` command. May import everything.
//!
//! Nothing is written to it: neither its index nor its work tree is touched. No shell is involved, and what
//! a user names is never taken for an option. Variables `GIT_*` are not handed on: they could point git at
//! another repository than the project's.

use std::ffi::OsString;
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::env::Env;
use crate::error::Failure;

/// A repository, seen from a directory in its work tree.
pub(super) struct Git {
    root: PathBuf,
    /// Variables that git must not see.
    hidden: Vec<OsString>,
    /// The directory's path from the top of the work tree, with a slash at its end; empty at the top.
    prefix: String,
}

/// A file of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its path below the directory that the repository is seen from.
    pub(super) path: String,
    /// Whether it is a symbolic link.
    pub(super) is_link: bool,
    id: String,
}

/// Variables that could point git at another repository. What configures git (`safe.directory` in a container)
/// stays.
fn hidden(env: &Env) -> Vec<OsString> {
    let mut names = env.names_beginning("GIT_");
    names.retain(|name| !name.as_encoded_bytes().starts_with(b"GIT_CONFIG_"));
    names
}

impl Git {
    /// The repository that a directory is in.
    ///
    /// # Errors
    ///
    /// Where there is none, or git can't be run or read it.
    pub(super) fn open(root: &Path, env: &Env) -> Result<Self, Failure> {
        let mut git = Self { root: root.to_owned(), hidden: hidden(env), prefix: String::new() };
        let output = git.run(&["rev-parse", "--show-prefix"], None)?;
        if !output.status.success() {
            return Err(Failure::other(format!(
                "`{}` is in no Git work tree that can be read: {}",
                root.display(),
                reason(&output)
            ))
            .hint("`--base` compares with a commit: run it in a clone of the project's repository, or leave it out"));
        }
        let text = utf8(output.stdout)?;
        git.prefix = text.strip_suffix('\n').unwrap_or(&text).to_owned();
        Ok(git)
    }

    /// The commit that is checked out; none where there is none yet.
    pub(super) fn head(&self) -> Result<Option<String>, Failure> {
        self.commit("HEAD")
    }

    /// The commit that a reference names; none where nothing here has that name.
    pub(super) fn commit(&self, reference: &str) -> Result<Option<String>, Failure> {
        let peeled = format!("{reference}^{{commit}}");
        let args = ["rev-parse", "--verify", "--quiet", "--end-of-options", &peeled];
        let output = self.run(&args, None)?;
        let text = utf8(output.stdout)?;
        let id = text.trim_end();
        let is_id = id.len() >= 40 && id.chars().all(|c| c.is_ascii_hexdigit());
        Ok((output.status.success() && is_id).then(|| id.to_owned()))
    }

    /// The last commit that two commits share; none where they share none that is here.
    pub(super) fn merge_base(&self, one: &str, other: &str) -> Result<Option<String>, Failure> {
        let output = self.run(&["merge-base", "--end-of-options", one, other], None)?;
        match output.status.code() {
            Some(0) => Ok(utf8(output.stdout)?.lines().next().map(str::to_owned)),
            Some(1) => Ok(None),
            _ => Err(failure("merge-base", &output)),
        }
    }

    /// Whether history was cut off when the repository was cloned.
    pub(super) fn is_shallow(&self) -> bool {
        let output = self.run(&["rev-parse", "--is-shallow-repository"], None);
        output.is_ok_and(|output| output.stdout.trim_ascii() == b"true")
    }

    /// Whether a YAML file of the directory is not as the commit has it: changed, added or deleted.
    pub(super) fn is_changed(&self) -> Result<bool, Failure> {
        let args = [
            "status",
            "--porcelain=v1",
            "-z",
            "--no-renames",
            "--untracked-files=all",
            "--ignore-submodules=all",
            "--",
            ".",
        ];
        let bytes = self.read(&args)?;
        let listed = bytes.split(|byte| *byte == 0).filter_map(|line| line.get(3..));
        Ok(listed.into_iter().any(|path| is_yaml(&String::from_utf8_lossy(path), &self.prefix)))
    }

    /// The files of a commit below the directory; none where the commit has no such file there.
    pub(super) fn entries(&self, commit: &str, marker: &str) -> Result<Option<Vec<Entry>>, Failure> {
        let at = format!("{}{marker}", self.prefix);
        if self.read(&["ls-tree", "-z", "--full-tree", commit, "--", &at])?.is_empty() {
            return Ok(None);
        }
        let tree = format!("{commit}:{}", self.prefix.trim_end_matches('/'));
        let tree = if self.prefix.is_empty() { commit } else { &tree };
        let bytes = self.read(&["ls-tree", "-r", "-z", "--full-tree", tree])?;
        // A name that is no Unicode can't be a manifest's: patterns are Unicode.
        let lines = bytes.split(|byte| *byte == 0).filter_map(|line| std::str::from_utf8(line).ok());
        Ok(Some(lines.filter_map(entry).collect()))
    }

    /// The contents of files, in their order.
    pub(super) fn contents(&self, entries: &[&Entry]) -> Result<Vec<Vec<u8>>, Failure> {
        let mut wanted = tempfile::tempfile().map_err(|error| unwritable(&error))?;
        for entry in entries {
            writeln!(wanted, "{}", entry.id).map_err(|error| unwritable(&error))?;
        }
        wanted.rewind().map_err(|error| unwritable(&error))?;
        let output = self.run(&["cat-file", "--batch"], Some(wanted.into()))?;
        if !output.status.success() {
            return Err(failure("cat-file", &output));
        }
        let mut rest = output.stdout.as_slice();
        let mut contents = Vec::new();
        for entry in entries {
            let (content, next) = blob(rest).ok_or_else(|| {
                Failure::other(format!("git does not give `{}` ({})", entry.path, entry.id))
                    .hint("the clone lacks objects: fetch them, or clone without a filter")
            })?;
            contents.push(content.to_vec());
            rest = next;
        }
        Ok(contents)
    }

    fn read(&self, args: &[&str]) -> Result<Vec<u8>, Failure> {
        let output = self.run(args, None)?;
        if output.status.success() { Ok(output.stdout) } else { Err(failure(args[0], &output)) }
    }

    fn run(&self, args: &[&str], stdin: Option<Stdio>) -> Result<Output, Failure> {
        let mut command = Command::new("git");
        for name in &self.hidden {
            command.env_remove(name);
        }
        command.env("LC_ALL", "C").env("GIT_TERMINAL_PROMPT", "0").env("GIT_NO_REPLACE_OBJECTS", "1");
        command.args(["--no-optional-locks", "--literal-pathspecs", "-c", "core.fsmonitor=false", "-C"]);
        command.arg(&self.root).args(args).stdin(stdin.unwrap_or_else(Stdio::null));
        command.output().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Failure::other("the command `git` is not there").hint(
                "`--base` reads the manifests of another commit with it: install Git, or put it on PATH",
            ),
            _ => Failure::other(format!("the command `git` can't be run: {error}")),
        })
    }
}

/// Whether a path from the top of the work tree could be a file of the project: hidden directories have none.
fn is_yaml(path: &str, prefix: &str) -> bool {
    let Some(inside) = path.strip_prefix(prefix) else { return false };
    let hidden = inside
        .rsplit_once('/')
        .is_some_and(|(directories, _)| directories.split('/').any(|directory| directory.starts_with('.')));
    !hidden && (inside.ends_with(".yaml") || inside.ends_with(".yml"))
}

/// A line of `ls-tree`: `<mode> <type> <id>\t<path>`. Submodules are other repositories.
fn entry(line: &str) -> Option<Entry> {
    let (head, path) = line.split_once('\t')?;
    let mut words = head.split(' ');
    let (mode, kind, id) = (words.next()?, words.next()?, words.next()?);
    (kind == "blob").then(|| Entry { path: path.to_owned(), is_link: mode == "120000", id: id.to_owned() })
}

/// The first answer of `cat-file --batch`, `<id> blob <size>\n<content>\n`, and what follows it.
fn blob(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (head, rest) = (std::str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 1..]);
    let mut words = head.split(' ');
    let (Some("blob"), Some(size)) = (words.nth(1), words.next()) else { return None };
    let size = size.parse().ok()?;
    Some((rest.get(..size)?, rest.get(size + 1..)?))
}

fn utf8(bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|_| Failure::other("git answers with a path that is no Unicode"))
}

fn failure(what: &str, output: &Output) -> Failure {
    Failure::other(format!("`git {what}` failed: {}", reason(output)))
}

/// What git said, or at least how it ended.
fn reason(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim().trim_start_matches("fatal: ");
    if said.is_empty() { output.status.to_string() } else { said.to_owned() }
}

fn unwritable(error: &io::Error) -> Failure {
    Failure::other(format!("a temporary file can't be written: {error}"))
}

#[cfg(test)]
mod tests {
    use super::{Entry, blob, entry, is_yaml};

    #[test]
    fn answers_are_read_to_the_letter() {
        let id = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";
        let file = |path: &str, is_link| Entry { path: path.to_owned(), is_link, id: id.to_owned() };
        assert_eq!(entry(&format!("100644 blob {id}\ta b\tc.yaml")), Some(file("a b\tc.yaml", false)));
        assert_eq!(entry(&format!("120000 blob {id}\tlink")), Some(file("link", true)));
        assert_eq!(entry(&format!("160000 commit {id}\tsubmodule")), None);
        assert_eq!(entry(""), None);
        assert_eq!(blob(b"id blob 3\na\nb\nrest"), Some((&b"a\nb"[..], &b"rest"[..])));
        assert_eq!(blob(b"id blob 0\n\n"), Some((&b""[..], &b""[..])));
        assert_eq!(blob(b"id missing\n"), None);
        assert_eq!(blob(b"id blob 9\nshort\n"), None);
        assert_eq!(blob(b""), None);
    }

    #[test]
    fn only_files_of_the_project_count_as_changed() {
        for (path, prefix, expected) in [
            ("amigops.yaml", "", true),
            ("care/services/a b.yml", "care/", true),
            ("other/a.yaml", "care/", false),
            ("care/.amigops/a.yaml", "care/", false),
            (".github/workflows/a.yml", "", false),
            ("plan.json", "", false),
            (".hidden.yaml", "", true),
        ] {
            assert_eq!(is_yaml(path, prefix), expected, "{path}");
        }
    }
}
