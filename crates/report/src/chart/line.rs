//! Lines over a numeric axis, labelled at their ends.

use super::axis::{draw_axis_title, draw_ticks};
use super::labels::{stack, stack_height};
use super::{
    Chart, Draw, LABEL_SIZE, TICK_SIZE, baseline, draw_block, draw_heading, draw_lines, font,
    line_height,
};
use crate::canvas::{Anchor, Area, Drawing, Stroke, number as coordinate};
use crate::color::Ink;
use crate::escape::csv_line;
use crate::number;
use crate::scale::{Axis, Mapping};
use crate::text_width::{Weight, width as text_width, wrap};

/// A value at a place, perhaps with an interval. What is not finite is missing: it leaves a gap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) band: Option<(f64, f64)>,
}

impl Point {
    /// A value without an interval.
    pub fn new(x: f64, y: f64) -> Self {
        Self { x, y, band: None }
    }

    /// The interval around the value, drawn as a band along the line.
    #[must_use]
    pub fn band(mut self, low: f64, high: f64) -> Self {
        self.band = Some((low, high));
        self
    }

    fn finite_band(&self) -> Option<(f64, f64)> {
        self.band
            .filter(|(low, high)| low.is_finite() && high.is_finite())
    }
}

/// A named line. Its colour, dashes and marker follow from its place among the chart's series, so that it
/// is told apart without colour too.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub(crate) name: String,
    pub(crate) points: Vec<Point>,
    pub(crate) is_muted: bool,
}

impl Series {
    /// A line through the points in the order of their x.
    pub fn new(name: impl Into<String>, points: impl IntoIterator<Item = Point>) -> Self {
        Self {
            name: name.into(),
            points: points.into_iter().collect(),
            is_muted: false,
        }
    }

    /// Drawn in grey, as context for the others.
    #[must_use]
    pub fn muted(mut self) -> Self {
        self.is_muted = true;
        self
    }

    fn sorted(&self) -> Vec<Point> {
        let mut points = self.points.clone();
        points.sort_by(|a, b| a.x.total_cmp(&b.x));
        points
    }
}

/// A line chart: loss over context length, one line per encoding.
///
/// ```
/// use report::chart::{Chart, Line, Point, Series};
/// use report::Axis;
///
/// let chart = Line::new("Perplexity by context")
///     .x(Axis::log2("Context length").unit("tokens"))
///     .y(Axis::linear("Perplexity"))
///     .reference(1024.0, "training length")
///     .series(Series::new("RoPE", [(512.0, 20.1), (1024.0, 19.8)].map(|(x, y)| Point::new(x, y))));
/// assert!(chart.to_svg().starts_with("<svg"));
/// assert!(chart.to_csv().contains("RoPE,1024,19.8"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    title: String,
    subtitle: String,
    x: Axis,
    y: Axis,
    series: Vec<Series>,
    references: Vec<(f64, String)>,
}

impl Line {
    /// A chart without series, with linear axes.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            subtitle: String::new(),
            x: Axis::linear("x"),
            y: Axis::linear("y"),
            series: Vec::new(),
            references: Vec::new(),
        }
    }

    /// A second, smaller line under the title: what a band is, how many seeds.
    #[must_use]
    pub fn subtitle(mut self, subtitle: impl Into<String>) -> Self {
        self.subtitle = subtitle.into();
        self
    }

    /// The horizontal axis.
    #[must_use]
    pub fn x(mut self, axis: Axis) -> Self {
        self.x = axis;
        self
    }

    /// The vertical axis.
    #[must_use]
    pub fn y(mut self, axis: Axis) -> Self {
        self.y = axis;
        self
    }

    /// One more line.
    #[must_use]
    pub fn series(mut self, series: Series) -> Self {
        self.series.push(series);
        self
    }

    /// A vertical line at a value of x with a label: the training length.
    #[must_use]
    pub fn reference(mut self, x: f64, label: impl Into<String>) -> Self {
        self.references.push((x, label.into()));
        self
    }

    fn xs(&self) -> impl Iterator<Item = f64> {
        let points = self.series.iter().flat_map(|s| &s.points);
        points
            .filter(|point| point.y.is_finite())
            .map(|point| point.x)
            .chain(self.references.iter().map(|(x, _)| *x))
    }

    fn ys(&self) -> impl Iterator<Item = f64> {
        self.series
            .iter()
            .flat_map(|s| &s.points)
            .flat_map(|point| {
                let (low, high) = point.finite_band().unwrap_or((point.y, point.y));
                [point.y, low, high]
            })
    }
}

