//! Features of prompts and responses, apart from the parameters of the models that use them.
//!
//! ```text
//! φ(x, a) = r(a)                        responses only
//! φ(x, a) = (r(a), √d p(x) ∘ r(a))      with prompts: their entrywise product lets taste depend on x
//! φ_k(x, a) = U'(φ(x, a) − mean)        the k leading principal components (`projection`)
//! ```
//! A term of the prompt alone would cancel in every comparison. The factor √d gives the products of unit
//! vectors the length of the vectors themselves; without it a ridge would not let them speak.

use crate::Projection;
use nalgebra::{DMatrix, DVector};
use nlhf_core::{FeatureMap, FitError, Menus, PromptId, ResponseId};

/// Features that are no table, or do not fit together.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FeatureError {
    /// The values do not fill whole rows of at least one feature.
    #[error("a feature table of {dim} columns needs whole rows, but has {given} values")]
    Shape {
        /// Columns.
        dim: usize,
        /// Values given.
        given: usize,
    },
    /// A value is not a number, or so large that its square leaves the range of f64.
    #[error(
        "every feature must be a number of at most 1e100, but row {row}, column {column} is {given}"
    )]
    OutOfRange {
        /// Row, from zero.
        row: usize,
        /// Column, from zero.
        column: usize,
        /// The value.
        given: f64,
    },
    /// Prompts and responses have features of different lengths.
    #[error(
        "prompt and response features must have one length to be multiplied, but have {prompts} and {responses}"
    )]
    Lengths {
        /// Features of a prompt.
        prompts: usize,
        /// Features of a response.
        responses: usize,
    },
    /// No component, or no menu to take them over.
    #[error(
        "principal components need at least one component and one candidate with features, but {n_components} components of {n_rows} candidates were asked for"
    )]
    Components {
        /// Components asked for.
        n_components: usize,
        /// Candidates with features.
        n_rows: usize,
    },
    /// A bilinear model of so many features has too many parameters.
    #[error(
        "a bilinear model fits at most {limit} wedge features, but {dim} features have {wedges}; reduce them to principal components first"
    )]
    Wedges {
        /// The limit.
        limit: usize,
        /// Features.
        dim: usize,
        /// Wedge features of so many.
        wedges: usize,
    },
}

/// Beyond this, products of features overflow.
const LARGEST_FEATURE: f64 = 1e100;

/// A row of features for each id, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureTable {
    dim: usize,
    values: Vec<f64>,
}

impl FeatureTable {
    /// Row `k` of `values`, of length `dim`, belongs to the prompt or response with id `k`.
    ///
    /// # Errors
    /// [`FeatureError::Shape`] and [`FeatureError::OutOfRange`].
    pub fn new(dim: usize, values: Vec<f64>) -> Result<Self, FeatureError> {
        if dim == 0 || !values.len().is_multiple_of(dim) {
            return Err(FeatureError::Shape { dim, given: values.len() });
        }
        match values.iter().position(|x| x.is_nan() || x.abs() > LARGEST_FEATURE) {
            Some(at) => {
                Err(FeatureError::OutOfRange { row: at / dim, column: at % dim, given: values[at] })
            }
            None => Ok(Self { dim, values }),
        }
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.values.len() / self.dim
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Columns.
    pub fn dim(&self) -> usize {
        self.dim
    }

    pub(crate) fn values(&self) -> &[f64] {
        &self.values
    }

    pub(crate) fn row(&self, index: usize) -> Option<&[f64]> {
        self.values.get(index * self.dim..(index + 1) * self.dim)
    }
}

/// The map φ from a prompt and a response to features.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    responses: FeatureTable,
    prompts: Option<FeatureTable>,
    projection: Option<Projection>,
}

impl Features {
    /// Features of responses, and of prompts if taste may depend on them.
    ///
    /// # Errors
    /// [`FeatureError::Lengths`] if the tables have different numbers of columns.
    pub fn new(
        responses: FeatureTable,
        prompts: Option<FeatureTable>,
    ) -> Result<Self, FeatureError> {
        match &prompts {
            Some(prompts) if prompts.dim != responses.dim => {
                Err(FeatureError::Lengths { prompts: prompts.dim, responses: responses.dim })
            }
            _ => Ok(Self { responses, prompts, projection: None }),
        }
    }

    /// The length of φ.
    pub fn dim(&self) -> usize {
        self.projection.as_ref().map_or(self.raw_dim(), Projection::n_components)
    }

    /// The table whose rows φ are as they stand: that of the responses, unless prompts or a projection come in.
    pub(crate) fn as_table(&self) -> Option<&FeatureTable> {
        (self.prompts.is_none() && self.projection.is_none()).then_some(&self.responses)
    }

    /// Whether φ depends on the prompt.
    pub(crate) fn depends_on_prompt(&self) -> bool {
        self.prompts.is_some()
    }

    /// The features of responses, unprojected.
    pub fn responses(&self) -> &FeatureTable {
        &self.responses
    }

    /// The features of prompts, if taste may depend on them.
    pub fn prompts(&self) -> Option<&FeatureTable> {
        self.prompts.as_ref()
    }

    pub(crate) fn projection(&self) -> Option<&Projection> {
        self.projection.as_ref()
    }

    /// The same features seen through a projection of their length.
    pub(crate) fn projected(self, projection: Projection) -> Self {
        Self { projection: Some(projection), ..self }
    }

    /// Whether a prompt's response has features.
    pub(crate) fn has(&self, prompt: PromptId, response: ResponseId) -> bool {
        let prompts = self.prompts.as_ref();
        response.index() < self.responses.len()
            && prompts.is_none_or(|prompts| prompt.index() < prompts.len())
    }

    fn raw_dim(&self) -> usize {
        self.responses.dim * if self.prompts.is_some() { 2 } else { 1 }
    }

