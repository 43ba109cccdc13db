//! Line charts as SVG: panels in rows, bands around curves, one legend for all.

use crate::statistics::{Mean, Spread};
use anyhow::Context;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// One quantity against another, with a band if it is known.
#[derive(Debug, Clone)]
pub struct Curve {
    /// What the legend says.
    pub name: String,
    /// What a curve is drawn as; curves of one name and ink share a line of the legend.
    pub ink: Ink,
    /// x, y, and the band around y.
    pub points: Vec<Point>,
}

impl Curve {
    /// Medians over seeds, and the band that holds 90 % of them; `runs[k]` are the values at `places[k]`.
    pub fn medians(name: &str, ink: Ink, places: &[f64], runs: &[Vec<f64>]) -> Self {
        let point = |(x, values): (&f64, &Vec<f64>)| {
            let Spread { median, low, high } = Spread::of(values);
            Point { x: *x, y: median, band: Some((low, high)) }
        };
        Self { name: name.to_owned(), ink, points: places.iter().zip(runs).map(point).collect() }
    }

    /// Means over seeds, and the band of two standard errors.
    pub fn means(name: &str, ink: Ink, places: &[f64], runs: &[Vec<f64>]) -> Self {
        let point = |(x, values): (&f64, &Vec<f64>)| {
            let Mean { mean, standard_error } = Mean::of(values);
            let error = if standard_error.is_nan() { 0.0 } else { 2.0 * standard_error };
            Point { x: *x, y: mean, band: Some((mean - error, mean + error)) }
        };
        Self { name: name.to_owned(), ink, points: places.iter().zip(runs).map(point).collect() }
    }

    /// The line alone.
    #[must_use]
    pub fn without_band(mut self) -> Self {
        for point in &mut self.points {
            point.band = None;
        }
        self
    }
}

/// A place in the color wheel, and whether the line is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ink {
    /// A place in the wheel of eight.
    pub color: usize,
    /// Whether the line is broken.
    pub dashed: bool,
}

impl Ink {
    /// An unbroken line.
    pub const fn solid(color: usize) -> Self {
        Self { color, dashed: false }
    }

    /// A broken line.
    pub const fn dashed(color: usize) -> Self {
        Self { color, dashed: true }
    }

    fn style(self) -> RGBColor {
        // Okabe and Ito (2008), for all kinds of eyes.
        const COLORS: [RGBColor; 8] = [
            RGBColor(0, 114, 178),
            RGBColor(213, 94, 0),
            RGBColor(0, 158, 115),
            RGBColor(204, 121, 167),
            RGBColor(86, 180, 233),
            RGBColor(230, 159, 0),
            RGBColor(0, 0, 0),
            RGBColor(150, 150, 150),
        ];
        COLORS[self.color % COLORS.len()]
    }
}

/// A point of a curve.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    /// On the axis to the right.
    pub x: f64,
    /// On the axis upwards.
    pub y: f64,
    /// The ends of the band around y.
    pub band: Option<(f64, f64)>,
}

/// What an axis shows.
#[derive(Debug, Clone)]
pub struct Axis {
    /// What stands beside it.
    pub name: String,
    /// Whether steps are factors.
    pub log: bool,
    /// What is outside is drawn at the edge; the range of the data if there is none.
    pub range: Option<(f64, f64)>,
}

impl Axis {
    /// Steps are factors.
    pub fn log(name: &str) -> Self {
        Self { name: name.to_owned(), log: true, range: None }
    }

    /// Steps are sums.
    pub fn linear(name: &str) -> Self {
        Self { name: name.to_owned(), log: false, range: None }
    }

    /// With ends of its own.
    #[must_use]
    pub fn within(self, low: f64, high: f64) -> Self {
        Self { range: Some((low, high)), ..self }
    }

    /// Where a value is drawn.
    fn place(&self, value: f64, span: &Span) -> f64 {
        let place = if self.log { value.log10() } else { value };
        if place.is_nan() { span.low } else { place.clamp(span.low, span.high) }
    }

