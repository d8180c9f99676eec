//! Effects with their intervals against a line of no effect (a forest plot).

use super::axis::{draw_axis_title, draw_ticks};
use super::{
    Chart, Draw, LABEL_SIZE, TICK_SIZE, baseline, bold, draw_block, draw_heading, draw_lines, font,
    line_height,
};
use crate::canvas::{Anchor, Area, Drawing, Stroke, number as coordinate};
use crate::color::Ink;
use crate::escape::csv_line;
use crate::number;
use crate::scale::{Axis, Mapping};
use crate::text_width::{Weight, width as text_width, wrap};

/// An estimate with its interval.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    name: String,
    estimate: f64,
    low: f64,
    high: f64,
}

impl Effect {
    /// The estimate for `name` and the ends of its interval. Ends that are not finite are not drawn; an
    /// estimate that is not is a row without data.
    pub fn new(name: impl Into<String>, estimate: f64, low: f64, high: f64) -> Self {
        Self {
            name: name.into(),
            estimate,
            low,
            high,
        }
    }

    fn interval(&self) -> Option<(f64, f64)> {
        (self.low.is_finite() && self.high.is_finite())
            .then(|| (self.low.min(self.high), self.low.max(self.high)))
    }
}

/// A forest plot: one row per variant, differences from a reference against zero.
///
/// An interval without zero is marked four times: filled marker, heavy line, colour of its direction, and
/// bold numbers.
///
/// ```
/// use report::chart::{Chart, Effect, Intervals};
/// use report::Axis;
///
/// let chart = Intervals::new("Against RoPE", Axis::linear("Difference in loss").unit("nats"))
///     .directions("better than RoPE", "worse than RoPE")
///     .effect(Effect::new("p-RoPE 0.75", -0.021, -0.034, -0.008));
/// assert!(chart.to_csv().contains("p-RoPE 0.75,-0.021,-0.034,-0.008,true"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Intervals {
    title: String,
    subtitle: String,
    axis: Axis,
    zero: f64,
    level: String,
    below: String,
    above: String,
    decimals: usize,
    effects: Vec<Effect>,
}

impl Intervals {
    /// A plot without rows; the line of no effect is at 0.
    pub fn new(title: impl Into<String>, axis: Axis) -> Self {
        Self {
            title: title.into(),
            subtitle: String::new(),
            axis,
            zero: 0.0,
            level: "95% interval".to_owned(),
            below: String::new(),
            above: String::new(),
            decimals: 3,
            effects: Vec::new(),
        }
    }

    /// A second, smaller line under the title.
    #[must_use]
    pub fn subtitle(mut self, subtitle: impl Into<String>) -> Self {
        self.subtitle = subtitle.into();
        self
    }

    /// What it means to lie below and above the line of no effect.
    #[must_use]
    pub fn directions(mut self, below: impl Into<String>, above: impl Into<String>) -> Self {
        self.below = below.into();
        self.above = above.into();
        self
    }

    /// The value of no effect, if it is not 0: 1 for ratios.
    #[must_use]
    pub fn no_effect(mut self, value: f64) -> Self {
        self.zero = value;
        self
    }

    /// What the intervals are, if not `95% interval`.
    #[must_use]
    pub fn level(mut self, level: impl Into<String>) -> Self {
        self.level = level.into();
        self
    }

    /// Decimals of the numbers beside the rows; 3 unless said.
    #[must_use]
    pub fn decimals(mut self, decimals: usize) -> Self {
        self.decimals = decimals;
        self
    }

    /// One more row.
    #[must_use]
    pub fn effect(mut self, effect: Effect) -> Self {
        self.effects.push(effect);
        self
    }

    fn is_significant(&self, effect: &Effect) -> bool {
        effect.estimate.is_finite()
            && effect
                .interval()
                .is_some_and(|(low, high)| low > self.zero || high < self.zero)
    }

    fn show(&self, value: f64) -> String {
        if self.zero.abs() > 0.0 {
            number::pretty(value, self.decimals)
        } else {
            number::signed(value, self.decimals)
        }
    }

    /// `−0.021 [−0.034, −0.008]`, each number as wide as the widest of its kind, so that rows align.
    fn numbers(&self, effect: &Effect) -> String {
        if !effect.estimate.is_finite() {
            return "no data".to_owned();
        }
        let widest = |number: fn(&Effect) -> f64| {
            let lengths = self.effects.iter().map(number).filter(|v| v.is_finite());
            lengths
                .map(|value| self.show(value).chars().count())
                .max()
                .unwrap_or(0)
        };
        let pad = |value: f64, length: usize| {
            let text = self.show(value);
            let missing = length.saturating_sub(text.chars().count());
            format!("{}{text}", FIGURE_SPACE.repeat(missing))
        };
        let estimate = pad(effect.estimate, widest(|e| e.estimate));
        match effect.interval() {
            Some((low, high)) => {
                let low = pad(low, widest(|e| e.low));
                let high = pad(high, widest(|e| e.high));
                format!("{estimate} [{low}, {high}]")
            }
            None => estimate,
        }
    }

