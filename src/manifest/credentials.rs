//! `credentials:` of an environment: names of variables, never secrets. Imports nothing of ours.

use super::decode::{Fields, Shape};
use super::diagnostic::{Code, Location};
use super::sink::{Problem, Sink, Span};
use super::tree::{Node, Value};

/// Names of environment variables; absent: the usual ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The variable with the API key.
    pub api_key: Option<String>,
    /// The variable with the API key's id.
    pub api_key_id: Option<String>,
    /// The variable with the user's id.
    pub user_id: Option<String>,
}

impl Credentials {
    /// The variables that are named: of the API key, of its id, of the user.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let Self { api_key, api_key_id, user_id } = self;
        [api_key, api_key_id, user_id].into_iter().flatten().map(String::as_str)
    }

    const KEYS: [&str; 3] = ["api_key", "api_key_id", "user_id"];
}

pub(super) const CLASSIC_CREDENTIALS: Shape =
    Shape { what: "`credentials`", keys: &["api_key", "api_key_id", "user_id"], help: "" };
pub(super) const PLATFORM_CREDENTIALS: Shape = Shape { what: "`credentials`", keys: &["api_key"], help: "" };

/// Reads the names of the variables that hold an environment's credentials.
pub(super) fn decode(sink: &mut Sink, fields: Fields<'_>, shape: &Shape) -> Credentials {
    let Some(node) = fields.get(sink, "credentials") else { return Credentials::default() };
    mask(sink, node);
    // A wrong type must not be described either: the description would show it.
    if !matches!(node.value, Value::Map(_)) {
        sink.push(bad_credential(node.span, "credentials"));
        return Credentials::default();
    }
    let Some(fields) = Fields::open(sink, node, shape) else { return Credentials::default() };
    let mut part = |name: &str| {
        let node = fields.get(sink, name)?;
        match &node.value {
            Value::Text(text) if is_variable(text) && text.ends_with("_FILE") => {
                sink.push(names_a_file(node.span, text));
                None
            }
            Value::Text(text) if is_variable(text) => Some(text.clone()),
            _ => {
                sink.push(bad_credential(node.span, &format!("credentials.{name}")));
                None
            }
        }
    };
    Credentials { api_key: part("api_key"), api_key_id: part("api_key_id"), user_id: part("user_id") }
}

/// The places of the variables that are named, in the order of [`Credentials::names`].
pub(super) fn places(sink: &Sink, fields: Fields<'_>, credentials: &Credentials) -> Vec<Location> {
    let Some(Value::Map(map)) = fields.raw("credentials").map(|node| &node.value) else { return Vec::new() };
    let Credentials { api_key, api_key_id, user_id } = credentials;
    let named = Credentials::KEYS.into_iter().zip([api_key, api_key_id, user_id]);
    let named = named.filter(|(_, variable)| variable.is_some());
    named.filter_map(|(key, _)| map.get(key)).map(|node| sink.location(node.span)).collect()
}

/// Whatever is not plainly a variable's name is masked, under whichever key it stands.
pub(super) fn mask(sink: &mut Sink, node: &Node) {
    match &node.value {
        Value::Map(map) => map.entries.iter().for_each(|(_, value)| mask(sink, value)),
        Value::List(items) => items.iter().for_each(|item| mask(sink, item)),
        Value::Text(text) if is_variable(text) => {}
        _ => sink.mask(node.span),
    }
}

fn bad_credential(span: Span, name: &str) -> Problem {
    let message = format!("`{name}` holds names of environment variables");
    Problem::error(Code::BadCredential, span, message)
        .label("this isn't one, and is not shown: it may be a secret")
        .help(
            "names are upper case, such as AMIGO_ACME_API_KEY; change the credential if this was a real one",
        )
}

/// A variable that holds the name of a file, which is no credential.
fn names_a_file(span: Span, name: &str) -> Problem {
    let credential = name.trim_end_matches("_FILE");
    Problem::error(
        Code::BadCredential,
        span,
        format!("`{name}` is the variable of a file, not of a credential"),
    )
    .label(format!("`{credential}` is meant: the file that `{name}` names is read where that is set"))
}

/// Whether a text is the name of a variable rather than a secret: upper case with digits and
/// underscores, and not a long run of letters and digits without one.
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
    fn a_secret_is_no_variable() {
        for name in ["AMIGO_API_KEY", "_X", "ACME2_KEY", "STAGINGORGANIZATIONKEY"] {
            assert!(is_variable(name), "{name} names a variable");
        }
        for secret in ["", "sk-12", "9A", "AKIA1234567890ABCDEF", "amigo_key", "K_0123456789ABCDEF0", "A B"] {
            assert!(!is_variable(secret), "{secret} may be a secret");
        }
    }
}
