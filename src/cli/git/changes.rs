//! Compares the files that the loader has read, and all YAML files of the project, with the files of a commit, byte by
//! byte.
//!
//! The files that the loader has read are compared even if git ignores them. If the loader reached a file through
//! symbolic links, the commit must contain the same links.
//!
//! `git status` is not used, because it runs the filters that `.gitattributes` names. So files that git converts on
//! check-out (filters such as LFS or git-crypt, `working-tree-encoding`, `ident`) count as changed. Different line
//! endings do not count as a change.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use walkdir::WalkDir;

use super::links::LinkResolver;
use super::{Entry, Git, LoadedFiles};
use crate::checkout::{self, PathError};
use crate::cli::user_file;
use crate::error::Failure;
use crate::manifest::ManifestPatterns;

/// The maximum size of a file that is compared, in bytes. Manifests are smaller, so a larger file counts as changed.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// The kind of a file that was found in the work tree.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    File,
    /// A symbolic link. The path that it contains is compared, not the content of the file to which it leads.
    Link,
    /// A file that can't be compared, such as a pipe, or a file whose name is not Unicode.
    Other,
}

/// The result of comparing a file in the work tree with the id of the same file in a commit.
#[derive(Debug, PartialEq, Eq)]
enum Comparison {
    Same,
    Different,
    /// The files differ, but perhaps only in line endings. Contains the bytes of the file in the work tree, with LF as
    /// line ending.
    Undecided(Vec<u8>),
}

impl Git {
    /// Returns true if the project differs from the commit. It differs if the commit does not contain every byte that
    /// the loader has read. It also differs if a manifest or another YAML file in the directory was changed, added or
    /// deleted. An added file does not count if git ignores it and the loader has not read it.
    pub(in crate::cli) fn is_changed(&self, commit: &str, loaded: &LoadedFiles<'_>) -> Result<bool, Failure> {
        let committed = self.list(commit)?;
        let directory = self.place.top.join(&self.place.prefix);
        let mut undecided = Vec::new();
        let Some(compared) = compare_loaded(&directory, &committed, loaded, &mut undecided) else {
            return Ok(true);
        };
        let patterns = ManifestPatterns::new(loaded.patterns);
        let mut found = yaml_files(&directory);
        let mut missing = Vec::new();
        for entry in &committed {
            let is_found = found.remove(&entry.path);
            if compared.contains(&entry.path) {
                continue;
            }
            if !is_yaml(&entry.path) {
                let is_there = directory.join(&entry.path).symlink_metadata().is_ok();
                missing.extend(Some(entry).filter(|_| !is_there && patterns.is_match(&entry.path)));
                continue;
            }
            let Some(kind) = is_found else {
                missing.push(entry);
                continue;
            };
            // A file that can't be read counts as changed.
            match compare(entry, &kind, &directory.join(&entry.path)).unwrap_or(Comparison::Different) {
                Comparison::Same => {}
                Comparison::Different => return Ok(true),
                Comparison::Undecided(bytes) => undecided.push((entry, bytes)),
            }
        }
        let added: Vec<&str> = found.keys().map(String::as_str).collect();
        Ok(found.values().any(|kind| *kind == Found::Other)
            || !self.are_left_out(&missing)?
            || !self.are_ignored(&added)?
            || !self.differ_only_in_line_ends(&undecided)?)
    }

    /// Returns true if all of these files are missing because a sparse checkout excludes them.
    fn are_left_out(&self, missing: &[&Entry]) -> Result<bool, Failure> {
        if missing.is_empty() {
            return Ok(true);
        }
        let bytes = self.read(&self.inside(&["ls-files", "-z", "-t"]))?;
        let prefix = &self.place.prefix;
        let left_out: Vec<&str> = bytes
            .split(|byte| *byte == 0)
            .filter_map(|line| {
                std::str::from_utf8(line).ok()?.strip_prefix("S ")?.strip_prefix(prefix.as_str())
            })
            .collect();
        Ok(missing.iter().all(|entry| left_out.contains(&entry.path.as_str())))
    }

    /// Returns true if git ignores all of these files.
    fn are_ignored(&self, added: &[&str]) -> Result<bool, Failure> {
        if added.is_empty() {
            return Ok(true);
        }
        // Without `./`, git would treat a name that begins with a colon as a pattern.
        let prefix = &self.place.prefix;
        let asked: String = added.iter().map(|path| format!("./{prefix}{path}\0")).collect();
        let output = self.ask(&["check-ignore", "-z", "--stdin", "--no-index"], asked.as_bytes())?;
        let ignored = output.stdout.split(|byte| *byte == 0).filter(|line| !line.is_empty()).count();
        Ok(output.status.success() && ignored == added.len())
    }

    fn differ_only_in_line_ends(&self, files: &[(&Entry, Vec<u8>)]) -> Result<bool, Failure> {
        if files.is_empty() {
            return Ok(true);
        }
        let entries: Vec<&Entry> = files.iter().map(|(entry, _)| *entry).collect();
        let contents = self.contents(&entries)?;
        Ok(files.iter().zip(&contents).all(|((_, bytes), content)| *bytes == *with_lf(content)))
    }
}

