//! Compares the options that relax a guardrail. A plan file can't grant such options, so they must be given again to
//! apply the plan.

use super::document::RecordedOptions;

/// The differences between the options of an `apply` command and the options that a saved plan was made with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OptionMismatch {
    /// The options that were given when the plan was made, but are not given to the command.
    pub missing: Vec<String>,
    /// The options that are given to the command, but were not given when the plan was made.
    pub unknown: Vec<String>,
}

impl OptionMismatch {
    /// Returns the differences between the options that a plan was made with and the options that are given to apply
    /// it.
    ///
    /// `--only` is not compared. The value that the plan file records is used, because `apply PLAN` does not accept the
    /// option.
    pub fn compare(recorded: &RecordedOptions, given: &RecordedOptions) -> Self {
        let (recorded, given) = (relaxing_options(recorded), relaxing_options(given));
        let without = |all: &[(&str, &str)], others: &[(&str, &str)]| {
            all.iter().filter(|option| !others.contains(option)).map(as_typed).collect()
        };
        Self { missing: without(&recorded, &given), unknown: without(&given, &recorded) }
    }
}

/// Returns the options that relax a guardrail, with their values. The pattern that takes the options apart has no `..`,
/// so that a new option can't be forgotten here.
fn relaxing_options(chosen: &RecordedOptions) -> Vec<(&str, &str)> {
    let RecordedOptions { prune, take_over, allow_protected, max_removals, create, only: _, guardrails: _ } =
        chosen;
    let flags = [(*prune, "--prune"), (*allow_protected, "--allow-protected")];
    let mut options: Vec<(&str, &str)> =
        flags.into_iter().filter(|(is_given, _)| *is_given).map(|(_, flag)| (flag, "")).collect();
    options.extend(take_over.as_deref().map(|owner| ("--take-over", owner)));
    options.extend(max_removals.as_deref().map(|most| ("--max-removals", most)));
    options.extend(create.iter().map(|name| ("--create", name.as_str())));
    options
}

/// Returns an option as it is typed on a command line. A value that contains unusual characters, such as quotes, is
/// shown as `VALUE`, so that a plan file can't inject commands.
fn as_typed((option, value): &(&str, &str)) -> String {
    let is_harmless = |c: char| c.is_alphanumeric() || matches!(c, '_' | '%' | '.' | ' ');
    match *value {
        "" => (*option).to_owned(),
        word if word.chars().all(|c| is_harmless(c) && c != ' ') => format!("{option} {word}"),
        words if words.chars().all(is_harmless) => format!("{option} '{words}'"),
        _ => format!("{option} VALUE"),
    }
}

#[cfg(test)]
mod tests {
    use super::{OptionMismatch, RecordedOptions};

    #[test]
    fn options_that_relax_a_guardrail_must_be_equal() {
        let none = RecordedOptions::default();
        let prune = RecordedOptions { prune: true, ..RecordedOptions::default() };
        let protected = RecordedOptions { allow_protected: true, ..RecordedOptions::default() };
        let owner =
            |value: &str| RecordedOptions { take_over: Some(value.to_owned()), ..RecordedOptions::default() };
        let most = |value: &str| RecordedOptions {
            max_removals: Some(value.to_owned()),
            ..RecordedOptions::default()
        };
        let narrowed = RecordedOptions { only: ["X".into()].into(), ..RecordedOptions::default() };
        let table: [(&RecordedOptions, &RecordedOptions, &[&str], &[&str]); 10] = [
            (&none, &none, &[], &[]),
            (&narrowed, &none, &[], &[]),
            (&prune, &prune, &[], &[]),
            (&prune, &none, &["--prune"], &[]),
            (&none, &prune, &[], &["--prune"]),
            (&protected, &prune, &["--allow-protected"], &["--prune"]),
            (&owner("a"), &owner("the b"), &["--take-over a"], &["--take-over 'the b'"]),
            (&owner("a'; b"), &owner("a'; c"), &["--take-over VALUE"], &["--take-over VALUE"]),
            (&most("2"), &most("20"), &["--max-removals 2"], &["--max-removals 20"]),
            (&most("any"), &none, &["--max-removals any"], &[]),
        ];
        for (recorded, given, missing, unknown) in table {
            let found = OptionMismatch::compare(recorded, given);
            assert_eq!(
                (&*found.missing, &*found.unknown),
                (
                    &*missing.iter().map(ToString::to_string).collect::<Vec<_>>(),
                    &*unknown.iter().map(ToString::to_string).collect::<Vec<_>>(),
                )
            );
        }
    }
}
