//! Sub-optimality against the number of comparisons where all pairs are covered, beside what bounds it.

mod instance;
mod measure;

use crate::learn::Form;
use instance::{BOUND, Instance, N_CANDIDATES, N_PROMPTS, NORM};
use measure::{Bound, Case, Measured, Model, class_coverage};
use nlhf::core::{Confidence, Scale, SeedTree, Stream};
use nlhf_benches::figure::{Axis, Curve, Ink, Panel, draw};
use nlhf_benches::report::{Effort, Section, Table, listed, short};
use nlhf_benches::statistics::{Slope, Spread};
use nlhf_benches::world::{Rules, judge_all, scale_name};
use rayon::prelude::*;

const ETAS: [(Scale, f64); 2] = [(Scale::Probability, 10.0), (Scale::LogOdds, 2.5)];
const FAILURE: f64 = 0.05;

struct Settings {
    per_pair: Vec<u64>,
    n_seeds: u64,
    n_members: usize,
}

impl Settings {
    fn new(effort: Effort) -> Self {
        Self {
            per_pair: effort
                .pick(vec![10, 32, 100, 316, 1000, 3162, 10_000, 31_623, 100_000], vec![10, 1000]),
            n_seeds: effort.pick(40, 2),
            n_members: effort.pick(128, 8),
        }
    }
}

/// All runs: by scale, size and seed.
struct Runs {
    sizes: Vec<f64>,
    found: Vec<(Scale, usize, Vec<Measured>)>,
    coverage: Vec<(Scale, f64)>,
}

pub(crate) fn run(effort: Effort) -> anyhow::Result<Section> {
    let settings = Settings::new(effort);
    let runs = Runs::of(&settings)?;
    let mut section = Section::new("Sub-optimality against the number of comparisons");
    section.paragraph(
        "How fast does the policy get better where every pair is covered, and how much looser than what happens are the \
         bounds?",
    );
    let n_pairs = N_PROMPTS * N_CANDIDATES * (N_CANDIDATES - 1) / 2;
    section.paragraph(&format!(
        "{N_PROMPTS} prompts with {N_CANDIDATES} candidates each, every one of the {n_pairs} pairs judged equally often; \
         {} instances and data sets. The truth turns in circles and is bilinear in known features. Three models know \
         it in part: a finite class of {} preferences at distances from 0.0002 to 2 nats of which it is one, a bilinear model \
         (6 parameters, ‖θ*‖ ≤ {NORM:.2}), and a table that assumes nothing. η is 10 on the scale of probabilities (P) and \
         2.5 on that of log-odds; |R*| ≤ {BOUND}; δ = {FAILURE}; the reference is uniform.",
        settings.n_seeds, settings.n_members
    ));
    section.formula(
        "R*(x, a, b) = r_a − r_b + 1.2 sin(φ_b − φ_a),   r uniform in [−0.4, 0.4],  φ around the circle\n\
         reported     −min_q J_M(π̂, q) of the pessimistic game, −min_{R ∈ V} min_q J_R(π̂, q) of the version space\n\
         2 E[width]   the theorem of the bonus form, over π* and its competitor in M\n\
         coverage     √(3 C_P(π*) log(N/δ)/|D|) on P,   √(12 C(π*) log(N/δ)/(κ|D|)) on log-odds,  κ = σ(B)σ(−B)\n\
         η c E[E²]    greedy: sub ≤ η c(M) E_{π̂×π̂}[(R* − R̂)²],  M = η‖(R* − R̂)π̂‖∞,  c(M) = (e^M − 1 − M)/M²;  no probability\n\
         worst of V   greedy: max over the version space of what π̂ loses there",
    );
    section.table(&runs.losses());
    section.paragraph(
        "Medians over seeds, with the interval that holds 90 % of them; slopes of log(median) over log(n), over the upper half \
         of sizes, with 95 % bootstrap intervals over seeds. Then the bounds: the median over seeds of bound \
         over sub-optimality, and in how many runs a bound was violated.",
    );
    section.table(&runs.bounds());
    section.figure("rate", "Sub-optimality and bounds against comparisons", draw(&runs.panels())?);
    runs.conclude(&mut section);
    Ok(section)
}