    fn span(&self, values: impl Iterator<Item = f64>) -> Span {
        let shown = |x: &f64| x.is_finite() && (!self.log || *x > 0.0);
        let (low, high) = self.range.unwrap_or_else(|| {
            values.filter(shown).fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
                (low.min(x), high.max(x))
            })
        });
        if !self.log {
            let step = nice_step(high - low);
            let (low, high) = ((low / step).floor() * step, (high / step).ceil() * step);
            let ticks = ticks(low, high, step);
            return Span { low, high, ticks };
        }
        let (low, high) = (low.log10(), high.log10());
        // Whole decades, unless they leave too much empty.
        let (low, high) = match self.range {
            Some(_) => (low, high),
            None => (low - 0.05, high + 0.05),
        };
        if high - low < 2.0 {
            let decades = ticks(low.floor(), high, 1.0);
            let places = decades.iter().flat_map(|d| [1.0f64, 2.0, 5.0].map(|m| d + m.log10()));
            let shown = places.filter(|place| (low..=high).contains(place)).collect();
            return Span { low, high, ticks: shown };
        }
        let step = ((high - low) / 7.0).ceil().max(1.0);
        Span { low, high, ticks: ticks((low / step).ceil() * step, high, step) }
    }

    fn label(&self, place: f64) -> String {
        if !self.log {
            return format!("{}", (place * 1e9).round() / 1e9).replace('-', "−");
        }
        let power = place.floor();
        if (-2.0..5.0).contains(&place) {
            // One digit, without what rounding adds to it.
            let digit = (10f64.powf(place - power)).round();
            format!("{}", digit * 10f64.powf(power))
        } else {
            format!("1e{}", place.round())
        }
    }
}

/// The ends of an axis and its ticks, where they are drawn.
#[derive(Debug, Clone)]
struct Span {
    low: f64,
    high: f64,
    ticks: Vec<f64>,
}

