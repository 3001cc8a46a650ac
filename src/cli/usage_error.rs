//! Improves error messages about unknown options: clap suggests passing them as values, but users usually mean an
//! option of amigops.

use std::ffi::OsString;

use clap::Command;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

/// Options of other tools, and the options of amigops that have the same effect.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("--yes", "auto-approve"),
    ("-y", "auto-approve"),
    ("--assume-yes", "auto-approve"),
    ("--approve", "auto-approve"),
    ("--no-confirm", "auto-approve"),
    ("--non-interactive", "auto-approve"),
];

/// Replaces the tip of an error about an unknown option if the user probably means another option. That is the case for
/// a long option with one dash, such as `-auto-approve` in Terraform, and for some options of other tools.
pub(super) fn with_better_tip(mut error: Error, args: &[OsString], definition: &Command) -> Error {
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    let Some(ContextValue::String(unknown)) = error.get(ContextKind::InvalidArg) else { return error };
    let args = || args.iter().skip(1).filter_map(|arg| arg.to_str());
    let command = args().find_map(|arg| definition.find_subcommand(arg)).unwrap_or(definition);
    let is_option = |name: &str| {
        let options = command.get_arguments().chain(definition.get_arguments());
        options.filter_map(|option| option.get_long()).any(|long| long == name)
    };
    let with_one_dash = args().find_map(|arg| {
        let name = arg.strip_prefix('-')?.split('=').next()?;
        (name.len() > 1 && is_option(name)).then_some((format!("-{name}"), name))
    });
    let other_name = || {
        let (other, name) = OTHER_NAMES.iter().find(|(other, _)| other == unknown)?;
        is_option(name).then(|| ((*other).to_owned(), *name))
    };
    if let Some((written, name)) = with_one_dash.or_else(other_name) {
        let meant = format!("--{name}");
        error.remove(ContextKind::Suggested);
        error.insert(ContextKind::InvalidArg, ContextValue::String(written));
        error.insert(ContextKind::SuggestedArg, ContextValue::String(meant));
    }
    error
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::with_better_tip;
    use crate::cli::Cli;

    fn message(line: &str) -> String {
        let args: Vec<_> = line.split(' ').map(Into::into).collect();
        let error = Cli::try_parse_from(&args).expect_err(line);
        with_better_tip(error, &args, &Cli::command()).to_string()
    }

    #[test]
    fn an_option_that_is_probably_meant_is_named() {
        for (line, unknown, meant) in [
            ("amigops apply -auto-approve", "-auto-approve", "--auto-approve"),
            ("amigops apply plan.json -auto-approve", "-auto-approve", "--auto-approve"),
            ("amigops apply --yes", "--yes", "--auto-approve"),
            ("amigops apply -y", "-y", "--auto-approve"),
            ("amigops plan -out=plan.json", "-out", "--out"),
            ("amigops plan -detailed-exitcode", "-detailed-exitcode", "--detailed-exitcode"),
            ("amigops plan -parallelism=2", "-parallelism", "--parallelism"),
        ] {
            let message = message(line);
            for words in [
                format!("unexpected argument '{unknown}' found"),
                format!("tip: a similar argument exists: '{meant}'"),
            ] {
                assert!(message.contains(&words), "{line}: {message}");
            }
            assert!(!message.contains("as a value"), "{line}: {message}");
        }
    }

    #[test]
    fn other_errors_stay_as_they_are() {
        for (line, words) in [
            ("amigops apply --auto-aprove", "a similar argument exists: '--auto-approve'"),
            ("amigops plan --yes", "unexpected argument '--yes' found"),
            ("amigops plan -y", "unexpected argument '-y' found"),
            ("amigops planet", "unrecognized subcommand"),
        ] {
            let message = message(line);
            assert!(message.contains(words), "{line}: {message}");
        }
        assert!(!message("amigops plan --yes").contains("auto-approve"));
    }
}
