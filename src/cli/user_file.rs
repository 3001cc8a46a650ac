//! Opens and reads files that the user names with an argument or a variable: plans, seeds, credentials and so on. Such
//! a file may be a symbolic link and may be in any directory.
//!
//! All functions except [`open_to_append`] refuse a path that is not a regular file. Opening a pipe or a terminal could
//! wait forever, and no signal would end the wait.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::checkout::{PathError, check_regular};

/// The maximum length of a chain of symbolic links. Linux has the same limit.
const MAX_LINKS: usize = 40;

/// Opens a regular file for reading.
///
/// # Errors
///
/// Errors, without waiting, if the path is not a regular file.
pub(super) fn open(path: &Path) -> Result<File, PathError> {
    // Check before opening, because opening a pipe would wake a program that waits for a reader of the pipe.
    check_regular(&fs::metadata(path)?)?;
    let file = without_waiting(OpenOptions::new().read(true)).open(path)?;
    check_regular(&file.metadata()?)?;
    Ok(file)
}

/// Reads a regular file of at most `most` bytes.
///
/// # Errors
///
/// Fails in the same cases as [`open`], and also if the file is larger.
pub(super) fn read(path: &Path, most: u64) -> Result<Vec<u8>, PathError> {
    let mut bytes = Vec::new();
    open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most { Err(PathError::TooLarge(most)) } else { Ok(bytes) }
}

/// Reads a regular text file of at most `most` bytes.
///
/// # Errors
///
/// Fails in the same cases as [`read`], and also if the file is not UTF-8.
pub(super) fn read_text(path: &Path, most: u64) -> Result<String, PathError> {
    String::from_utf8(read(path, most)?).map_err(|_| PathError::NotUtf8)
}

/// Returns the path of the file that is written when `path` is written. If `path` is a symbolic link, this is the file
/// to which the link leads. The file need not exist.
///
/// # Errors
///
/// Errors if the file exists but is not a regular file, or if the link leads back to itself.
pub(super) fn find_target(path: &Path) -> Result<PathBuf, PathError> {
    match fs::metadata(path) {
        Ok(about) => check_regular(&about)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    let mut target = path.to_owned();
    for _ in 0..MAX_LINKS {
        if !fs::symlink_metadata(&target).is_ok_and(|about| about.is_symlink()) {
            return Ok(target);
        }
        let link = fs::read_link(&target)?;
        target = target.parent().unwrap_or(Path::new("")).join(link);
    }
    Err(PathError::Link(path.to_owned()))
}

/// Opens a file for appending, or creates it. The file may also be a device, or a pipe that another process reads.
///
/// # Errors
///
/// Errors if the file can't be opened. Also errors, without waiting, if it is a pipe that no process reads.
pub(super) fn open_to_append(path: &Path) -> io::Result<File> {
    let opened = without_waiting(OpenOptions::new().append(true).create(true)).open(path);
    let file = opened.map_err(|error| match fs::metadata(path) {
        Ok(about) if !about.is_file() && !about.is_dir() && is_without_reader(&error) => {
            io::Error::other("it is a pipe that no process reads, or a socket")
        }
        _ => error,
    })?;
    wait_for_writes(&file)?;
    Ok(file)
}

/// Sets the options so that opening a pipe or a terminal does not wait.
#[cfg(unix)]
fn without_waiting(options: &mut OpenOptions) -> &mut OpenOptions {
    use rustix::fs::OFlags;
    use std::os::unix::fs::OpenOptionsExt;
    options.custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed())
}

/// Undoes the effect of [`without_waiting`] on an open file, so that a write to a full pipe waits instead of failing.
#[cfg(unix)]
fn wait_for_writes(file: &File) -> io::Result<()> {
    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
    fcntl_setfl(file, fcntl_getfl(file)?.difference(OFlags::NONBLOCK))?;
    Ok(())
}

#[cfg(unix)]
fn is_without_reader(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error())
}

#[cfg(not(unix))]
fn without_waiting(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

#[cfg(not(unix))]
fn wait_for_writes(_: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
fn is_without_reader(_: &io::Error) -> bool {
    false
}

#[cfg(all(test, unix))]
mod tests;
