//! The settings of an environment that can come from variables: its credentials, and its organization or workspace.

use std::path::Path;

use secrecy::{ExposeSecret, SecretString};

use super::context::Context;
use super::{secrets, user_file};
use crate::env::Env;
use crate::error::Failure;
use crate::manifest::CredentialVariables;
use crate::model::code_point;
use crate::remote::Credentials;

/// The variables that can contain the name of the organization.
pub(super) const ORGANIZATION_VARIABLES: &[&str] = &["AMIGO_ORGANIZATION_ID"];
/// The variables that can contain the id of the workspace. The first one that is set is used.
pub(super) const WORKSPACE_VARIABLES: &[&str] = &["PLATFORM_WORKSPACE_ID", "AMIGO_WORKSPACE_ID"];

/// The organization or workspace of an environment, and the credentials to sign in with.
pub(super) struct Login {
    /// The name of the organization, or the id of the workspace.
    pub(super) organization: String,
    pub(super) credentials: Credentials,
    /// The variables that the credentials come from, for messages.
    pub(super) variables: Vec<String>,
}

/// Returns the organization and the Classic credentials. The organization comes from the project file, or else from a
/// variable. The credentials come from variables.
///
/// # Errors
///
/// Fails if a value can't be used, or if a value is missing. The error lists all missing values.
pub(super) fn read_classic(
    context: &Context<'_>,
    environment: &str,
    organization: Option<&String>,
    names: &CredentialVariables,
) -> Result<Login, Failure> {
    let mut missing = MissingSettings::default();
    let organization =
        missing.check(setting(context.env, organization, "organization", ORGANIZATION_VARIABLES)?);
    let mut variables = Vec::new();
    let mut read = |what, name: &Option<String>, default| {
        let secret = read_secret(context.env, what, &[name.as_deref().unwrap_or(default)])?;
        Ok::<_, Failure>(missing.check(hidden(context, secret)).map(|Secret { value, variable }| {
            variables.push(variable);
            value
        }))
    };
    let api_key = read("API key", &names.api_key, "AMIGO_API_KEY")?;
    let api_key_id = read("API key id", &names.api_key_id, "AMIGO_API_KEY_ID")?;
    let user_id = read("user", &names.user_id, "AMIGO_USER_ID")?;
    match (organization, api_key, api_key_id, user_id) {
        (Some(organization), Some(api_key), Some(api_key_id), Some(user_id)) => {
            let credentials = Credentials::SignIn { api_key, api_key_id, user_id };
            Ok(Login { organization, credentials, variables })
        }
        _ => Err(missing.failure(environment)),
    }
}

/// Returns the workspace and the Platform key. The workspace comes from the project file, or else from a variable. The
/// key comes from a variable.
///
/// # Errors
///
/// Fails if a value can't be used, or if a value is missing. The error lists all missing values.
pub(super) fn read_platform(
    context: &Context<'_>,
    environment: &str,
    workspace: Option<&String>,
    names: &CredentialVariables,
) -> Result<Login, Failure> {
    let mut missing = MissingSettings::default();
    let workspace = missing.check(setting(context.env, workspace, "workspace", WORKSPACE_VARIABLES)?);
    let variables = match &names.api_key {
        Some(name) => vec![name.as_str()],
        None => vec!["PLATFORM_API_KEY", "AMIGO_API_KEY"],
    };
    let key = missing.check(hidden(context, read_secret(context.env, "API key", &variables)?));
    match (workspace, key) {
        (Some(organization), Some(Secret { value, variable })) => {
            Ok(Login { organization, credentials: Credentials::Key(value), variables: vec![variable] })
        }
        _ => Err(missing.failure(environment)),
    }
}

/// A setting that is neither in the project file nor in a variable.
#[derive(Debug)]
struct MissingSetting {
    /// The name of the setting, such as "API key".
    what: &'static str,
    /// The part of the message that says which variables are not set, or are empty. `None` for a setting that the
    /// project file can contain, because the hint names its variables.
    unset: Option<String>,
    /// A hint on how the user can set the setting.
    hint: String,
}

/// All settings that are missing, so that one error reports them together.
#[derive(Default)]
struct MissingSettings(Vec<MissingSetting>);

impl MissingSettings {
    /// Returns a setting that was found. If it was not found, records it as missing and returns `None`.
    fn check<T>(&mut self, setting: Result<T, MissingSetting>) -> Option<T> {
        setting.map_err(|missing| self.0.push(missing)).ok()
    }

