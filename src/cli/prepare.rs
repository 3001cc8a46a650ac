//! Makes plans, for every command that plans: loads the project, connects, reads the live state, makes a plan and
//! verifies it.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use clap::Args;

use super::allowlist;
use super::base::{self, ThreeWay};
use super::connect::{self, Connection};
use super::context::Context;
use super::git::LoadedFiles;
use super::origin_bases;
use crate::env::Env;
use crate::error::Failure;
use crate::manifest::{self, EnvironmentTarget, LoadOptions, Loaded};
use crate::model::{Lookups, MaxRemovals, ServiceId, ServiceName, Snapshot};
use crate::plan::{self, BaseOf, Options, Origin, Plan, PlanError, Side, verify};
use crate::plan_file::{PlanDocument, PlanInputs, RecordedOptions};
use crate::remote::{ReadApi, complete_snapshot, read_snapshot};
use crate::report::diagnostics;

/// Arguments that `plan`, `apply` and other planning commands share.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct PlanArgs {
    /// Retire the services that this project owns and no manifest declares
    #[arg(long, overrides_with = "no_prune")]
    prune: bool,
    /// Retire none of them, even if amigops.yaml says `prune: true`
    #[arg(long, overrides_with = "prune")]
    no_prune: bool,
    /// Take over declared services whose ownership tag has this value: another project's value, or one that this project
    /// had earlier
    #[arg(long, value_name = "VALUE", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    take_over: Option<String>,
    /// Allow retiring services tagged `protected`, and retiring or replacing services in `guardrails.protected`
    #[arg(long)]
    allow_protected: bool,
    /// Maximum number of retired services and deleted version sets: a number, or a share such as 10%; overrides
    /// `guardrails.max_removals`
    #[arg(long, value_name = "N|N%")]
    max_removals: Option<MaxRemovals>,
    /// Create NAME even if it may be a renamed service; may be repeated
    #[arg(long, value_name = "NAME")]
    create: Vec<String>,
    /// Plan only the service NAME; may be repeated
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Find the cause of each change by the last commit that HEAD shares with REF, such as origin/main, and not by the
    /// commit that was applied last
    #[arg(long, value_name = "REF", allow_hyphen_values = true)]
    pub(super) base: Option<String>,
}

impl PlanArgs {
    /// Returns the arguments of a command that only compares. They relax no guardrail, because such a command enforces
    /// no guardrails.
    pub(super) fn for_comparison(prune: bool, only: &[String], base: Option<&str>) -> Self {
        Self { prune, only: only.to_vec(), base: base.map(str::to_owned), ..Self::default() }
    }

    /// Returns true if orphans are retired. `by_default` is the value of `prune` in amigops.yaml, which applies without
    /// a flag.
    pub(super) fn prunes(&self, by_default: bool) -> bool {
        self.prune || (by_default && !self.no_prune)
    }

    /// Returns the options in the form in which a saved plan records them. `prune` is true if orphans are retired
    /// without a flag.
    pub(super) fn chosen(&self, prune: bool) -> RecordedOptions {
        let Self { prune: _, no_prune: _, take_over, allow_protected, max_removals, create, only, base: _ } =
            self;
        RecordedOptions {
            prune: self.prunes(prune),
            take_over: take_over.clone(),
            allow_protected: *allow_protected,
            max_removals: max_removals.map(|most| most.to_string()),
            create: create.iter().map(ServiceName::new).collect(),
            only: only.iter().map(ServiceName::new).collect(),
            guardrails: true,
        }
    }
}

/// Loads a project, and prints its warnings.
pub(super) fn load(context: &Context<'_>, options: &LoadOptions<'_>) -> Result<Loaded, Failure> {
    let loaded = manifest::load(options)?;
    print_warnings(context, &loaded);
    Ok(loaded)
}

/// Prints the warnings of a project.
pub(super) fn print_warnings(context: &Context<'_>, loaded: &Loaded) {
    if !loaded.warnings.is_empty() {
        context.ui.note(
            diagnostics::render(&loaded.warnings, &loaded.sources, context.ui.colors_errors()).trim_end(),
        );
    }
}

