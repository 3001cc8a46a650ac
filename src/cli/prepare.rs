//! What planning commands share: load, connect, read, plan, judge. May import everything.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use clap::Args;

use super::base::{self, ThreeWay};
use super::connect::{self, Connection};
use super::{Context, allowlist};
use crate::error::Failure;
use crate::manifest::{self, Loaded, Places, Target};
use crate::model::{Lookups, MaxRemovals, ServiceId, ServiceName, Snapshot};
use crate::plan::{self, Options, Origin, Plan, PlanError, verify};
use crate::plan_file::{Chosen, Document};
use crate::remote::{ReadApi, complete_snapshot, read_snapshot};
use crate::report::diagnostics;

/// What `plan` and `apply` take both.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct PlanArgs {
    /// Retire owned services that no manifest declares
    #[arg(long)]
    prune: bool,
    /// Take over services whose ownership tag has this value, which is another project's or a former one of this one
    #[arg(long, value_name = "VALUE", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    take_over: Option<String>,
    /// Retire services with the tag `protected`, retire or replace those that `guardrails.protected` names
    #[arg(long)]
    allow_protected: bool,
    /// The most removals in this run, instead of `guardrails.max_removals`: a number, or a share such as 10%
    #[arg(long, value_name = "N|N%")]
    max_removals: Option<MaxRemovals>,
    /// Only this service; may be repeated
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Tell whose doing each change is, by the manifests at the commit that this branch shares with REF
    #[arg(long, value_name = "REF", allow_hyphen_values = true)]
    pub(super) base: Option<String>,
}

impl PlanArgs {
    /// The same as a plan's file records them.
    pub(super) fn chosen(&self) -> Chosen {
        let Self { prune, take_over, allow_protected, max_removals, only, base: _ } = self;
        Chosen {
            prune: *prune,
            take_over: take_over.clone(),
            allow_protected: *allow_protected,
            max_removals: max_removals.map(|most| most.to_string()),
            only: only.iter().map(ServiceName::new).collect(),
            guardrails: true,
        }
    }
}

/// Loads the project for this environment or else the default one, and shows its warnings.
fn load(context: &Context<'_>, environment: Option<&str>) -> Result<Loaded, Failure> {
    let loaded = load_for(context, environment)?;
    warn(context, &loaded);
    Ok(loaded)
}

/// The same for this environment, whatever the global arguments say; warnings are the caller's to show.
pub(super) fn load_for(context: &Context<'_>, environment: Option<&str>) -> Result<Loaded, Failure> {
    let root = manifest::find_root(&context.global.directory)?;
    Ok(manifest::load(&root, environment)?)
}

/// The same, and where version sets are said.
pub(super) fn load_places(context: &Context<'_>) -> Result<(Loaded, Places), Failure> {
    let root = manifest::find_root(&context.global.directory)?;
    let (loaded, places) = manifest::load_places(&root, context.global.env.as_deref())?;
    warn(context, &loaded);
    Ok((loaded, places))
}

/// Shows what is odd about a project and stops nothing.
pub(super) fn warn(context: &Context<'_>, loaded: &Loaded) {
    if !loaded.warnings.is_empty() {
        context.ui.note(
            diagnostics::render(&loaded.warnings, &loaded.sources, context.ui.colors_errors()).trim_end(),
        );
    }
}

/// A project, a connection to its environment, and how to plan for it.
pub(super) struct Prepared {
    pub(super) loaded: Loaded,
    pub(super) connection: Connection,
    pub(super) options: Options,
    /// The commit of the manifests, when somebody has asked for it: git takes its time.
    commit: OnceCell<Option<String>>,
    /// What the causes of changes are told by, where that was asked for and can be.
    pub(super) three_way: Option<ThreeWay>,
}

impl Prepared {
    /// Loads and connects, for the environment that the global arguments name.
    pub(super) fn new(context: &Context<'_>, args: &PlanArgs) -> Result<Self, Failure> {
        Self::for_environment(context, args, context.global.env.as_deref())
    }

