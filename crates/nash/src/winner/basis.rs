//! An orthonormal basis of the span of some vectors, whatever their rank.
//!
//! Gram-Schmidt with the largest remainder first, each vector made orthogonal twice ("twice is
//! enough", Giraud, Langou, Rozložník 2005). A vector whose remainder is below the tolerance is taken
//! to depend on the others, so that duplicated actions, ties and several equilibria need no care.

/// Orthonormal vectors, row-major.
#[derive(Debug, Clone)]
pub(super) struct Basis {
    dimension: usize,
    vectors: Vec<f64>,
}

impl Basis {
    /// No vector yet, in a space of `dimension`.
    pub(super) fn new(dimension: usize) -> Self {
        Self { dimension, vectors: Vec::new() }
    }

    /// A basis of the span of `rows`, up to remainders of at most `tolerance`.
    pub(super) fn spanning(dimension: usize, mut rows: Vec<Vec<f64>>, tolerance: f64) -> Self {
        let mut basis = Self::new(dimension);
        let mut left: Vec<f64> = rows.iter().map(|row| norm(row)).collect();
        loop {
            let largest = (0..rows.len()).max_by(|&i, &j| left[i].total_cmp(&left[j]));
            let Some(at) = largest.filter(|&at| left[at] > tolerance) else {
                return basis;
            };
            let row = std::mem::take(&mut rows[at]);
            let added = basis.push(&row, tolerance);
            left[at] = 0.0;
            if added && basis.len() == dimension {
                return basis;
            }
            if added {
                let latest = basis.vector(basis.len() - 1);
                for (row, left) in rows.iter_mut().zip(&mut left).filter(|(row, _)| !row.is_empty())
                {
                    remove(latest, row);
                    *left = norm(row);
                }
            }
        }
    }

    /// The number of vectors: the rank.
    pub(super) fn len(&self) -> usize {
        self.vectors.len() / self.dimension.max(1)
    }

    pub(super) fn vector(&self, at: usize) -> &[f64] {
        &self.vectors[at * self.dimension..(at + 1) * self.dimension]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[f64]> {
        self.vectors.chunks_exact(self.dimension)
    }

    /// Adds the direction of `vector` that is new; `false` if it is at most `tolerance` long.
    pub(super) fn push(&mut self, vector: &[f64], tolerance: f64) -> bool {
        let mut rest = vector.to_vec();
        self.project_out(&mut rest);
        self.project_out(&mut rest);
        let length = norm(&rest);
        let new = length > tolerance;
        if new {
            self.vectors.extend(rest.iter().map(|x| x / length));
        }
        new
    }

    /// Takes the components along the basis off `vector`.
    pub(super) fn project_out(&self, vector: &mut [f64]) {
        for direction in self.iter() {
            remove(direction, vector);
        }
    }
}

fn remove(direction: &[f64], vector: &mut [f64]) {
    let along = dot(direction, vector);
    for (x, d) in vector.iter_mut().zip(direction) {
        *x -= along * d;
    }
}

pub(super) fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

pub(super) fn norm(x: &[f64]) -> f64 {
    dot(x, x).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rank_is_found_and_the_span_kept() {
        let rows = vec![
            vec![1.0, 2.0, 3.0, 4.0],
            vec![2.0, 4.0, 6.0, 8.0],
            vec![0.0, 1.0, 0.0, -1.0],
            vec![1.0, 3.0, 3.0, 3.0],
            vec![0.0; 4],
        ];
        let basis = Basis::spanning(4, rows.clone(), 1e-12);
        assert_eq!(basis.len(), 2);
        for (i, x) in basis.iter().enumerate() {
            for (j, y) in basis.iter().enumerate() {
                assert!((dot(x, y) - f64::from(u8::from(i == j))).abs() < 1e-15);
            }
        }
        for mut row in rows {
            basis.project_out(&mut row);
            assert!(norm(&row) < 1e-14);
        }
    }

    #[test]
    fn nearly_dependent_vectors_stay_orthogonal() {
        let rows = vec![vec![1.0, 1e-8, 0.0], vec![1.0, 0.0, 1e-8], vec![1.0, 0.0, 0.0]];
        let basis = Basis::spanning(3, rows, 1e-12);
        assert_eq!(basis.len(), 3);
        assert!(dot(basis.vector(0), basis.vector(2)).abs() < 1e-15);
        assert!(dot(basis.vector(1), basis.vector(2)).abs() < 1e-15);
    }
}
