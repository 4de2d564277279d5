//! Tables as text, Markdown, CSV, JSON or Parquet.

use std::collections::BTreeSet;
use std::str::FromStr;

use polars::prelude::*;
use serde_json::{Map, Value};

use super::{ReportError, number, parquet};

/// A table of columns.
pub type Frame = DataFrame;

/// The form of a written table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TableFormat {
    /// columns aligned with spaces, for a terminal
    #[default]
    Table,
    /// comma-separated values, full precision
    Csv,
    /// a JSON array with one object a line
    Json,
    /// a Markdown table
    Md,
    /// Apache Parquet
    Parquet,
}

impl TableFormat {
    /// The names of all formats.
    pub const NAMES: [&str; 5] = ["table", "csv", "json", "md", "parquet"];
}

/// A name that is no format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown format `{0}`: expected table, csv, json, md or parquet")]
pub struct UnknownFormat(String);

impl FromStr for TableFormat {
    type Err = UnknownFormat;
    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        match name {
            "table" => Ok(Self::Table),
            "csv" => Ok(Self::Csv),
            "json" => Ok(Self::Json),
            "md" => Ok(Self::Md),
            "parquet" => Ok(Self::Parquet),
            _ => Err(UnknownFormat(name.to_owned())),
        }
    }
}

/// The bytes of `frame` in `format`. Text and Markdown show numbers with four significant digits and
/// leave out columns that hold nothing; the other formats hold everything, in full precision.
pub fn render(frame: &DataFrame, format: TableFormat) -> Result<Vec<u8>, ReportError> {
    match format {
        TableFormat::Table => Ok(plain(frame)?.aligned(false).into_bytes()),
        TableFormat::Md => Ok(plain(frame)?.markdown().into_bytes()),
        TableFormat::Csv => csv(frame),
        TableFormat::Json => json(frame),
        TableFormat::Parquet => parquet::bytes(frame),
    }
}

/// A table as people read it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text {
    /// headings of the columns
    pub header: Vec<String>,
    /// cells
    pub rows: Vec<Vec<String>>,
    /// which columns are numbers, and stand on the right
    pub numeric: Vec<bool>,
    /// cells in bold: (row, column)
    pub bold: BTreeSet<(usize, usize)>,
}

/// What a cell shows that holds nothing.
pub const NOTHING: &str = "–";

/// Columns of measured numbers. Other numbers with a fraction are settings, and stand as they were set.
const MEASURED: [&str; 2] = ["value", "bias"];

/// `frame` as text: measured numbers with four significant digits, without columns that hold nothing.
pub fn plain(frame: &DataFrame) -> Result<Text, ReportError> {
    let columns: Vec<&Column> = frame
        .columns()
        .iter()
        .filter(|column| column.null_count() < column.len() || column.is_empty())
        .collect();
    let text = |column: &Column, value: Value| match value {
        Value::Null => NOTHING.to_owned(),
        Value::String(text) => text,
        Value::Number(number) if number.is_f64() && MEASURED.contains(&column.name().as_str()) => {
            number::significant(number.as_f64().unwrap_or(f64::NAN))
        }
        other => other.to_string(),
    };
    let row = |index| {
        let cells = columns.iter();
        cells.map(|c| Ok(text(c, cell(c, index)?))).collect()
    };
    Ok(Text {
        header: columns.iter().map(|c| c.name().to_string()).collect(),
        rows: (0..frame.height())
            .map(row)
            .collect::<Result<_, ReportError>>()?,
        numeric: columns
            .iter()
            .map(|c| c.dtype().is_primitive_numeric())
            .collect(),
        bold: BTreeSet::new(),
    })
}

/// One cell as JSON; a number that is not finite as text.
pub fn cell(column: &Column, row: usize) -> Result<Value, ReportError> {
    Ok(match column.get(row)? {
        AnyValue::Null => Value::Null,
        AnyValue::Boolean(flag) => Value::Bool(flag),
        AnyValue::String(text) => Value::String(text.to_owned()),
        AnyValue::StringOwned(text) => Value::String(text.to_string()),
        AnyValue::Int64(number) => number.into(),
        AnyValue::UInt64(number) => number.into(),
        AnyValue::Float64(number) => serde_json::Number::from_f64(number)
            .map_or_else(|| Value::String(number.to_string()), Value::Number),
        other => Value::String(other.to_string()),
    })
}

