//! Finds the files of a project by patterns, and reads them within limits. Never reads a file outside the project
//! directory.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use walkdir::WalkDir;

use super::collector::{DiagnosticCollector, FileId, Problem, Span, end_of};
use super::decode;
use super::diagnostic::Code;
use super::patterns::{ManifestPattern, ManifestPatterns, help_for_unmatched};
use super::read_file::ReadFile;
use super::tree::{Node, shortened};
use super::yaml::MAX_BYTES;
use crate::checkout::{self, PathError};

/// Decodes the path, in `amigops.yaml`, of a file that amigops reads. Returns the absolute path, or `None` after an
/// error.
pub(super) fn path_to_read(problems: &mut DiagnosticCollector, root: &Path, node: &Node) -> Option<PathBuf> {
    checked_path(problems, root, node, |path| match checkout::resolve(root, path) {
        // A missing file is reported when it is read.
        Err(PathError::Io(_)) => Ok(()),
        other => other.map(|_| ()),
    })
}

/// Decodes the path, in `amigops.yaml`, of a file that amigops creates. Returns the absolute path, or `None` after an
/// error. It is an error if a part of the path is a symbolic link.
pub(super) fn path_to_create(
    problems: &mut DiagnosticCollector,
    root: &Path,
    node: &Node,
) -> Option<PathBuf> {
    checked_path(problems, root, node, |path| checkout::check_own(root, path))
}

fn checked_path(
    problems: &mut DiagnosticCollector,
    root: &Path,
    node: &Node,
    check: impl Fn(&Path) -> Result<(), PathError>,
) -> Option<PathBuf> {
    let text = decode::name(problems, node, "a path")?;
    let path: PathBuf = root.join(text).components().collect();
    let checked = if leaves_project(text) || path == root {
        Err(PathError::Outside)
    } else if checkout::names_git(Path::new(text)) {
        Err(PathError::InGitDirectory)
    } else {
        check(&path)
    };
    match checked {
        Ok(()) => return Some(path),
        Err(error) if error.is_unsafe() => problems.push(unsafe_path(node.span, text, &error)),
        Err(error) => {
            let message = format!("can't use `{}`: {error}", shortened(text));
            problems.push(Problem::error(Code::Unreadable, node.span, message));
        }
    }
    None
}

fn leaves_project(text: &str) -> bool {
    let path = Path::new(text);
    path.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir))
}

/// Creates the problem for a path that leads out of the project, into a `.git` directory, or through a symbolic link.
fn unsafe_path(span: Span, text: &str, error: &PathError) -> Problem {
    let text = shortened(text);
    let (message, label) = match error {
        PathError::Link(part) => (
            format!("`{text}` leads through a symbolic link"),
            format!(
                "`{}` is a symbolic link, and the path of a file that amigops creates must not contain symbolic links",
                part.display()
            ),
        ),
        PathError::InGitDirectory => (
            format!("`{text}` leads into a `.git` directory"),
            "amigops never uses files in a `.git` directory, because they may contain credentials".to_owned(),
        ),
        _ => (
            format!("`{text}` leads out of the project directory"),
            "expected a path below the directory of amigops.yaml".to_owned(),
        ),
    };
    Problem::error(Code::OutsideProject, span, message).label(label)
}

/// Returns a file's path relative to the project's root, with `/` separators.
pub(super) fn relative(root: &Path, path: &Path) -> String {
    let path = path.strip_prefix(root).unwrap_or(path);
    let parts: Vec<_> = path.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    parts.join("/")
}

/// Creates the problem for an invalid glob pattern.
pub(super) fn bad_glob(span: Span, pattern: &str, error: &globset::Error) -> Problem {
    let message = format!("`{}` is not a valid pattern", shortened(pattern));
    Problem::error(Code::BadGlob, span, message).label(error.kind().to_string())
}

struct Pattern<'a> {
    text: &'a str,
    span: Span,
    matcher: ManifestPattern,
    base: PathBuf,
    /// The maximum depth below the project's root at which the pattern can match. `None` means any depth.
    depth: Option<usize>,
    hits: usize,
}

