//! `amigops unmanage`: ends the management of live services without retiring them.

use clap::Args;

use crate::cli::apply_record::ApplyRecord;
use crate::cli::approval;
use crate::cli::context::Context;
use crate::cli::execute::{Execution, Format, Scope};
use crate::cli::interrupts::Interrupts;
use crate::cli::prepare::{self, PlanArgs, Prepared};
use crate::error::{Failure, Success};
use crate::manifest::LoadOptions;
use crate::model::{ServiceName, Snapshot};
use crate::plan::Plan;
use crate::report::text::visible;
use crate::report::{Mode, human};

/// Arguments of `unmanage`.
#[derive(Debug, Args)]
pub(in crate::cli) struct UnmanageCommand {
    /// Live service that this project owns and that no manifest declares
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    /// Continue without asking for confirmation; needed where stdin is not a terminal
    #[arg(long)]
    auto_approve: bool,
}

impl UnmanageCommand {
    /// Asks for confirmation, and then removes the tags that amigops sets on services. Changes nothing else.
    pub(super) async fn run(&self, context: &Context<'_>) -> Result<Success, Failure> {
        let record = ApplyRecord::new(context.global.env.as_deref());
        let mut interrupts = Interrupts::catch()?;
        let prepared = self.prepare(context, &record);
        let Some((prepared, plan, snapshot)) = interrupts.run_until_stopped(context, prepared).await? else {
            return Ok(Success::Done);
        };
        let (scope, format) = (Scope::Everything, Format::Human);
        let execution = Execution { context, prepared, plan, scope, format, record: &record };
        let result = execution.execute(&snapshot, &mut interrupts).await;
        if let Err(Failure::InPart) = result {
            context
                .ui
                .error("run `amigops unmanage` again to continue: it skips services without an owner\n");
        }
        result
    }

    /// Makes a plan, and asks the user for confirmation. Returns `None` if there is nothing to do.
    async fn prepare<'r>(
        &self,
        context: &Context<'_>,
        record: &'r ApplyRecord,
    ) -> Result<Option<(&'r Prepared, &'r Plan, Snapshot)>, Failure> {
        // Allow a project without manifests, because the user may have deleted the last one.
        let options = LoadOptions { allow_empty: true, ..context.load_options() };
        let loaded = prepare::load(context, &options)?;
        let mut prepared = Prepared::from_loaded(context, &PlanArgs::default(), loaded)?;
        prepared.options.unmanage = self.names.iter().map(ServiceName::new).collect();
        let prepared = record.set_prepared(prepared);
        let (snapshot, plan) = prepared.plan(prepared.connection.read()).await?;
        let (plan, origin) = record.set_plan(plan, prepared.origin(context));
        for finding in &plan.findings {
            context.ui.note(&format!("note: {}: {}", visible(finding.service.as_str()), finding.text()));
        }
        if plan.is_empty() {
            context.ui.result("Nothing to do: these services are not managed.\n");
            return Ok(None);
        }
        context.ui.result(&human::plan(Mode::Unmanage, plan, origin));
        approval::check_shown(context)?;
        approval::approve(context, prepared, "Stop managing these services in", self.auto_approve).await?;
        Ok(Some((prepared, plan, snapshot)))
    }
}
