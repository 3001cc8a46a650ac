//! What is wrong with a file that people write for an emulator, and where. Imports nothing of ours.

/// What is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {message}")]
pub struct FileError {
    /// From 1; 0 where the place is unknown.
    pub line: u64,
    /// From 1; 0 where the place is unknown.
    pub column: u64,
    /// What is wrong.
    pub message: String,
}

impl FileError {
    /// What the reader of YAML says.
    pub(super) fn of_yaml(error: &serde_saphyr::Error) -> Self {
        let place = error.location();
        Self {
            line: place.map_or(0, |place| place.line()),
            column: place.map_or(0, |place| place.column()),
            message: error.without_snippet().to_string(),
        }
    }
}
