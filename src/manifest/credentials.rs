//! Decodes the key `credentials` of an environment, which contains names of environment variables and never secrets.

use super::collector::{DiagnosticCollector, Problem, Span};
use super::decode::{Fields, Shape};
use super::diagnostic::{Code, Location};
use super::tree::{Node, Value};

/// The names of the environment variables that contain credentials. `None` means that the file names no variable, so
/// the default variable is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CredentialVariables {
    /// The name of the variable that contains the API key.
    pub api_key: Option<String>,
    /// The name of the variable that contains the id of the API key.
    pub api_key_id: Option<String>,
    /// The name of the variable that contains the user's id.
    pub user_id: Option<String>,
}

impl CredentialVariables {
    /// Returns the names that are set, in this order: API key, API key id, user id.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let Self { api_key, api_key_id, user_id } = self;
        [api_key, api_key_id, user_id].into_iter().flatten().map(String::as_str)
    }

    const KEYS: [&str; 3] = ["api_key", "api_key_id", "user_id"];
}

pub(super) const CLASSIC_CREDENTIALS: Shape =
    Shape { what: "`credentials`", keys: &["api_key", "api_key_id", "user_id"], help: "" };
pub(super) const PLATFORM_CREDENTIALS: Shape = Shape { what: "`credentials`", keys: &["api_key"], help: "" };

/// Decodes the names of the variables that contain an environment's credentials. Reports invalid names and leaves them
/// out.
pub(super) fn decode(
    problems: &mut DiagnosticCollector,
    fields: Fields<'_>,
    shape: &Shape,
) -> CredentialVariables {
    let Some(node) = fields.get(problems, "credentials") else { return CredentialVariables::default() };
    mask(problems, node);
    // Don't describe a value of the wrong type: the description would show it.
    if !matches!(node.value, Value::Map(_)) {
        problems.push(bad_credential(node.span, "credentials"));
        return CredentialVariables::default();
    }
    let Some(fields) = Fields::open(problems, node, shape) else { return CredentialVariables::default() };
    let mut part = |name: &str| {
        let node = fields.get(problems, name)?;
        match &node.value {
            Value::Text(text) if is_variable(text) && text.ends_with("_FILE") => {
                problems.push(names_a_file(node.span, text));
                None
            }
            Value::Text(text) if is_variable(text) => Some(text.clone()),
            _ => {
                problems.push(bad_credential(node.span, &format!("credentials.{name}")));
                None
            }
        }
    };
    CredentialVariables { api_key: part("api_key"), api_key_id: part("api_key_id"), user_id: part("user_id") }
}

/// Returns the locations, in `amigops.yaml`, of the variable names that are set. They are in the order of
/// [`CredentialVariables::names`].
pub(super) fn places(
    problems: &DiagnosticCollector,
    fields: Fields<'_>,
    credentials: &CredentialVariables,
) -> Vec<Location> {
    let Some(Value::Map(map)) = fields.raw("credentials").map(|node| &node.value) else { return Vec::new() };
    let CredentialVariables { api_key, api_key_id, user_id } = credentials;
    let named = CredentialVariables::KEYS.into_iter().zip([api_key, api_key_id, user_id]);
    let named = named.filter(|(_, variable)| variable.is_some());
    named.filter_map(|(key, _)| map.get(key)).map(|node| problems.location(node.span)).collect()
}

/// Masks, in all reports, every value of a tree that is not clearly the name of a variable.
pub(super) fn mask(problems: &mut DiagnosticCollector, node: &Node) {
    match &node.value {
        Value::Map(map) => map.entries.iter().for_each(|(_, value)| mask(problems, value)),
        Value::List(items) => items.iter().for_each(|item| mask(problems, item)),
        Value::Text(text) if is_variable(text) => {}
        _ => problems.mask(node.span),
    }
}

fn bad_credential(span: Span, name: &str) -> Problem {
    let message = format!("`{name}` must contain names of environment variables");
    Problem::error(Code::BadCredential, span, message)
        .label("this is not the name of a variable; it is masked because it may be a secret")
        .help("use an upper-case name such as AMIGO_ACME_API_KEY; if this was a real credential, revoke it")
}

/// Creates the problem for a variable name that ends with `_FILE`, such as `AMIGO_API_KEY_FILE`. Such a variable
/// contains the name of a file and not a credential.
fn names_a_file(span: Span, name: &str) -> Problem {
    let credential = name.trim_end_matches("_FILE");
    Problem::error(Code::BadCredential, span, format!("`{name}` names a file, not a credential"))
        .label(format!("write `{credential}` instead: amigops also reads the file that `{name}` names"))
}

/// Returns true if a string looks like the name of a variable and not like a secret. A name consists of upper-case
/// letters, digits and underscores. A part between underscores that is long (16 characters or more) and contains a
/// digit may be a secret.
fn is_variable(text: &str) -> bool {
    let starts_well = text.starts_with(|c: char| c.is_ascii_uppercase() || c == '_');
    let fits = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let token_like = text.split('_').any(|part| part.len() >= 16 && part.bytes().any(|b| b.is_ascii_digit()));
    starts_well && text.chars().all(fits) && text.len() <= 100 && !token_like
}

#[cfg(test)]
mod tests {
    use super::is_variable;

    #[test]
    fn secrets_are_not_variable_names() {
        for name in ["AMIGO_API_KEY", "_X", "ACME2_KEY", "STAGINGORGANIZATIONKEY"] {
            assert!(is_variable(name), "{name} names a variable");
        }
        for secret in ["", "sk-12", "9A", "AKIA1234567890ABCDEF", "amigo_key", "K_0123456789ABCDEF0", "A B"] {
            assert!(!is_variable(secret), "{secret} may be a secret");
        }
    }
}