    /// Loads and connects, for this environment or else the default one.
    pub(super) fn for_environment(
        context: &Context<'_>,
        args: &PlanArgs,
        environment: Option<&str>,
    ) -> Result<Self, Failure> {
        Self::of(context, args, load(context, environment)?)
    }

    /// Loads and connects to make a saved plan anew: with the options that were given again, for what it touches.
    pub(super) fn for_saved(
        context: &Context<'_>,
        args: &PlanArgs,
        document: &Document,
    ) -> Result<Self, Failure> {
        let only = document.options.only.iter().map(|name| name.as_str().to_owned()).collect();
        let args = PlanArgs { only, base: None, ..args.clone() };
        let mut prepared = Self::for_environment(context, &args, Some(&document.environment))?;
        prepared.options.touched = Some(document.touched());
        Ok(prepared)
    }

    /// Connects to the environment that was loaded.
    pub(super) fn of(context: &Context<'_>, args: &PlanArgs, loaded: Loaded) -> Result<Self, Failure> {
        // Before Git is asked as well as before anything is sent.
        allowlist::check(context, &loaded)?;
        let three_way = match &args.base {
            Some(reference) => base::read(context, &loaded, reference)?,
            None => None,
        };
        let connection = connect::connect(context, &loaded)?;
        let options = Options {
            api: connection.kind(),
            today: context.env.today(),
            prune: args.prune,
            take_over: args.take_over.clone(),
            allow_protected: args.allow_protected,
            max_removals: args.max_removals,
            limited: !matches!(loaded.environment.target, Target::Embedded { limits: false, .. }),
            only: args.only.iter().map(ServiceName::new).collect::<BTreeSet<_>>(),
            touched: None,
            enforce_guardrails: true,
        };
        Ok(Self { loaded, connection, options, commit: OnceCell::new(), three_way })
    }

    /// Reads the live state and plans. The plan has the verifier's approval.
    pub(super) async fn plan(&self, api: &impl ReadApi) -> Result<(Snapshot, Plan), Failure> {
        let (snapshot, plan) = self.read_and_plan(api, |_| false).await?;
        Ok((snapshot, plan?))
    }

    /// The same; gives the live state also where no plan can be made of it.
    ///
    /// A plan that rests on services which the list does not have is made of two readings of the list; so is one where
    /// the caller's use of the state does, as `reads_twice` says.
    pub(super) async fn read_and_plan(
        &self,
        api: &impl ReadApi,
        reads_twice: impl Fn(&Snapshot) -> bool,
    ) -> Result<(Snapshot, Result<Plan, Failure>), Failure> {
        let mut planned = None;
        let rests_on_absence = |snapshot: &Snapshot| {
            let first = self.planned(snapshot, &self.options);
            let rests = match &first {
                // What the plan would do, if no rule stood against it.
                Err(refused) if refused.is_refusal() => {
                    let options = Options { enforce_guardrails: false, ..self.options.clone() };
                    plan::rests_on_absence(self.planned(snapshot, &options).as_ref(), snapshot)
                }
                first => plan::rests_on_absence(first.as_ref(), snapshot),
            };
            let rests = rests || reads_twice(snapshot);
            planned = (!rests).then_some(first);
            rests
        };
        let snapshot = read_snapshot(api, |snapshot| self.lacking(snapshot), rests_on_absence).await?;
        let planned = planned.unwrap_or_else(|| self.planned(&snapshot, &self.options));
        let plan = self.verified(api, &snapshot, planned).await;
        Ok((snapshot, plan))
    }

    /// Reads what is lacking of a live state that was read with other options.
    pub(super) async fn complete(&self, api: &impl ReadApi, snapshot: Snapshot) -> Result<Snapshot, Failure> {
        Ok(complete_snapshot(api, snapshot, |snapshot| self.lacking(snapshot)).await?)
    }

    fn lacking(&self, snapshot: &Snapshot) -> Lookups {
        plan::lookups(&self.loaded.desired, snapshot, &self.loaded.project.policy, &self.options)
    }

    fn planned(&self, snapshot: &Snapshot, options: &Options) -> Result<Plan, PlanError> {
        plan::plan(&self.loaded.desired, snapshot, &self.loaded.project.policy, options)
    }

