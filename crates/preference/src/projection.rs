//! Principal components: the directions in which features vary most.
//!
//! ```text
//! φ_k = U'(φ − mean),   U the k leading eigenvectors of the covariance of the rows given
//! ```
//! Each direction points to where its largest entry is positive. What was learned from one table
//! projects any other of the same columns: new prompts and responses get the same components.

use crate::{FeatureError, FeatureTable};
use nalgebra::{DMatrix, DVector, SymmetricEigen};

/// `U` (k columns) and the mean that is taken off first.
#[derive(Debug, Clone, PartialEq)]
pub struct Projection {
    mean: DVector<f64>,
    directions: DMatrix<f64>,
}

impl Projection {
    /// The `n_components` leading principal components of the rows of a table; all, if there are fewer.
    ///
    /// # Errors
    /// [`FeatureError::Components`] if there is nothing to take components of.
    pub fn principal_components(
        table: &FeatureTable,
        n_components: usize,
    ) -> Result<Self, FeatureError> {
        Self::of_rows(table.dim(), table.values().to_vec(), n_components)
    }

    /// The same of rows of length `dim`, one after the other.
    pub(crate) fn of_rows(
        dim: usize,
        rows: Vec<f64>,
        n_components: usize,
    ) -> Result<Self, FeatureError> {
        let n_rows = rows.len() / dim;
        if n_components == 0 || n_rows == 0 {
            return Err(FeatureError::Components { n_components, n_rows });
        }
        let mut columns = DMatrix::from_vec(dim, n_rows, rows);
        let mean = columns.column_mean();
        for mut column in columns.column_iter_mut() {
            column -= &mean;
        }
        let covariance = &columns * columns.transpose() / n_rows as f64;
        let eigen = SymmetricEigen::new(covariance);
        let mut order: Vec<usize> = (0..dim).collect();
        order.sort_by(|&i, &j| eigen.eigenvalues[j].total_cmp(&eigen.eigenvalues[i]));
        let kept = n_components.min(dim);
        let mut directions = DMatrix::zeros(dim, kept);
        for (mut to, &from) in directions.column_iter_mut().zip(&order) {
            let direction = eigen.eigenvectors.column(from);
            let sign = if direction[direction.iamax()] < 0.0 { -1.0 } else { 1.0 };
            to.copy_from(&(direction * sign));
        }
        Ok(Self { mean, directions })
    }

    /// Columns of the tables that it projects.
    pub fn dim(&self) -> usize {
        self.mean.len()
    }

    /// Components.
    pub fn n_components(&self) -> usize {
        self.directions.ncols()
    }

    /// A projection that was saved; the directions have one row an entry of the mean.
    pub(crate) fn restored(mean: Vec<f64>, directions: DMatrix<f64>) -> Self {
        Self { mean: DVector::from_vec(mean), directions }
    }

    pub(crate) fn mean(&self) -> &[f64] {
        self.mean.as_slice()
    }

    pub(crate) fn directions(&self) -> &DMatrix<f64> {
        &self.directions
    }

    /// The components of every row of a table.
    ///
    /// # Errors
    /// [`FeatureError::Shape`] if the table has other columns.
    pub fn apply(&self, table: &FeatureTable) -> Result<FeatureTable, FeatureError> {
        let (dim, given) = (self.dim(), table.dim());
        if dim != given {
            return Err(FeatureError::Shape { dim, given });
        }
        let mut values = vec![0.0; table.len() * self.n_components()];
        let rows = table.values().chunks_exact(dim);
        for (row, out) in rows.zip(values.chunks_exact_mut(self.n_components())) {
            self.write(&mut DVector::from_column_slice(row), out);
        }
        FeatureTable::new(self.n_components(), values)
    }

    /// Writes the components of a row, which it takes the mean off.
    pub(crate) fn write(&self, row: &mut DVector<f64>, out: &mut [f64]) {
        *row -= &self.mean;
        out.copy_from_slice(self.directions.tr_mul(row).as_slice());
    }
}