/// A loaded project, a connection to its environment, and the options for planning.
pub(super) struct Prepared {
    pub(super) loaded: Loaded,
    pub(super) connection: Connection,
    pub(super) options: Options,
    /// The environment variables and the clock of the run.
    env: Env,
    /// The id of the commit that is checked out. It is read only when it is needed, because running git is slow.
    commit: OnceCell<Option<String>>,
    /// The manifests with which a plan is compared to find the causes of its changes.
    pub(super) compared: ComparedManifests,
}

/// The manifests with which a plan is compared to find the causes of its changes.
pub(super) enum ComparedManifests {
    /// None. The causes stay unknown.
    Nothing,
    /// The manifests at the base commit, because `--base` is given.
    Base(Box<ThreeWay>),
    /// The manifests at the commits in the tags `origin`. They are read when the plan is known.
    Origins,
}

impl Prepared {
    /// Loads the project and connects to the environment that the global arguments select.
    pub(super) fn new(context: &Context<'_>, args: &PlanArgs) -> Result<Self, Failure> {
        Self::for_environment(context, args, context.global.env.as_deref())
    }

    /// Loads the project and connects to the environment with this name, or to the default one if it is `None`.
    pub(super) fn for_environment(
        context: &Context<'_>,
        args: &PlanArgs,
        environment: Option<&str>,
    ) -> Result<Self, Failure> {
        let loaded = load(context, &LoadOptions::new(context.project(), environment))?;
        Self::from_loaded(context, args, loaded)
    }

    /// Prepares to make a saved plan again: only for the services that the plan changes, and with the options that the
    /// user has repeated.
    pub(super) fn for_saved(
        context: &Context<'_>,
        args: &PlanArgs,
        document: &PlanDocument,
    ) -> Result<Self, Failure> {
        let only = document.options.only.iter().map(|name| name.as_str().to_owned()).collect();
        let args = PlanArgs { only, base: None, ..args.clone() };
        let mut prepared = Self::for_environment(context, &args, Some(&document.environment))?;
        prepared.options.touched = Some(document.changed_services());
        // A plan that was made without pruning prunes nothing, whatever amigops.yaml says.
        prepared.options.prune &= document.options.prune;
        Ok(prepared)
    }

    /// Connects to the environment of a project that is already loaded.
    pub(super) fn from_loaded(
        context: &Context<'_>,
        args: &PlanArgs,
        loaded: Loaded,
    ) -> Result<Self, Failure> {
        // Check before git runs and before anything is sent.
        allowlist::check(context, &loaded)?;
        let compared = match &args.base {
            Some(reference) => base::read(context, &loaded, reference)?
                .map_or(ComparedManifests::Nothing, |base| ComparedManifests::Base(Box::new(base))),
            None => ComparedManifests::Origins,
        };
        let connection = connect::connect(context, &loaded)?;
        let options = Options {
            api: connection.kind(),
            today: context.env.today(),
            prune: args.prunes(loaded.project.prunes(&loaded.environment.name)),
            take_over: args.take_over.clone(),
            allow_protected: args.allow_protected,
            max_removals: args.max_removals,
            limited: !matches!(loaded.environment.target, EnvironmentTarget::Embedded { limits: false, .. }),
            create: args.create.iter().map(ServiceName::new).collect(),
            only: args.only.iter().map(ServiceName::new).collect::<BTreeSet<_>>(),
            touched: None,
            unmanage: BTreeSet::new(),
            enforce_guardrails: true,
            corrects_origins: true,
        };
        Ok(Self { loaded, connection, options, env: context.env.clone(), commit: OnceCell::new(), compared })
    }

    /// Reads the live state, makes a plan and verifies it. Returns the live state and the plan.
    pub(super) async fn plan(&self, api: &impl ReadApi) -> Result<(Snapshot, Plan), Failure> {
        let (snapshot, plan) = self.read_and_plan(api, |_| false).await?;
        Ok((snapshot, plan?))
    }