    /// Writes φ(prompt, response) into `out`, of length [`Features::dim`].
    ///
    /// # Errors
    /// If the prompt or the response is beyond its table.
    ///
    /// # Panics
    /// If `out` has another length.
    pub fn write(
        &self,
        prompt: PromptId,
        response: ResponseId,
        out: &mut [f64],
    ) -> Result<(), FitError> {
        match &self.projection {
            None => self.write_raw(prompt, response, out),
            Some(projection) => {
                let mut raw = DVector::zeros(self.raw_dim());
                self.write_raw(prompt, response, raw.as_mut_slice())?;
                projection.write(&mut raw, out);
                Ok(())
            }
        }
    }

    fn write_raw(
        &self,
        prompt: PromptId,
        response: ResponseId,
        out: &mut [f64],
    ) -> Result<(), FitError> {
        let given = self.responses.len();
        let missing = FitError::MissingResponseFeatures { response, given };
        let r = self.responses.row(response.index()).ok_or(missing)?;
        let Some(prompts) = &self.prompts else {
            out.copy_from_slice(r);
            return Ok(());
        };
        let missing = FitError::MissingPromptFeatures { prompt, given: prompts.len() };
        let p = prompts.row(prompt.index()).ok_or(missing)?;
        let (alone, together) = out.split_at_mut(r.len());
        alone.copy_from_slice(r);
        let scale = (r.len() as f64).sqrt();
        for ((out, p), r) in together.iter_mut().zip(p).zip(r) {
            *out = scale * p * r;
        }
        Ok(())
    }

    /// φ of every response of a menu, one a column.
    pub(crate) fn menu(
        &self,
        prompt: PromptId,
        responses: &[ResponseId],
    ) -> Result<DMatrix<f64>, FitError> {
        let mut columns = DMatrix::zeros(self.dim(), responses.len());
        for (response, out) in
            responses.iter().zip(columns.as_mut_slice().chunks_exact_mut(self.dim()))
        {
            self.write(prompt, *response, out)?;
        }
        Ok(columns)
    }

    /// The same features reduced to their `n_components` leading principal components over all
    /// candidates of the menus; to all of them, merely rotated, if there are fewer.
    ///
    /// Candidates without features are passed over.
    ///
    /// # Errors
    /// [`FeatureError::Components`] if there is nothing to take components of.
    pub fn principal_components(
        &self,
        n_components: usize,
        menus: &Menus,
    ) -> Result<Self, FeatureError> {
        let unprojected = Self { projection: None, ..self.clone() };
        let dim = unprojected.dim();
        let candidates =
            menus.iter().flat_map(|menu| menu.responses().iter().map(move |&r| (menu.prompt(), r)));
        let mut rows: Vec<f64> = Vec::new();
        let mut row = vec![0.0; dim];
        for (prompt, response) in candidates {
            if unprojected.write(prompt, response, &mut row).is_ok() {
                rows.extend_from_slice(&row);
            }
        }
        let projection = Projection::of_rows(dim, rows, n_components)?;
        Ok(Self { projection: Some(projection), ..unprojected })
    }
}

impl FeatureMap for Features {
    fn dim(&self) -> usize {
        self.dim()
    }

    fn write(
        &self,
        prompt: PromptId,
        response: ResponseId,
        out: &mut [f64],
    ) -> Result<(), FitError> {
        self.write(prompt, response, out)
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "exact by construction")]
mod tests {
    use super::*;

    fn table(dim: usize, values: &[f64]) -> FeatureTable {
        FeatureTable::new(dim, values.to_vec()).unwrap()
    }

    #[test]
    fn prompts_multiply_in() {
        let features =
            Features::new(table(2, &[1.0, 2.0, 3.0, 4.0]), Some(table(2, &[10.0, -1.0]))).unwrap();
        let mut out = [0.0; 4];
        features.write(PromptId::new(0), ResponseId::new(1), &mut out).unwrap();
        let root = 2f64.sqrt();
        for (got, want) in out.iter().zip([3.0, 4.0, 30.0 * root, -4.0 * root]) {
            assert!((got - want).abs() < 1e-14);
        }
        assert!(features.write(PromptId::new(1), ResponseId::new(1), &mut out).is_err());
        assert!(features.write(PromptId::new(0), ResponseId::new(2), &mut out).is_err());
        assert!(Features::new(table(2, &[1.0, 2.0]), Some(table(1, &[1.0]))).is_err());
        assert!(FeatureTable::new(2, vec![1.0]).is_err());
        assert!(FeatureTable::new(1, vec![f64::NAN]).is_err());
    }

    #[test]
    fn components_find_the_direction_of_most_variance() {
        // Points on the line (1, 2)t around (5, 5), with a little across.
        let values = [6.0, 7.0, 4.0, 3.0, 7.0, 9.0, 3.0, 1.0, 5.2, 4.9, 4.8, 5.1];
        let features = Features::new(table(2, &values), None).unwrap();
        let mut menus = Menus::new();
        let ids: Vec<ResponseId> = (0..6).map(ResponseId::new).collect();
        menus.push(PromptId::new(0), &ids).unwrap();
        let reduced = features.principal_components(1, &menus).unwrap();
        assert_eq!(reduced.dim(), 1);
        let along = |id: u32| {
            let mut out = [0.0];
            reduced.write(PromptId::new(0), ResponseId::new(id), &mut out).unwrap();
            out[0]
        };
        assert!((along(0) - 5f64.sqrt()).abs() < 0.02 && (along(3) + 20f64.sqrt()).abs() < 0.03);
        assert!(features.principal_components(0, &menus).is_err());
        assert_eq!(features.principal_components(9, &menus).unwrap().dim(), 2);
    }
}
