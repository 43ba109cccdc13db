//! Which game both learners play, as chosen on the command line.

use clap::{Args, ValueEnum};
use nlhf::core::{Eta, Scale};

/// The game that a preference is played as.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Game")]
pub(crate) struct GameArgs {
    /// The factor of the payoffs against the KL term: small stays near the reference, large follows
    /// the preferences
    #[arg(long, default_value = "10", value_parser = parse_eta, allow_hyphen_values = true)]
    pub(crate) eta: Eta,
    /// Which game the preference is played as
    #[arg(long, value_enum, default_value_t = ScaleArg::Probability)]
    pub(crate) scale: ScaleArg,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScaleArg {
    /// Payoffs are win probabilities
    Probability,
    /// Payoffs are log-odds
    LogOdds,
}

impl From<ScaleArg> for Scale {
    fn from(scale: ScaleArg) -> Self {
        match scale {
            ScaleArg::Probability => Self::Probability,
            ScaleArg::LogOdds => Self::LogOdds,
        }
    }
}

/// An eta as given on the command line.
pub(crate) fn parse_eta(text: &str) -> Result<Eta, String> {
    let number: f64 = text.parse().map_err(|_| format!("eta must be a number, but is {text:?}"))?;
    Eta::new(number).map_err(|error| error.to_string())
}