/// Compares the files that the loader has read with the files of the commit. Returns the paths of the files that were
/// compared, or `None` if a file differs, can't be read, or was changed after the loader read it. Adds files that may
/// differ only in line endings to `undecided`.
fn compare_loaded<'e>(
    directory: &Path,
    committed: &'e [Entry],
    loaded: &LoadedFiles<'_>,
    undecided: &mut Vec<(&'e Entry, Vec<u8>)>,
) -> Option<BTreeSet<String>> {
    let by_path: BTreeMap<&str, &Entry> =
        committed.iter().map(|entry| (entry.path.as_str(), entry)).collect();
    let mut resolver = LinkResolver::new(directory);
    let mut compared = BTreeSet::new();
    for file in loaded.files {
        let resolved = resolver.resolve(&file.name)?;
        for link in resolved.links {
            let entry = *by_path.get(link.as_str())?;
            let is_same =
                entry.is_link && is_id_of(&entry.id, &link_target(&directory.join(&entry.path)).ok()?);
            is_same.then_some(())?;
        }
        let entry = *by_path.get(resolved.path.as_str()).filter(|entry| !entry.is_link)?;
        let bytes = checkout::read(directory, Path::new(&entry.path), MAX_BYTES).ok()?;
        if !file.has_bytes(&bytes) {
            return None;
        }
        match compare_bytes(entry, &bytes) {
            Comparison::Same => {}
            Comparison::Different => return None,
            Comparison::Undecided(bytes) => undecided.push((entry, bytes)),
        }
        compared.insert(resolved.path);
    }
    Some(compared)
}

/// Returns true if the file at a path counts as a YAML file of the project: its name ends with `.yaml` or `.yml`, and
/// it is not in a hidden directory.
fn is_yaml(path: &str) -> bool {
    let hidden = path
        .rsplit_once('/')
        .is_some_and(|(directories, _)| directories.split('/').any(|directory| directory.starts_with('.')));
    !hidden && (path.ends_with(".yaml") || path.ends_with(".yml"))
}

/// Returns the YAML files in a directory and its subdirectories, by relative path. Does not follow links, and skips
/// other repositories (submodules).
fn yaml_files(directory: &Path) -> BTreeMap<String, Found> {
    let is_ours = |entry: &walkdir::DirEntry| {
        entry.depth() == 0
            || !entry.file_type().is_dir()
            || !(entry.file_name().as_encoded_bytes().starts_with(b".")
                || entry.path().join(".git").symlink_metadata().is_ok())
    };
    let mut found = BTreeMap::new();
    // Unreadable directories are skipped, so the commit's files in them count as missing.
    for entry in WalkDir::new(directory).into_iter().filter_entry(is_ours).filter_map(Result::ok) {
        let kind = entry.file_type();
        let Ok(path) = entry.path().strip_prefix(directory) else { continue };
        let names: Vec<Cow<'_, str>> = path.iter().map(|name| name.to_string_lossy()).collect();
        let name = names.join("/");
        if kind.is_dir() || !is_yaml(&name) {
            continue;
        }
        let found_kind = match path.to_str() {
            Some(_) if kind.is_file() => Found::File,
            Some(_) if kind.is_symlink() => Found::Link,
            _ => Found::Other,
        };
        found.insert(name, found_kind);
    }
    found
}

fn compare(entry: &Entry, kind: &Found, path: &Path) -> Result<Comparison, PathError> {
    let bytes = match kind {
        Found::Link if entry.is_link => link_target(path)?,
        // On systems where links need a privilege, git writes the target into a plain file.
        Found::File if !entry.is_link || cfg!(windows) => user_file::read(path, MAX_BYTES)?,
        _ => return Ok(Comparison::Different),
    };
    Ok(compare_bytes(entry, &bytes))
}

fn compare_bytes(entry: &Entry, bytes: &[u8]) -> Comparison {
    if bytes.len() as u64 > MAX_BYTES {
        return Comparison::Different;
    }
    if is_id_of(&entry.id, bytes) {
        return Comparison::Same;
    }
    if entry.is_link {
        return Comparison::Different;
    }
    match with_lf(bytes) {
        Cow::Owned(bytes) if is_id_of(&entry.id, &bytes) => Comparison::Same,
        bytes => Comparison::Undecided(bytes.into_owned()),
    }
}

/// Returns true if the id is the one that git computes for a file with these bytes. Git uses SHA-1, or SHA-256 for
/// longer ids.
fn is_id_of(id: &str, bytes: &[u8]) -> bool {
    use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
    let algorithm = if id.len() == 40 { &SHA1_FOR_LEGACY_USE_ONLY } else { &SHA256 };
    let mut context = Context::new(algorithm);
    context.update(format!("blob {}\0", bytes.len()).as_bytes());
    context.update(bytes);
    let digest: String = context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    digest == id
}

/// Returns the bytes with every CRLF replaced by LF.
fn with_lf(bytes: &[u8]) -> Cow<'_, [u8]> {
    if !bytes.windows(2).any(|pair| pair == b"\r\n") {
        return Cow::Borrowed(bytes);
    }
    let follows = bytes.iter().skip(1).map(Some).chain([None]);
    let kept = bytes.iter().zip(follows).filter(|(byte, next)| !(**byte == b'\r' && *next == Some(&b'\n')));
    Cow::Owned(kept.map(|(byte, _)| *byte).collect())
}

#[cfg(unix)]
fn link_target(path: &Path) -> io::Result<Vec<u8>> {
    use std::os::unix::ffi::OsStringExt;
    Ok(fs::read_link(path)?.into_os_string().into_vec())
}

#[cfg(not(unix))]
fn link_target(path: &Path) -> io::Result<Vec<u8>> {
    Ok(fs::read_link(path)?.to_string_lossy().replace('\\', "/").into_bytes())
}
