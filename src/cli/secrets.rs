//! Finds the secrets in environment variables, so that all output can mask them.

use std::path::Path;

use super::user_file;
use crate::env::Env;
use crate::manifest::CREDENTIALS_VARIABLE;

/// The prefixes of variables that may contain credentials.
const PREFIXES: &[&str] = &["AMIGO_", "PLATFORM_"];
/// The words that mark secrets. A variable with one of the prefixes contains a secret if its name contains one of these
/// words.
const SECRET_PARTS: &[&str] = &["KEY", "TOKEN", "SECRET", "PASSWORD"];
/// The maximum size of a file that contains a credential, in bytes.
pub(super) const MAX_BYTES: u64 = 64 << 10;

/// Returns the values of all variables that contain credentials, according to their names or to the list of allowed
/// variables. For a variable with the suffix `_FILE`, returns the content of the file that it names.
pub(super) fn read_secrets(env: &Env) -> Vec<String> {
    let mut names: Vec<String> = PREFIXES
        .iter()
        .flat_map(|start| env.names_beginning(start))
        .filter_map(|name| name.into_string().ok())
        .collect();
    names.retain(|name| SECRET_PARTS.iter().any(|part| name.contains(part)));
    for listed in env.variable(CREDENTIALS_VARIABLE).unwrap_or_default().split(',').map(str::trim) {
        names.extend([listed.to_owned(), format!("{listed}_FILE")]);
    }
    let secret = |name: &String| match env.variable(name) {
        Some(path) if name.ends_with("_FILE") => user_file::read_text(Path::new(&path), MAX_BYTES).ok(),
        value => value,
    };
    names.iter().filter_map(secret).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_by_the_names_of_their_variables() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "from-file\n").expect("a file to write");
        let path = file.path().to_str().expect("a path");
        let env = Env::fixed([
            ("AMIGO_API_KEY", "a"),
            ("AMIGO_API_KEY_ID", "b"),
            ("AMIGO_CLINIC_TOKEN", "c"),
            ("PLATFORM_API_KEY_FILE", path),
            ("AMIGO_OLD_KEY_FILE", "nowhere"),
            ("AMIGO_ORGANIZATION_ID", "acme"),
            ("AMIGO_BASE_URL", "https://x"),
            ("GITHUB_TOKEN", "not ours"),
            ("OTHER", "d"),
            ("AMIGOPS_ALLOWED_CREDENTIALS", "OTHER, MISSING"),
        ]);
        let mut found = read_secrets(&env);
        found.sort();
        assert_eq!(found, ["a", "b", "c", "d", "from-file\n"]);
    }
}