/// Returns the manifest files that the patterns match, ordered by name. Skips the files in `except`, which are not
/// manifests.
pub(super) fn find(
    problems: &mut DiagnosticCollector,
    root: &Path,
    globs: &[(String, Span)],
    except: &[PathBuf],
) -> BTreeMap<String, PathBuf> {
    let mut patterns: Vec<_> =
        globs.iter().filter_map(|(text, span)| pattern(problems, root, text, *span)).collect();
    let mut bases: Vec<PathBuf> = patterns.iter().map(|pattern| pattern.base.clone()).collect();
    bases.sort();
    // A search in a directory includes all directories below it, so those are removed from the list.
    bases.dedup_by(|below, above| below.starts_with(above));
    let mut found = BTreeMap::new();
    for base in bases.iter().filter(|base| fs::symlink_metadata(base).is_ok()) {
        walk(problems, root, base, &mut patterns, &mut |name, path| {
            if !except.contains(&path) {
                found.insert(name, path);
            }
        });
    }
    if patterns.iter().any(|pattern| pattern.hits > 0) {
        for pattern in patterns.iter().filter(|pattern| pattern.hits == 0) {
            let message = format!("`{}` matches no file", shortened(pattern.text));
            let problem = Problem::warning(Code::EmptyGlob, pattern.span, message);
            problems.push(match help_for_unmatched(root, pattern.text) {
                Some(help) => problem.help(help),
                None => problem,
            });
        }
    }
    found
}

fn pattern<'a>(
    problems: &mut DiagnosticCollector,
    root: &Path,
    text: &'a str,
    span: Span,
) -> Option<Pattern<'a>> {
    let unsafe_reason = match Path::new(text) {
        _ if leaves_project(text) => Some(PathError::Outside),
        path if checkout::names_git(path) => Some(PathError::InGitDirectory),
        _ => None,
    };
    if let Some(error) = unsafe_reason {
        problems.push(unsafe_path(span, text, &error));
        return None;
    }
    let plain = text.trim_start_matches("./");
    let matcher = match ManifestPattern::new(plain) {
        Ok(matcher) => matcher,
        Err(error) => {
            let problem = bad_glob(span, text, &error);
            problems.push(match help_for_unmatched(root, text) {
                Some(help) => problem.help(help),
                None => problem,
            });
            return None;
        }
    };
    let literal = plain.split('/').take_while(|part| !part.contains(['*', '?', '[', '{', '\\']));
    let base = root.join(literal.collect::<PathBuf>());
    let depth = (!plain.contains("**") && !plain.contains('{')).then(|| plain.split('/').count());
    Some(Pattern { text, span, matcher, base, depth, hits: 0 })
}

/// Returns true if a project file with this name would be a manifest, because a pattern matches it. Ignores invalid
/// patterns, which are already reported.
pub(super) fn matches(globs: &[(String, Span)], name: &str) -> bool {
    ManifestPatterns::new(globs.iter().map(|(text, _)| text)).is_match(name)
}

