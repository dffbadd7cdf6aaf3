//! How `build.sh` speaks: what is done now, and what nobody may miss.

pub(crate) fn say(what: &str) {
    eprintln!("\n== {what}");
}

pub(crate) fn loud(what: &str) {
    eprintln!("\n!!! {what}");
}