/// What tells a series from the others.
#[derive(Clone, Copy)]
struct Look {
    ink: Ink,
    stroke: Stroke,
    marker: Marker,
}

#[derive(Clone, Copy)]
enum Marker {
    Circle,
    Square,
    Triangle,
    Diamond,
    Down,
    Pentagon,
    Cross,
    Plus,
}

const MARKERS: [Marker; 8] = [
    Marker::Circle,
    Marker::Square,
    Marker::Triangle,
    Marker::Diamond,
    Marker::Down,
    Marker::Cross,
    Marker::Pentagon,
    Marker::Plus,
];

const DASHES: [&[f64]; 5] = [
    &[],
    &[7.0, 3.0],
    &[2.0, 2.5],
    &[9.0, 3.0, 2.0, 3.0],
    &[12.0, 4.0],
];

impl Look {
    /// 8 markers and 5 kinds of dashes: the first 40 series differ without their colours.
    fn of(index: usize, is_muted: bool) -> Self {
        let ink = if is_muted {
            Ink::Muted
        } else {
            Ink::Series(index)
        };
        let stroke = Stroke {
            ink,
            width: if is_muted { 1.5 } else { 2.0 },
            dashes: DASHES[index % DASHES.len()],
        };
        let marker = MARKERS[index % MARKERS.len()];
        Self {
            ink,
            stroke,
            marker,
        }
    }

    /// The marker, set off from lines below by a rim in the surface's colour.
    fn draw_marker(&self, drawing: &mut Drawing, x: f64, y: f64) {
        let rim = Stroke::solid(Ink::Surface, 1.2);
        drawing.path(self.marker.path(x, y), Some(self.ink), Some(rim));
    }
}

impl Marker {
    /// An outline around a centre, all of about the same area.
    fn path(self, x: f64, y: f64) -> String {
        let corners: &[(f64, f64)] = match self {
            Self::Circle => {
                let (left, y, r) = (coordinate(x - 4.0), coordinate(y), 4);
                return format!("M{left} {y}a{r} {r} 0 1 0 8 0a{r} {r} 0 1 0 -8 0Z");
            }
            Self::Square => &[(-3.6, -3.6), (3.6, -3.6), (3.6, 3.6), (-3.6, 3.6)],
            Self::Triangle => &[(0.0, -5.2), (4.8, 3.4), (-4.8, 3.4)],
            Self::Down => &[(0.0, 5.2), (4.8, -3.4), (-4.8, -3.4)],
            Self::Diamond => &[(0.0, -5.2), (5.2, 0.0), (0.0, 5.2), (-5.2, 0.0)],
            Self::Pentagon => &[
                (0.0, -4.7),
                (4.5, -1.4),
                (2.8, 3.9),
                (-2.8, 3.9),
                (-4.5, -1.4),
            ],
            Self::Plus => &[
                (-1.5, -5.0),
                (1.5, -5.0),
                (1.5, -1.5),
                (5.0, -1.5),
                (5.0, 1.5),
                (1.5, 1.5),
                (1.5, 5.0),
                (-1.5, 5.0),
                (-1.5, 1.5),
                (-5.0, 1.5),
                (-5.0, -1.5),
                (-1.5, -1.5),
            ],
            Self::Cross => &[
                (0.0, -2.1),
                (2.6, -4.7),
                (4.7, -2.6),
                (2.1, 0.0),
                (4.7, 2.6),
                (2.6, 4.7),
                (0.0, 2.1),
                (-2.6, 4.7),
                (-4.7, 2.6),
                (-2.1, 0.0),
                (-4.7, -2.6),
                (-2.6, -4.7),
            ],
        };
        let points: Vec<String> = corners
            .iter()
            .map(|(dx, dy)| format!("{} {}", coordinate(x + dx), coordinate(y + dy)))
            .collect();
        format!("M{}Z", points.join("L"))
    }
}

const SWATCH: f64 = 22.0;
const LEADER: f64 = 16.0;
const LABEL_GAP: f64 = 4.0;
/// Room between the data's ends and those of the plot, so that markers are not cut.
const INSET: f64 = 8.0;

/// A series' label beside the end of its line.
struct EndLabel {
    series: usize,
    lines: Vec<String>,
    /// Where the line ends; `None` for a series without a point.
    end: Option<(f64, f64)>,
}

impl EndLabel {
    fn height(&self) -> f64 {
        self.lines.len() as f64 * line_height(LABEL_SIZE)
    }
}

