//! What is said before a bound: how sure it is, and what must hold for it.

use super::{ModelArgs, ModelKind};
use crate::input::Problem;
use nlhf::preference::LogisticConfig;

impl ModelArgs {
    /// What is said before a bound: how sure it is, and what must hold for it.
    pub(crate) fn proviso(&self, problem: &Problem) -> String {
        if self.fitted.is_some() {
            return "if the saved model's widths hold".to_owned();
        }
        let kind = self.kind(problem);
        let sure = 100.0 * self.confidence;
        if self.replicates(kind) > 0 {
            return format!(
                "if resampling tells how far off the model is, with {sure} % confidence,"
            );
        }
        if kind == ModelKind::Tabular {
            return format!("with {sure} % confidence");
        }
        let bound = self.log_odds_bound.unwrap_or(LogisticConfig::default().log_odds_bound);
        if kind.of_planes() {
            return format!(
                "if log-odds are within {bound}, which is all that is claimed of this model,"
            );
        }
        let name = match kind {
            ModelKind::BradleyTerry => "Bradley-Terry".to_owned(),
            ModelKind::Davidson => "Davidson".to_owned(),
            _ => kind.name(),
        };
        if self.beta.is_some() {
            return format!("if the {name} widths hold");
        }
        let holds = format!(
            "with {sure} % confidence, if preferences are {name} with log-odds up to {bound}"
        );
        match kind {
            // Its intervals are those of many labels.
            ModelKind::Davidson => format!("{holds}, labels many and pairs chosen beforehand,"),
            ModelKind::BradleyTerry => format!("{holds},"),
            _ => format!("{holds} and parameters no longer than those need,"),
        }
    }
}
