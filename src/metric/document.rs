//! The metrics of one run as files: JSON for programs, CSV for tables.

use serde::{Deserialize, Serialize};

use super::MetricRow;

/// Everything that was measured of one run. It names neither stage nor axes: the same values from
/// another place are the same bytes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Metrics {
    /// by metric, then by epoch
    pub rows: Vec<MetricRow>,
}

impl Metrics {
    /// Puts rows of one metric together, metrics in the order of their first rows.
    pub fn group(&mut self) {
        let mut names: Vec<String> = Vec::new();
        for row in &self.rows {
            if !names.contains(&row.metric) {
                names.push(row.metric.clone());
            }
        }
        let place = |row: &MetricRow| names.iter().position(|name| *name == row.metric);
        self.rows.sort_by_key(place);
    }

    /// A JSON array, one row a line.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let rows = self
            .rows
            .iter()
            .map(serde_json::to_string)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(match rows.as_slice() {
            [] => "[]\n".to_owned(),
            rows => format!("[\n{}\n]\n", rows.join(",\n")),
        }
        .into_bytes())
    }

    /// Reads what [`Metrics::to_json`] wrote.
    pub fn from_json(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// CSV with a header line.
    pub fn to_csv(&self) -> Result<Vec<u8>, csv::Error> {
        let mut writer = csv::WriterBuilder::new()
            .has_headers(false)
            .from_writer(Vec::new());
        writer.write_record([
            "metric",
            "epoch",
            "value",
            "better",
            "samples",
            "extractor",
            "reference",
            "protocol",
            "bias",
        ])?;
        for row in &self.rows {
            let MetricRow {
                metric,
                epoch,
                value,
                direction,
                samples,
                extractor,
                reference,
                protocol,
                small: _,
                scores: _,
            } = row;
            writer.serialize((
                metric,
                epoch,
                value,
                direction,
                samples,
                extractor,
                reference,
                protocol,
                row.bias(),
            ))?;
        }
        writer
            .into_inner()
            .map_err(|error| error.into_error().into())
    }

    /// The rows of one metric.
    pub fn of<'a>(&'a self, metric: &'a str) -> impl Iterator<Item = &'a MetricRow> + Clone {
        self.rows.iter().filter(move |row| row.metric == metric)
    }
}
