//! The filter's metrics as a Prometheus server would scrape them: its text format, and sums by label.
//!
//! Read from `/stats/prometheus` and nowhere else, so that every test that counts also proves the labels.

use std::collections::BTreeMap;

/// Every sample of one scrape.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics(Vec<Sample>);

/// One line: `name{label="value",…} number`.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The metric's name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

impl Metrics {
    /// The samples in this text. What is no sample (comments, types) is passed over.
    pub fn parse(text: &str) -> Self {
        Self(text.lines().filter_map(Sample::parse).collect())
    }

    /// All samples of this metric.
    pub fn of(&self, name: &str) -> impl Iterator<Item = &Sample> {
        self.0.iter().filter(move |sample| sample.name == name)
    }

    /// Whether there is no sample of this metric.
    pub fn lack(&self, name: &str) -> bool {
        self.of(name).next().is_none()
    }

    /// The value of the series with exactly these labels; `None` while it does not exist.
    pub fn sample(&self, name: &str, labels: &[(&str, &str)]) -> Option<u64> {
        let mut found = self.of(name).filter(|sample| sample.labels.len() == labels.len() && sample.has(labels));
        found.next().map(|sample| sample.value as u64)
    }

    /// What Prometheus answers to `sum by (label) (name)`. A series without the label counts under "".
    pub fn sum(&self, name: &str, label: &str) -> BTreeMap<String, u64> {
        self.sums(name, &[], &[label])
    }

    /// What Prometheus answers to `sum by (by) (name{only})`, with a space between the values of several labels.
    pub fn sums(&self, name: &str, only: &[(&str, &str)], by: &[&str]) -> BTreeMap<String, u64> {
        let mut sums = BTreeMap::new();
        for sample in self.of(name).filter(|sample| sample.has(only)) {
            let key: Vec<_> = by.iter().map(|label| sample.label(label)).collect();
            *sums.entry(key.join(" ")).or_default() += sample.value as u64;
        }
        sums
    }
}

impl Sample {
    /// The label's value, "" if it has none, as in Prometheus.
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    fn has(&self, labels: &[(&str, &str)]) -> bool {
        labels.iter().all(|(name, value)| self.label(name) == *value)
    }

    fn parse(line: &str) -> Option<Self> {
        let (series, value) = line.rsplit_once(' ')?;
        let value = value.parse().ok()?;
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        // A comment has spaces where a name has none.
        (!name.contains([' ', '#'])).then_some(())?;
        Some(Self { name: name.into(), labels: parse_labels(labels)?, value })
    }
}

/// `a="1",b="2"}`, where a value may hold `\"`, `\\` and `\n`.
fn parse_labels(mut rest: &str) -> Option<BTreeMap<String, String>> {
    let mut labels = BTreeMap::new();
    while rest != "}" {
        let (name, after) = rest.split_once("=\"")?;
        let (mut value, mut characters) = (String::new(), after.chars());
        loop {
            match characters.next()? {
                '"' => break,
                '\\' => value.push(characters.next().map(|escaped| if escaped == 'n' { '\n' } else { escaped })?),
                character => value.push(character),
            }
        }
        labels.insert(name.to_owned(), value);
        rest = characters.as_str();
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    Some(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRAPE: &str = r#"# TYPE decisions_total counter
decisions_total{region="eu-west",reason="nearest"} 3
decisions_total{region="eu-west",reason="failover"} 1
decisions_total{region="oceania",reason="nearest"} 4

# TYPE rejected_total counter
rejected_total{} 2
odd{a="x \"y\" \\ z}, b=\"1\"",b="2"} 1.5e1
bare 7
# HELP bare not a sample 8
torn{a="1 9
"#;

    #[test]
    fn sums_are_those_of_prometheus() {
        let metrics = Metrics::parse(SCRAPE);
        let map = |sums: &[(&str, u64)]| sums.iter().map(|(key, sum)| ((*key).to_owned(), *sum)).collect();
        assert_eq!(metrics.sum("decisions_total", "region"), map(&[("eu-west", 4), ("oceania", 4)]));
        assert_eq!(metrics.sum("decisions_total", "reason"), map(&[("failover", 1), ("nearest", 7)]));
        assert_eq!(metrics.sum("decisions_total", "other"), map(&[("", 8)]));
        let oceania = metrics.sums("decisions_total", &[("region", "oceania")], &["reason", "region"]);
        assert_eq!(oceania, map(&[("nearest oceania", 4)]));
    }

    #[test]
    fn a_sample_is_found_by_all_of_its_labels() {
        let metrics = Metrics::parse(SCRAPE);
        let sample = |labels: &[(&str, &str)]| metrics.sample("decisions_total", labels);
        assert_eq!(sample(&[("reason", "failover"), ("region", "eu-west")]), Some(1));
        assert_eq!(sample(&[("region", "oceania")]), None);
        assert_eq!((metrics.sample("rejected_total", &[]), metrics.sample("bare", &[])), (Some(2), Some(7)));
        assert!(metrics.lack("torn"));
    }

    #[test]
    fn a_value_may_hold_anything() {
        let metrics = Metrics::parse(SCRAPE);
        let odd = metrics.of("odd").next().unwrap();
        assert_eq!((odd.label("a"), odd.label("b"), odd.value), (r#"x "y" \ z}, b="1""#, "2", 15.0));
    }
}
