//! Reads and writes files. Most files are written as temporary files first, so that they are written completely or not
//! at all.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::context::Context;
use super::user_file;
use crate::checkout::{self, PathError};
use crate::error::Failure;

/// The maximum size of a manifest, in bytes. The loader has the same limit.
const MAX_MANIFEST_BYTES: u64 = crate::manifest::MAX_BYTES;

/// Writes a new file. Fails if the file exists.
pub(super) fn create(path: &Path, text: &str) -> Result<(), Failure> {
    write(path, text, Over::Nothing).map_err(|error| failure(path, &error))
}

/// Writes or replaces a file that only its owner can read. The path must not be a symbolic link, because the link would
/// be replaced.
///
/// # Errors
///
/// Errors if the file can't be written. In that case, an existing file is unchanged.
pub(super) fn write_private(path: &Path, text: &str) -> io::Result<()> {
    // `tempfile` creates files that only their owner can read.
    let mut file = temporary(path, tempfile::Builder::new().prefix(".amigops-"))?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// Replaces the text of a file of the project, and keeps its permissions. If the file is a symbolic link, replaces the
/// text of its target.
pub(super) fn replace(root: &Path, name: &str, text: &str) -> Result<(), Failure> {
    let written = || {
        let real = checkout::resolve_file(root, Path::new(name))?;
        let permissions = fs::metadata(&real)?.permissions();
        Ok(write(&real, text, Over::Anything(Some(permissions)))?)
    };
    written().map_err(|error: PathError| Failure::other(format!("can't write `{name}`: {error}")))
}

/// Reads the text of a manifest that will be edited.
pub(super) fn read_manifest(root: &Path, name: &str) -> Result<String, PathError> {
    checkout::read_text(root, Path::new(name), MAX_MANIFEST_BYTES)
}

/// Creates a directory in a project, and returns its real path.
pub(super) fn make_directory(root: &Path, path: &Path) -> Result<PathBuf, Failure> {
    checkout::make_directory(root, path)
        .map_err(|error| Failure::other(format!("can't create the directory `{}`: {error}", path.display())))
}

/// Writes or replaces a file that every user may read. Other processes see either the old or the new text, never only a
/// part of it.
pub(super) fn publish(path: &Path, text: &str) -> Result<(), Failure> {
    write(path, text, Over::Anything(readable())).map_err(|error| failure(path, &error))
}

/// Writes a generated file into a directory, and prints the path of the file. Creates the directory if it is missing.
pub(super) fn write_generated(
    context: &Context<'_>,
    directory: &Path,
    name: &str,
    bytes: &[u8],
) -> Result<(), Failure> {
    let path = directory.join(name);
    let written = || {
        fs::create_dir_all(directory)?;
        Ok(fs::write(user_file::find_target(&path)?, bytes)?)
    };
    written()
        .map_err(|error: PathError| Failure::other(format!("can't write `{}`: {error}", path.display())))?;
    context.ui.note(&format!("wrote {}", path.display()));
    Ok(())
}

#[cfg(unix)]
fn readable() -> Option<fs::Permissions> {
    use std::os::unix::fs::PermissionsExt;
    Some(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable() -> Option<fs::Permissions> {
    None
}

/// The choice whether a write may replace an existing file at the same path.
enum Over {
    Nothing,
    /// The write may replace an existing file. The new file gets these permissions, or the usual permissions of a new
    /// file for `None`.
    Anything(Option<fs::Permissions>),
}

fn write(path: &Path, text: &str, over: Over) -> io::Result<()> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".amigops-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // The permissions that a new file has before the process's umask is applied.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = temporary(path, &builder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    match over {
        Over::Anything(permissions) => {
            if let Some(permissions) = permissions {
                file.as_file().set_permissions(permissions)?;
            }
            file.persist(path)?;
        }
        Over::Nothing => {
            file.persist_noclobber(path)?;
        }
    }
    Ok(())
}

/// Creates a temporary file in the directory of `path`. The error contains only the reason, not the name of the
/// temporary file.
fn temporary(path: &Path, builder: &tempfile::Builder<'_, '_>) -> io::Result<tempfile::NamedTempFile> {
    if let Some(problem) = check_directory(path) {
        return Err(io::Error::other(problem));
    }
    builder.tempfile_in(directory_of(path)).map_err(|error| io::Error::from(error.kind()))
}

/// Returns a message that says why the directory of a file can't be used, or `None` if it can be used.
pub(super) fn check_directory(path: &Path) -> Option<String> {
    let directory = directory_of(path);
    let name = directory.display();
    match directory.metadata() {
        Ok(about) if about.is_dir() => None,
        Ok(_) => Some(format!("`{name}` is not a directory")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Some(format!("the directory `{name}` does not exist"))
        }
        Err(error) => Some(format!("can't read the directory `{name}`: {error}")),
    }
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn failure(path: &Path, error: &io::Error) -> Failure {
    Failure::other(format!("can't write `{}`: {error}", path.display()))
}
