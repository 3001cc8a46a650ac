//! Simulates edits on the vendor's dashboard between two runs: a service is renamed, copied with all its tags, or
//! deactivated. The next run must restore the state before the edit: no service is created, retired or replaced, and a
//! copy stays as it is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::case::Case;
use super::edit::{self, CONSOLE_PREFIX};
use super::run::runtime;
use super::seeded_random::SeededRandom;
use super::several_commits::converge;
use super::state::Simulation;
use super::world::{Row, Rows, rows};
use crate::model::{Api, Desired, OriginTag, TAG_ORIGIN};

/// The number of schedules for each API. Each one has all three kinds of edits.
const SCHEDULES: usize = 5_000;

/// The kinds of edits.
#[derive(Clone, Copy, Debug, PartialEq)]
enum DashboardEdit {
    Rename,
    Copy,
    Deactivate,
}

/// The course of one schedule.
struct Course<'a> {
    case: &'a Case,
    sim: Arc<Simulation>,
    random: SeededRandom,
    runs: usize,
    /// The copies that were made so far, by their ids.
    copies: Rows,
    /// The number of edits of each kind.
    counts: BTreeMap<&'static str, usize>,
}

impl Course<'_> {
    /// Returns all services. The commit in their tags `origin` is left out, because each run may write another one.
    fn rows(&self) -> Rows {
        let mut rows = rows(self.case.api, &self.sim.emulator.world());
        for row in rows.values_mut() {
            if let Some(origin) = OriginTag::of(&row.tags) {
                let origin = OriginTag { commit: None, ..origin };
                row.tags.insert(TAG_ORIGIN.to_owned(), Some(origin.to_string()));
            }
        }
        rows
    }

    /// Returns the services that can be edited: each is the service of a manifest, has the tag `origin`, and is not one
    /// whose activity the manifest leaves to others.
    fn candidates(&self, edit: DashboardEdit) -> Vec<(String, Row)> {
        let is_candidate = |row: &Row| {
            let Some(wanted) = self.case.desired.services.get(row.name.as_str()) else {
                return false;
            };
            let ignores_active = wanted.lifecycle.ignore.iter().any(|path| path.0 == ["active"]);
            let has_origin = OriginTag::of(&row.tags).is_some_and(|origin| !origin.is_former);
            let can_change = match edit {
                // Of an original and a copy that both have other names, only a person can choose.
                DashboardEdit::Rename => {
                    self.copies.values().all(|copy| copy.tag(TAG_ORIGIN) != row.tag(TAG_ORIGIN))
                }
                DashboardEdit::Copy => true,
                DashboardEdit::Deactivate => row.active && !ignores_active,
            };
            row.is_owned() && !row.system && has_origin && can_change
        };
        let all = self.rows();
        let holders = |name: &str| all.values().filter(|row| row.name == name && row.is_owned()).count();
        let fits = |row: &Row| is_candidate(row) && holders(&row.name) == 1;
        all.iter().filter(|(_, row)| fits(row)).map(|(id, row)| (id.clone(), row.clone())).collect()
    }

    /// Makes an edit and applies the manifests again. Does nothing if no service can be edited in this way.
    async fn edit(&mut self, edit: DashboardEdit) -> Result<(), String> {
        let before = self.rows();
        let candidates = self.candidates(edit);
        if candidates.is_empty() {
            return Ok(());
        }
        let (id, row) = self.random.pick(&candidates).clone();
        let name = format!("{CONSOLE_PREFIX}{}", self.runs);
        let (api, note) = (self.case.api, format!("{edit:?} of {id} ({:?})", row.name));
        self.sim.note(|| note.clone());
        let world = |change: &mut dyn FnMut(&mut amigops_emulator::World)| {
            self.sim.emulator.edit(|world| change(world)).expect("the state can be edited");
        };
        match edit {
            DashboardEdit::Rename => {
                world(&mut |world| edit::set_name_and_activity(api, world, &id, &name, row.active));
            }
            DashboardEdit::Deactivate => {
                world(&mut |world| edit::set_name_and_activity(api, world, &id, &row.name, false));
            }
            DashboardEdit::Copy => {
                let mut copied = String::new();
                world(&mut |world| copied = edit::copy(api, world, &id, &name));
                let copy = self.rows().remove(&copied).expect("the copy exists");
                self.copies.insert(copied, copy);
            }
        }
        let kind = match edit {
            DashboardEdit::Rename => "renames",
            DashboardEdit::Copy => "copies",
            DashboardEdit::Deactivate => "deactivations",
        };
        *self.counts.entry(kind).or_default() += 1;
        self.converge(&self.case.desired).await.map_err(|why| format!("{note}: {why}"))?;
        let mut expected = before;
        expected.extend(self.copies.clone());
        check_equal(&expected, &self.rows()).map_err(|why| format!("{note}: {why}"))
    }

    async fn converge(&mut self, desired: &Desired) -> Result<(), String> {
        let first = self.runs;
        self.runs += 2;
        converge(&self.sim, first, desired).await
    }

    /// Removes the manifests of the services that were copied. Their copies must stay as they are, even with `--prune`.
    async fn remove_originals(&mut self) -> Result<(), String> {
        let origins: Vec<_> =
            self.copies.values().map(|copy| copy.tag(TAG_ORIGIN).map(str::to_owned)).collect();
        let all = self.rows();
        let is_original = |name: &str| {
            all.values()
                .any(|row| row.name == name && origins.contains(&row.tag(TAG_ORIGIN).map(str::to_owned)))
        };
        let mut desired = self.case.desired.clone();
        desired.services.retain(|name, _| !is_original(name.as_str()));
        if desired.services.is_empty() || desired.services.len() == self.case.desired.services.len() {
            return Ok(());
        }
        // A protected service can't be removed, and no plan is made for a manifest that depends on a removed one.
        if let Err(why) = self.converge(&desired).await {
            let is_refused = why.starts_with("no plan") && self.sim.state().violation.is_none();
            return if is_refused { Ok(()) } else { Err(format!("originals removed: {why}")) };
        }
        let rows = self.rows();
        match self.copies.iter().find(|(id, copy)| rows.get(*id) != Some(copy)) {
            Some((id, copy)) => {
                Err(format!("originals removed: the copy {id} was {copy:?}, and is {:?}", rows.get(id)))
            }
            None => Ok(()),
        }
    }
}

