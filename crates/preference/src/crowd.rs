//! A simulated crowd of three kinds of annotators, whose majority prefers in circles.
//!
//! ```text
//! u_k(x, a) = s (⟨d_k, style(x, a)⟩ + quality(x, a)),   d_k at 40°, 160°, 280°
//! P(a ≻ b | x) = Σ_k share_k σ(u_k(x, a) − u_k(x, b))
//! ```
//! Every annotator has a reward; the crowd has none: each kind favours another style, a style is best
//! for at most one kind, and majorities turn in a circle (Condorcet). Candidates lie around the unit
//! circle of styles. All of it is decided by the seed and known, so that what is learned from the
//! crowd's labels can be held against the truth.

use crate::{FeatureTable, Features};
use nlhf_core::logistic::{centered_sigmoid, sigmoid};
use nlhf_core::{
    AnnotatorId, Comparison, Label, Menus, PreferenceModel, PromptId, ResponseId, ScalarError,
    Scale, SeedTree, Stream,
};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

/// The size and the temper of a crowd.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `n_prompts` | 24 | prompts | ≥ 1 |
/// | `n_responses` | 6 | candidates a prompt | ≥ 1 |
/// | `sharpness` | 5 | s: how decided an annotator is | [0, 20] |
/// | `shares` | 0.4, 0.35, 0.25 | share of each kind; divided by their sum | > 0 |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CrowdConfig {
    /// Prompts.
    pub n_prompts: u32,
    /// Candidates a prompt.
    pub n_responses: u32,
    /// How decided an annotator is.
    pub sharpness: f64,
    /// The share of each kind of annotators.
    pub shares: [f64; 3],
}

impl Default for CrowdConfig {
    fn default() -> Self {
        Self { n_prompts: 24, n_responses: 6, sharpness: 5.0, shares: [0.4, 0.35, 0.25] }
    }
}

/// A crowd, its prompts and their candidates.
#[derive(Debug, Clone)]
pub struct Crowd {
    shares: [f64; 3],
    /// Of each response, its utility to each kind, in nats.
    utilities: Vec<[f64; 3]>,
    /// Of each response, style (two numbers) and quality.
    features: Vec<[f64; 3]>,
    menus: Menus,
}

/// Where the favourite style of each kind lies, in degrees.
const FAVOURITES: [f64; 3] = [40.0, 160.0, 280.0];

impl Crowd {
    /// Draws the candidates of every prompt, prompt `x` from unit `x` of [`Stream::Instance`].
    ///
    /// # Errors
    /// [`ScalarError`] if a setting is outside its range.
    ///
    /// # Panics
    /// If the candidates are more than 2³².
    pub fn new(config: &CrowdConfig, seeds: SeedTree) -> Result<Self, ScalarError> {
        let refuse = |quantity, required, given| Err(ScalarError { quantity, required, given });
        for (quantity, given) in [
            ("the number of prompts", config.n_prompts),
            ("the number of candidates", config.n_responses),
        ] {
            if given == 0 {
                return refuse(quantity, "at least 1", 0.0);
            }
        }
        if !(0.0..=20.0).contains(&config.sharpness) {
            return refuse("the sharpness of a crowd", "in [0, 20]", config.sharpness);
        }
        if let Some(&given) =
            config.shares.iter().find(|s| s.is_nan() || **s <= 0.0 || s.is_infinite())
        {
            return refuse("the share of a kind", "positive and finite", given);
        }
        let total: f64 = config.shares.iter().sum();
        let mut crowd = Self {
            shares: config.shares.map(|share| share / total),
            utilities: Vec::new(),
            features: Vec::new(),
            menus: Menus::new(),
        };
        for prompt in 0..config.n_prompts {
            let mut rng = seeds.rng(Stream::Instance, prompt);
            let responses: Vec<ResponseId> = (0..config.n_responses)
                .map(|at| ResponseId::new(prompt * config.n_responses + at))
                .collect();
            for at in 0..config.n_responses {
                let place = f64::from(at) / f64::from(config.n_responses);
                crowd.add_candidate(place, config, &mut rng);
            }
            crowd.menus.push(PromptId::new(prompt), &responses).expect("fresh ids, each once");
        }
        Ok(crowd)
    }

    /// A candidate around the given place on the circle of styles, in turns.
    fn add_candidate(&mut self, place: f64, config: &CrowdConfig, rng: &mut dyn Rng) {
        let symmetric = |size: f64, rng: &mut dyn Rng| size * (2.0 * rng.random::<f64>() - 1.0);
        let angle = 360.0 * place + symmetric(180.0 / f64::from(config.n_responses), rng);
        let radius = 1.0 + symmetric(0.25, rng);
        let quality = symmetric(0.2, rng);
        let style = [radius * angle.to_radians().cos(), radius * angle.to_radians().sin()];
        self.features.push([style[0], style[1], quality]);
        self.utilities.push(FAVOURITES.map(|favourite| {
            let direction = favourite.to_radians();
            let liked = style[0] * direction.cos() + style[1] * direction.sin();
            config.sharpness * (liked + quality)
        }));
    }

    /// The candidates of each prompt.
    pub fn menus(&self) -> &Menus {
        &self.menus
    }

    /// A readable name of each prompt, by id.
    pub fn prompt_names(&self) -> Vec<String> {
        self.menus.iter().map(|menu| format!("prompt {}", menu.prompt().index() + 1)).collect()
    }