impl Runs {
    fn of(settings: &Settings) -> anyhow::Result<Self> {
        let confidence = Confidence::new(1.0 - FAILURE)?;
        let n_pairs = (N_PROMPTS * N_CANDIDATES * (N_CANDIDATES - 1) / 2) as f64;
        let sizes = settings.per_pair.iter().map(|n| *n as f64 * n_pairs).collect();
        let seed = |seed: u64| -> anyhow::Result<_> {
            let instance = Instance::draw(seed, settings.n_members)?;
            let (mut found, mut coverage) = (Vec::new(), Vec::new());
            for (scale, eta) in ETAS {
                let rules = Rules::uniform(eta, scale, N_CANDIDATES);
                let equilibria = rules.equilibria(&instance.truth, &instance.menus);
                // All pairs have one share at all sizes.
                let mut covered = None;
                for (at, per_pair) in settings.per_pair.iter().enumerate() {
                    let mut rng = SeedTree::new(seed).rng(Stream::Oracle, u32::try_from(at)?);
                    let data = judge_all(&instance.truth, &instance.menus, *per_pair, &mut rng);
                    let coverage = *covered.get_or_insert_with(|| {
                        class_coverage(&instance, &rules, &data, &equilibria)
                    });
                    let (instance, rules, data, equilibria) =
                        (&instance, &rules, &data[..], &equilibria[..]);
                    let case = Case { instance, rules, data, equilibria, coverage, confidence };
                    found.push((scale, at, case.measure()?));
                }
                coverage.extend(covered.map(|c| (scale, c)));
            }
            Ok((found, coverage))
        };
        let all: anyhow::Result<Vec<_>> = (0..settings.n_seeds).into_par_iter().map(seed).collect();
        let (found, coverage): (Vec<_>, Vec<_>) = all?.into_iter().unzip();
        Ok(Self { sizes, found: found.concat(), coverage: coverage.concat() })
    }

    /// By size, a number of each run of a form; none where the form does not have it.
    fn values(
        &self,
        scale: Scale,
        model: Model,
        form: Form,
        value: impl Fn(&Measured) -> Option<f64>,
    ) -> Option<Vec<Vec<f64>>> {
        let mut values = vec![Vec::new(); self.sizes.len()];
        for (own, at, measured) in &self.found {
            let asked = |m: &&Measured| *own == scale && m.model == model && m.form == form;
            values[*at].extend(measured.iter().filter(asked).filter_map(&value));
        }
        values.iter().all(|runs| !runs.is_empty()).then_some(values)
    }

    fn lost(&self, scale: Scale, model: Model, form: Form) -> Option<Vec<Vec<f64>>> {
        self.values(scale, model, form, |m| Some(m.lost))
    }

    fn bound(&self, key: Key) -> Option<Vec<Vec<f64>>> {
        let of = |m: &Measured| m.bounds.iter().find(|b| b.0 == key.bound).map(|b| b.1);
        self.values(key.scale, key.model, key.form, of)
    }

    /// Over the upper half of sizes.
    fn slope(&self, runs: &[Vec<f64>]) -> Slope {
        let from = self.sizes.len() / 2;
        let from = from.min(self.sizes.len().saturating_sub(2));
        Slope::of(&self.sizes[from..], &runs[from..])
    }

    fn losses(&self) -> Table {
        let last = self.sizes.len() - 1;
        let (low, high) = (short(self.sizes[0]), short(self.sizes[last]));
        let heads = [format!("sub, n = {low}"), format!("sub, n = {high}")];
        let mut table = Table::new(&["model", "scale", "form", &heads[0], &heads[1], "slope"]);
        for (scale, model, form) in keys() {
            let Some(lost) = self.lost(scale, model, form) else { continue };
            table.row(&[
                model.name().to_owned(),
                scale_name(scale).to_owned(),
                form.name().to_owned(),
                Spread::of(&lost[0]).shown(),
                Spread::of(&lost[last]).shown(),
                self.slope(&lost).shown(),
            ]);
        }
        table
    }

