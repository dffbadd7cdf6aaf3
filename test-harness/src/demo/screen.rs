//! What the tour looks like: values in, text out, at most 100 columns.

use super::atlas::{Neighbour, neighbours, place_of};
use super::budget::Probing;
use super::calls::Call;
use super::findings::{Claim, Findings, Moment};
use super::visits::Visit;
use std::time::Duration;

/// The cities' table. A row that is not right says what is wrong on a line of its own.
pub(super) fn table(visits: &[Visit]) -> String {
    let head = format!(
        "   {:<12}{:>7} {:>8}  {:<13} {:<10} {:>6}  {:<11} {}",
        "city", "lat", "lon", "region", "in", "km", "reason", "next nearest"
    );
    std::iter::once(head).chain(visits.iter().map(row)).collect::<Vec<_>>().join("\n")
}

fn row(visit: &Visit) -> String {
    let (city, record) = (visit.city, visit.record());
    let region = record.map_or("-", |record| record.region);
    let km = record.and_then(|record| record.km).map_or("-".into(), |km| km.to_string());
    let row = format!(
        "   {:<12}{:>7.2} {:>8.2}  {:<13} {:<10} {:>6}  {:<11} {}",
        city.name,
        city.latitude,
        city.longitude,
        region,
        place_of(region),
        km,
        record.map_or("-", |record| record.reason),
        runner_up(visit),
    );
    match visit.judge() {
        Ok(()) => row,
        Err(wrong) => format!("{row}\n   ✗ {}: {wrong}", city.name),
    }
}

/// The second nearest region and how much farther it is: near a border, that is little.
fn runner_up(visit: &Visit) -> String {
    let [first, second, ..] = neighbours(visit.city);
    format!("{:<12} {:>+6.0} km", second.site.region, second.km - first.km)
}

/// Where the second part takes place.
pub(super) fn stage() -> &'static str {
    "   The same Envoy listens once more, as it would on the internet: behind a load balancer that passes
   clients' addresses on. It believes the geo headers of an edge that knows a secret, nobody else's;
   it knows one office's network; about the networks of other addresses it asks a lookup service.
"
}

/// The callers' table. Below each row is what was sent, and what is wrong if anything is.
pub(super) fn callers_table(calls: &[Call]) -> String {
    let head = caller_row(' ', ["client", "address", "region", "in", "km", "via", "", "asked about"]);
    let head = format!("{head}\n     and what it sends");
    std::iter::once(head).chain(calls.iter().map(called)).collect::<Vec<_>>().join("\n")
}

fn called(call: &Call) -> String {
    let (caller, record) = (call.caller, call.visit.record());
    let region = record.map_or("-", |record| record.region);
    let km = record.and_then(|record| record.km).map_or("-".into(), |km| km.to_string());
    let via = record.map_or("-", |record| record.via);
    let country = record.and_then(|record| record.country).unwrap_or_default();
    let asked = match call.asked.as_slice() {
        [] if via == "lookup" => "- (cached)".into(),
        [] => "-".into(),
        asked => asked.join(", "),
    };
    let row = [caller.who, caller.address, region, place_of(region), &km, via, country, &asked];
    let sent: Vec<_> = caller.headers().iter().map(|(name, value)| format!("{name} {value}")).collect();
    let sent = if sent.is_empty() { "no geo headers".into() } else { sent.join(", ") };
    match call.judge() {
        Ok(()) => format!("{}\n     {sent}", caller_row('✓', row)),
        Err(wrong) => format!("{}\n     {sent}\n     {wrong}", caller_row('✗', row)),
    }
}

fn caller_row(mark: char, [who, address, region, place, km, via, country, asked]: [&str; 8]) -> String {
    let who = format!("   {mark} {who:<24}{address:<12}");
    format!("{who} {region:<13} {place:<10} {km:>5}  {via:<8}{country:<3} {asked}").trim_end().to_owned()
}

/// What will happen in the last part, and how long probes may take to notice.
pub(super) fn announcement(visit_from: &str, nearest: &[Neighbour], rate: u32, probing: &Probing) -> String {
    let [first, second, ..] = nearest else { return String::new() };
    format!(
        "   {rate} requests a second from {visit_from}: {} is nearest ({:.0} km), then {} ({:.0} km).\n   \
         Probes as in envoy/envoy.yaml: {probing}.\n   \
         Budget: interval + downAfter (upAfter) x edgeInterval + timeout = {} s to leave, {} s to come back.",
        first.site.region,
        first.km,
        second.site.region,
        second.km,
        probing.to_leave().as_secs_f64(),
        probing.to_return().as_secs_f64(),
    )
}

/// The outage as it happened.
pub(super) fn timeline(findings: &Findings, probing: &Probing) -> String {
    let Findings { home, .. } = findings;
    let (leave, come_back) = (Some(probing.to_leave()), Some(probing.to_return()));
    let lines = [
        event(Some(Duration::ZERO), &format!("{home} is killed (SIGKILL)"), None),
        moment(findings.first_elsewhere.as_ref(), "first request served elsewhere", None),
        moment(findings.first_steered.as_ref(), "first request steered elsewhere", leave),
        event(findings.last_stayed, "last request not yet steered elsewhere", leave),
        String::new(),
        event(Some(Duration::ZERO), &format!("{home} runs again"), None),
        moment(findings.first_back.as_ref(), "first request steered back", come_back),
        event(findings.last_away, "last request not yet steered back", come_back),
        String::new(),
        counts(findings),
    ];
    lines.join("\n")
}