fn walk(
    problems: &mut DiagnosticCollector,
    root: &Path,
    base: &Path,
    patterns: &mut [Pattern<'_>],
    found: &mut dyn FnMut(String, PathBuf),
) {
    // The depth is limited so that the pattern `*.yaml` only searches the root, and not all directories below it.
    let above = base.strip_prefix(root).map_or(0, |base| base.components().count());
    let depths =
        patterns.iter().filter(|pattern| pattern.base.starts_with(base)).map(|pattern| pattern.depth);
    let depth = depths
        .reduce(|a, b| Some(a?.max(b?)))
        .flatten()
        .map_or(usize::MAX, |depth| depth.saturating_sub(above));
    let mut entries = WalkDir::new(base).max_depth(depth).follow_links(true).sort_by_file_name().into_iter();
    while let Some(entry) = entries.next() {
        let path = match &entry {
            Ok(entry) => entry.path(),
            Err(error) => error.path().unwrap_or(base),
        };
        let name = relative(root, path);
        let is_dir = entry.as_ref().is_ok_and(|entry| entry.file_type().is_dir());
        if is_dir && path != base && is_skipped(patterns, path) {
            entries.skip_current_dir();
            continue;
        }
        let matched = count_hits(patterns, &name, is_dir);
        match &entry {
            Ok(entry) => match find_unsafe_link(root, entry, base) {
                Some(error) => {
                    if is_dir {
                        entries.skip_current_dir();
                    }
                    let file = problems.add_file(name.clone(), Arc::from(""));
                    problems.push(unsafe_path(Span::whole(file), &name, &error));
                }
                None if matched => found(name, path.to_owned()),
                None => {}
            },
            // A broken link, or a link to a parent directory, is ignored if no pattern matches its name. An unreadable
            // directory is reported, because it may contain manifests.
            Err(error)
                if matched || error.io_error().is_some_and(|io| io.kind() != io::ErrorKind::NotFound) =>
            {
                unreadable(problems, &name, &reason(error));
            }
            Err(_) => {}
        }
    }
}

/// Returns true if a directory is not searched: it is hidden and no pattern names it, or it is a `.git` directory.
fn is_skipped(patterns: &[Pattern<'_>], path: &Path) -> bool {
    let name = Path::new(path.file_name().unwrap_or_default());
    let is_hidden = name.as_os_str().as_encoded_bytes().starts_with(b".");
    is_hidden
        && (checkout::names_git(name) || !patterns.iter().any(|pattern| pattern.matcher.names_hidden(name)))
}

/// Increments the count of each pattern that matches a path, and returns true if at least one matches. A directory
/// matches only if its name ends like the name of a YAML file.
fn count_hits(patterns: &mut [Pattern<'_>], name: &str, is_dir: bool) -> bool {
    if is_dir && !(name.ends_with(".yaml") || name.ends_with(".yml")) {
        return false;
    }
    let mut matched = false;
    for pattern in patterns {
        if pattern.matcher.is_match(Path::new(name)) {
            pattern.hits += 1;
            matched = true;
        }
    }
    matched
}

/// Returns the reason why a directory entry must not be followed, or `None` if following it is safe. Only a link, or
/// the directory where the search starts (`base`), can lead out of the project.
fn find_unsafe_link(root: &Path, entry: &walkdir::DirEntry, base: &Path) -> Option<PathError> {
    if !entry.path_is_symlink() && entry.path() != base {
        return None;
    }
    checkout::resolve(root, entry.path()).err().filter(PathError::is_unsafe)
}

fn reason(error: &walkdir::Error) -> String {
    match (error.io_error(), error.loop_ancestor()) {
        (Some(io), _) => io.to_string(),
        (None, Some(_)) => "a symbolic link leads back to a directory above it".to_owned(),
        (None, None) => "unknown error".to_owned(),
    }
}

/// Reports a file or directory that can't be read.
pub(super) fn unreadable(problems: &mut DiagnosticCollector, name: &str, reason: &str) {
    let file = problems.add_file(name, Arc::from(""));
    problems.push(Problem::error(
        Code::Unreadable,
        Span::whole(file),
        format!("can't read `{name}`: {reason}"),
    ));
}

/// Reads a file of the project within limits, and returns its text without a byte-order mark. If this fails, reports
/// the reason and returns `None`.
pub(super) fn read(
    problems: &mut DiagnosticCollector,
    root: &Path,
    name: &str,
    path: &Path,
) -> Option<(FileId, Arc<str>)> {
    let bytes = match checkout::read(root, path, MAX_BYTES) {
        Ok(bytes) => {
            problems.record_file(ReadFile::new(name, &bytes));
            bytes
        }
        Err(error) if error.is_unsafe() => {
            let file = problems.add_file(name, Arc::from(""));
            problems.push(unsafe_path(Span::whole(file), name, &error));
            return None;
        }
        Err(error) => {
            unreadable(problems, name, &error.to_string());
            return None;
        }
    };
    if bytes.len() as u64 > MAX_BYTES {
        let file = problems.add_file(name, Arc::from(""));
        let message = format!("`{name}` is larger than the limit of {} MB", MAX_BYTES / (1024 * 1024));
        problems.push(
            Problem::error(Code::TooLarge, Span::whole(file), message)
                .help("split the file into several files"),
        );
        return None;
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            let text: Arc<str> = Arc::from(text);
            Some((problems.add_file(name, Arc::clone(&text)), text))
        }
        Err(error) => {
            not_utf8(problems, name, bytes, error.valid_up_to());
            None
        }
    }
}

fn not_utf8(problems: &mut DiagnosticCollector, name: &str, bytes: &[u8], valid: usize) {
    let good = bytes.get(..valid).and_then(|good| std::str::from_utf8(good).ok()).unwrap_or_default();
    let (line, column) = end_of(good, 1, 1);
    let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let file = problems.add_file(name, Arc::from(String::from_utf8_lossy(bytes)));
    let span = Span {
        file,
        start: small(valid),
        end: small(valid + char::REPLACEMENT_CHARACTER.len_utf8()),
        line: small(line),
        column: small(column),
    };
    let byte = bytes.get(valid).copied().unwrap_or_default();
    let problem =
        Problem::error(Code::NotUtf8, span, format!("not UTF-8: byte 0x{byte:02X} at offset {valid}"));
    let utf16 = bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF");
    problems.push(if utf16 {
        problem.help("this looks like UTF-16: save the file as UTF-8")
    } else {
        problem
    });
}