    /// A readable name of each response, by id: prompt number and letter.
    pub fn response_names(&self) -> Vec<String> {
        let name = |menu: nlhf_core::Menu<'_>| {
            let prompt = menu.prompt().index() + 1;
            (0..menu.len()).map(move |at| format!("{prompt}/{}", letters(at))).collect::<Vec<_>>()
        };
        self.menus.iter().flat_map(name).collect()
    }

    /// Style and quality of each response, by id: three features.
    ///
    /// # Panics
    /// Never: the features are finite.
    pub fn features(&self) -> Features {
        let table = FeatureTable::new(3, self.features.concat()).expect("finite features");
        Features::new(table, None).expect("responses alone fit together")
    }

    /// Labels for a fixed data set: `per_pair` annotators judge each pair of each prompt.
    ///
    /// Each is drawn from the crowd, its kind the annotator id, and sees the pair in random order. The
    /// pairs of prompt `x` draw from unit `x` of [`Stream::Oracle`].
    pub fn comparisons(&self, per_pair: u32, seeds: SeedTree) -> Vec<Comparison> {
        let mut comparisons = Vec::with_capacity(self.menus.n_pairs() * per_pair as usize);
        for (menu, unit) in self.menus.iter().zip(0..) {
            let mut rng = seeds.rng(Stream::Oracle, unit);
            for (at, &low) in menu.responses().iter().enumerate() {
                for &high in &menu.responses()[at + 1..] {
                    for _ in 0..per_pair {
                        comparisons.push(self.judge(menu.prompt(), low, high, &mut rng));
                    }
                }
            }
        }
        comparisons
    }

    fn judge(
        &self,
        prompt: PromptId,
        low: ResponseId,
        high: ResponseId,
        rng: &mut dyn Rng,
    ) -> Comparison {
        let mut left: f64 = rng.random();
        let mut kind = 0;
        while kind < 2 && left >= self.shares[kind] {
            left -= self.shares[kind];
            kind += 1;
        }
        let (first, second) = if rng.random() { (low, high) } else { (high, low) };
        let margin = self.utilities[first.index()][kind] - self.utilities[second.index()][kind];
        let won = rng.random::<f64>() < sigmoid(margin);
        let label = if won { Label::WIN } else { Label::LOSS };
        let annotator = Some(AnnotatorId::from_index(kind));
        Comparison { annotator, ..Comparison::new(prompt, first, second, label) }
    }

    /// `P − ½`: a sum of odd terms in a fixed order, hence exactly odd.
    fn centred(&self, first: ResponseId, second: ResponseId) -> f64 {
        let (a, b) = (self.utilities[first.index()], self.utilities[second.index()]);
        (0..3).map(|kind| self.shares[kind] * centered_sigmoid(a[kind] - b[kind])).sum()
    }
}

/// `a`, `b`, … `z`, `a1`, `b1`, …
fn letters(at: usize) -> String {
    let letter = char::from(b'a' + u8::try_from(at % 26).expect("below 26"));
    if at < 26 { letter.to_string() } else { format!("{letter}{}", at / 26) }
}

impl PreferenceModel for Crowd {
    fn log_odds(&self, _: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        // logit(½ + c) = 2 artanh(2c), with the sign outside to be exactly odd.
        let centred = self.centred(first, second);
        let size = 2.0 * (2.0 * centred.abs()).min(1.0 - f64::EPSILON).atanh();
        if centred < 0.0 { -size } else { size }
    }

    fn payoff(&self, prompt: PromptId, a: ResponseId, b: ResponseId, scale: Scale) -> f64 {
        match scale {
            Scale::Probability => self.centred(a, b),
            Scale::LogOdds => self.log_odds(prompt, a, b),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_follow_the_crowd() {
        let crowd =
            Crowd::new(&CrowdConfig { n_prompts: 1, ..Default::default() }, SeedTree::new(1))
                .unwrap();
        let data = crowd.comparisons(3000, SeedTree::new(2));
        assert_eq!(data.len(), 15 * 3000);
        for pair in data.chunks(3000) {
            let (a, b) = (pair[0].first.min(pair[0].second), pair[0].first.max(pair[0].second));
            let wins: f64 = pair
                .iter()
                .map(|c| if c.first == a { c.label.get() } else { 1.0 - c.label.get() })
                .sum();
            let p = crowd.probability(PromptId::new(0), a, b);
            // Five standard deviations of 3000 labels are 0.046.
            assert!((wins / 3000.0 - p).abs() < 0.046, "{} and {p}", wins / 3000.0);
        }
        assert_eq!(crowd.response_names()[..2], ["1/a", "1/b"]);
    }

    #[test]
    fn most_prompts_have_no_candidate_that_beats_all_others() {
        // A property of the construction: over many seeds, not of one.
        let mut without = 0;
        for seed in 0..20 {
            let crowd = Crowd::new(&CrowdConfig::default(), SeedTree::new(seed)).unwrap();
            without += crowd
                .menus()
                .iter()
                .filter(|menu| {
                    let wins_all = |a: &ResponseId| {
                        menu.responses().iter().all(|b| a == b || crowd.centred(*a, *b) > 0.0)
                    };
                    !menu.responses().iter().any(wins_all)
                })
                .count();
        }
        assert!(without >= 240, "{without} of 480 prompts turn in a circle");
    }

    #[test]
    fn settings_are_checked() {
        let bad = CrowdConfig { shares: [1.0, -1.0, 1.0], ..Default::default() };
        assert!(Crowd::new(&bad, SeedTree::new(0)).is_err());
        let bad = CrowdConfig { n_prompts: 0, ..Default::default() };
        assert!(Crowd::new(&bad, SeedTree::new(0)).is_err());
        let bad = CrowdConfig { sharpness: f64::NAN, ..Default::default() };
        assert!(Crowd::new(&bad, SeedTree::new(0)).is_err());
    }
}
