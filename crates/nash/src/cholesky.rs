//! Cholesky factorization of a small positive definite matrix, row-major, in place.

/// Writes L of `M = LL'` over the lower triangle of `matrix`, `n × n`; `false` if a pivot is not positive.
#[must_use]
pub(crate) fn factorize(n: usize, matrix: &mut [f64]) -> bool {
    for j in 0..n {
        for i in j..n {
            let (row, column) = (&matrix[i * n..i * n + j], &matrix[j * n..j * n + j]);
            let inner: f64 = row.iter().zip(column).map(|(x, y)| x * y).sum();
            let rest = matrix[i * n + j] - inner;
            if i > j {
                matrix[i * n + j] = rest / matrix[j * n + j];
            } else if rest > 0.0 && rest.is_finite() {
                matrix[j * n + j] = rest.sqrt();
            } else {
                return false;
            }
        }
    }
    true
}

/// Solves `LL'x = b` in place.
pub(crate) fn solve(n: usize, lower: &[f64], b: &mut [f64]) {
    solve_lower(n, lower, b);
    solve_upper(n, lower, b);
}

/// Solves `Lx = b` in place.
pub(crate) fn solve_lower(n: usize, lower: &[f64], b: &mut [f64]) {
    for i in 0..n {
        let inner: f64 = lower[i * n..i * n + i].iter().zip(&b[..i]).map(|(l, x)| l * x).sum();
        b[i] = (b[i] - inner) / lower[i * n + i];
    }
}

/// Solves `L'x = b` in place.
pub(crate) fn solve_upper(n: usize, lower: &[f64], b: &mut [f64]) {
    for i in (0..n).rev() {
        let inner: f64 = (i + 1..n).map(|k| lower[k * n + i] * b[k]).sum();
        b[i] = (b[i] - inner) / lower[i * n + i];
    }
}