    /// The same, where nothing is to align with.
    fn sentence(&self, effect: &Effect) -> String {
        self.numbers(effect).replace(FIGURE_SPACE, "")
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        self.effects
            .iter()
            .flat_map(|e| {
                let (low, high) = e.interval().unwrap_or((f64::NAN, f64::NAN));
                [e.estimate, low, high]
            })
            .chain([self.zero])
    }
}

/// Where names, plot and numbers are. On a narrow drawing a row's name and numbers go above its interval.
struct Layout {
    is_stacked: bool,
    names: Vec<Vec<String>>,
    left: f64,
    right: f64,
}

const MARK: f64 = 5.0;
/// As wide as a digit.
const FIGURE_SPACE: &str = "\u{2007}";

impl Draw for Intervals {
    fn draw(&self, width: f64) -> Drawing {
        let mut drawing = Drawing::new(width, &self.title, &self.description());
        let mut top = draw_heading(&mut drawing, &self.title, &self.subtitle);
        top = self.draw_key(&mut drawing, top) + 8.0;
        let layout = self.layout(width);
        let x = self
            .axis
            .mapping(self.values(), 0.06, layout.left, layout.right);
        let mut rows = Vec::new();
        let mut bottom = top + 4.0;
        for index in 0..self.effects.len() {
            let height = layout.row_height(index);
            rows.push((bottom, height));
            bottom += height;
        }
        let area = Area {
            left: layout.left,
            top,
            right: layout.right,
            bottom: bottom + 2.0,
        };
        drawing.clip_to(area);
        self.draw_grid(&mut drawing, &area, &x, &layout, &rows);
        for (index, (row_top, height)) in rows.into_iter().enumerate() {
            self.draw_row(&mut drawing, &layout, index, (row_top, height), &x);
        }
        drawing.height = self.draw_axis(&mut drawing, &area, &x) + 4.0;
        drawing
    }
}

impl Layout {
    fn row_height(&self, index: usize) -> f64 {
        let names = self.names[index].len() as f64 * line_height(LABEL_SIZE);
        if self.is_stacked {
            names + 32.0
        } else {
            (names + 12.0).max(30.0)
        }
    }
}

impl Intervals {
    fn layout(&self, width: f64) -> Layout {
        let numbers = self
            .effects
            .iter()
            .map(|e| text_width(&self.numbers(e), LABEL_SIZE, Weight::Bold))
            .fold(0.0, f64::max);
        let break_names = |room: f64| -> Vec<Vec<String>> {
            self.effects
                .iter()
                .map(|e| wrap(&e.name, room, LABEL_SIZE, Weight::Regular))
                .collect()
        };
        let widest = |names: &[Vec<String>]| {
            names
                .iter()
                .flatten()
                .map(|line| text_width(line, LABEL_SIZE, Weight::Regular))
                .fold(0.0, f64::max)
        };
        let beside = break_names((width * 0.3).max(80.0));
        let left = widest(&beside) + 14.0;
        let right = width - numbers - 16.0;
        if right - left >= width * 0.34 {
            return Layout {
                is_stacked: false,
                names: beside,
                left,
                right,
            };
        }
        let above = width - numbers - 16.0;
        // Where the numbers leave too little beside them, the name has lines of its own above them.
        let names = if above >= width * 0.3 {
            break_names(above)
        } else {
            let mut names = break_names(width);
            for lines in &mut names {
                lines.push(String::new());
            }
            names
        };
        Layout {
            is_stacked: true,
            names,
            left: 6.0,
            right: width - 6.0,
        }
    }

