//! `amigops validate`: checks manifests offline. May import everything.

use clap::Args;

use super::{Context, prepare};
use crate::error::{Failure, Success};

/// Arguments of `validate`.
#[derive(Debug, Args)]
pub(super) struct Validate {}

impl Validate {
    /// Loads the project and says what is wrong with it. Sends nothing.
    pub(super) fn run(&self, context: &Context<'_>) -> Result<Success, Failure> {
        let loaded = prepare::load(context)?;
        let services = loaded.desired.services.len();
        let word = if loaded.warnings.is_empty() { "" } else { " with warnings" };
        context.ui.result(&format!("valid{word}: {services} services in {} files\n", loaded.files));
        Ok(Success::Done)
    }
}