    /// Returns the failure for an environment that lacks these settings.
    fn failure(self, environment: &str) -> Failure {
        if let [MissingSetting { what, unset, hint }] = self.0.as_slice() {
            let reason = unset.as_ref().map_or_else(String::new, |unset| format!(": {unset}"));
            return Failure::other(format!("environment `{environment}` has no {what}{reason}")).hint(hint);
        }
        let names: Vec<String> = self.0.iter().map(|one| format!("no {}", one.what)).collect();
        let names = match names.as_slice() {
            [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
            names => names.concat(),
        };
        let failure = Failure::other(format!("environment `{environment}` has {names}"));
        self.0.into_iter().fold(failure, |failure, MissingSetting { unset, hint, .. }| {
            failure.hint(unset.map_or_else(|| hint.clone(), |unset| format!("{unset}: {hint}")))
        })
    }
}

/// Returns the value `file` from the project file, or else the value of the first of these variables that is set. The
/// inner result is an error if there is neither.
///
/// # Errors
///
/// Fails if the value of the variable can't be used.
fn setting(
    env: &Env,
    file: Option<&String>,
    key: &'static str,
    variables: &[&str],
) -> Result<Result<String, MissingSetting>, Failure> {
    let value = match file {
        Some(value) => Some(value.clone()),
        None => first_variable(env, variables)?,
    };
    Ok(value.ok_or_else(|| {
        let hint = format!("set `{key}:` in amigops.yaml, or the variable {}", variables.join(" or "));
        MissingSetting { what: key, unset: None, hint }
    }))
}

/// Returns the value of the first of these variables that is set, without surrounding white space. Returns `None` if no
/// variable is set.
///
/// # Errors
///
/// Fails if the value can't be part of an address.
pub(super) fn first_variable(env: &Env, names: &[&str]) -> Result<Option<String>, Failure> {
    for name in names {
        if let Some(value) = variable(env, name)? {
            return checked(value, name).map(Some);
        }
    }
    Ok(None)
}

/// Returns the value of a variable, without surrounding white space. Returns `None` if the variable is not set, or
/// contains only white space.
///
/// # Errors
///
/// Fails if the value is not UTF-8.
pub(super) fn variable(env: &Env, name: &str) -> Result<Option<String>, Failure> {
    let Some(value) = env.variable_os(name) else { return Ok(None) };
    let value = value.into_string().map_err(|_| Failure::other(format!("{name} is not UTF-8")))?;
    Ok(Some(value.trim().to_owned()).filter(|value| !value.is_empty()))
}

/// Checks that a value can be sent as part of an address or a header: it must be visible ASCII. `source` says where the
/// value comes from. The error does not show the value.
fn checked(value: String, source: &str) -> Result<String, Failure> {
    match value.chars().find(|c| !c.is_ascii_graphic()) {
        None => Ok(value),
        Some(c) => {
            let found = if c == ' ' { "a space".to_owned() } else { code_point(c) };
            let failure = Failure::other(format!("{source} contains {found}, so it can't be used"));
            Err(failure
                .hint("only letters, digits and punctuation of ASCII are allowed: copy the value again"))
        }
    }
}

/// A secret, and the variable that it comes from.
#[derive(Debug)]
struct Secret {
    value: SecretString,
    variable: String,
}

/// Hides a secret in all further output, and returns the secret.
fn hidden(context: &Context<'_>, secret: Result<Secret, MissingSetting>) -> Result<Secret, MissingSetting> {
    secret.inspect(|secret| context.ui.hide(secret.value.expose_secret()))
}

/// Reads a secret from the first of the variables `names` that is set. The user can also put the secret into a file:
/// the variable with the same name and the suffix `_FILE` contains the path of the file. The inner result is an error
/// if no variable is set.
///
/// # Errors
///
/// Fails if a variable is set with and without the suffix `_FILE`, if the file can't be read, or if the value can't be
/// sent.
fn read_secret(
    env: &Env,
    what: &'static str,
    names: &[&str],
) -> Result<Result<Secret, MissingSetting>, Failure> {
    let secret =
        |value: String, variable: &str| Ok(Ok(Secret { value: value.into(), variable: variable.to_owned() }));
    for name in names {
        let file_name = format!("{name}_FILE");
        match (variable(env, name)?, env.variable_os(&file_name)) {
            (Some(value), None) => return secret(checked(value, name)?, name),
            (None, Some(file)) => return secret(read_secret_file(Path::new(&file), &file_name)?, &file_name),
            (Some(_), Some(_)) => {
                return Err(
                    Failure::other(format!("both {name} and {file_name} are set")).hint("unset one of them")
                );
            }
            (None, None) => {}
        }
    }
    let unset = describe_unset(env, names);
    let files = names.iter().map(|name| format!("{name}_FILE")).collect::<Vec<_>>().join(" or ");
    let hint =
        format!("set {}, or set {files} to the path of a file that contains the value", names.join(" or "));
    Ok(Err(MissingSetting { what, unset: Some(unset), hint }))
}

/// Returns a text that says which of these variables are not set, and which are empty.
fn describe_unset(env: &Env, names: &[&str]) -> String {
    let (empty, unset): (Vec<&str>, Vec<&str>) = names.iter().partition(|name| env.is_set(name));
    let describe = |names: &[&str], state| match names {
        [] => None,
        [name] => Some(format!("{name} is {state}")),
        names => Some(format!("{} are {state}", names.join(" and "))),
    };
    let parts = [describe(&empty, "empty"), describe(&unset, "not set")];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", and ")
}