    /// What filled and hollow markers are; the y below.
    fn draw_key(&self, drawing: &mut Drawing, top: f64) -> f64 {
        let zero = number::short(self.zero, 4);
        let entries = [
            (true, format!("{} excludes {zero}", self.level)),
            (false, format!("includes {zero}")),
        ];
        let mut x = 0.0;
        let mut y = top;
        for (is_significant, text) in entries {
            let room = 40.0 + text_width(&text, TICK_SIZE, Weight::Regular);
            if x > 0.0 && x + room > drawing.width {
                (x, y) = (0.0, y + line_height(TICK_SIZE) + 2.0);
            }
            let middle = y + line_height(TICK_SIZE) / 2.0;
            let look = Look {
                is_significant,
                ink: if is_significant {
                    Ink::Text
                } else {
                    Ink::Muted
                },
            };
            drawing.line((x, middle), (x + 28.0, middle), look.stroke());
            look.draw_marker(drawing, x + 14.0, middle);
            let font = font(TICK_SIZE, Ink::Muted, Anchor::Start);
            drawing.text(x + 34.0, y + baseline(TICK_SIZE), font, &text);
            x += room + 18.0;
        }
        // What the numbers on the right are, where the row has room left.
        let header = format!("estimate [{}]", self.level);
        if x + 20.0 + text_width(&header, TICK_SIZE, Weight::Regular) <= drawing.width {
            let font = font(TICK_SIZE, Ink::Muted, Anchor::End);
            drawing.text(drawing.width, y + baseline(TICK_SIZE), font, &header);
        }
        y + line_height(TICK_SIZE)
    }

    fn draw_grid(
        &self,
        drawing: &mut Drawing,
        area: &Area,
        x: &Mapping,
        layout: &Layout,
        rows: &[(f64, f64)],
    ) {
        let line = |ink: Ink, width: f64| Stroke {
            ink,
            width,
            dashes: &[],
        };
        // In a stacked layout lines run only where the intervals are, not through the text above them.
        let spans: Vec<(f64, f64)> = if layout.is_stacked {
            rows.iter()
                .map(|(top, height)| (top + height - 30.0, top + height - 10.0))
                .collect()
        } else {
            vec![(area.top, area.bottom)]
        };
        let ticks = x.horizontal_ticks(tick_count(area), TICK_SIZE);
        for (from, to) in spans {
            for tick in &ticks {
                if let Some(pixel) = x.inside(tick.value) {
                    drawing.line((pixel, from), (pixel, to), line(Ink::Grid, 1.0));
                }
            }
            if let Some(zero) = x.inside(self.zero) {
                drawing.line((zero, from), (zero, to), line(Ink::Text, 1.25));
            }
        }
    }

    fn draw_row(
        &self,
        drawing: &mut Drawing,
        layout: &Layout,
        index: usize,
        (top, height): (f64, f64),
        x: &Mapping,
    ) {
        let effect = &self.effects[index];
        let names = &layout.names[index];
        let names_height = names.len() as f64 * line_height(LABEL_SIZE);
        let is_significant = self.is_significant(effect);
        let (name_top, middle, number_y) = if layout.is_stacked {
            let last_line = top + names_height - line_height(LABEL_SIZE);
            (top, top + height - 20.0, last_line + baseline(LABEL_SIZE))
        } else {
            let middle = top + height / 2.0;
            (
                middle - names_height / 2.0,
                middle,
                middle + LABEL_SIZE * 0.36,
            )
        };
        let name_font = font(LABEL_SIZE, Ink::Text, Anchor::Start);
        let shown: Vec<String> = names.iter().filter(|l| !l.is_empty()).cloned().collect();
        draw_lines(drawing, 0.0, name_top, name_font, &shown);
        let number_font = if is_significant {
            bold(LABEL_SIZE, Ink::Text, Anchor::End)
        } else {
            font(LABEL_SIZE, Ink::Muted, Anchor::End)
        };
        let numbers = self.numbers(effect);
        drawing.text(drawing.width, number_y, number_font, &numbers);
        self.draw_interval(drawing, effect, x, middle);
    }

    fn draw_interval(&self, drawing: &mut Drawing, effect: &Effect, x: &Mapping, middle: f64) {
        if !effect.estimate.is_finite() {
            return;
        }
        let is_significant = self.is_significant(effect);
        let look = Look {
            is_significant,
            ink: match (is_significant, effect.estimate < self.zero) {
                (false, _) => Ink::Muted,
                (true, true) => Ink::Series(0),
                (true, false) => Ink::Series(1),
            },
        };
        let tip = format!("{}\n{}", effect.name, self.sentence(effect));
        if let Some((low, high)) = effect.interval()
            && let (Some(from), Some(to)) = (x.at(low), x.at(high))
        {
            drawing.polyline(&[(from, middle), (to, middle)], look.stroke());
            drawing.tip(tip.clone());
            for end in [low, high].into_iter().filter_map(|end| x.inside(end)) {
                drawing.polyline(&[(end, middle - 4.0), (end, middle + 4.0)], look.stroke());
            }
        }
        if let Some(pixel) = x.inside(effect.estimate) {
            look.draw_marker(drawing, pixel, middle);
            drawing.tip(tip);
        }
    }

