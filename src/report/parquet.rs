//! A polars table as Parquet: one row group, uncompressed, every column optional.

use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType as ParquetType, DoubleType, Int64Type,
};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;
use polars::prelude::*;
use serde_json::Value;

use super::ReportError;
use super::table::cell;

/// Text that the file names as its writer; without the library's version, so that an update of it does
/// not change a table's bytes.
const CREATED_BY: &str = "retake";

/// The file's bytes.
pub fn bytes(frame: &DataFrame) -> Result<Vec<u8>, ReportError> {
    let fields = frame
        .columns()
        .iter()
        .map(|column| field(column).map(Arc::new))
        .collect::<Result<_, ReportError>>()?;
    let schema = Type::group_type_builder("table")
        .with_fields(fields)
        .build()?;
    let properties = WriterProperties::builder()
        .set_created_by(CREATED_BY.to_owned())
        .build();
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties))?;
    let mut group = writer.next_row_group()?;
    for column in frame.columns() {
        let cells = (0..column.len())
            .map(|row| cell(column, row))
            .collect::<Result<Vec<Value>, ReportError>>()?;
        match column.dtype() {
            DataType::Boolean => put::<BoolType>(&mut group, &cells, Value::as_bool)?,
            DataType::Int64 | DataType::UInt64 => {
                put::<Int64Type>(&mut group, &cells, Value::as_i64)?;
            }
            DataType::Float64 => put::<DoubleType>(&mut group, &cells, float)?,
            _ => put::<ByteArrayType>(&mut group, &cells, |value| {
                value.as_str().map(ByteArray::from)
            })?,
        }
    }
    group.close()?;
    Ok(writer.into_inner()?)
}

/// A number; those that are not finite stand as text in a cell.
fn float(value: &Value) -> Option<f64> {
    value
        .as_f64()
        .or_else(|| value.as_str().and_then(|text| text.parse().ok()))
}

fn field(column: &Column) -> Result<Type, ReportError> {
    let (physical, logical) = match column.dtype() {
        DataType::Boolean => (Physical::BOOLEAN, None),
        DataType::Int64 | DataType::UInt64 => (Physical::INT64, None),
        DataType::Float64 => (Physical::DOUBLE, None),
        _ => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
    };
    Ok(Type::primitive_type_builder(column.name(), physical)
        .with_logical_type(logical)
        .with_repetition(Repetition::OPTIONAL)
        .build()?)
}

fn put<T: ParquetType>(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    cells: &[Value],
    read: impl Fn(&Value) -> Option<T::T>,
) -> Result<(), ReportError> {
    let values: Vec<Option<T::T>> = cells.iter().map(read).collect();
    let levels: Vec<i16> = values.iter().map(|v| i16::from(v.is_some())).collect();
    let present: Vec<T::T> = values.into_iter().flatten().collect();
    if let Some(mut writer) = group.next_column()? {
        writer
            .typed::<T>()
            .write_batch(&present, Some(&levels), None)?;
        writer.close()?;
    }
    Ok(())
}
