//! Matrices of numbers, and embeddings: row `k` belongs to line `k` of the file beside it.

use crate::error::DataError;
use crate::npy;
use std::path::Path;

/// A matrix of finite numbers, with at least one row and one column.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    /// Rows.
    pub nrows: usize,
    /// Columns.
    pub ncols: usize,
    /// The entries, row-major.
    pub values: Vec<f64>,
}

impl Matrix {
    /// One row.
    ///
    /// # Panics
    /// If `row` is not below the number of rows.
    pub fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.ncols..(row + 1) * self.ncols]
    }
}

/// Reads a two-dimensional `.npy` file of floating-point numbers or integers, in C or Fortran order.
///
/// # Errors
/// [`DataError`] if the file cannot be read, is no such matrix, has no rows or columns, or has an
/// entry that is infinite or not a number.
pub fn read_matrix_npy(path: &Path) -> Result<Matrix, DataError> {
    let array = npy::read(path)?;
    let (nrows, ncols) = (array.nrows, array.ncols);
    let mut values = array.values;
    if array.fortran_order && nrows > 1 && ncols > 1 {
        let columns = values;
        values = Vec::with_capacity(columns.len());
        for row in 0..nrows {
            values.extend(columns[row..].iter().step_by(nrows));
        }
    }
    if let Some(at) = values.iter().position(|value| !value.is_finite()) {
        let (row, column) = (at / ncols + 1, at % ncols + 1);
        let found = format!("{} in row {row}, column {column}", values[at]);
        return Err(DataError::file(path, "finite entries", found));
    }
    Ok(Matrix { nrows, ncols, values })
}

/// Reads embeddings that belong to the lines of `listed_in`.
///
/// # Errors
/// Those of [`read_matrix_npy`], and [`DataError::Rows`] if there are not `expected_rows`.
pub fn read_embeddings(
    path: &Path,
    expected_rows: usize,
    listed_in: &Path,
) -> Result<Matrix, DataError> {
    let matrix = read_matrix_npy(path)?;
    if matrix.nrows == expected_rows {
        return Ok(matrix);
    }
    Err(DataError::Rows {
        path: path.to_path_buf(),
        listed_in: listed_in.to_path_buf(),
        expected: expected_rows,
        found: matrix.nrows,
    })
}
