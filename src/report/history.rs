//! A training run's history: the CSV table of figures by step.

use super::ReportError;

/// Columns of numbers, all of one length. What is not a number is NaN.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct History {
    /// name → values, in the file's order
    pub columns: Vec<(String, Vec<f64>)>,
}

impl History {
    /// Reads CSV with a header line.
    pub fn from_csv(bytes: &[u8]) -> Result<Self, ReportError> {
        let error = |error: csv::Error| ReportError::Csv(error.to_string());
        let mut reader = csv::Reader::from_reader(bytes);
        let mut columns: Vec<(String, Vec<f64>)> = reader
            .headers()
            .map_err(error)?
            .iter()
            .map(|name| (name.to_owned(), Vec::new()))
            .collect();
        for record in reader.records() {
            let record = record.map_err(error)?;
            for ((_, values), cell) in columns.iter_mut().zip(&record) {
                values.push(cell.parse().unwrap_or(f64::NAN));
            }
        }
        Ok(Self { columns })
    }

    /// The values of one column.
    pub fn column(&self, name: &str) -> Option<&[f64]> {
        self.columns
            .iter()
            .find(|(column, _)| column == name)
            .map(|(_, values)| values.as_slice())
    }

    /// Points (step, value) of every column whose name starts with `prefix` and that holds a number at all.
    /// Without a `step` column rows are counted from 1.
    pub fn lines(&self, prefix: &str) -> Vec<(String, Vec<(f64, f64)>)> {
        let step = self.column("step");
        let x = |row: usize| step.map_or((row + 1) as f64, |steps| steps[row]);
        self.columns
            .iter()
            .filter(|(name, values)| {
                name.starts_with(prefix) && values.iter().any(|value| !value.is_nan())
            })
            .map(|(name, values)| {
                let points = values.iter().enumerate().map(|(row, y)| (x(row), *y));
                (name.clone(), points.collect())
            })
            .collect()
    }
}
