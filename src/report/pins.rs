//! Renders changed pins and outdated pins for a terminal.

use std::fmt::Write as _;

use super::text::{BAD, CHANGED, DIM, GOOD, STRONG, count, padded, styled, visible, width};

/// A value that was changed in a version set of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PinChange {
    /// The path of the manifest file, relative to the project.
    pub file: String,
    /// The name of the service.
    pub service: String,
    /// The name of the version set.
    pub set: String,
    /// The name of the changed field of the version set.
    pub field: String,
    /// The value before the change. `None` if there was no value.
    pub before: Option<String>,
    /// The value after the change.
    pub after: String,
    /// The environment in whose overlay the value was changed. `None` if it was changed outside the overlays.
    pub overlay: Option<String>,
}

/// Renders the changed values, grouped by file. With `dry_run`, the output says that no file was changed.
pub fn changes(changes: &[PinChange], dry_run: bool) -> String {
    let mut out = String::new();
    let columns = widths(changes.iter().map(|one| [one.service.as_str(), &one.set, &one.field]));
    let mut file = None;
    let mut files = 0;
    for one in changes {
        if file.replace(&one.file) != Some(&one.file) {
            files += 1;
            let _ = writeln!(out, "{}", styled(STRONG, &visible(&one.file)));
        }
        let row = row(&columns, [&one.service, &one.set, &one.field]);
        let before = visible(one.before.as_deref().unwrap_or("none"));
        let after = styled(GOOD, &visible(&one.after));
        let overlay = one.overlay.as_ref().map(|name| {
            let note = format!("   (environments.{})", visible(name));
            styled(DIM, &note)
        });
        let _ = writeln!(out, "  {row}  {} → {after}{}", styled(BAD, &before), overlay.unwrap_or_default());
    }
    let verb = if dry_run { "would change" } else { "changed" };
    let tail = if dry_run { "; nothing was written" } else { "" };
    let _ = writeln!(out, "\n{} {verb} in {}{tail}", count(changes.len(), "value"), count(files, "file"));
    out
}

/// A pin to a version that is not the latest one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outdated {
    /// The name of the service.
    pub service: String,
    /// The name of the version set.
    pub set: String,
    /// The kind of thing that is pinned: `agent` or `context graph`.
    pub what: &'static str,
    /// The name of the agent or context graph, or its id.
    pub name: String,
    /// The number of the pinned version.
    pub pin: u32,
    /// The number of the latest version.
    pub latest: u32,
}

/// Renders the outdated pins as a table.
pub fn outdated(rows: &[Outdated]) -> String {
    let mut out = String::new();
    let whats: Vec<String> = rows.iter().map(|row| format!("{} {}", row.what, row.name)).collect();
    let numbers: Vec<[String; 3]> = rows
        .iter()
        .map(|row| [row.pin, row.latest, row.latest.saturating_sub(row.pin)].map(|number| number.to_string()))
        .collect();
    let head = ["service", "version set", "what", "pin", "latest", "behind by"];
    let cells = rows.iter().zip(&whats).zip(&numbers).map(|((row, what), [pin, latest, behind])| {
        [
            row.service.as_str(),
            row.set.as_str(),
            what.as_str(),
            pin.as_str(),
            latest.as_str(),
            behind.as_str(),
        ]
    });
    let columns = widths(std::iter::once(head).chain(cells.clone()));
    let _ = writeln!(out, "{}", styled(STRONG, row(&columns, head).trim_end()));
    for cells in cells {
        let [service, set, what, pin, latest, behind] = cells;
        let row = row(&columns, [service, set, what, pin, latest, behind]);
        let _ = writeln!(out, "{}", row.trim_end());
    }
    let _ = writeln!(out, "\n{}", styled(CHANGED, &format!("{} outdated", count(rows.len(), "pin"))));
    out
}

fn widths<'a, const N: usize>(rows: impl Iterator<Item = [&'a str; N]>) -> [usize; N] {
    let mut widest = [0; N];
    for row in rows {
        for (widest, cell) in widest.iter_mut().zip(row) {
            *widest = (*widest).max(width(&visible(cell)));
        }
    }
    widest
}

fn row<const N: usize>(columns: &[usize; N], cells: [&str; N]) -> String {
    let cells: Vec<String> =
        cells.iter().zip(columns).map(|(cell, columns)| padded(&visible(cell), *columns)).collect();
    cells.join("  ")
}
