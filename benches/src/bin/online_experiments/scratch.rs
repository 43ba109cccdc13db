use nlhf::core::{Distribution, SolveError};
use nlhf::online::{Pairing, Plan, PromptRound, Strategy};
#[derive(Debug)]
pub(crate) struct Uniform;
#[derive(Debug)]
pub(crate) struct Greedy;
#[derive(Debug)]
pub(crate) struct SelfPlay;
#[derive(Debug)]
pub(crate) struct MainUniform;
macro_rules! strat {
    ($t:ty, $n:expr, $f:expr) => {
        impl Strategy for $t {
            fn name(&self) -> &'static str {
                $n
            }
            fn plan(&self, p: &PromptRound<'_>) -> Result<Plan, SolveError> {
                let s = p.equilibrium()?;
                let m = s.profile.row.clone();
                let u = Distribution::uniform(m.len());
                let f: fn(
                    Distribution,
                    Distribution,
                    Distribution,
                ) -> (Distribution, Distribution) = $f;
                let (first, second) = f(m, p.reference.row.clone(), u);
                Ok(Plan::of_equilibrium(s, vec![Pairing { first, second }]))
            }
            fn opening(&self, reference: &Distribution) -> Vec<Pairing> {
                let u = Distribution::uniform(reference.len());
                let f: fn(
                    Distribution,
                    Distribution,
                    Distribution,
                ) -> (Distribution, Distribution) = $f;
                let (first, second) = f(reference.clone(), reference.clone(), u);
                vec![Pairing { first, second }]
            }
        }
    };
}
strat!(Uniform, "u", |_, _, u| (u.clone(), u));
strat!(Greedy, "g", |m, r, _| (m, r));
strat!(SelfPlay, "s", |m, _, _| (m.clone(), m));
strat!(MainUniform, "mu", |m, _, u| (m, u));