    fn bounds(&self) -> Table {
        let last = self.sizes.len() - 1;
        let (low, high) = (short(self.sizes[0]), short(self.sizes[last]));
        let heads = [
            format!("bound, n = {high}"),
            format!("ratio, n = {low}"),
            format!("ratio, n = {high}"),
        ];
        let mut table = Table::new(&[
            "model", "scale", "form", "bound", &heads[0], "slope", &heads[1], &heads[2], "violated",
        ]);
        for key in bound_keys() {
            let Some(known) = self.known(key) else { continue };
            table.row(&[
                key.model.name().to_owned(),
                scale_name(key.scale).to_owned(),
                key.form.name().to_owned(),
                key.bound.name().to_owned(),
                short(Spread::of(&known.bound[last]).median),
                self.slope(&known.bound).shown(),
                short(known.ratio(0)),
                short(known.ratio(last)),
                format!("{} of {}", known.violations(), known.bound.concat().len()),
            ]);
        }
        table
    }

    fn known(&self, key: Key) -> Option<Known> {
        let lost = self.lost(key.scale, key.model, key.form)?;
        Some(Known { lost, bound: self.bound(key)? })
    }

    fn panels(&self) -> Vec<Panel> {
        let scale = Scale::Probability;
        let color = |form: Form| Form::ALL.iter().position(|own| *own == form).unwrap_or(0);
        let panel = |model: Model| {
            let mut curves = Vec::new();
            for form in Form::ALL {
                if let Some(lost) = self.lost(scale, model, form) {
                    let name = format!("{}: sub-optimality", form.name());
                    curves.push(Curve::medians(&name, Ink::solid(color(form)), &self.sizes, &lost));
                }
                for (at, bound) in (0..).zip(Bound::ALL) {
                    if let Some(bounds) = self.bound(Key { scale, model, form, bound }) {
                        let ink = match bound {
                            Bound::Reported => color(form),
                            _ => 3 + at,
                        };
                        let name = format!("{}: {}", form.name(), bound.name());
                        let curve = Curve::medians(&name, Ink::dashed(ink), &self.sizes, &bounds);
                        curves.push(curve.without_band());
                    }
                }
            }
            Panel {
                title: format!("{}, η = 10", model.name()),
                x: Axis::log("comparisons"),
                y: Axis::log("sub-optimality, in win rate").within(1e-9, 10.0),
                curves,
            }
        };
        Model::ALL.into_iter().map(panel).collect()
    }

