//! `amigops import`: writes manifests from the live services.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;

use crate::cli::context::Context;
use crate::cli::importer::{ImportTarget, Importer};
use crate::error::{Failure, Success};
use crate::import::select::Scope;
use crate::model::ServiceName;

/// Arguments of `import`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Import {
    /// Write manifests for new services into this directory, inside the project; without it, only existing manifests are
    /// updated
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Show the changes as a diff without writing them
    #[arg(long)]
    dry_run: bool,
    /// Also import inactive services without an owner
    #[arg(long)]
    all: bool,
    /// Import only this service; may be repeated
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
}

impl Import {
    /// Reads the live services, writes the manifests, and reports the changes that a plan would still make.
    pub(super) async fn run(&self, context: &Context<'_>) -> Result<Success, Failure> {
        let target = ImportTarget::open(context, context.load_options())?;
        let scope = Scope {
            all: self.all,
            only: self.only.iter().map(ServiceName::new).collect(),
            leftovers: BTreeSet::new(),
        };
        // `--out` is relative to `-C`, like every other path.
        let out = self.out.as_ref().map(|out| context.global.directory.join(out));
        let importer = Importer { target, scope, project_files: Vec::new(), dry_run: self.dry_run };
        importer.run(out.as_deref()).await
    }
}
