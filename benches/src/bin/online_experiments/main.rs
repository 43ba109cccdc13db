//! scratch
mod instance;
mod scratch;
mod trial;
use instance::Instance;
use nlhf::online::{Enhancer, Optimistic, Strategy};
use nlhf_benches::report::short;
use nlhf_benches::statistics::Spread;
use rayon::prelude::*;
use std::path::Path;
use std::sync::Arc;
fn main() -> anyhow::Result<()> {
    let data = Path::new("/work/shared/data");
    let opt = |e, f| -> (String, Arc<dyn Strategy>) {
        (format!("{e:?} {f}"), Arc::new(Optimistic::new(e, f).unwrap()))
    };
    let methods = |scale| { let mut m: Vec<(String, Arc<dyn Strategy>)> = nlhf::online::methods::all(scale).into_iter().map(|s| (s.name().to_owned(), s)).collect();
    for f in [0.3, 0.2, 0.1, 0.05] { m.push(opt(Enhancer::OptimisticOpponent, f)); }
    m.push(opt(Enhancer::ConfidenceSet, 0.1)); m };
    let instances: Vec<(&str, Box<dyn Fn(u64) -> anyhow::Result<Instance> + Sync>)> = vec![
        ("circle easy", Box::new(|s| Instance::circle(6, 1.0 / 6.0, 5.0, 4000, s))),
        ("circle m20", Box::new(|s| Ok(Instance { per_round: 20, ..Instance::circle(30, 1e-4, 60.0, 12000, s)? }))),
        ("circle n60 1e-6", Box::new(|s| Ok(Instance { per_round: 50, ..Instance::circle(60, 1e-6, 80.0, 20000, s)? }))),
        ("circle hard", Box::new(|s| Instance::circle(30, 1e-4, 60.0, 12000, s))),
        ("bilinear easy", Box::new(|s| Instance::bilinear(1, 8, 4, 1.0 / 8.0, 2.0, s))),
        ("bilinear m20", Box::new(|s| Ok(Instance { per_round: 20, ..Instance::bilinear(1, 24, 5, 1e-4, 12.0, s)? }))),
        ("bilinear hard", Box::new(|s| Instance::bilinear(1, 40, 5, 1e-4, 12.0, s))),
        ("contextual easy", Box::new(|s| Instance::bilinear(6, 6, 4, 1.0 / 6.0, 2.0, s))),
        ("contextual hard", Box::new(|s| Instance::bilinear(6, 16, 5, 1e-4, 12.0, s))),
        ("rrps easy", Box::new(move |_| Instance::table(data, None, 10.0))),
        ("rrps hard", Box::new(move |_| Instance::table(data, Some(1e-4), 100.0))),
    ];
    let only: Vec<String> = std::env::args().skip(1).collect();
    for (name, make) in &instances {
        if !only.is_empty() && !only.iter().any(|o| name.contains(o.as_str())) {
            continue;
        }
        let i = make(1)?;
        let h = i.hardness()?;
        let star = i.rules.equilibria(&i.truth, &i.menus);
        println!(
            "== {name}: coverage ref {} uniform {}; reference loses {}; star {:?}",
            short(h.reference),
            short(h.uniform),
            short(i.reference_loss()),
            star[0]
                .probabilities()
                .iter()
                .filter(|p| **p > 0.01)
                .map(|p| short(*p))
                .collect::<Vec<_>>()
        );
        for (m, s) in &methods(i.rules.scale) {
            if s.log_odds_only() || m.contains("xpo") || m.contains("online") { continue; }
            let start = std::time::Instant::now();
            let runs: anyhow::Result<Vec<_>> = (0..8u64)
                .into_par_iter()
                .map(|seed| {
                    let i = make(seed)?;
                    let r = i.reference_loss();
                    Ok((trial::run(&i, Arc::clone(s), seed)?, r, i.budget))
                })
                .collect();
            let runs = runs?;
            let to = |e: f64| {
                let v: Vec<f64> = runs
                    .iter()
                    .map(|(t, r, b)| t.labels_to(e * r).unwrap_or(f64::from(*b)))
                    .collect();
                Spread::of(&v).shown()
            };
            let c =
                Spread::of(&runs.iter().map(|(t, r, _)| t.cumulative() / r).collect::<Vec<_>>())
                    .shown();
            let e = Spread::of(
                &runs.iter().map(|(t, r, _)| t.points.last().unwrap().lost / r).collect::<Vec<_>>(),
            )
            .shown();
            let v: usize = runs.iter().map(|(t, _, _)| t.violations.0).sum();
            println!(
                "{m:28} 5%: {:24} 1%: {:24} cum/ref {c:24} end {e:26} viol {v} {:.2}s",
                to(0.05),
                to(0.01),
                start.elapsed().as_secs_f64()
            );
        }
    }
    Ok(())
}