impl Text {
    /// Adds a column.
    pub fn column(
        &mut self,
        heading: &str,
        numeric: bool,
        cells: impl IntoIterator<Item = String>,
    ) {
        self.header.push(heading.to_owned());
        self.numeric.push(numeric);
        for (row, cell) in cells.into_iter().enumerate() {
            match self.rows.get_mut(row) {
                Some(row) => row.push(cell),
                None => self.rows.push(vec![cell]),
            }
        }
    }

    /// Columns aligned with spaces; bold by the terminal's codes, where it knows any.
    pub fn aligned(&self, codes: bool) -> String {
        let width = |text: &str| text.chars().count();
        let widths: Vec<usize> = (0..self.header.len())
            .map(|c| {
                let cells = self.rows.iter().map(|row| width(&row[c]));
                cells.chain([width(&self.header[c])]).max().unwrap_or(0)
            })
            .collect();
        let line = |cells: &[String], row: Option<usize>| {
            let padded: Vec<String> = cells
                .iter()
                .enumerate()
                .map(|(column, text)| {
                    let gap = " ".repeat(widths[column] - width(text));
                    let bold = codes && row.is_some_and(|row| self.bold.contains(&(row, column)));
                    let text = if bold {
                        format!("\x1b[1m{text}\x1b[0m")
                    } else {
                        text.clone()
                    };
                    if self.numeric[column] {
                        gap + &text
                    } else {
                        text + &gap
                    }
                })
                .collect();
            format!("{}\n", padded.join("  ").trim_end())
        };
        let mut text = line(&self.header, None);
        let rows = self.rows.iter().enumerate();
        text.extend(rows.map(|(row, cells)| line(cells, Some(row))));
        text
    }

    /// A Markdown table.
    pub fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let rule = |numeric: &bool| if *numeric { "---:" } else { "---" }.to_owned();
        let escaped =
            |cells: &[String]| -> Vec<String> { cells.iter().map(|text| escape(text)).collect() };
        let mut text = line(&escaped(&self.header));
        text += &line(&self.numeric.iter().map(rule).collect::<Vec<_>>());
        for (row, cells) in self.rows.iter().enumerate() {
            let mut cells = escaped(cells);
            for (column, cell) in cells.iter_mut().enumerate() {
                if self.bold.contains(&(row, column)) {
                    *cell = format!("**{cell}**");
                }
            }
            text += &line(&cells);
        }
        text
    }
}

/// Text that may stand in a Markdown table's cell.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '|' | '*' | '_' | '`' | '<' | '[' | ']' | '\\' => escaped.extend(['\\', character]),
            '\n' | '\r' => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}

fn csv(frame: &DataFrame) -> Result<Vec<u8>, ReportError> {
    let error = |error: csv::Error| ReportError::Csv(error.to_string());
    let mut writer = csv::Writer::from_writer(Vec::new());
    let names = frame.columns().iter().map(|column| column.name().as_str());
    writer.write_record(names).map_err(error)?;
    for row in 0..frame.height() {
        let mut record = Vec::with_capacity(frame.width());
        for column in frame.columns() {
            record.push(match cell(column, row)? {
                Value::Null => String::new(),
                Value::String(text) => text,
                other => other.to_string(),
            });
        }
        writer.write_record(&record).map_err(error)?;
    }
    writer
        .into_inner()
        .map_err(|error| ReportError::Csv(error.to_string()))
}

/// Header and rows of a table in CSV.
pub fn records(bytes: &[u8]) -> Result<Vec<Vec<String>>, ReportError> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(bytes);
    let records = reader.records().map(|record| {
        let record = record.map_err(|error| ReportError::Csv(error.to_string()))?;
        Ok(record.iter().map(str::to_owned).collect())
    });
    records.collect()
}

fn json(frame: &DataFrame) -> Result<Vec<u8>, ReportError> {
    let mut lines = Vec::with_capacity(frame.height());
    for row in 0..frame.height() {
        let mut object = Map::new();
        for column in frame.columns() {
            object.insert(column.name().to_string(), cell(column, row)?);
        }
        lines.push(serde_json::to_string(&object)?);
    }
    Ok(match lines.as_slice() {
        [] => "[]\n".to_owned(),
        lines => format!("[\n{}\n]\n", lines.join(",\n")),
    }
    .into_bytes())
}
