//! Held-out evidence: how well the fitted preference predicts judgements it has not seen.

use crate::OfflineConfig;
use nlhf_core::{Comparison, FitError, FitPreference, Fitted, Stream};
use nlhf_preference::{Evaluation, evaluate};
use rand::RngExt;
use serde::{Deserialize, Serialize};

/// What was held out, and what the model made of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeldOut {
    /// Log-loss and accuracy on the rows held out; `None` if there were none.
    pub evaluation: Option<Evaluation>,
    /// Rows that the evaluated model was fitted to.
    pub n_training: usize,
    /// Whether the rows were drawn at random here, and the final model then fitted to all rows.
    pub drawn_at_random: bool,
}

/// Fits the model, and evaluates it on rows that it has not seen.
///
/// Rows that the data name as held out are never fitted to. Where the data name none, a random share
/// is held out for the evaluation, and the model is then fitted again to all rows.
pub(crate) fn fit_with_evidence<F: FitPreference>(
    fit: &F,
    training: &[Comparison],
    held_out: &[Comparison],
    config: &OfflineConfig,
) -> Result<(Fitted<F::Model>, HeldOut), FitError> {
    if !held_out.is_empty() || config.held_out_fraction == 0.0 {
        let fitted = fit.fit(training)?;
        let evaluation = evaluate(&fitted.model, held_out);
        let n_training = training.len();
        return Ok((fitted, HeldOut { evaluation, n_training, drawn_at_random: false }));
    }
    let mut rng = config.seed.rng(Stream::Split, 0);
    let (held, kept): (Vec<Comparison>, Vec<Comparison>) =
        training.iter().partition(|_| rng.random::<f64>() < config.held_out_fraction);
    let n_training = kept.len();
    let mut evaluation = None;
    match fit.predict(&kept, &mut |model| evaluation = evaluate(model, &held)) {
        // Too few rows to set some aside is no reason not to fit them all.
        Ok(()) | Err(FitError::NoComparisons { .. }) => {}
        Err(error) => return Err(error),
    }
    Ok((fit.fit(training)?, HeldOut { evaluation, n_training, drawn_at_random: true }))
}