/// Checks that all services are as expected.
fn check_equal(expected: &Rows, found: &Rows) -> Result<(), String> {
    for (id, row) in expected {
        if found.get(id) != Some(row) {
            return Err(format!("{id} was {row:?}, and is {:?}", found.get(id)));
        }
    }
    match found.keys().find(|id| !expected.contains_key(*id)) {
        Some(id) => Err(format!("{id} is new: {:?}", found[id])),
        None => Ok(()),
    }
}

/// Runs the schedule of a seed. Returns the number of edits of each kind, or `None` if the manifests can't be applied.
async fn run(case: &Case) -> Result<Option<BTreeMap<&'static str, usize>>, String> {
    let sim = Simulation::new(case, false, None, false);
    let mut course = Course {
        case,
        sim,
        random: SeededRandom::new(case.seed),
        runs: 0,
        copies: Rows::new(),
        counts: BTreeMap::new(),
    };
    if course.converge(&case.desired).await.is_err() {
        return Ok(None);
    }
    let mut edits = vec![DashboardEdit::Rename, DashboardEdit::Copy, DashboardEdit::Deactivate];
    while !edits.is_empty() {
        let index = course.random.below(edits.len() as u64) as usize;
        course.edit(edits.swap_remove(index)).await?;
    }
    course.remove_originals().await?;
    Ok(Some(course.counts))
}

#[allow(clippy::disallowed_macros, reason = "a test may print figures")]
fn run_schedules(api: Api) {
    let (next, done) = (AtomicU64::new(0), AtomicUsize::new(0));
    let results: Mutex<(BTreeMap<&'static str, usize>, Vec<String>)> = Mutex::default();
    let work = || {
        while done.load(Ordering::Relaxed) < SCHEDULES {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let case = Case::from_seed(api, seed);
            let result = runtime().block_on(run(&case));
            let mut results = results.lock().expect("no panic");
            match result {
                Ok(Some(counts)) => {
                    // Only schedules with all kinds of edits count.
                    done.fetch_add(usize::from(counts.len() == 3), Ordering::Relaxed);
                    counts.iter().for_each(|(kind, count)| *results.0.entry(kind).or_default() += count);
                }
                Ok(None) => {}
                Err(why) => results.1.push(format!("seed {seed}: {why}")),
            }
            if results.1.len() > 50 {
                return;
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let (counts, broken) = results.into_inner().expect("no panic");
    println!("{}: {counts:?}", api.as_str());
    assert!(broken.is_empty(), "{} schedules fail:\n{}", broken.len(), broken.join("\n"));
}

#[test]
fn no_dashboard_edit_makes_a_second_service_on_classic() {
    run_schedules(Api::Classic);
}

#[test]
fn no_dashboard_edit_makes_a_second_service_on_platform() {
    run_schedules(Api::Platform);
}