impl Draw for Line {
    fn draw(&self, width: f64) -> Drawing {
        let mut drawing = Drawing::new(width, &self.title, &self.description());
        let mut top = draw_heading(&mut drawing, &self.title, &self.subtitle);
        let title_font = font(TICK_SIZE, Ink::Muted, Anchor::Start);
        top = draw_block(
            &mut drawing,
            0.0,
            top,
            width,
            title_font,
            &self.y.full_title(),
        ) + 6.0;

        let label_lines = self.wrapped_names(width);
        let heights: Vec<f64> = label_lines
            .iter()
            .map(|lines| lines.len() as f64 * line_height(LABEL_SIZE))
            .collect();
        let usual = (width * 0.46).clamp(230.0, 340.0);
        let plot_height = usual.max(stack_height(&heights, LABEL_GAP) + LABEL_GAP);

        let right = width - label_room(&label_lines);
        let probe = self.y.mapping(self.ys(), 0.05, plot_height, 0.0);
        let y_ticks = probe.vertical_ticks((plot_height / 60.0).round() as usize);
        let left = y_ticks
            .iter()
            .map(|tick| text_width(&tick.label, TICK_SIZE, Weight::Regular))
            .fold(20.0, f64::max)
            + 8.0;
        // Numbers of many digits on a narrow drawing: the drawing grows rather than the plot vanishes.
        let right = right.max(left + 72.0);
        drawing.width = width.max(right + label_room(&label_lines));
        let x = self.x.mapping(self.xs(), 0.0, left + INSET, right - INSET);
        top = self.draw_reference_labels(&mut drawing, &x, top, width);
        let area = Area {
            left,
            top,
            right,
            bottom: top + plot_height,
        };
        let y = self.y.mapping(self.ys(), 0.05, area.bottom, area.top);

        drawing.clip_to(area);
        for tick in &y_ticks {
            draw_y_tick(&mut drawing, &area, &y, tick.value, &tick.label);
        }
        let bottom = self.draw_x_axis(&mut drawing, &area, &x);
        self.draw_references(&mut drawing, &area, &x);
        self.draw_series(&mut drawing, &x, &y);
        self.draw_end_labels(&mut drawing, &area, label_lines, &x, &y);
        drawing.height = bottom + 4.0;
        drawing
    }
}

/// The width right of the plot for leaders, swatches and the widest label.
fn label_room(labels: &[Vec<String>]) -> f64 {
    if labels.is_empty() {
        return 26.0;
    }
    let widest = labels
        .iter()
        .flatten()
        .map(|line| text_width(line, LABEL_SIZE, Weight::Regular))
        .fold(0.0, f64::max);
    LEADER + SWATCH + 6.0 + widest
}

fn draw_y_tick(drawing: &mut Drawing, area: &Area, y: &Mapping, value: f64, label: &str) {
    let Some(pixel) = y.inside(value) else {
        return;
    };
    let stroke = Stroke::solid(Ink::Grid, 1.0);
    drawing.line((area.left, pixel), (area.right, pixel), stroke);
    let font = font(TICK_SIZE, Ink::Muted, Anchor::End);
    drawing.text(area.left - 8.0, pixel + TICK_SIZE * 0.36, font, label);
}

impl Line {
    /// Names broken so that they leave the larger part of the width to the data.
    fn wrapped_names(&self, width: f64) -> Vec<Vec<String>> {
        let room = (width * 0.34).clamp(84.0, 230.0);
        self.series
            .iter()
            .map(|series| {
                let has_points = series
                    .points
                    .iter()
                    .any(|p| p.x.is_finite() && p.y.is_finite());
                let name = if has_points {
                    series.name.clone()
                } else {
                    format!("{} (no data)", series.name)
                };
                wrap(&name, room, LABEL_SIZE, Weight::Regular)
            })
            .collect()
    }

    /// Ticks below the plot and the axis title; the y below them.
    fn draw_x_axis(&self, drawing: &mut Drawing, area: &Area, x: &Mapping) -> f64 {
        let axis = Stroke::solid(Ink::Axis, 1.0);
        drawing.line((area.left, area.bottom), (area.right, area.bottom), axis);
        let count = ((area.right - area.left) / 80.0) as usize;
        let ticks = x.horizontal_ticks(count, TICK_SIZE);
        let y = draw_ticks(drawing, area.bottom, x, &ticks);
        draw_axis_title(drawing, area, y, &self.x.full_title())
    }

