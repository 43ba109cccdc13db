//! `nlhf compare`: published methods side by side on the games of a file, gap against products.

mod contest;
mod curve;
mod figure;
mod sketch;
mod written;

use crate::game::parse_eta;
use crate::progress::Progress;
use crate::solve::{SolveScale, parse_tolerance, status_name};
use crate::{Global, Outcome, outputs, render};
use anyhow::{Context, ensure};
use clap::Args;
use clap::builder::PossibleValuesParser;
use contest::{Entrant, Run, play};
use curve::{Chart, letter};
use nlhf::core::{Eta, Status};
use nlhf::data::{
    GameDefaults, GameReader, GameRecord, GameScale, is_game_matrix, read_game_matrix,
};
use nlhf::nash::published::{Limits, Target};
use rayon::prelude::*;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;

/// Compare published methods on games: how many products each needs to come how near.
///
/// Products are calls of A times a policy, each of which would be a round of preference queries.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct CompareArgs {
    /// Games as in `nlhf solve`: JSONL (plain or gzip), a .csv or .npy matrix, or - for standard input
    games: PathBuf,
    /// The factor of the payoffs against the KL term, for games that do not name their own
    #[arg(long, value_parser = parse_eta, allow_hyphen_values = true)]
    eta: Option<Eta>,
    /// What the entries of the matrices are, for games that do not say it
    #[arg(long)]
    scale: Option<SolveScale>,
    /// The methods to run, separated by commas [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = names())]
    methods: Vec<String>,
    /// The most products a published method may spend on a game
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = parse_products)]
    products: usize,
    /// The gap of its own target at which a method stops, in units of the payoff
    #[arg(long, default_value_t = 1e-10, value_parser = parse_tolerance, allow_hyphen_values = true)]
    tolerance: f64,
    /// Write all measurements here: .jsonl, a line a game and method; or .csv, a line a measurement
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Draw gap against products here, as .svg
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

const AFTER_HELP: &str = "\
Example:
  echo '{\"eta\": 10, \"scale\": \"payoff\", \"payoff\": [[0, 1], [2, -1]]}' \\
    | nlhf compare -
  nlhf compare winrates.csv --eta 20 --scale probability --plot gaps.svg
  nlhf compare games.jsonl --methods newton,egpo,mmd --output gaps.csv

The table, medians over the games:
  target          the equilibrium that the method converges to: that of the
                  regularized game, a point near it, or one of the game
                  without KL terms
  to 1e-2, …      products until the gap of that target was first so small;
                  - where it was not
  duality gap     of the regularized game, at the end
  exploitability  the gap of the game without KL terms, at the end, which
                  counts actions of prior 0 too, although none plays them
  status          converged: the regularized game is solved; at its target:
                  the game without KL terms is, which is another answer

Newton's products are those of its residuals; it factorizes a matrix at each
iteration besides. Steps are the largest that the theory of a method proves.
In CSV: game, eta, method, target, products, gap. In JSONL the trace has
products and gap, and a gap beyond all numbers is null.";

fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(Entrant::all().into_iter().map(Entrant::name))
}

fn parse_products(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(products) if products > 0 => Ok(products),
        _ => Err(format!("the products must be a whole number above zero, but are {text:?}")),
    }
}

/// Gaps whose products the table counts.
const LEVELS: [f64; 3] = [1e-2, 1e-4, 1e-8];

pub(crate) fn run(args: &CompareArgs, global: &Global) -> anyhow::Result<Outcome> {
    let files: Vec<&std::path::Path> =
        [&args.output, &args.plot].into_iter().flatten().map(PathBuf::as_path).collect();
    outputs::check_distinct(&files, &[&args.games])?;
    let mut output = args.output.as_ref().map(|path| {
        written::Format::of(path)?;
        written::Output::start(outputs::open(path)?, path)
    });
    let mut plot = args.plot.as_ref().map(|path| {
        let is_svg = path.extension().is_some_and(|extension| extension == "svg");
        ensure!(is_svg, "{}: expected a name that ends in .svg", path.display());
        outputs::open(path)
    });
    let (mut output, mut plot) = (output.take().transpose()?, plot.take().transpose()?);
    let games = read(args, global)?;
    let entrants: Vec<Entrant> = Entrant::all()
        .into_iter()
        .filter(|entrant| {
            args.methods.is_empty() || args.methods.iter().any(|name| name == entrant.name())
        })
        .collect();
    let runs = contest(&games, &entrants, args, global)?;
    if let Some(output) = &mut output {
        for (record, runs) in games.iter().zip(&runs) {
            for (entrant, run) in entrants.iter().zip(runs) {
                output.write(&record.id, record.eta.get(), *entrant, run.as_ref())?;
            }
        }
    }
    let by_entrant: Vec<Vec<&Run>> = (0..entrants.len())
        .map(|at| runs.iter().filter_map(|runs| runs[at].as_ref()).collect())
        .collect();
    let chart = Chart::new(&entrants, &by_entrant, args.tolerance, games.len());
    if let Some(plot) = &mut plot {
        plot.write_all(figure::draw(&chart)?.as_bytes())?;
    }
    if let Some(output) = output {
        output.commit()?;
    }
    if let Some(plot) = plot {
        plot.commit()?;
    }
    let mut out = std::io::stdout();
    write!(out, "{}", table(&entrants, &by_entrant, args.tolerance))?;
    if out.is_terminal() {
        write!(out, "\n{}", sketch::draw(&chart))?;
    }
    if !global.quiet {
        eprintln!(
            "{}, up to {} products a published method and game, gaps in units of the payoff",
            render::counted(games.len(), "game"),
            render::count(args.products)
        );
        for path in files {
            eprintln!("written to {}", path.display());
        }
    }
    Ok(Outcome::Done)
}

