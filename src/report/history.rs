//! A training run's history: the CSV table of figures by step.

use super::ReportError;
use super::downsample::Point;
use super::plot::Line;

/// Columns of figures, all of one length.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct History {
    /// Name → values, in the file's order. `None` where nothing was measured; text is NaN.
    pub columns: Vec<(String, Vec<Option<f64>>)>,
}

impl History {
    /// Reads CSV with a header line.
    pub fn from_csv(bytes: &[u8]) -> Result<Self, ReportError> {
        let error = |error: csv::Error| ReportError::Csv(error.to_string());
        let mut reader = csv::Reader::from_reader(bytes);
        let mut columns: Vec<(String, Vec<Option<f64>>)> = reader
            .headers()
            .map_err(error)?
            .iter()
            .map(|name| (name.to_owned(), Vec::new()))
            .collect();
        for record in reader.records() {
            let record = record.map_err(error)?;
            for ((_, values), cell) in columns.iter_mut().zip(&record) {
                let measured = !cell.is_empty();
                values.push(measured.then(|| cell.parse().unwrap_or(f64::NAN)));
            }
        }
        Ok(Self { columns })
    }

    /// What was measured of a column, in order.
    pub fn measured(&self, column: &str) -> impl Iterator<Item = f64> {
        let columns = self.columns.iter().filter(move |(name, _)| name == column);
        columns.flat_map(|(_, values)| values.iter().copied().flatten())
    }

    /// The lines (step, value) of every measured column whose name holds `word`.
    pub fn lines(&self, word: &str) -> Vec<Line> {
        let columns = self.columns.iter().filter(|(name, _)| name.contains(word));
        columns
            .filter_map(|(name, _)| Some(Line::new(name, self.column(name)?)))
            .collect()
    }

    /// The points (step, value) of a column; none where nothing of it was measured. Without a column `step` rows are
    /// counted from 1.
    pub fn column(&self, name: &str) -> Option<Vec<Point>> {
        let find = |name: &str| self.columns.iter().find(|(column, _)| column == name);
        let steps = find("step");
        let step = |row: usize| {
            let step = steps.and_then(|(_, steps)| steps[row]);
            step.unwrap_or((row + 1) as f64)
        };
        let measured = find(name)?.1.iter().enumerate();
        let points: Vec<Point> = measured
            .filter_map(|(row, value)| Some((step(row), (*value)?)))
            .collect();
        (!points.is_empty()).then_some(points)
    }
}
