//! The settings of an environment that can come from variables: its credentials, and its organization or workspace.

use secrecy::{ExposeSecret, SecretString};

use super::context::Context;
use crate::env::Env;
use crate::error::Failure;
use crate::manifest::CredentialVariables;
use crate::remote::Credentials;

/// The environment variables that can contain the name of the organization.
const ORGANIZATION_VARIABLES: &[&str] = &["AMIGO_ORGANIZATION_ID"];
/// The environment variables that can contain the id of the workspace. The first one that is set is used.
pub(super) const WORKSPACE_VARIABLES: &[&str] = &["PLATFORM_WORKSPACE_ID", "AMIGO_WORKSPACE_ID"];

/// The organization or workspace of an environment, and the credentials to sign in with.
pub(super) struct Login {
    /// The name of the organization, or the id of the workspace.
    pub(super) organization: String,
    pub(super) credentials: Credentials,
}

/// Returns the organization and the Classic credentials. The organization comes from the project file, or else from a
/// variable. The credentials come from variables.
///
/// # Errors
///
/// Returns an error that lists everything that is missing.
pub(super) fn read_classic(
    context: &Context<'_>,
    environment: &str,
    organization: Option<&String>,
    names: &CredentialVariables,
) -> Result<Login, Failure> {
    let mut missing = MissingSettings::default();
    let organization =
        missing.check(setting(context.env, organization, "organization", ORGANIZATION_VARIABLES));
    let mut read = |what, name: &Option<String>, default| {
        let secret = read_secret(context.env, what, &[name.as_deref().unwrap_or(default)])?;
        Ok::<_, Failure>(missing.check(hidden(context, secret)))
    };
    let api_key = read("API key", &names.api_key, "AMIGO_API_KEY")?;
    let api_key_id = read("API key id", &names.api_key_id, "AMIGO_API_KEY_ID")?;
    let user_id = read("user", &names.user_id, "AMIGO_USER_ID")?;
    match (organization, api_key, api_key_id, user_id) {
        (Some(organization), Some(api_key), Some(api_key_id), Some(user_id)) => {
            Ok(Login { organization, credentials: Credentials::SignIn { api_key, api_key_id, user_id } })
        }
        _ => Err(missing.failure(environment)),
    }
}

/// Returns the workspace and the Platform key. The workspace comes from the project file, or else from a variable. The
/// key comes from a variable.
///
/// # Errors
///
/// Returns an error that lists everything that is missing.
pub(super) fn read_platform(
    context: &Context<'_>,
    environment: &str,
    workspace: Option<&String>,
    names: &CredentialVariables,
) -> Result<Login, Failure> {
    let mut missing = MissingSettings::default();
    let workspace = missing.check(setting(context.env, workspace, "workspace", WORKSPACE_VARIABLES));
    let variables = match &names.api_key {
        Some(name) => vec![name.as_str()],
        None => vec!["PLATFORM_API_KEY", "AMIGO_API_KEY"],
    };
    let key = missing.check(hidden(context, read_secret(context.env, "API key", &variables)?));
    match (workspace, key) {
        (Some(organization), Some(key)) => Ok(Login { organization, credentials: Credentials::Key(key) }),
        _ => Err(missing.failure(environment)),
    }
}

/// A setting that is neither in the project file nor in a variable.
#[derive(Debug)]
struct MissingSetting {
    /// The name of the setting, such as "API key".
    what: &'static str,
    /// The part of the message that says which variables are not set. It is `None` if the project file can also contain
    /// the setting.
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

/// Returns the value from the project file, or else the value of the first of these variables that is set.
fn setting(
    env: &Env,
    file: Option<&String>,
    key: &'static str,
    variables: &[&str],
) -> Result<String, MissingSetting> {
    let value = file.cloned().or_else(|| variables.iter().find_map(|name| env.variable(name)));
    value.ok_or_else(|| {
        let hint = format!("set `{key}:` in amigops.yaml, or the variable {}", variables.join(" or "));
        MissingSetting { what: key, unset: None, hint }
    })
}

/// Masks a secret in all further output, and returns the secret.
fn hidden(
    context: &Context<'_>,
    secret: Result<SecretString, MissingSetting>,
) -> Result<SecretString, MissingSetting> {
    secret.inspect(|secret| context.ui.hide(secret.expose_secret()))
}

/// Reads a secret from the first of the variables `names` that is set. Instead of each variable, another one with the
/// suffix `_FILE` can be set to the path of a file that contains the secret.
///
/// # Errors
///
/// Fails if a variable and its `_FILE` variable are both set, or if the file can't be read.
fn read_secret(
    env: &Env,
    what: &'static str,
    names: &[&str],
) -> Result<Result<SecretString, MissingSetting>, Failure> {
    for name in names {
        let file_name = format!("{name}_FILE");
        match (env.variable(name), env.variable(&file_name)) {
            (Some(value), None) => return Ok(Ok(value.trim().into())),
            (None, Some(file)) => {
                let text = std::fs::read_to_string(&file).map_err(|error| {
                    Failure::other(format!(
                        "can't read the file `{file}` that the variable {file_name} names: {error}"
                    ))
                })?;
                return Ok(Ok(text.trim().into()));
            }
            (Some(_), Some(_)) => {
                return Err(
                    Failure::other(format!("both {name} and {file_name} are set")).hint("unset one of them")
                );
            }
            (None, None) => {}
        }
    }
    let (all, is) = (names.join(" and "), if names.len() == 1 { "is" } else { "are" });
    let files = names.iter().map(|name| format!("{name}_FILE")).collect::<Vec<_>>().join(" or ");
    let hint =
        format!("set {}, or set {files} to the path of a file that contains the value", names.join(" or "));
    Ok(Err(MissingSetting { what, unset: Some(format!("{all} {is} not set")), hint }))
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
            Ok(secret) => Ok(secret.expose_secret().to_owned()),
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
    fn everything_that_is_missing_is_reported_at_once() {
        let env = Env::fixed([("AMIGO_API_KEY", "a")]);
        let mut missing = MissingSettings::default();
        missing.check(setting(&env, None, "organization", ORGANIZATION_VARIABLES));
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
            setting(env, file.map(str::to_owned).as_ref(), "workspace", WORKSPACE_VARIABLES).ok()
        };
        let env = Env::fixed([("AMIGO_WORKSPACE_ID", "later"), ("PLATFORM_WORKSPACE_ID", "first")]);
        assert_eq!(workspace(&env, Some("file")).as_deref(), Some("file"));
        assert_eq!(workspace(&env, None).as_deref(), Some("first"));
        let env = Env::fixed([("AMIGO_WORKSPACE_ID", "later"), ("PLATFORM_WORKSPACE_ID", "")]);
        assert_eq!(workspace(&env, None).as_deref(), Some("later"));
        assert_eq!(workspace(&Env::fixed([("A", "b")]), None), None);
    }
}