fn read(args: &CompareArgs, global: &Global) -> anyhow::Result<Vec<GameRecord>> {
    let games = if is_game_matrix(&args.games) {
        let eta = args.eta.context("a matrix file needs --eta, as in --eta 10")?;
        let scale =
            args.scale.context("a matrix file needs --scale probability, log-odds or payoff")?;
        vec![read_game_matrix(&args.games, eta, scale.into())?]
    } else {
        let defaults = GameDefaults { eta: args.eta, scale: args.scale.map(GameScale::from) };
        GameReader::open(&args.games, defaults)?.collect::<Result<Vec<_>, _>>()?
    };
    let mut notes = games.iter().flat_map(|game| game.notes.iter().map(|note| (&game.id, note)));
    if !global.quiet {
        for (id, note) in notes.by_ref().take(3) {
            eprintln!("nlhf: game {id}: {note}");
        }
        match notes.count() {
            0 => {}
            more => eprintln!("nlhf: {} more notes of this kind", render::count(more)),
        }
    }
    Ok(games)
}

/// The runs of each game, in the order of the entrants; `None` where a method is not defined.
fn contest(
    games: &[GameRecord],
    entrants: &[Entrant],
    args: &CompareArgs,
    global: &Global,
) -> anyhow::Result<Vec<Vec<Option<Run>>>> {
    let limits = Limits { tolerance: args.tolerance, max_products: args.products };
    let mut progress = Progress::new(global, games.len() as u64, "games");
    let mut runs = Vec::with_capacity(games.len());
    for (at, record) in games.iter().enumerate() {
        let played: anyhow::Result<Vec<Option<Run>>> = entrants
            .par_iter()
            .map(|entrant| {
                play(*entrant, record, limits).with_context(|| format!("game {}", record.id))
            })
            .collect();
        runs.push(played?);
        progress.update(at as u64 + 1, "comparing");
    }
    progress.finish();
    Ok(runs)
}

fn table(entrants: &[Entrant], runs: &[Vec<&Run>], tolerance: f64) -> render::Table {
    let mut table = render::Table::new(&[
        "method",
        "target",
        "to 1e-2",
        "to 1e-4",
        "to 1e-8",
        "duality gap",
        "exploitability",
        "ms",
        "status",
    ]);
    for (at, (entrant, runs)) in entrants.iter().zip(runs).enumerate() {
        let mut cells =
            vec![format!("{} {}", letter(at), entrant.name()), entrant.target().name().to_owned()];
        let middle = |of: &dyn Fn(&Run) -> f64| median(runs.iter().map(|run| of(run)).collect());
        if runs.is_empty() {
            cells.extend(["-"; 6].map(str::to_owned));
            cells.push("symmetric games only".to_owned());
            table.row(cells);
            continue;
        }
        for level in LEVELS {
            let products =
                middle(&|run| run.products_to(level).map_or(f64::INFINITY, |n| n as f64));
            cells.push(if products.is_finite() {
                format!("{products:.0}")
            } else {
                "-".to_owned()
            });
        }
        cells.push(format!("{:.1e}", middle(&|run| run.duality_gap)));
        cells.push(format!("{:.1e}", middle(&|run| run.exploitability.max(0.0))));
        cells.push(format!("{:.2}", middle(&|run| 1e3 * run.time.as_secs_f64())));
        cells.push(status(*entrant, runs, tolerance));
        table.row(cells);
    }
    table
}

/// How the runs of a method ended: in one word if all ended alike.
fn status(entrant: Entrant, runs: &[&Run], tolerance: f64) -> String {
    let label = |run: &Run| match run.status {
        Status::Stalled if entrant.target() == Target::Unregularized && run.gap <= tolerance => {
            "at its target"
        }
        status => status_name(status),
    };
    let first = label(runs[0]);
    if runs.iter().all(|run| label(run) == first) {
        return first.to_owned();
    }
    let reached = runs.iter().filter(|run| run.gap <= tolerance).count();
    let end = if entrant.target() == Target::Unregularized { "at its target" } else { "converged" };
    format!("{reached} of {} {end}", runs.len())
}

/// The middle of the values, the lower one of two; infinity counts as large.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) / 2]
}
