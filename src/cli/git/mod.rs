//! The repository that a project is in, read through the `git` command. May import everything.
//!
//! A pull request can add any file to the checkout, so none of them may decide what git runs. The repository is the
//! one whose `.git` is found (`find`), git runs in an environment of its own (`process`), and only these commands
//! are run: `rev-parse`, `merge-base`, `ls-tree`, `cat-file --batch`, and for files that differ from the commit
//! `ls-files -t` and `check-ignore`. None of them runs hooks, filters, diff programs or pagers, and none writes: the
//! index and the work tree are left alone. Whether files were changed is told by comparing bytes (`changes`), not
//! by `git status`, which runs filters. A commit that a user names is never taken for an option.

mod changes;
mod find;
mod process;
#[cfg(test)]
mod tests;

use std::io::{self, Seek, Write};
use std::path::Path;
use std::process::Output;

use find::Place;
use process::Program;

use crate::env::Env;
use crate::error::Failure;

/// A repository, seen from a directory in its work tree.
pub(super) struct Git {
    program: Program,
    place: Place,
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

impl Git {
    /// Opens the repository that a directory is in.
    ///
    /// # Errors
    ///
    /// If there is none, if git does not trust its owner, or if git can't be run.
    pub(super) fn open(root: &Path, env: &Env) -> Result<Self, Failure> {
        let refused = |reason: &str| {
            Failure::other(format!("`{}` is in no Git work tree that can be read: {reason}", root.display()))
                .hint("`--base` compares with a commit: run it in a clone of the project's repository, or leave it out")
        };
        let place = find::find(root).map_err(|reason| refused(&reason))?;
        let program = Program::find(env)?;
        let output = program.find_trusted(&place.top)?;
        if !output.status.success() {
            return Err(refused(&reason(&output)));
        }
        let answer = utf8(output.stdout)?;
        let found = find::canonicalize(Path::new(answer.trim_end_matches(['\r', '\n'])));
        if found.is_ok_and(|found| found == place.git_dir) {
            return Ok(Self { program, place });
        }
        Err(refused(&format!("git does not take `{}` for a repository", place.git_dir.display())))
    }

    /// The commit that is checked out; none if there is none yet.
    pub(super) fn head(&self) -> Result<Option<String>, Failure> {
        self.commit("HEAD")
    }

    /// The commit that a reference names; none if it names none here.
    pub(super) fn commit(&self, reference: &str) -> Result<Option<String>, Failure> {
        // No name of a commit begins like an option.
        if reference.starts_with('-') {
            return Ok(None);
        }
        let peeled = format!("{reference}^{{commit}}");
        let output = self.run(&["rev-parse", "--verify", "--quiet", &peeled], None)?;
        let text = utf8(output.stdout)?;
        let id = text.trim_end();
        let is_id = id.len() >= 40 && id.chars().all(|c| c.is_ascii_hexdigit());
        Ok((output.status.success() && is_id).then(|| id.to_owned()))
    }

    /// The last commit that two commits share; none if they share none that is here.
    pub(super) fn merge_base(&self, one: &str, other: &str) -> Result<Option<String>, Failure> {
        let output = self.run(&["merge-base", one, other], None)?;
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

    /// The files of a commit below the directory; none if the commit has no such file there.
    pub(super) fn entries(&self, commit: &str, marker: &str) -> Result<Option<Vec<Entry>>, Failure> {
        let entries = self.list(commit)?;
        Ok(entries.iter().any(|entry| entry.path == marker).then_some(entries))
    }

    /// The contents of files, in their order.
    pub(super) fn contents(&self, entries: &[&Entry]) -> Result<Vec<Vec<u8>>, Failure> {
        let wanted: String = entries.iter().map(|entry| format!("{}\n", entry.id)).collect();
        let output = self.ask(&["cat-file", "--batch"], wanted.as_bytes())?;
        if !output.status.success() {
            return Err(failure("cat-file", &output));
        }
        let mut rest = output.stdout.as_slice();
        let mut contents = Vec::new();
        for entry in entries {
            let (content, next) = blob(rest).ok_or_else(|| {
                Failure::other(format!("git does not give `{}` ({})", entry.path, entry.id)).hint(LACKING)
            })?;
            contents.push(content.to_vec());
            rest = next;
        }
        Ok(contents)
    }

    /// The files of a commit below the directory. Submodules are other repositories.
    fn list(&self, commit: &str) -> Result<Vec<Entry>, Failure> {
        let bytes = self.read(&self.inside(&["ls-tree", "-r", "-z", "--full-tree", commit]))?;
        // A name that is not Unicode can't be a manifest's: patterns are Unicode.
        let lines = bytes.split(|byte| *byte == 0).filter_map(|line| std::str::from_utf8(line).ok());
        Ok(lines.filter_map(|line| entry(line, &self.place.prefix)).collect())
    }

    /// A command about the directory, where that is not the whole work tree.
    fn inside<'a>(&'a self, args: &[&'a str]) -> Vec<&'a str> {
        let mut all = vec!["--literal-pathspecs"];
        all.extend(args);
        if !self.place.prefix.is_empty() {
            all.extend(["--", &self.place.prefix]);
        }
        all
    }

    fn read(&self, args: &[&str]) -> Result<Vec<u8>, Failure> {
        let output = self.run(args, None)?;
        let command = args.iter().find(|arg| !arg.starts_with('-')).unwrap_or(&"");
        if output.status.success() { Ok(output.stdout) } else { Err(failure(command, &output)) }
    }

    /// Runs a command that reads its standard input.
    fn ask(&self, args: &[&str], input: &[u8]) -> Result<Output, Failure> {
        let file = || {
            // A file, so that git can answer before it has read everything.
            let mut file = tempfile::tempfile()?;
            file.write_all(input)?;
            file.rewind()?;
            Ok(file)
        };
        let file = file().map_err(|error: io::Error| {
            Failure::other(format!("a temporary file can't be written: {error}"))
        })?;
        self.run(args, Some(file.into()))
    }

    fn run(&self, args: &[&str], stdin: Option<std::process::Stdio>) -> Result<Output, Failure> {
        self.program.run(&self.place, args, stdin)
    }
}

/// A line of `ls-tree`: `<mode> <type> <id>\t<path>`, with the path from the top.
fn entry(line: &str, prefix: &str) -> Option<Entry> {
    let (head, path) = line.split_once('\t')?;
    let mut words = head.split(' ');
    let (mode, kind, id) = (words.next()?, words.next()?, words.next()?);
    let path = path.strip_prefix(prefix)?.to_owned();
    (kind == "blob").then(|| Entry { path, is_link: mode == "120000", id: id.to_owned() })
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
    String::from_utf8(bytes).map_err(|_| Failure::other("git answers with a path that is not Unicode"))
}

/// The hint if git lacks an object.
const LACKING: &str = "the clone lacks objects, and amigops never fetches: clone without a filter, or fetch all with \
                       `git fetch --refetch --no-filter`";

fn failure(command: &str, output: &Output) -> Failure {
    let reason = reason(output);
    let failure = Failure::other(format!("`git {command}` failed: {reason}"));
    let lacks = ["lazy fetching disabled", "promisor", "not a tree object", "not allowed"];
    if lacks.iter().any(|text| reason.contains(text)) { failure.hint(LACKING) } else { failure }
}

/// What git said, or at least how it ended.
fn reason(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim().trim_start_matches("fatal: ");
    if said.is_empty() { output.status.to_string() } else { said.to_owned() }
}