fn moment(moment: Option<&Moment>, what: &str, budget: Option<Duration>) -> String {
    let Some(moment) = moment else { return event(None, what, budget) };
    let km = moment.km.map_or(String::new(), |km| format!(", {km} km"));
    let how = match moment.steered_to == moment.served_by {
        true => format!("{what}: {}, {}{km}", moment.served_by, moment.reason),
        false => format!("{what}: {}, Envoy's retry", moment.served_by),
    };
    event(Some(moment.after), &how, budget)
}

fn event(after: Option<Duration>, what: &str, budget: Option<Duration>) -> String {
    let after = after.map_or("never".into(), |after| format!("{:+.3} s", after.as_secs_f64()));
    let budget = budget.map_or(String::new(), |budget| format!("of {} s", budget.as_secs_f64()));
    format!("   {after:>10}  {what:<70} {budget:>9}").trim_end().to_owned()
}

fn counts(findings: &Findings) -> String {
    let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    let mut lines: Vec<_> = [
        ("requests", findings.requests.to_string()),
        ("failed", findings.failures.len().to_string()),
        ("retried by Envoy", findings.retried.to_string()),
        ("median", ms(findings.median)),
        ("slowest", ms(findings.slowest)),
    ]
    .into_iter()
    .map(|(what, value)| format!("   {value:>10}  {what}"))
    .collect();
    lines.extend(findings.failures.iter().take(3).map(|failure| format!("   ✗ {failure:.95}")));
    lines.join("\n")
}

/// The verdict: one line for each claim.
pub(super) fn verdict(claims: &[Claim]) -> String {
    let lines = claims.iter().map(|claim| format!("   {} {}", if claim.right { '✓' } else { '✗' }, claim.what));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::super::callers::{CALLERS, Caller};
    use super::*;
    use test_harness::places::{APIA, SUVA};

    fn visit(city: test_harness::Place, decision: &str) -> Visit {
        Visit { city, outcome: Ok("oceania".into()), decision: decision.into() }
    }

    #[test]
    fn a_table_marks_what_is_wrong_and_fits_the_screen() {
        let right = visit(SUVA, "region=oceania;reason=nearest;km=3218;rank=1;via=headers");
        let table = table(&[right, visit(APIA, "")]);
        let lines: Vec<_> = table.lines().collect();
        assert!(lines[1].contains("oceania       Sydney       3218  nearest"), "{table}");
        assert_eq!(lines[3], "   ✗ Apia: nobody decided; oceania served it");
        assert_eq!(lines.len(), 4);
        assert!(lines.iter().all(|line| line.chars().count() <= 100), "{table}");
    }

    #[test]
    fn a_callers_row_says_what_was_decided_and_sent_and_what_is_wrong_and_fits_the_screen() {
        let call = |caller: &'static Caller, decision: &str, asked: &[&str]| Call {
            caller,
            visit: Visit { decision: decision.into(), ..visit(caller.place, "") },
            asked: asked.iter().copied().map(Into::into).collect(),
            arrived: Vec::new(),
        };
        let [edge, .., liar] = &CALLERS;
        let right = call(edge, "region=oceania;reason=nearest;km=3218;rank=1;via=headers;country=FJ", &[]);
        let wrong = call(liar, "region=ap-southeast;reason=nearest;km=10000;rank=1;via=lookup", &["45.50.60.0"]);
        let table = callers_table(&[right, wrong]);
        let lines: Vec<_> = table.lines().collect();
        assert!(lines[2].starts_with("   ✓ Suva, through the edge  45.70.80.7   oceania "), "{table}");
        assert!(lines[3].ends_with("x-geo-country FJ, x-edge-auth s3cret"), "{table}");
        assert!(lines[4].starts_with("   ✗ Los Angeles, a liar"), "{table}");
        assert!(lines[4].ends_with("45.50.60.7   ap-southeast  Singapore  10000  lookup      45.50.60.0"), "{table}");
        assert_eq!(lines[6], "     found in country -, not US");
        assert_eq!(lines.len(), 7);
        assert!(stage().lines().chain(lines).all(|line| line.chars().count() <= 100), "{}\n{table}", stage());
    }

    #[test]
    fn a_line_of_the_timeline_says_when_what_and_within_which_time() {
        let budget = Some(Duration::from_secs(9));
        let line = event(Some(Duration::from_millis(6_005)), "steered", budget);
        assert_eq!(line.split_whitespace().collect::<Vec<_>>(), ["+6.005", "s", "steered", "of", "9", "s"]);
        assert!(line.chars().count() <= 100);
        assert!(event(None, "steered", budget).trim_start().starts_with("never"));
    }
}