    /// Plans from what was read. The plan has the verifier's approval.
    pub(super) async fn judge(&self, api: &impl ReadApi, snapshot: &Snapshot) -> Result<Plan, Failure> {
        self.verified(api, snapshot, self.planned(snapshot, &self.options)).await
    }

    /// Has a plan verified, and adds the causes of its changes.
    async fn verified(
        &self,
        api: &impl ReadApi,
        snapshot: &Snapshot,
        planned: Result<Plan, PlanError>,
    ) -> Result<Plan, Failure> {
        let plan = planned?;
        let (desired, policy) = (&self.loaded.desired, &self.loaded.project.policy);
        let violations = verify::verify(desired, snapshot, policy, &self.options, &plan);
        if violations.is_empty() {
            return self.with_causes(api, snapshot, plan).await;
        }
        let mut failure = Failure::other("internal error: the plan failed verification; nothing was sent")
            .hint("this is an error of amigops: please report it with the lines below");
        for violation in violations.into_iter().take(10) {
            failure = failure.hint(violation);
        }
        Err(failure)
    }

    /// Without the base's manifests nobody knows what an apply would overwrite.
    ///
    /// # Errors
    ///
    /// When causes were asked for and the manifests that tell them can't be read.
    pub(super) fn can_tell_conflicts(&self, args: &PlanArgs) -> Result<(), Failure> {
        match &args.base {
            Some(reference) if self.three_way.is_none() => Err(Failure::other(format!(
                "the manifests by which `{reference}` is compared with can't be read, so that conflicts with \
                 live changes can't be told; nothing was sent"
            ))
            .hint("leave --base out, or apply with --overwrite-drift, to bring the manifests about all the same")),
            _ => Ok(()),
        }
    }

    /// The document of a plan that was made from a snapshot.
    pub(super) fn document(&self, origin: &Origin, snapshot: &Snapshot, plan: &Plan) -> Document {
        let (desired, policy) = (&self.loaded.desired, &self.loaded.project.policy);
        Document::new(plan, origin, &self.options, desired, snapshot, policy)
    }

    /// Gives the plan's changes their causes, where a base is known. What only the base names is read apart, so
    /// that it can't change the plan.
    async fn with_causes(
        &self,
        api: &impl ReadApi,
        snapshot: &Snapshot,
        plan: Plan,
    ) -> Result<Plan, Failure> {
        let Some(three_way) = &self.three_way else { return Ok(plan) };
        let (desired, policy) = (&self.loaded.desired, &self.loaded.project.policy);
        let bases = three_way.bases();
        let known = complete_snapshot(api, snapshot.clone(), |snapshot| {
            plan::cause_lookups(&plan, desired, &bases, snapshot, self.options.api)
        });
        let known = known.await?;
        Ok(plan::with_causes(plan, desired, &bases, &known, policy, &self.options))
    }

    /// Reads the live state, and gives the declared services' ids, whatever else a plan would say. Ids that rest on
    /// services which the list does not have are those of two readings.
    pub(super) async fn ids(&self, api: &impl ReadApi) -> Result<BTreeMap<ServiceName, ServiceId>, Failure> {
        let (desired, policy) = (&self.loaded.desired, &self.loaded.project.policy);
        let ids = |snapshot: &Snapshot| plan::ids(desired, snapshot, policy, self.options.api);
        let rests_on_absence =
            |snapshot: &Snapshot| plan::ids_rest_on_absence(desired, ids(snapshot).as_ref(), snapshot);
        let snapshot = read_snapshot(api, |snapshot| self.lacking(snapshot), rests_on_absence).await?;
        Ok(ids(&snapshot)?)
    }

    /// Where a plan is from.
    pub(super) fn origin(&self, context: &Context<'_>) -> Origin {
        let commit = self.commit.get_or_init(|| base::commit(context.env, &self.loaded.project.root));
        Origin {
            environment: self.loaded.environment.name.clone(),
            api: self.connection.kind(),
            organization: self.connection.organization.clone(),
            server: self.connection.server.clone(),
            created_at: context.env.timestamp(),
            commit: commit.clone(),
            base: self.three_way.as_ref().map(|three_way| three_way.origin.clone()),
        }
    }
}