    /// Ticks, title and directions below the rows; the y below them.
    fn draw_axis(&self, drawing: &mut Drawing, area: &Area, x: &Mapping) -> f64 {
        let stroke = Stroke::solid(Ink::Axis, 1.0);
        drawing.line((area.left, area.bottom), (area.right, area.bottom), stroke);
        let ticks = x.horizontal_ticks(tick_count(area), TICK_SIZE);
        let y = draw_ticks(drawing, area.bottom, x, &ticks);
        let y = self.draw_directions(drawing, area, x, y + 2.0);
        draw_axis_title(drawing, area, y, &self.axis.full_title())
    }

    /// `← better` left and `worse →` right of the line of no effect where both fit there, else at the
    /// ends, else one below the other.
    fn draw_directions(&self, drawing: &mut Drawing, area: &Area, x: &Mapping, top: f64) -> f64 {
        if self.below.is_empty() && self.above.is_empty() {
            return top;
        }
        let arrow = |text: String, is_empty: bool| if is_empty { String::new() } else { text };
        let below = arrow(format!("← {}", self.below), self.below.is_empty());
        let above = arrow(format!("{} →", self.above), self.above.is_empty());
        let measure = |text: &str| text_width(text, TICK_SIZE, Weight::Bold);
        let (below_room, above_room) = (measure(&below), measure(&above));
        let y = top + baseline(TICK_SIZE);
        let at_end = |anchor: Anchor| bold(TICK_SIZE, Ink::Text, anchor);
        let zero = x
            .inside(self.zero)
            .unwrap_or(f64::midpoint(area.left, area.right));
        let fits_at_zero =
            zero - 10.0 - below_room >= 0.0 && zero + 10.0 + above_room <= drawing.width;
        if fits_at_zero {
            drawing.text(zero - 10.0, y, at_end(Anchor::End), &below);
            drawing.text(zero + 10.0, y, at_end(Anchor::Start), &above);
            return top + line_height(TICK_SIZE);
        }
        if below_room + above_room + 16.0 <= drawing.width {
            drawing.text(0.0, y, at_end(Anchor::Start), &below);
            drawing.text(drawing.width, y, at_end(Anchor::End), &above);
            return top + line_height(TICK_SIZE);
        }
        let width = drawing.width;
        let next = draw_block(drawing, 0.0, top, width, at_end(Anchor::Start), &below);
        draw_block(drawing, width, next, width, at_end(Anchor::End), &above)
    }
}

fn tick_count(area: &Area) -> usize {
    ((area.right - area.left) / 70.0) as usize
}

/// How a row's interval and marker look.
struct Look {
    is_significant: bool,
    ink: Ink,
}

impl Look {
    fn stroke(&self) -> Stroke {
        Stroke {
            ink: self.ink,
            width: if self.is_significant { 2.5 } else { 1.5 },
            dashes: &[],
        }
    }

    /// A filled diamond, or a hollow circle.
    fn draw_marker(&self, drawing: &mut Drawing, x: f64, y: f64) {
        let rim = |ink: Ink, width: f64| Stroke {
            ink,
            width,
            dashes: &[],
        };
        if self.is_significant {
            let r = MARK + 1.5;
            let (left, right) = (coordinate(x - r), coordinate(x + r));
            let (top, bottom) = (coordinate(y - r), coordinate(y + r));
            let (x, y) = (coordinate(x), coordinate(y));
            let path = format!("M{x} {top}L{right} {y}L{x} {bottom}L{left} {y}Z");
            drawing.path(path, Some(self.ink), Some(rim(Ink::Surface, 1.2)));
        } else {
            let (left, y) = (coordinate(x - MARK), coordinate(y));
            let path = format!("M{left} {y}a{MARK} {MARK} 0 1 0 10 0a{MARK} {MARK} 0 1 0 -10 0Z");
            drawing.path(path, Some(Ink::Surface), Some(rim(self.ink, 1.75)));
        }
    }
}

impl Chart for Intervals {
    fn title(&self) -> &str {
        &self.title
    }

    fn description(&self) -> String {
        let mut text = format!(
            "Estimates with {} of {}; no effect is {}.",
            self.level,
            self.axis.full_title(),
            number::short(self.zero, 4)
        );
        for effect in &self.effects {
            let mark = if self.is_significant(effect) {
                ", excludes no effect"
            } else {
                ""
            };
            text += &format!(" {}: {}{mark}.", effect.name, self.sentence(effect));
        }
        text
    }

    fn to_csv(&self) -> String {
        let estimate = self.axis.full_title();
        let mut csv = csv_line(&["name", &estimate, "low", "high", "excludes no effect"]);
        for effect in &self.effects {
            csv += &csv_line(&[
                effect.name.clone(),
                number::exact(effect.estimate),
                number::exact(effect.low),
                number::exact(effect.high),
                self.is_significant(effect).to_string(),
            ]);
        }
        csv
    }
}
