//! Shows a plan to the user and asks for approval, for every command that changes live services.

use super::context::Context;
use super::prepare::Prepared;
use crate::error::Failure;

/// Checks that the plan that was just printed could be written to stdout.
///
/// # Errors
///
/// Fails if stdout can't be written, because a plan that the user has not seen must not be applied.
pub(super) fn check_shown(context: &Context<'_>) -> Result<(), Failure> {
    if !context.ui.is_broken() {
        return Ok(());
    }
    Err(Failure::other("can't show the plan, because stdout can't be written; nothing was changed"))
}

/// Asks the user to approve the plan, unless `--auto-approve` was given. `what` is the beginning of the question, such
/// as `Apply this to`.
///
/// # Errors
///
/// Fails if the user does not approve, or if stdin is not a terminal.
pub(super) async fn approve(
    context: &Context<'_>,
    prepared: &Prepared,
    what: &str,
    auto_approve: bool,
) -> Result<(), Failure> {
    if auto_approve {
        return Ok(());
    }
    let question = format!("{what} environment `{}`?", prepared.loaded.environment.name);
    let Some(answer) = context.ui.ask(&question) else {
        return Err(Failure::other("can't ask for confirmation: stdin is not a terminal; nothing was sent")
            .hint("use --auto-approve if the plan has already been approved, as in CI"));
    };
    if answer.await { Ok(()) } else { Err(Failure::Declined) }
}
