//! What the experiment on unilateral coverage says.

use super::{FAILED, FAILURE, Family, Measured, Method, N, N_GAMBLES, Settings};
use nlhf_benches::figure::{Axis, Curve, Ink, Panel};
use nlhf_benches::report::{Section, Table, short};
use nlhf_benches::statistics::{Mean, Spread, slope};

pub(super) fn introduce(section: &mut Section, settings: &Settings) {
    section.paragraph(
        "Does greedy fail where the comparisons of π* with all others are covered and those among the others are not, and \
         does pessimism hold?",
    );
    section.paragraph(&format!(
        "One prompt, P scale: a safe response s, {N_GAMBLES} gambles g and a counter c. The reference prefers the gambles \
         (0.1, 0.8 in all, 0.1). s is judged against all others, equally often. The {} pairs among gambles and counter get \
         one label each (family A) or a thousandth of all labels each (family B). A gamble wins its only comparison with \
         c with probability ¼; then c, which would beat it, seems to lose to it. A table assumes nothing; the class holds {} \
         preferences that agree with the truth on s and differ on the other pairs. {} seeds; δ = {FAILURE}.",
        (N - 1) * (N - 2) / 2,
        Family::Fixed.class(1000).len(),
        settings.n_seeds,
    ));
    section.formula(
        "P(s ≻ g) = ½,   P(s ≻ c) = ½ + Δ,   P(c ≻ g) = ¾,   P(g ≻ g') = ½\n\
         A:  η = 10√n,  Δ = 1.5/√n,  one label on each hard pair: w = 1/n\n\
         B:  η = 100,   Δ = 0.02,    n/1000 labels on each: w = 1/1000\n\
         π* plays g with about Δ/(Δ + ¼) in all and c with O(1/η), so that C(π*) = max_b Σ_a π*(a)²/w(a, b) hardly grows in A",
    );
    section.paragraph(
        "Family A lets η grow, because at a fixed η greedy cannot fail for long: with E = R* − R̂ and both policies equilibria of \
         their games,",
    );
    section.formula(
        "KL(π*‖π̂) + KL(π̂‖π*) = η π*'E π̂ ≤ η²u²,   u = ‖E'π*‖∞            J_R*(π*, π̂) = KL(π̂‖π*)/η,  J_R̂(π*, π̂) = −KL(π*‖π̂)/η\n\
         sub(π̂) ≤ ηu² (1 + η²B²/2),   B = ½ on P",
    );
    section.paragraph(
        "u is the error of the comparisons of π* alone, which is what unilateral coverage bounds: at a fixed η greedy is \
         consistent under unilateral coverage, at the fast rate 1/n, and only where ηu ≥ 1 is there anything to lose \
         (the same was found by \"Beyond Pessimism: Offline Learning in KL-regularized Games\", arXiv 2604.06738, 2026).",
    );
}

pub(super) struct Runs {
    pub(super) sizes: Vec<u64>,
    pub(super) found: Vec<Measured>,
}

impl Runs {
    fn of(&self, family: Family, at: usize) -> impl Iterator<Item = &Measured> {
        self.found.iter().filter(move |m| m.family == family && m.at == at)
    }

    fn values(&self, family: Family, at: usize, value: impl Fn(&Measured) -> f64) -> Vec<f64> {
        self.of(family, at).map(value).collect()
    }

    fn lost(&self, family: Family, at: usize, method: Method) -> Vec<f64> {
        let place = Method::ALL.iter().position(|own| *own == method).unwrap_or(0);
        self.values(family, at, |m| m.lost[place])
    }

    pub(super) fn table(&self) -> Table {
        let mut heads = vec!["family", "n", "C(π*)", "C(π̂), greedy: 95 % below"];
        heads.extend(Method::ALL.map(Method::name));
        heads.push("ηu²(1 + η²/8)");
        let mut table = Table::new(&heads);
        for family in Family::ALL {
            for (at, n) in self.sizes.iter().enumerate() {
                let median =
                    |value: fn(&Measured) -> f64| Spread::of(&self.values(family, at, value));
                let mut row = vec![
                    family.name().to_owned(),
                    short(*n as f64),
                    short(median(|m| m.star_coverage).median),
                    short(median(|m| m.greedy_coverage).high),
                ];
                row.extend(Method::ALL.map(|method| {
                    let lost = self.lost(family, at, method);
                    let failed = lost.iter().filter(|x| **x > FAILED).count();
                    let share = 100.0 * failed as f64 / lost.len() as f64;
                    format!("{} ({share:.0} %)", short(Mean::of(&lost).mean))
                }));
                row.push(short(median(|m| m.greedy_bound).median));
                table.row(&row);
            }
        }
        table
    }

