//! Policies that are differentiable functions of a vector of parameters.
//!
//! ```text
//! ∇_θ Σ_a c_a log π_θ(a | x)        all that gradient methods need of a policy
//! ```
//! The gradient of any function of the distribution on a menu is of this form: `∇ f(π) = Σ_a π_a (∂f/∂π_a) ∇ log π_a`.

use crate::{Menu, Policy};

/// A policy with parameters. Three methods to write.
///
/// # Laws
/// * `policy.with_parameters(policy.parameters().to_vec())` plays the same to the last bit.
/// * [`ParametrizedPolicy::add_log_probability_gradient`] agrees with differences of the log-probabilities.
pub trait ParametrizedPolicy: Policy + Clone {
    /// The parameters θ.
    fn parameters(&self) -> &[f64];

    /// The policy of the same shape at other parameters.
    ///
    /// # Panics
    /// If their number differs.
    #[must_use]
    fn with_parameters(&self, parameters: Vec<f64>) -> Self;

    /// `gradient ← gradient + Σ_a coefficients[a] ∇_θ log π(a | x)`, `a` in the order of the menu.
    ///
    /// What is never played, whatever the parameters, adds nothing.
    ///
    /// # Panics
    /// If there is not one coefficient a response, or not one entry of the gradient a parameter.
    fn add_log_probability_gradient(
        &self,
        menu: Menu<'_>,
        coefficients: &[f64],
        gradient: &mut [f64],
    );
}
