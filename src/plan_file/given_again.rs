//! The options that loosen a rule, which a plan's file may not grant. May import `plan` and `model`.

use super::document::Chosen;

/// How the options of a command compare with those that a saved plan was made with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GivenAgain {
    /// The plan was made with them, and the command lacks them.
    pub missing: Vec<String>,
    /// The command has them, and the plan was made without them.
    pub unknown: Vec<String>,
}

impl GivenAgain {
    /// Compares the options that a plan was made with to those that are given when it is applied.
    ///
    /// `only` narrows a plan: it is taken from the file, and not compared.
    pub fn compare(recorded: &Chosen, given: &Chosen) -> Self {
        let (recorded, given) = (loosening(recorded), loosening(given));
        let without = |all: &[(&str, &str)], others: &[(&str, &str)]| {
            all.iter().filter(|option| !others.contains(option)).map(typed).collect()
        };
        Self { missing: without(&recorded, &given), unknown: without(&given, &recorded) }
    }
}

/// The options that loosen a rule, each with its value. A new field must be thought of here: no `..`.
fn loosening(chosen: &Chosen) -> Vec<(&str, &str)> {
    let Chosen { prune, take_over, allow_protected, max_removals, only: _, guardrails: _ } = chosen;
    let flags = [(*prune, "--prune"), (*allow_protected, "--allow-protected")];
    let mut options: Vec<(&str, &str)> =
        flags.into_iter().filter(|(is_given, _)| *is_given).map(|(_, flag)| (flag, "")).collect();
    options.extend(take_over.as_deref().map(|owner| ("--take-over", owner)));
    options.extend(max_removals.as_deref().map(|most| ("--max-removals", most)));
    options
}

/// Returns an option as it is typed. A value that could end its quotes is not repeated: a file must not write commands.
fn typed((option, value): &(&str, &str)) -> String {
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
    use super::{Chosen, GivenAgain};

    #[test]
    fn options_that_loosen_a_rule_must_be_the_same() {
        let none = Chosen::default();
        let prune = Chosen { prune: true, ..Chosen::default() };
        let protected = Chosen { allow_protected: true, ..Chosen::default() };
        let owner = |value: &str| Chosen { take_over: Some(value.to_owned()), ..Chosen::default() };
        let most = |value: &str| Chosen { max_removals: Some(value.to_owned()), ..Chosen::default() };
        let narrowed = Chosen { only: ["X".into()].into(), ..Chosen::default() };
        let table: [(&Chosen, &Chosen, &[&str], &[&str]); 10] = [
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
            let found = GivenAgain::compare(recorded, given);
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