/// Reads a secret from the file that a variable names. Surrounding white space is not part of the secret.
///
/// # Errors
///
/// Fails if the file can't be read, is empty, or contains a secret that can't be sent.
fn read_secret_file(file: &Path, variable: &str) -> Result<String, Failure> {
    let source = format!("the file `{}`, which {variable} names,", file.display());
    let text = user_file::read_text(file, secrets::MAX_BYTES).map_err(|error| {
        Failure::other(format!("can't read the file `{}`, which {variable} names: {error}", file.display()))
    })?;
    match text.trim() {
        "" => Err(Failure::other(format!("{source} is empty"))),
        value => checked(value.to_owned(), &source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret_of(variables: &[(&str, &str)], names: &[&str]) -> Result<String, String> {
        let env = Env::fixed(variables.iter().copied());
        let secret = read_secret(&env, "API key", names).map(|secret| {
            let mut missing = MissingSettings::default();
            missing.check(secret).ok_or_else(|| missing.failure("prod"))
        });
        match secret.flatten() {
            Ok(secret) => Ok(secret.value.expose_secret().to_owned()),
            Err(failure) => Err(words(&failure)),
        }
    }

    fn words(failure: &Failure) -> String {
        match failure {
            Failure::Other { message, hints } => [std::slice::from_ref(message), hints].concat().join("\n"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_secret_comes_from_the_first_variable_that_is_set() {
        let names = ["PLATFORM_API_KEY", "AMIGO_API_KEY"];
        assert_eq!(
            secret_of(&[("AMIGO_API_KEY", " b "), ("PLATFORM_API_KEY", "a")], &names),
            Ok("a".to_owned())
        );
        assert_eq!(secret_of(&[("AMIGO_API_KEY", " b ")], &names), Ok("b".to_owned()));
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "c\n").expect("a file to write");
        let path = file.path().to_str().expect("a path");
        assert_eq!(
            secret_of(&[("PLATFORM_API_KEY_FILE", path), ("AMIGO_API_KEY", "b")], &names),
            Ok("c".to_owned())
        );
        let both = secret_of(&[("AMIGO_API_KEY", "b"), ("AMIGO_API_KEY_FILE", path)], &names);
        assert!(both.is_err_and(|error| error.contains("both AMIGO_API_KEY and AMIGO_API_KEY_FILE are set")));
        insta::assert_snapshot!(secret_of(&[], &names).expect_err("nothing is set"), @r"
        environment `prod` has no API key: PLATFORM_API_KEY and AMIGO_API_KEY are not set
        set PLATFORM_API_KEY or AMIGO_API_KEY, or set PLATFORM_API_KEY_FILE or AMIGO_API_KEY_FILE to the path of a file that contains the value
        ");
    }

    #[test]
    fn a_secret_that_cant_be_sent_is_refused_by_the_name_of_its_variable_or_file() {
        let names = ["PLATFORM_API_KEY", "AMIGO_API_KEY"];
        let refused = |value: &str| {
            let refused = secret_of(&[("AMIGO_API_KEY", value)], &names).expect_err(value);
            assert!(!refused.contains("s3cret"), "{refused}");
            refused.lines().next().unwrap_or_default().to_owned()
        };
        for (value, words) in [
            ("s3cret\nkey", "AMIGO_API_KEY contains U+000A (line break), so it can't be used"),
            ("s3cret\r\nkey", "AMIGO_API_KEY contains U+000D (carriage return), so it can't be used"),
            ("\u{feff}s3cret", "AMIGO_API_KEY contains U+FEFF (byte-order mark), so it can't be used"),
            ("s3cret\u{200b}", "AMIGO_API_KEY contains U+200B (zero-width space), so it can't be used"),
            ("s3cret key", "AMIGO_API_KEY contains a space, so it can't be used"),
            (
                " \n",
                "environment `prod` has no API key: AMIGO_API_KEY is empty, and PLATFORM_API_KEY is not set",
            ),
        ] {
            assert_eq!(refused(value), words, "{value:?}");
        }
        let file = tempfile::NamedTempFile::new().expect("a file");
        let path = file.path().to_str().expect("a path");
        for (bytes, words) in [
            (&b"s3cret\nkey\n"[..], "contains U+000A (line break)"),
            (b"\xef\xbb\xbfs3cret\n", "contains U+FEFF (byte-order mark)"),
            (b"\xff\xfes\0", "is not UTF-8"),
            (b"", "is empty"),
            (b" \r\n", "is empty"),
        ] {
            std::fs::write(file.path(), bytes).expect("a file to write");
            let refused = secret_of(&[("AMIGO_API_KEY_FILE", path)], &names).expect_err(words);
            assert!(refused.contains(words), "{refused}");
            assert!(refused.contains(path) && refused.contains("AMIGO_API_KEY_FILE"), "{refused}");
        }
        std::fs::write(file.path(), "s3cret-key\r\n").expect("a file to write");
        assert_eq!(secret_of(&[("AMIGO_API_KEY_FILE", path)], &names), Ok("s3cret-key".to_owned()));
    }

    #[test]
    fn the_organization_and_the_workspace_are_trimmed() {
        let of =
            |value| first_variable(&Env::fixed([("AMIGO_ORGANIZATION_ID", value)]), ORGANIZATION_VARIABLES);
        assert_eq!(of(" acme\r\n").expect("a usable value").as_deref(), Some("acme"));
        assert_eq!(of(" \n").expect("a usable value"), None);
        let refused = words(&of("ac\u{feff}me").expect_err("a byte-order mark"));
        assert!(refused.contains("AMIGO_ORGANIZATION_ID contains U+FEFF"), "{refused}");
    }

    #[test]
    fn everything_that_is_missing_is_reported_at_once() {
        let env = Env::fixed([("AMIGO_API_KEY", "a")]);
        let mut missing = MissingSettings::default();
        missing.check(setting(&env, None, "organization", ORGANIZATION_VARIABLES).expect("a usable value"));
        for (what, name) in
            [("API key", "AMIGO_API_KEY"), ("API key id", "AMIGO_API_KEY_ID"), ("user", "AMIGO_USER_ID")]
        {
            missing.check(read_secret(&env, what, &[name]).expect("nothing is set twice"));
        }
        insta::assert_snapshot!(words(&missing.failure("prod")), @r"
        environment `prod` has no organization, no API key id and no user
        set `organization:` in amigops.yaml, or the variable AMIGO_ORGANIZATION_ID
        AMIGO_API_KEY_ID is not set: set AMIGO_API_KEY_ID, or set AMIGO_API_KEY_ID_FILE to the path of a file that contains the value
        AMIGO_USER_ID is not set: set AMIGO_USER_ID, or set AMIGO_USER_ID_FILE to the path of a file that contains the value
        ");
    }

    #[test]
    fn a_setting_in_the_file_overrides_variables_and_the_first_variable_overrides_the_second() {
        let workspace = |env: &Env, file: Option<&str>| {
            let file = file.map(str::to_owned);
            setting(env, file.as_ref(), "workspace", WORKSPACE_VARIABLES).expect("a usable value").ok()
        };
        let env = Env::fixed([("AMIGO_WORKSPACE_ID", "later"), ("PLATFORM_WORKSPACE_ID", "first")]);
        assert_eq!(workspace(&env, Some("file")).as_deref(), Some("file"));
        assert_eq!(workspace(&env, None).as_deref(), Some("first"));
        let env = Env::fixed([("AMIGO_WORKSPACE_ID", "later"), ("PLATFORM_WORKSPACE_ID", "")]);
        assert_eq!(workspace(&env, None).as_deref(), Some("later"));
        assert_eq!(workspace(&Env::fixed([("A", "b")]), None), None);
    }
}
