//! Matrices as they are saved: their shape, and their values by columns.

use super::{SavedModelError, check};
use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedMatrix {
    rows: usize,
    columns: usize,
    values: Vec<f64>,
}

impl SavedMatrix {
    pub(super) fn new(matrix: &DMatrix<f64>) -> Self {
        let (rows, columns) = matrix.shape();
        Self { rows, columns, values: matrix.as_slice().to_vec() }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    pub(super) fn restore(&self) -> Result<DMatrix<f64>, SavedModelError> {
        let size = self.rows.saturating_mul(self.columns);
        check("as many values as a matrix has", size, self.values.len())?;
        Ok(DMatrix::from_column_slice(self.rows, self.columns, &self.values))
    }

    /// A square matrix of a size that is known.
    pub(super) fn restore_square(&self, n: usize) -> Result<DMatrix<f64>, SavedModelError> {
        check("a square matrix of the size of what it is about", n, self.rows)?;
        check("a square matrix", n, self.columns)?;
        self.restore()
    }
}