    /// The references' labels above the plot, each in the first row where it meets no other; the y below.
    fn draw_reference_labels(
        &self,
        drawing: &mut Drawing,
        x: &Mapping,
        top: f64,
        width: f64,
    ) -> f64 {
        let mut rows: Vec<Vec<(f64, f64)>> = Vec::new();
        for (value, label) in &self.references {
            let Some(pixel) = x.inside(*value) else {
                continue;
            };
            let text = Self::reference_text(*value, label);
            for line in wrap(&text, width - 8.0, TICK_SIZE, Weight::Regular) {
                let room = text_width(&line, TICK_SIZE, Weight::Regular);
                let start = (pixel - room / 2.0).max(0.0).min(width - room);
                let meets = |row: &Vec<(f64, f64)>| {
                    row.iter()
                        .any(|(from, to)| start < to + 12.0 && *from < start + room + 12.0)
                };
                let row = rows
                    .iter()
                    .position(|row| !meets(row))
                    .unwrap_or(rows.len());
                if row == rows.len() {
                    rows.push(Vec::new());
                }
                rows[row].push((start, start + room));
                let y = top + row as f64 * line_height(TICK_SIZE) + baseline(TICK_SIZE);
                let font = font(TICK_SIZE, Ink::Text, Anchor::Start);
                drawing.text(start, y, font, &line);
            }
        }
        // Below a label half of the highest tick's number must have room.
        let room = if rows.is_empty() { 4.0 } else { 10.0 };
        top + rows.len() as f64 * line_height(TICK_SIZE) + room
    }

    fn reference_text(value: f64, label: &str) -> String {
        let value = number::short(value, 6);
        if label.is_empty() {
            value
        } else {
            format!("{label} {value}")
        }
    }

    fn draw_references(&self, drawing: &mut Drawing, area: &Area, x: &Mapping) {
        let stroke = Stroke {
            ink: Ink::Axis,
            width: 1.25,
            dashes: &[3.0, 3.0],
        };
        for (value, _) in &self.references {
            if let Some(pixel) = x.inside(*value) {
                drawing.line((pixel, area.top - 3.0), (pixel, area.bottom), stroke);
            }
        }
    }

    fn draw_series(&self, drawing: &mut Drawing, x: &Mapping, y: &Mapping) {
        let looks: Vec<Look> = self.looks();
        for (series, look) in self.series.iter().zip(&looks) {
            draw_band(drawing, &series.sorted(), look, x, y);
        }
        for (series, look) in self.series.iter().zip(&looks) {
            for run in runs(&series.sorted(), |p| Some((x.at(p.x)?, y.at(p.y)?))) {
                if run.len() > 1 {
                    drawing.polyline(&run, look.stroke);
                }
            }
        }
        for (index, (series, look)) in self.series.iter().zip(&looks).enumerate() {
            self.draw_markers(drawing, index, &series.sorted(), look, x, y);
        }
    }

    fn looks(&self) -> Vec<Look> {
        self.series
            .iter()
            .enumerate()
            .map(|(index, series)| Look::of(index, series.is_muted))
            .collect()
    }

    /// A marker at each point, or at every so-many-th of a long line, at other places for each series.
    fn draw_markers(
        &self,
        drawing: &mut Drawing,
        index: usize,
        points: &[Point],
        look: &Look,
        x: &Mapping,
        y: &Mapping,
    ) {
        let stride = points.len().div_ceil(24).max(1);
        let is_alone = |i: usize| {
            let is_gap = |p: Option<&Point>| p.is_none_or(|p| !p.y.is_finite());
            is_gap(i.checked_sub(1).and_then(|i| points.get(i))) && is_gap(points.get(i + 1))
        };
        for (i, point) in points.iter().enumerate() {
            let is_marked = (i + index * stride / 3).is_multiple_of(stride) || is_alone(i);
            let (Some(px), Some(py)) = (x.inside(point.x), y.inside(point.y)) else {
                continue;
            };
            if is_marked {
                look.draw_marker(drawing, px, py);
                drawing.tip(self.tip(&self.series[index].name, point));
            }
        }
    }

    fn tip(&self, name: &str, point: &Point) -> String {
        let mut tip = format!(
            "{name}\n{}: {}\n{}: {}",
            self.x.title,
            self.x.with_unit(point.x),
            self.y.title,
            number::short(point.y, 5)
        );
        if let Some((low, high)) = point.finite_band() {
            tip += &format!(" [{}, {}]", number::short(low, 5), number::short(high, 5));
        }
        tip
    }

