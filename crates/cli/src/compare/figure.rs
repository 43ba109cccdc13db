//! The chart as SVG: gap against products, both logarithmic, a line a method.
//!
//! Solid lines have the regularized equilibrium as their target, dashed ones a point near it, dotted ones
//! an equilibrium without KL terms; a circle marks a method that is known by its end only.

use super::curve::{Chart, Curve};
use nlhf::nash::published::Target;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

const SIZE: (u32, u32) = (1000, 600);
const LEGEND_WIDTH: u32 = 230;
const LEGEND_LINE: i32 = 22;

/// The text of an SVG file.
pub(super) fn draw(chart: &Chart) -> anyhow::Result<String> {
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let (left, legend) = root.split_horizontally(SIZE.0 - LEGEND_WIDTH);
        let (low, high) = chart.gaps;
        let title = match chart.n_games {
            1 => "Gap against products".to_owned(),
            n => format!("Gap against products, median of {n} games"),
        };
        let mut plane = ChartBuilder::on(&left)
            .caption(title, ("sans-serif", 20))
            .margin(12)
            .x_label_area_size(50)
            .y_label_area_size(80)
            .build_cartesian_2d(
                (1.0..chart.products.1).log_scale(),
                (low..2.0 * high).log_scale(),
            )?;
        plane
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .label_style(("sans-serif", 14))
            .bold_line_style(BLACK.mix(0.12))
            .x_desc("products with the payoffs")
            .y_desc("gap of the method's own target, in units of the payoff")
            .x_label_formatter(&|x| format!("{x:.0}"))
            .y_label_formatter(&|y| format!("{y:.0e}"))
            .draw()?;
        for (at, curve) in chart.curves.iter().enumerate() {
            let style = color(at).stroke_width(2);
            let points = || curve.points.iter().copied();
            match curve.points.as_slice() {
                [point] => {
                    plane.draw_series([Circle::new(*point, 5, color(at).filled())])?;
                }
                _ => match dash(curve) {
                    None => {
                        plane.draw_series(LineSeries::new(points(), style))?;
                    }
                    Some((length, gap)) => {
                        plane.draw_series(DashedLineSeries::new(points(), length, gap, style))?;
                    }
                },
            }
        }
        for (at, curve) in (0..).zip(&chart.curves) {
            let y = 46 + LEGEND_LINE * at;
            let style = color(usize::try_from(at)?).stroke_width(2);
            let ends = [(6, y), (38, y)];
            if let [_] = curve.points.as_slice() {
                legend.draw(&Circle::new((22, y), 5, style.filled()))?;
            } else if let Some((length, gap)) = dash(curve) {
                legend.draw(&DashedPathElement::new(ends, length, gap, style))?;
            } else {
                legend.draw(&PathElement::new(ends, style))?;
            }
            let font = ("sans-serif", 15).into_text_style(&legend);
            let label = if curve.points.is_empty() {
                format!("{} (not defined here)", curve.name)
            } else {
                curve.name.to_owned()
            };
            legend.draw_text(&label, &font.pos(Pos::new(HPos::Left, VPos::Center)), (46, y))?;
        }
        root.present()?;
    }
    Ok(text)
}

/// Length and gap of the dashes, in pixels.
fn dash(curve: &Curve) -> Option<(u32, u32)> {
    match curve.target {
        Target::Regularized => None,
        Target::NearRegularized => Some((9, 4)),
        Target::Unregularized => Some((3, 3)),
    }
}

/// Neighbours in the list are far apart on the color wheel.
fn color(at: usize) -> HSLColor {
    let turn = (at as f64 * 0.381_966).fract();
    HSLColor(turn, 0.75, if at.is_multiple_of(2) { 0.38 } else { 0.52 })
}
