//! What somebody may try against a gateway, and what comes of it. `./build.sh attack` runs all of it and prints it as a table.
//!
//! An attack is a test around [`attack`], in a file of its own for each kind. One that takes long is ignored, with the reason.

mod large_answers;
mod lookups;
mod rotation;
mod slow_posts;

use std::io::Write;
use std::sync::{Mutex, PoisonError};

/// Names the file to which each attack adds its row.
const TABLE: &str = "ATTACKS_TABLE";

/// Tries this, while no other attack is under way. It panics if the gateway does not hold, and otherwise says what was seen.
fn attack(tried: &'static str, run: impl FnOnce() -> String) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut row = Row { tried, seen: None };
    row.seen = Some(run());
}

/// A row of the table, written when the attack is over, however it ended.
struct Row {
    tried: &'static str,
    seen: Option<String>,
}

impl Drop for Row {
    fn drop(&mut self) {
        let (held, seen) = self.seen.as_ref().map_or(("**no**", ""), |seen| ("yes", seen));
        let row = format!("| {} | {held} | {seen} |", self.tried);
        println!("{row}");
        if let Some(table) = std::env::var_os(TABLE) {
            let table = std::fs::OpenOptions::new().append(true).open(table);
            let _ = table.and_then(|mut table| writeln!(table, "{row}"));
        }
    }
}