    fn draw_end_labels(
        &self,
        drawing: &mut Drawing,
        area: &Area,
        label_lines: Vec<Vec<String>>,
        x: &Mapping,
        y: &Mapping,
    ) {
        let mut labels: Vec<EndLabel> = label_lines
            .into_iter()
            .enumerate()
            .map(|(series, lines)| EndLabel {
                series,
                lines,
                end: self.series[series].sorted().iter().rev().find_map(|p| {
                    let (px, py) = (x.inside(p.x)?, y.at(p.y)?);
                    Some((px, py.clamp(area.top, area.bottom)))
                }),
            })
            .collect();
        let target = |label: &EndLabel| label.end.map_or(area.bottom, |(_, y)| y);
        labels.sort_by(|a, b| target(a).total_cmp(&target(b)));
        let targets: Vec<f64> = labels.iter().map(target).collect();
        let heights: Vec<f64> = labels.iter().map(EndLabel::height).collect();
        let centres = stack(&targets, &heights, LABEL_GAP, area.top, area.bottom);
        let looks = self.looks();
        for (label, centre) in labels.iter().zip(centres) {
            draw_end_label(drawing, area, label, centre, &looks[label.series]);
        }
    }
}

fn draw_end_label(drawing: &mut Drawing, area: &Area, label: &EndLabel, centre: f64, look: &Look) {
    let swatch = area.right + LEADER;
    let first = centre - label.height() / 2.0;
    let middle = first + line_height(LABEL_SIZE) / 2.0;
    if let Some((end_x, end_y)) = label.end {
        let leader = Stroke::solid(Ink::Axis, 0.9);
        let start = (end_x + 7.0).min(area.right);
        let elbow = (area.right, end_y);
        if start < area.right - 1.0 {
            drawing.line((start, end_y), elbow, leader);
        }
        drawing.line(elbow, (swatch - 2.0, middle), leader);
        drawing.line((swatch, middle), (swatch + SWATCH, middle), look.stroke);
        look.draw_marker(drawing, swatch + SWATCH / 2.0, middle);
    }
    let font = font(LABEL_SIZE, Ink::Text, Anchor::Start);
    draw_lines(drawing, swatch + SWATCH + 6.0, first, font, &label.lines);
}

/// The intervals as an area along each run of points that have one; a single point has a bar.
fn draw_band(drawing: &mut Drawing, points: &[Point], look: &Look, x: &Mapping, y: &Mapping) {
    let bounds = |p: &Point| {
        let (low, high) = p.finite_band()?;
        Some((x.at(p.x)?, y.at(low)?, y.at(high)?))
    };
    for run in runs(points, bounds) {
        if let [(px, low, high)] = run[..] {
            drawing.polyline(&[(px, low), (px, high)], look.stroke);
            continue;
        }
        let upper = run.iter().map(|(px, _, high)| (*px, *high));
        let lower = run.iter().rev().map(|(px, low, _)| (*px, *low));
        let outline: Vec<(f64, f64)> = upper.chain(lower).collect();
        drawing.area(&outline, look.ink, 0.13);
    }
}

/// What `place` gives for the points, cut where it gives nothing.
fn runs<T>(points: &[Point], place: impl Fn(&Point) -> Option<T>) -> Vec<Vec<T>> {
    let mut runs = vec![Vec::new()];
    for point in points {
        match place(point) {
            Some(placed) => {
                if let Some(run) = runs.last_mut() {
                    run.push(placed);
                }
            }
            None => runs.push(Vec::new()),
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

impl Chart for Line {
    fn title(&self) -> &str {
        &self.title
    }

    fn description(&self) -> String {
        let mut text = format!(
            "Line chart of {} by {}.",
            self.y.full_title(),
            self.x.full_title()
        );
        for (value, label) in &self.references {
            text += &format!(" Reference line: {}.", Self::reference_text(*value, label));
        }
        for series in &self.series {
            let points: Vec<Point> = series
                .sorted()
                .into_iter()
                .filter(|p| p.x.is_finite() && p.y.is_finite())
                .collect();
            text += &match (points.first(), points.last()) {
                (Some(first), Some(last)) => format!(
                    " {}: {} at {}, {} at {}.",
                    series.name,
                    number::short(first.y, 4),
                    number::short(first.x, 6),
                    number::short(last.y, 4),
                    number::short(last.x, 6)
                ),
                _ => format!(" {}: no data.", series.name),
            };
        }
        text
    }

    fn to_csv(&self) -> String {
        let (x, y) = (self.x.full_title(), self.y.full_title());
        let mut csv = csv_line(&["series", &x, &y, "low", "high"]);
        for series in &self.series {
            for point in &series.points {
                let (low, high) = point.band.unwrap_or((f64::NAN, f64::NAN));
                csv += &csv_line(&[
                    series.name.clone(),
                    number::exact(point.x),
                    number::exact(point.y),
                    number::exact(low),
                    number::exact(high),
                ]);
            }
        }
        csv
    }
}