    fn conclude(&self, section: &mut Section) {
        let last = self.sizes.len() - 1;
        let slopes = |asked: &dyn Fn(Form) -> bool| {
            let all = keys().filter(|key| asked(key.2));
            let all: Vec<f64> = all
                .filter_map(|(scale, model, form)| self.lost(scale, model, form))
                .map(|lost| self.slope(&lost).center)
                .collect();
            range(&all, 2)
        };
        let of_bounds = |bound: Bound, value: &dyn Fn(&Known) -> f64| {
            let keys = bound_keys().filter(|key| key.bound == bound);
            let all: Vec<f64> =
                keys.filter_map(|key| self.known(key)).map(|known| value(&known)).collect();
            all
        };
        let ratios: Vec<String> = Bound::ALL
            .iter()
            .map(|bound| {
                let ratios = of_bounds(*bound, &|known| known.ratio(last));
                let (low, high) = ends(&ratios);
                format!("{} {} to {}", bound.name(), short(low), short(high))
            })
            .collect();
        let worse = keys()
            .filter(|key| key.2 != Form::Greedy)
            .filter_map(|(scale, model, form)| {
                let (own, greedy) =
                    (self.lost(scale, model, form)?, self.lost(scale, model, Form::Greedy)?);
                let ratio = |at: usize| {
                    Spread::of(&own[at]).median / Spread::of(&greedy[at]).median.max(1e-300)
                };
                Some((ratio(0), ratio(last)))
            })
            .unzip::<f64, f64, Vec<f64>, Vec<f64>>();
        let violated: usize =
            bound_keys().filter_map(|key| self.known(key)).map(|known| known.violations()).sum();
        let runs: usize = bound_keys()
            .filter_map(|key| self.known(key))
            .map(|known| known.bound.concat().len())
            .sum();
        let coverage: Vec<String> = ETAS
            .iter()
            .map(|(scale, _)| {
                let own = self.coverage.iter().filter(|c| c.0 == *scale).map(|c| c.1);
                let own: Vec<f64> = own.collect();
                format!("{} on {}", Spread::of(&own).shown(), scale_name(*scale))
            })
            .collect();
        section.paragraph(&format!(
            "What it says. The unilateral coverage of π* in the finite class is {}. Greedy falls with a slope of {}, the \
             pessimistic forms with {}; the reported bounds with {}. Errors enter what is lost squared, because \
             the KL term makes the game strongly concave, while the bounds are of first order: their ratio to \
             what happens grows with n. At the largest n the bounds exceed what is lost by factors of: {}. \
             Pessimism loses {} to {} times what greedy loses at the smallest n, and {} to {} times at the largest; here everything \
             is covered, which leaves it little to guard against. {violated} of {runs} bounds were violated.",
            listed(&coverage),
            slopes(&|form| form == Form::Greedy),
            slopes(&|form| form != Form::Greedy),
            range(&of_bounds(Bound::Reported, &|known| self.slope(&known.bound).center), 2),
            ratios.join("; "),
            short(ends(&worse.0).0),
            short(ends(&worse.0).1),
            short(ends(&worse.1).0),
            short(ends(&worse.1).1),
        ));
    }
}

#[derive(Debug, Clone, Copy)]
struct Key {
    scale: Scale,
    model: Model,
    form: Form,
    bound: Bound,
}

/// What was lost and a bound on it, by size.
struct Known {
    lost: Vec<Vec<f64>>,
    bound: Vec<Vec<f64>>,
}

impl Known {
    /// The median of bound over what was lost at a size.
    fn ratio(&self, at: usize) -> f64 {
        let both = self.bound[at].iter().zip(&self.lost[at]);
        let ratios: Vec<f64> = both.map(|(bound, lost)| bound / lost.max(1e-300)).collect();
        Spread::of(&ratios).median
    }

    fn violations(&self) -> usize {
        let both = self.bound.iter().flatten().zip(self.lost.iter().flatten());
        // What is lost is rounded up, so that an exact zero is not.
        both.filter(|(bound, lost)| **lost > **bound * (1.0 + 1e-9) + 1e-12).count()
    }
}

fn keys() -> impl Iterator<Item = (Scale, Model, Form)> {
    let scales = |model: Model| {
        ETAS.into_iter().flat_map(move |(scale, _)| Form::ALL.map(|form| (scale, model, form)))
    };
    Model::ALL.into_iter().flat_map(scales)
}

fn bound_keys() -> impl Iterator<Item = Key> {
    let bounds = |(scale, model, form)| Bound::ALL.map(|bound| Key { scale, model, form, bound });
    keys().flat_map(bounds)
}

fn ends(values: &[f64]) -> (f64, f64) {
    let fold = |(low, high): (f64, f64), x: &f64| (low.min(*x), high.max(*x));
    values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), fold)
}

/// From the lowest to the highest.
fn range(values: &[f64], digits: usize) -> String {
    let (low, high) = ends(values);
    format!("{low:.digits$} to {high:.digits$}").replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_run_fills_every_row() {
        let section = run(Effort::Quick).unwrap();
        let rows = |name: &str| section.text.matches(&format!("| {name} |")).count();
        // Two scales; three forms of the class with five bounds, two of the others with three.
        assert_eq!(rows("finite class"), 2 * (3 + 6));
        assert_eq!(rows("bilinear"), 2 * (2 + 3));
        assert_eq!(rows("tabular"), 2 * (2 + 3));
        assert!(section.figures[0].1.contains("version space: sub-optimality"));
        assert!(!section.text.contains("NaN"), "{}", section.text);
    }
}
