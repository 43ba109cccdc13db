//! The entries above the diagonal of a skew matrix in f32: a quarter of the bytes of its f64 rows.
//!
//! ```text
//! y_i += a_ij x_j,  y_j −= a_ij x_i      for i < j: an entry is read once and used twice
//! ```
//! Four rows go together, so that `x` and `y` are read once for four entries. A product is as fast as the
//! entries come from memory: `2n²` bytes. Blocks of rows with equal numbers of entries have their own `y`, and
//! these are added in order: the result does not depend on the number of threads.

#![allow(
    clippy::inline_always,
    reason = "code that is not inlined into the dispatched function is compiled without its instructions"
)]
#![allow(clippy::cast_possible_truncation, reason = "the entries are f32 on purpose")]

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// Rows that are multiplied together.
const ROWS: usize = 4;
/// Entries of a block, below which a thread of its own does not pay.
const BLOCK: usize = 1 << 18;
/// Blocks at most: each has a `y` of its own.
const MAX_BLOCKS: usize = 32;

/// A skew matrix.
#[derive(Debug)]
pub(super) struct PackedSkew {
    n: usize,
    blocks: Vec<Block>,
}

/// Some rows: of each four, the six entries among them, then the four rows beyond.
#[derive(Debug)]
struct Block {
    first: usize,
    rows: usize,
    entries: Vec<f32>,
}

impl PackedSkew {
    /// Packs row-major f64 entries, of which those above the diagonal are read.
    pub(super) fn new(n: usize, entries: &[f64]) -> Self {
        let total = n * (n - 1) / 2;
        let count = (total / BLOCK).clamp(1, MAX_BLOCKS);
        let mut bounds = vec![0];
        let mut filled = 0;
        for group in (0..n).step_by(ROWS) {
            filled += (group..(group + ROWS).min(n)).map(|i| n - 1 - i).sum::<usize>();
            if filled * count >= total * bounds.len() && bounds.len() < count {
                bounds.push((group + ROWS).min(n));
            }
        }
        bounds.push(n);
        let arch = pulp::Arch::new();
        let blocks = bounds.par_windows(2).map(|ends| {
            arch.dispatch(Pack { n, entries, first: ends[0], rows: ends[1] - ends[0] })
        });
        Self { n, blocks: blocks.collect() }
    }

    /// `y ← Ax`; `sums` is room for the blocks.
    pub(super) fn apply(&self, x: &[f32], y: &mut [f32], sums: &mut Vec<f32>) {
        let arch = pulp::Arch::new();
        let n = self.n;
        y.fill(0.0);
        if let [block] = &self.blocks[..] {
            arch.dispatch(Product { block, n, x, y });
            return;
        }
        sums.clear();
        sums.resize(n * self.blocks.len(), 0.0);
        self.blocks.par_iter().zip(sums.par_chunks_mut(n)).for_each(|(block, y)| {
            arch.dispatch(Product { block, n, x, y });
        });
        for part in sums.chunks_exact(n) {
            for (y, part) in y.iter_mut().zip(part) {
                *y += part;
            }
        }
    }
}

/// Packs the rows of a block.
struct Pack<'a> {
    n: usize,
    entries: &'a [f64],
    first: usize,
    rows: usize,
}

impl WithSimd for Pack<'_> {
    type Output = Block;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Block {
        let Self { n, entries, first, rows } = self;
        let total: usize = (first..first + rows).map(|i| n - 1 - i).sum();
        let mut packed = vec![0.0; total];
        let mut rest = &mut packed[..];
        for i in (first..first + rows).step_by(ROWS) {
            let end = (i + ROWS).min(first + rows);
            for (from, to) in [(None, end), (Some(end), n)] {
                for r in i..end {
                    let row = &entries[r * n + from.unwrap_or(r + 1)..r * n + to];
                    let (out, later) = rest.split_at_mut(row.len());
                    rest = later;
                    for (out, &a) in out.iter_mut().zip(row) {
                        *out = a as f32;
                    }
                }
            }
        }
        Block { first, rows, entries: packed }
    }
}