    /// Reads the live state and makes a plan. Returns the live state with the verified plan, or with the reason why
    /// there is no plan.
    ///
    /// One read of the list of services may miss a service. So the list is read twice if the plan depends on the
    /// absence of a service, or if `needs_second_read` returns true.
    pub(super) async fn read_and_plan(
        &self,
        api: &impl ReadApi,
        needs_second_read: impl Fn(&Snapshot) -> bool,
    ) -> Result<(Snapshot, Result<Plan, Failure>), Failure> {
        let mut planned = None;
        let depends_on_absence = |snapshot: &Snapshot| {
            let first = self.make_plan(snapshot, &self.options);
            let depends = match &first {
                // A refusal contains no plan, so check the plan that would be made if the guardrails were not enforced.
                Err(refused) if refused.is_refusal() => {
                    let options = Options { enforce_guardrails: false, ..self.options.clone() };
                    plan::depends_on_absence(self.make_plan(snapshot, &options).as_ref(), snapshot)
                }
                first => plan::depends_on_absence(first.as_ref(), snapshot),
            };
            let depends = depends || needs_second_read(snapshot);
            planned = (!depends).then_some(first);
            depends
        };
        let snapshot =
            read_snapshot(api, |snapshot| self.missing_lookups(snapshot), depends_on_absence).await?;
        let planned = planned.unwrap_or_else(|| self.make_plan(&snapshot, &self.options));
        let plan = self.verify(&snapshot, planned);
        Ok((snapshot, plan))
    }

    /// Completes a live state that was read with other options: reads the additional values that this plan's options
    /// need.
    pub(super) async fn complete(&self, api: &impl ReadApi, snapshot: Snapshot) -> Result<Snapshot, Failure> {
        Ok(complete_snapshot(api, snapshot, |snapshot| self.missing_lookups(snapshot)).await?)
    }

    fn missing_lookups(&self, snapshot: &Snapshot) -> Lookups {
        plan::lookups(&self.loaded.desired, snapshot, &self.loaded.project.policy, &self.options)
    }

    fn make_plan(&self, snapshot: &Snapshot, options: &Options) -> Result<Plan, PlanError> {
        let (desired, policy) = (&self.loaded.desired, &self.loaded.project.policy);
        let plan = plan::plan(desired, snapshot, policy, options)?;
        // Only a plan with changes writes the commit, and only then is git run.
        let writes_commit = policy.ownership.origin && !plan.is_empty();
        let commit = if writes_commit { self.commit() } else { None };
        Ok(match commit.filter(|commit| !commit.ends_with('+')) {
            Some(commit) => plan::with_commit(plan, commit),
            None => plan,
        })
    }

    /// Returns the id of the commit that is checked out, followed by `+` if files have changed since then or can't be
    /// compared. Returns `None` if there is no commit, or if it can't be read.
    fn commit(&self) -> Option<&str> {
        let commit = self.commit.get_or_init(|| {
            let Loaded { project, read_files, .. } = &self.loaded;
            let files = LoadedFiles { patterns: &project.manifests, files: read_files };
            base::checked_out_commit(&self.env, &project.root, &files)
        });
        commit.as_deref()
    }

    /// Makes a plan from a live state that was read before, and verifies it.
    pub(super) fn plan_from(&self, snapshot: &Snapshot) -> Result<Plan, Failure> {
        self.verify(snapshot, self.make_plan(snapshot, &self.options))
    }

    fn verify(&self, snapshot: &Snapshot, planned: Result<Plan, PlanError>) -> Result<Plan, Failure> {
        let plan = planned?;
        let (desired, policy) = (&self.loaded.desired, &self.loaded.project.policy);
        let violations = verify::verify(desired, snapshot, policy, &self.options, &plan);
        if violations.is_empty() {
            return Ok(plan);
        }
        let mut failure = Failure::other("internal error: the plan failed verification; nothing was sent")
            .hint("this is a bug in amigops: please report it with the lines below");
        for violation in violations.into_iter().take(10) {
            failure = failure.hint(violation);
        }
        Err(failure)
    }