    pub(super) fn panels(&self) -> Vec<Panel> {
        let sizes: Vec<f64> = self.sizes.iter().map(|n| *n as f64).collect();
        let by_size = |value: &dyn Fn(usize) -> Vec<f64>| -> Vec<Vec<f64>> {
            (0..sizes.len()).map(value).collect()
        };
        let losses = |family: Family| Panel {
            title: family.name().to_owned(),
            x: Axis::log("comparisons"),
            y: Axis::log("mean sub-optimality, in win rate").within(1e-6, 0.5),
            curves: (0..)
                .zip(Method::ALL)
                .map(|(at, method)| {
                    let lost = by_size(&|size| self.lost(family, size, method));
                    Curve::means(method.name(), Ink::solid(at), &sizes, &lost)
                })
                .collect(),
        };
        let coverage = |name: &str, color: usize, value: &dyn Fn(&Measured) -> f64| {
            let runs = by_size(&|size| self.values(Family::Falling, size, value));
            Curve::medians(name, Ink::dashed(color), &sizes, &runs)
        };
        let third = Panel {
            title: "A: coverage".to_owned(),
            x: Axis::log("comparisons"),
            y: Axis::log("C, unilateral").within(1.0, 1e6),
            curves: vec![
                coverage("C(π*)", 6, &|m| m.star_coverage),
                coverage("C(π̂) of table, greedy", 0, &|m| m.greedy_coverage),
            ],
        };
        Family::ALL.into_iter().map(losses).chain([third]).collect()
    }

    pub(super) fn conclude(&self, section: &mut Section) {
        let last = self.sizes.len() - 1;
        let mean = |family, at, method| Mean::of(&self.lost(family, at, method));
        let shown = |family, at, method| mean(family, at, method).shown();
        let failed = |method| {
            let lost = self.lost(Family::Falling, last, method);
            100.0 * lost.iter().filter(|x| **x > FAILED).count() as f64 / lost.len() as f64
        };
        let slope = |method| {
            let half = (self.sizes.len() / 2).min(last - 1);
            let point = |at: usize| (self.sizes[at] as f64, mean(Family::Falling, at, method).mean);
            let points: Vec<(f64, f64)> = (half..=last).map(point).collect();
            format!("{:.2}", slope(&points)).replace('-', "−")
        };
        let star = |at| Spread::of(&self.values(Family::Falling, at, |m| m.star_coverage)).median;
        let violated = self.found.iter().filter(|m| m.lost[0] > m.greedy_bound + 1e-12).count();
        section.paragraph(&format!(
            "Means over seeds of the exact sub-optimality, in brackets how often it is above {FAILED}; bands are two standard \
             errors. What it says. In A, while n grows from {} to {}, C(π*) goes from {} to {}, and greedy goes on losing: {} at the \
             largest n with the table ({:.0} % of runs above {FAILED}), {} with the class ({:.0} %). The bonus loses {} \
             there, the version space {}. The bootstrap ensemble, which has no guarantee, loses {}: resampling a single label does not \
             show that it could have been another. The slopes of the means in A are {} for greedy and {} for the bonus, which follows \
             √(C/n). In B greedy with the table loses {} at n = {} and {} at n = {}, the bonus {} and {}. \
             The bound ηu²(1 + η²/8) was violated in {violated} \
             of {} runs.",
            short(self.sizes[0] as f64),
            short(self.sizes[last] as f64),
            short(star(0)),
            short(star(last)),
            shown(Family::Falling, last, Method::TableGreedy),
            failed(Method::TableGreedy),
            shown(Family::Falling, last, Method::ClassGreedy),
            failed(Method::ClassGreedy),
            shown(Family::Falling, last, Method::TableBonus),
            shown(Family::Falling, last, Method::ClassVersionSpace),
            shown(Family::Falling, last, Method::TableBootstrap),
            slope(Method::TableGreedy),
            slope(Method::TableBonus),
            shown(Family::Fixed, 0, Method::TableGreedy),
            short(self.sizes[0] as f64),
            shown(Family::Fixed, last, Method::TableGreedy),
            short(self.sizes[last] as f64),
            shown(Family::Fixed, 0, Method::TableBonus),
            shown(Family::Fixed, last, Method::TableBonus),
            self.found.len(),
        ));
    }
}
