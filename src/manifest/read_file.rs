//! Records of the files that a load has read, so that they can be compared with the files of a commit.

use ring::digest::{SHA256, digest};

/// A file that a load has read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadFile {
    /// The file's path relative to the project.
    pub name: String,
    /// The SHA-256 of the bytes that were read.
    digest: Vec<u8>,
}

impl ReadFile {
    /// Records that these bytes of a file were read.
    pub fn new(name: &str, bytes: &[u8]) -> Self {
        Self { name: name.to_owned(), digest: digest(&SHA256, bytes).as_ref().to_vec() }
    }

    /// Returns true if these bytes equal the bytes that were read.
    pub fn has_bytes(&self, bytes: &[u8]) -> bool {
        digest(&SHA256, bytes).as_ref() == self.digest
    }
}