    /// Checks that conflicts with live changes can be detected, if `--base` is given.
    ///
    /// # Errors
    ///
    /// Fails if the manifests at the base commit can't be read.
    pub(super) fn check_base_readable(&self, args: &PlanArgs) -> Result<(), Failure> {
        match &args.base {
            Some(reference) if matches!(self.compared, ComparedManifests::Nothing) => Err(Failure::other(format!(
                "can't read the manifests at `{reference}`, so conflicts with live changes can't be detected; \
                 nothing was sent"
            ))
            .hint("to apply anyway, omit --base or use --overwrite-drift")),
            _ => Ok(()),
        }
    }

    /// Returns the document of a plan that was made from a snapshot.
    pub(super) fn document(&self, origin: &Origin, snapshot: &Snapshot, plan: &Plan) -> PlanDocument {
        let (desired, policy) = (&self.loaded.desired, &self.loaded.project.policy);
        PlanDocument::new(plan, origin, &PlanInputs { options: &self.options, desired, snapshot, policy })
    }

    /// Adds the causes of changes to a plan, if the plan is compared with other manifests. Live values to which only these
    /// refer are read into a separate snapshot, so that they can't change the plan.
    pub(super) async fn with_causes(
        &self,
        context: &Context<'_>,
        snapshot: &Snapshot,
        plan: Plan,
    ) -> Result<Plan, Failure> {
        let (desired, policy) = (&self.loaded.desired, &self.loaded.project.policy);
        let origins;
        let bases = match &self.compared {
            ComparedManifests::Nothing => return Ok(plan),
            ComparedManifests::Base(base) => BaseOf::Every(base.bases()),
            ComparedManifests::Origins if !policy.ownership.origin => return Ok(plan),
            ComparedManifests::Origins => {
                let commits = plan::origin_commits(&plan, snapshot, policy);
                origins = origin_bases::read(context, &self.loaded, &commits);
                BaseOf::Origin(origins.bases())
            }
        };
        let ours = Side { desired, policy };
        let known = complete_snapshot(self.connection.read(), snapshot.clone(), |snapshot| {
            plan::cause_lookups(&plan, ours, &bases, snapshot, self.options.api)
        });
        let known = known.await?;
        Ok(plan::with_causes(plan, ours, &bases, &known, self.options.api))
    }

    /// Reads the live state and returns the ids of the declared services, even if no plan can be made. One read of the
    /// list of services may miss a service, so the list is read again if that could change an id.
    pub(super) async fn ids(&self, api: &impl ReadApi) -> Result<BTreeMap<ServiceName, ServiceId>, Failure> {
        let (desired, policy) = (&self.loaded.desired, &self.loaded.project.policy);
        let ids = |snapshot: &Snapshot| plan::ids(desired, snapshot, policy, self.options.api);
        let depends_on_absence =
            |snapshot: &Snapshot| plan::ids_depend_on_absence(desired, ids(snapshot).as_ref(), snapshot);
        let snapshot =
            read_snapshot(api, |snapshot| self.missing_lookups(snapshot), depends_on_absence).await?;
        Ok(ids(&snapshot)?)
    }

    /// Returns the origin of a plan: the environment, the time and the commit for which it is made.
    pub(super) fn origin(&self, context: &Context<'_>) -> Origin {
        Origin {
            environment: self.loaded.environment.name.clone(),
            api: self.connection.kind(),
            organization: self.connection.organization.clone(),
            server: self.connection.server.clone(),
            created_at: context.env.timestamp(),
            commit: self.commit().map(str::to_owned),
            base: match &self.compared {
                ComparedManifests::Base(base) => Some(base.origin.clone()),
                ComparedManifests::Nothing | ComparedManifests::Origins => None,
            },
        }
    }
}