impl Ranged for Span {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    #[expect(clippy::cast_possible_truncation, reason = "pixels")]
    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let share = (value - self.low) / (self.high - self.low);
        from + (share * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Span {
    fn format(value: &f64) -> String {
        crate::report::short(*value)
    }
}

/// 1, 2 or 5 times a power of ten, some six in the range.
fn nice_step(range: f64) -> f64 {
    let rough = (range / 6.0).max(f64::MIN_POSITIVE);
    let power = 10f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= rough);
    factor.unwrap_or(10.0) * power
}

fn ticks(from: f64, to: f64, step: f64) -> Vec<f64> {
    let mut ticks = Vec::new();
    let mut at = from;
    while at <= to + 1e-9 * step {
        ticks.push(at);
        at += step;
    }
    ticks
}

/// A chart of its own.
#[derive(Debug, Clone)]
pub struct Panel {
    /// Above it.
    pub title: String,
    /// To the right.
    pub x: Axis,
    /// Upwards.
    pub y: Axis,
    /// Drawn in this order.
    pub curves: Vec<Curve>,
}

const PANEL: (u32, u32) = (400, 340);
const LEGEND_WIDTH: u32 = 250;
const LEGEND_LINE: i32 = 22;

/// The text of an SVG file.
///
/// # Errors
/// If there are too many panels, or the backend fails.
pub fn draw(panels: &[Panel]) -> anyhow::Result<String> {
    let n = u32::try_from(panels.len())?;
    // Four are a square.
    let columns = if n == 4 { 2 } else { n.min(3) };
    let rows = n.div_ceil(columns);
    let mut text = String::new();
    {
        let size = (columns * PANEL.0 + LEGEND_WIDTH, rows * PANEL.1);
        let root = SVGBackend::with_string(&mut text, size).into_drawing_area();
        root.fill(&WHITE)?;
        let (left, legend) = root.split_horizontally(columns * PANEL.0);
        for (area, panel) in left.split_evenly((rows as usize, columns as usize)).iter().zip(panels)
        {
            draw_panel(area, panel).with_context(|| format!("drawing {}", panel.title))?;
        }
        draw_legend(&legend, panels)?;
        root.present()?;
    }
    Ok(text)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn draw_panel(area: &Area<'_>, panel: &Panel) -> anyhow::Result<()> {
    let points = || panel.curves.iter().flat_map(|curve| &curve.points);
    let x = panel.x.span(points().map(|point| point.x));
    let y = panel.y.span(points().map(|point| point.y));
    let mut plane = ChartBuilder::on(area)
        .caption(&panel.title, ("sans-serif", 16))
        .margin(8)
        .x_label_area_size(42)
        .y_label_area_size(62)
        .build_cartesian_2d(x.clone(), y.clone())?;
    plane
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .label_style(("sans-serif", 12))
        .axis_desc_style(("sans-serif", 13))
        .x_desc(&panel.x.name)
        .y_desc(&panel.y.name)
        .x_label_formatter(&|place| panel.x.label(*place))
        .y_label_formatter(&|place| panel.y.label(*place))
        .draw()?;
    let place = |px: f64, py: f64| (panel.x.place(px, &x), panel.y.place(py, &y));
    for curve in &panel.curves {
        let color = curve.ink.style();
        let banded: Vec<(f64, (f64, f64))> =
            curve.points.iter().filter_map(|p| Some((p.x, p.band?))).collect();
        if banded.len() > 1 {
            let up = banded.iter().map(|(px, band)| place(*px, band.0));
            let down = banded.iter().rev().map(|(px, band)| place(*px, band.1));
            let outline: Vec<(f64, f64)> = up.chain(down).collect();
            plane.draw_series([Polygon::new(outline, color.mix(0.14))])?;
        }
        let line = curve.points.iter().map(|p| place(p.x, p.y));
        let style = color.stroke_width(2);
        if curve.ink.dashed {
            plane.draw_series(DashedLineSeries::new(line, 6, 4, style))?;
        } else {
            plane.draw_series(LineSeries::new(line.clone(), style))?;
            plane.draw_series(line.map(|at| Circle::new(at, 2, color.filled())))?;
        }
    }
    Ok(())
}

fn draw_legend(area: &Area<'_>, panels: &[Panel]) -> anyhow::Result<()> {
    let mut drawn: Vec<(&str, Ink)> = Vec::new();
    for curve in panels.iter().flat_map(|panel| &panel.curves) {
        let entry = (curve.name.as_str(), curve.ink);
        if !drawn.contains(&entry) {
            drawn.push(entry);
        }
    }
    for (at, (name, ink)) in (0..).zip(drawn) {
        let y = 30 + LEGEND_LINE * at;
        let (ends, style) = ([(8, y), (38, y)], ink.style().stroke_width(2));
        if ink.dashed {
            area.draw(&DashedPathElement::new(ends, 6, 4, style))?;
        } else {
            area.draw(&PathElement::new(ends, style))?;
        }
        let font = ("sans-serif", 13).into_text_style(area);
        area.draw_text(name, &font.pos(Pos::new(HPos::Left, VPos::Center)), (46, y))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_hold_their_curves_and_share_a_legend() {
        let point = |x: f64, y: f64| Point { x, y, band: Some((0.5 * y, 2.0 * y)) };
        let curve = |ink| Curve {
            name: "greedy <1>".to_owned(),
            ink,
            points: vec![point(10.0, 1e-1), point(1000.0, 0.0), point(1e5, 1e-3)],
        };
        let panel = |title: &str| Panel {
            title: title.to_owned(),
            x: Axis::log("comparisons"),
            y: Axis::log("sub-optimality").within(1e-4, 1.0),
            curves: vec![curve(Ink::solid(0)), curve(Ink::dashed(0))],
        };
        let svg = draw(&[panel("one"), panel("two")]).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        assert_eq!(svg.matches("greedy &lt;1&gt;").count(), 2, "one solid, one dashed");
        assert_eq!(svg.matches("<polygon").count(), 4);
        for text in ["one", "two", "comparisons", "100", "0.01"] {
            assert!(svg.contains(text), "{text}");
        }
    }

    #[test]
    fn steps_are_round() {
        assert!((nice_step(1.0) - 0.2).abs() < 1e-12);
        assert!((nice_step(47.0) - 10.0).abs() < 1e-12);
        assert_eq!(ticks(0.0, 1.0, 0.5), [0.0, 0.5, 1.0]);
        let axis = Axis::log("n");
        let span = axis.span([4.0, 64.0].into_iter());
        let labels: Vec<String> = span.ticks.iter().map(|tick| axis.label(*tick)).collect();
        assert_eq!(labels, ["5", "10", "20", "50"]);
        let labels = [-3.0, -2.0, 0.0, 4.0, 6.0].map(|place| axis.label(place));
        assert_eq!(labels, ["1e-3", "0.01", "1", "10000", "1e6"]);
    }
}
