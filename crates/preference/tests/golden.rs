//! The golden maximum-likelihood estimates and widths, within their stated tolerances.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nlhf_core::{
    Comparison, Confidence, ConfidenceWidth, Distribution, FitPreference, FitStatus, Label, Menus,
    PreferenceModel, PromptId, ResponseId, Weight,
};
use nlhf_preference::{
    BradleyTerryFit, FeatureFit, FeatureTable, Features, FiniteClassFit, LogisticConfig,
    LowRankFit, PairCounts, Play, WidthMultiplier, finite_coverage, linear_coverage,
    tabular_coverage,
};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Deserialize)]
struct File<C> {
    cases: Vec<C>,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Estimate {
    Bt {
        n: usize,
        wins: Vec<Vec<f64>>,
        r: Vec<f64>,
        nll: f64,
    },
    #[serde(rename_all = "PascalCase")]
    LogisticSoft {
        z: Vec<Vec<f64>>,
        #[serde(flatten)]
        rest: Logistic,
    },
    #[serde(rename_all = "PascalCase")]
    SkewWedge {
        phi: Vec<Vec<f64>>,
        theta: Vec<Vec<f64>>,
        #[serde(rename = "Theta_rank2")]
        rank_two: Vec<Vec<f64>>,
        #[serde(rename = "obj_rank2")]
        objective: f64,
        #[serde(flatten)]
        rest: Wedge,
    },
}

#[derive(Deserialize)]
struct Logistic {
    y: Vec<f64>,
    w: Vec<f64>,
    lam: f64,
    theta: Vec<f64>,
}

#[derive(Deserialize)]
struct Wedge {
    pairs: Vec<(usize, usize)>,
    y: Vec<f64>,
    w: Vec<f64>,
    lam_on_upper_triangle: f64,
}

fn judged(first: usize, second: usize, label: f64, weight: f64) -> Comparison {
    let (first, second) = (ResponseId::from_index(first), ResponseId::from_index(second));
    Comparison {
        weight: Weight::new(weight).unwrap(),
        ..Comparison::new(PromptId::new(0), first, second, Label::new(label).unwrap())
    }
}

fn features(rows: &[Vec<f64>]) -> Arc<Features> {
    let table = FeatureTable::new(rows[0].len(), rows.concat()).unwrap();
    Arc::new(Features::new(table, None).unwrap())
}

/// So large a bound that it binds nothing.
fn unbound(ridge: f64) -> LogisticConfig {
    LogisticConfig {
        ridge,
        log_odds_bound: 40.0,
        multiplier: WidthMultiplier::Fixed(1.0),
        parameter_norm: None,
        order_effect: false,
    }
}

#[test]
fn estimates() {
    let file: File<Estimate> = serde_json::from_str(include_str!("golden/mle.json")).unwrap();
    assert_eq!(file.cases.len(), 4);
    for case in file.cases {
        match case {
            Estimate::Bt { n, wins, r, nll } => {
                let cells = (0..n).flat_map(|i| (0..n).map(move |j| (i, j)));
                let data: Vec<Comparison> =
                    cells.map(|(i, j)| judged(i, j, 1.0, wins[i][j])).collect();
                let fitted = BradleyTerryFit::new(unbound(0.0)).unwrap().fit(&data).unwrap();
                assert_eq!(fitted.evidence.status, FitStatus::Converged);
                // The reference stopped at a gradient of 1e-11: its scores are good to about that.
                for (i, want) in r.iter().enumerate() {
                    let got = fitted.model.score(ResponseId::from_index(i));
                    assert!((got - want).abs() < 1e-11, "{got} and {want}");
                }
                let got = fitted.evidence.log_loss_nats * fitted.evidence.total_weight;
                assert!((got / nll - 1.0).abs() < 1e-12);
            }
            Estimate::LogisticSoft { z, rest } => {
                // Row i as the comparison of a response with features z_i to one with none.
                let none = vec![0.0; z[0].len()];
                let rows: Vec<Vec<f64>> = z.into_iter().flat_map(|z| [z, none.clone()]).collect();
                let data: Vec<Comparison> = rest
                    .y
                    .iter()
                    .zip(&rest.w)
                    .enumerate()
                    .map(|(i, (&y, &w))| judged(2 * i, 2 * i + 1, y, w))
                    .collect();
                let fit = FeatureFit::linear(features(&rows), unbound(rest.lam)).unwrap();
                let fitted = fit.fit(&data).unwrap();
                assert_eq!(fitted.evidence.status, FitStatus::Converged);
                for (got, want) in fitted.model.parameters().iter().zip(&rest.theta) {
                    assert!((got - want).abs() < 1e-12, "{got} and {want}");
                }
            }
            Estimate::SkewWedge { phi, theta, rank_two, objective, rest } => {
                let pairs = rest.pairs.iter().zip(rest.y.iter().zip(&rest.w));
                let data: Vec<Comparison> =
                    pairs.map(|(&(i, j), (&y, &w))| judged(i, j, y, w)).collect();
                let config = unbound(rest.lam_on_upper_triangle);
                let fit = FeatureFit::bilinear_without_constant(features(&phi), config).unwrap();
                let fitted = fit.fit(&data).unwrap();
                let mut parameters = fitted.model.parameters().iter();
                for (i, row) in theta.iter().enumerate() {
                    for want in &row[i + 1..] {
                        let got = parameters.next().unwrap();
                        assert!((got - want).abs() < 1e-8, "{got} and {want}");
                    }
                }
                assert_eq!(parameters.next(), None);
                // Rank two: the reference holds Θ by a ridge, this fit by next to nothing, so that it fits closer.
                let fit = LowRankFit::features(features(&phi), 1, unbound(1e-9)).unwrap();
                let fit = fit.without_scores().with_plane_penalty(1e-9).unwrap();
                let fitted = fit.fit(&data).unwrap();
                let got = fitted.evidence.log_loss_nats * fitted.evidence.total_weight;
                let squares: f64 = rank_two.iter().flatten().map(|x| x * x).sum();
                assert!(got <= (objective - squares / 4.0) * (1.0 + 1e-6), "{got}");
            }
        }
    }
}

/// The features are wedges: `V` of the file is that of a bilinear model without a constant.
#[derive(Deserialize)]
struct Ellipsoid {
    #[serde(rename = "Phi")]
    phi: Vec<Vec<f64>>,
    counts: Vec<Vec<f64>>,
    lam0: f64,
    #[serde(rename = "bonus")]
    gamma: Vec<Vec<f64>>,
    #[serde(rename = "kappa_B2")]
    kappa: f64,
    p: Vec<f64>,
    q: Vec<f64>,
    #[serde(rename = "policy_bonus")]
    policy_gamma: f64,
    finite_class: Vec<Vec<Vec<f64>>>,
    gamma_finite_lam1: Vec<Vec<f64>>,
    coverage_tabular: Infinite,
    coverage_linear: f64,
    coverage_finite: f64,
}

/// A number, or "inf".
#[derive(Deserialize)]
#[serde(untagged)]
enum Infinite {
    Finite(f64),
    Named(String),
}

impl Infinite {
    fn value(&self) -> f64 {
        match self {
            Self::Finite(value) => *value,
            Self::Named(name) => {
                assert_eq!(name, "inf");
                f64::INFINITY
            }
        }
    }
}

/// A preference given by its table.
struct Given(Vec<Vec<f64>>);

impl PreferenceModel for Given {
    fn log_odds(&self, _: PromptId, a: ResponseId, b: ResponseId) -> f64 {
        self.0[a.index()][b.index()]
    }
}

#[test]
fn elliptical_widths() {
    let file: File<Ellipsoid> =
        serde_json::from_str(include_str!("golden/bonus_coverage.json")).unwrap();
    assert_eq!(file.cases.len(), 2);
    for case in file.cases {
        let n = case.counts.len();
        let cells = (0..n).flat_map(|i| (0..n).map(move |j| (i, j)));
        let data: Vec<Comparison> =
            cells.map(|(i, j)| judged(i, j, 0.5, case.counts[i][j])).collect();
        let base = LogisticConfig { log_odds_bound: 2.0, ..unbound(1.0) };
        assert!((base.curvature() / case.kappa - 1.0).abs() < 1e-14);
        // The ridge that belongs to λ₀ is κλ₀.
        let config = LogisticConfig { ridge: case.kappa * case.lam0, ..base };
        let fit = FeatureFit::bilinear_without_constant(features(&case.phi), config).unwrap();
        let model = fit.fit(&data).unwrap().model;
        for i in 0..n {
            for j in 0..n {
                let (a, b) = (ResponseId::from_index(i), ResponseId::from_index(j));
                let got = model.log_odds_width(PromptId::new(0), a, b);
                assert!((got - case.gamma[i][j]).abs() < 1e-12, "{got} at {i}, {j}");
            }
        }
        let mut menus = Menus::new();
        let ids: Vec<ResponseId> = (0..n).map(ResponseId::from_index).collect();
        menus.push(PromptId::new(0), &ids).unwrap();
        let [p, q] = [&case.p, &case.q].map(|masses| Distribution::from_masses(masses).unwrap());
        let got = model.policy_width(menus.get(0), &p, &q);
        assert!((got - case.policy_gamma).abs() < 1e-12, "{got}");
        let counts = PairCounts::new(&data);
        let plays = [Play { weight: Weight::ONE, menu: menus.get(0), policy: &p }];
        let class: Vec<Given> = case.finite_class.into_iter().map(Given).collect();
        for (found, want) in [
            (tabular_coverage(&counts, &plays), case.coverage_tabular.value()),
            (linear_coverage(&model, &counts, &plays).unwrap(), case.coverage_linear),
            (finite_coverage(&class, &counts, &plays), case.coverage_finite),
        ] {
            for got in [found.lower, found.upper, found.prompts[0].coefficient] {
                let both_infinite = got.is_infinite() && want.is_infinite();
                assert!(both_infinite || (got / want - 1.0).abs() < 1e-12, "{got} and {want}");
            }
        }
        let fit = FiniteClassFit::new(class, Confidence::new(0.95).unwrap()).unwrap();
        let model = fit.with_uncertainty_ratio(1.0).unwrap().fit(&data).unwrap().model;
        for (i, row) in case.gamma_finite_lam1.iter().enumerate() {
            for (j, want) in row.iter().enumerate() {
                let got = model.uncertainty_ratio(PromptId::new(0), ids[i], ids[j]);
                assert!((got - want).abs() < 1e-12, "{got} and {want}");
            }
        }
    }
}