/// `y += Ax` for the rows of a block and their mirror images.
struct Product<'a> {
    block: &'a Block,
    n: usize,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { block, n, x, y } = self;
        let mut rest = &block.entries[..];
        for i in (block.first..block.first + block.rows).step_by(ROWS) {
            let rows = ROWS.min(block.first + block.rows - i);
            for r in i..i + rows {
                for j in r + 1..i + rows {
                    let (a, later) = rest.split_first().expect("all entries are there");
                    rest = later;
                    y[r] += a * x[j];
                    y[j] -= a * x[r];
                }
            }
            let beyond = n - i - rows;
            let (entries, later) = rest.split_at(rows * beyond);
            rest = later;
            let (own, others) = y.split_at_mut(i + rows);
            let (own, own_x) = (&mut own[i..], &x[i..i + rows]);
            let x = &x[i + rows..];
            if let (Ok(own), Ok(own_x)) =
                (<&mut [f32; ROWS]>::try_from(&mut *own), own_x.try_into())
            {
                four_rows(simd, entries, x, others, own, own_x);
            } else {
                for (r, row) in entries.chunks_exact(beyond.max(1)).enumerate() {
                    for ((a, x), y) in row.iter().zip(x).zip(&mut *others) {
                        own[r] += a * x;
                        *y -= a * own_x[r];
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn four_rows<S: Simd>(
    simd: S,
    entries: &[f32],
    x: &[f32],
    y: &mut [f32],
    own: &mut [f32; ROWS],
    own_x: &[f32; ROWS],
) {
    let length = x.len();
    let row = |r: usize| &entries[r * length..(r + 1) * length];
    let rows = [row(0), row(1), row(2), row(3)];
    let (a0, t0) = S::as_simd_f32s(rows[0]);
    let (a1, t1) = S::as_simd_f32s(rows[1]);
    let (a2, t2) = S::as_simd_f32s(rows[2]);
    let (a3, t3) = S::as_simd_f32s(rows[3]);
    let (x_head, x_tail) = S::as_simd_f32s(x);
    let (y_head, y_tail) = S::as_mut_simd_f32s(y);
    let zero = simd.splat_f32s(0.0);
    let (mut s0, mut s1, mut s2, mut s3) = (zero, zero, zero, zero);
    let (x0, x1) = (simd.splat_f32s(own_x[0]), simd.splat_f32s(own_x[1]));
    let (x2, x3) = (simd.splat_f32s(own_x[2]), simd.splat_f32s(own_x[3]));
    let heads = a0.iter().zip(a1).zip(a2).zip(a3).zip(x_head).zip(y_head);
    for (((((&a0, &a1), &a2), &a3), &x), y) in heads {
        s0 = simd.mul_add_e_f32s(a0, x, s0);
        s1 = simd.mul_add_e_f32s(a1, x, s1);
        s2 = simd.mul_add_e_f32s(a2, x, s2);
        s3 = simd.mul_add_e_f32s(a3, x, s3);
        let first = simd.negate_mul_add_e_f32s(a0, x0, *y);
        let second = simd.mul_add_e_f32s(a1, x1, simd.mul_f32s(a2, x2));
        let first = simd.negate_mul_add_e_f32s(a3, x3, first);
        *y = simd.sub_f32s(first, second);
    }
    own[0] += simd.reduce_sum_f32s(s0);
    own[1] += simd.reduce_sum_f32s(s1);
    own[2] += simd.reduce_sum_f32s(s2);
    own[3] += simd.reduce_sum_f32s(s3);
    for (((((a0, a1), a2), a3), x), y) in t0.iter().zip(t1).zip(t2).zip(t3).zip(x_tail).zip(y_tail)
    {
        own[0] += a0 * x;
        own[1] += a1 * x;
        own[2] += a2 * x;
        own[3] += a3 * x;
        *y -= a0 * own_x[0] + a1 * own_x[1] + a2 * own_x[2] + a3 * own_x[3];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_agree_with_the_definition() {
        for n in [1, 2, 3, 4, 5, 17, 64, 131, 1030] {
            let entry = |i: usize, j: usize| ((i * 7 + j * 13) % 101) as f64 / 101.0 - 0.5;
            let mut entries = vec![0.0; n * n];
            for i in 0..n {
                for j in i + 1..n {
                    entries[i * n + j] = entry(i, j);
                    entries[j * n + i] = -entry(i, j);
                }
            }
            let x: Vec<f32> = (0..n).map(|i| ((i * 31 % 17) as f32 - 8.0) / n as f32).collect();
            let packed = PackedSkew::new(n, &entries);
            let mut y = vec![f32::NAN; n];
            packed.apply(&x, &mut y, &mut Vec::new());
            for (i, y) in y.iter().enumerate() {
                let row = entries[i * n..(i + 1) * n].iter().zip(&x);
                let exact: f64 = row.map(|(a, &x)| a * f64::from(x)).sum();
                assert!((f64::from(*y) - exact).abs() < 1e-5, "n = {n}, row {i}: {y} for {exact}");
            }
        }
    }

    #[test]
    fn threads_do_not_change_a_bit() {
        let n = 1500;
        let entries: Vec<f64> = (0..n * n).map(|k| (k as f64 * 0.37).sin()).collect();
        let x: Vec<f32> = (0..n).map(|i| (i as f32).cos()).collect();
        let packed = PackedSkew::new(n, &entries);
        assert!(packed.blocks.len() > 2);
        let product = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut y = vec![0.0; n];
            pool.install(|| packed.apply(&x, &mut y, &mut Vec::new()));
            y
        };
        assert_eq!(product(1), product(3));
    }
}
