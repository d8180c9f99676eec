//! A matrix of values as colours.

use super::axis::{draw_axis_title, draw_ticks, widest};
use super::{Chart, Draw, TICK_SIZE, draw_block, draw_heading, draw_lines, font, line_height};
use crate::canvas::{Anchor, Area, Drawing, Stroke};
use crate::color::{Ink, Ramp, Rgb};
use crate::escape::csv_line;
use crate::number;
use crate::scale::{Axis, Mapping};
use crate::text_width::{Weight, wrap};

/// Values by row and column: accuracy by depth and context length, attention by layer and frequency.
///
/// ```
/// use report::chart::{Chart, HeatMap};
///
/// let chart = HeatMap::new("Accuracy", "Depth", ["0 %", "50 %"], "Context length", ["1k", "2k", "4k"])
///     .values("accuracy", vec![vec![1.0, 0.98, 0.7], vec![1.0, 0.91, f64::NAN]])
///     .decimals(2);
/// assert!(chart.to_csv().contains("50 %,2k,0.91"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct HeatMap {
    title: String,
    subtitle: String,
    row_title: String,
    column_title: String,
    value_title: String,
    rows: Vec<String>,
    columns: Vec<String>,
    values: Vec<Vec<f64>>,
    decimals: usize,
    range: Option<(f64, f64)>,
    centre: Option<f64>,
    row_height: Option<f64>,
}

impl HeatMap {
    /// A map without values, from the names of its axes, its rows (top to bottom) and columns.
    pub fn new<R, C>(
        title: impl Into<String>,
        row_title: impl Into<String>,
        rows: R,
        column_title: impl Into<String>,
        columns: C,
    ) -> Self
    where
        R: IntoIterator<Item: Into<String>>,
        C: IntoIterator<Item: Into<String>>,
    {
        Self {
            title: title.into(),
            subtitle: String::new(),
            row_title: row_title.into(),
            column_title: column_title.into(),
            value_title: String::new(),
            rows: rows.into_iter().map(Into::into).collect(),
            columns: columns.into_iter().map(Into::into).collect(),
            values: Vec::new(),
            decimals: 2,
            range: None,
            centre: None,
            row_height: None,
        }
    }

    /// A second, smaller line under the title.
    #[must_use]
    pub fn subtitle(mut self, subtitle: impl Into<String>) -> Self {
        self.subtitle = subtitle.into();
        self
    }

    /// What the values are, and the values: `[rows][columns]`. What is not finite, or missing from a
    /// short row, is a crossed-out cell; values beyond the rows and columns are not shown.
    #[must_use]
    pub fn values(mut self, title: impl Into<String>, values: Vec<Vec<f64>>) -> Self {
        self.value_title = title.into();
        self.values = values;
        self
    }

    /// Decimals of the numbers in the cells; 2 unless said.
    #[must_use]
    pub fn decimals(mut self, decimals: usize) -> Self {
        self.decimals = decimals;
        self
    }

    /// The values of the first and the last colour, instead of the least and the greatest value; what is
    /// beyond has the colour of the nearer end. Ignored where it is empty or not finite, and by a
    /// diverging map.
    #[must_use]
    pub fn range(mut self, low: f64, high: f64) -> Self {
        self.range = Some((low, high));
        self
    }

    /// Two colours that part at this value, equally far in both directions: for differences, with 0.
    #[must_use]
    pub fn diverging(mut self, centre: f64) -> Self {
        self.centre = Some(centre);
        self
    }

    /// Height of a row in pixels, from 3 on, instead of one that suits the number of rows. Names of rows lower
    /// than a line of text stand beside every so-many-th row.
    #[must_use]
    pub fn row_height(mut self, pixels: f64) -> Self {
        self.row_height = Some(pixels);
        self
    }

    fn value(&self, row: usize, column: usize) -> Option<f64> {
        let value = *self.values.get(row)?.get(column)?;
        value.is_finite().then_some(value)
    }

    fn finite(&self) -> impl Iterator<Item = f64> {
        let cells = (0..self.rows.len())
            .flat_map(|row| (0..self.columns.len()).map(move |column| (row, column)));
        cells.filter_map(|(row, column)| self.value(row, column))
    }

    fn colors(&self) -> Colors {
        let (low, high) = self
            .finite()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
                (low.min(v), high.max(v))
            });
        if let Some(centre) = self.centre.filter(|c| c.is_finite()) {
            // Halves, because the difference of two finite numbers may be infinite.
            let half = (high / 2.0 - centre / 2.0).max(centre / 2.0 - low / 2.0);
            let reach = (half.max(0.0) * 2.0).min(f64::MAX);
            return Colors {
                ramp: Ramp::Diverging,
                low: (centre - reach).max(-f64::MAX),
                high: (centre + reach).min(f64::MAX),
            };
        }
        let fixed = self
            .range
            .filter(|(low, high)| low.is_finite() && high.is_finite() && low < high);
        let (low, high) = fixed.unwrap_or((low, high));
        Colors {
            ramp: Ramp::Sequential,
            low,
            high,
        }
    }

    /// What is written in a cell.
    fn cell_text(&self, value: f64) -> String {
        if self.centre.is_some() {
            number::signed(value, self.decimals)
        } else {
            number::pretty(value, self.decimals)
        }
    }
}

/// From values to colours.
#[derive(Clone, Copy)]
struct Colors {
    ramp: Ramp,
    low: f64,
    high: f64,
}

impl Colors {
    /// Where all values are equal, the middle of the scale.
    fn at(&self, value: f64) -> Rgb {
        let size = self.low.abs().max(self.high.abs());
        let fraction = if self.low < self.high && size > 0.0 {
            (value / size - self.low / size) / (self.high / size - self.low / size)
        } else {
            0.5
        };
        self.ramp.at(fraction)
    }
}

/// Where rows, columns and their names are.
struct Grid {
    area: Area,
    row_lines: Vec<Vec<String>>,
    row_height: f64,
    column_width: f64,
    /// Pixels between cells; negative where small cells reach under their neighbours.
    gap: f64,
}

impl Grid {
    fn cell(&self, row: usize, column: usize) -> Area {
        let left = self.area.left + column as f64 * self.column_width;
        let top = self.area.top + row as f64 * self.row_height;
        Area {
            left,
            top,
            right: (left + self.column_width - self.gap).min(self.area.right),
            bottom: (top + self.row_height - self.gap).min(self.area.bottom),
        }
    }
}

impl Draw for HeatMap {
    fn draw(&self, width: f64) -> Drawing {
        let mut drawing = Drawing::new(width, &self.title, &self.description());
        let mut top = draw_heading(&mut drawing, &self.title, &self.subtitle);
        if self.rows.is_empty() || self.columns.is_empty() {
            let font = font(TICK_SIZE, Ink::Muted, Anchor::Start);
            drawing.height = draw_block(&mut drawing, 0.0, top, width, font, "No data.") + 4.0;
            return drawing;
        }
        let colors = self.colors();
        top = self.draw_legend(&mut drawing, top, &colors) + 14.0;
        let muted = font(TICK_SIZE, Ink::Muted, Anchor::Start);
        top = draw_block(&mut drawing, 0.0, top, width, muted, &self.row_title) + 5.0;

        let grid = self.grid(width, top);
        draw_row_names(&mut drawing, &grid);
        self.draw_cells(&mut drawing, &grid, &colors);
        drawing.height = self.draw_columns(&mut drawing, &grid) + 4.0;
        drawing
    }
}

/// Cells that only touch show a seam of what is behind them, from rounding to the screen's pixels.
const OVERLAP: f64 = 0.7;

/// Tooltips are most of a large map's text, and its cells are too small to point at.
const MOST_TIPS: usize = 2500;

/// Up to so many columns each has its name, however often it must be broken.
const MOST_NAMED_COLUMNS: usize = 12;

const LEGEND_HEIGHT: f64 = 10.0;

impl HeatMap {
    fn grid(&self, width: f64, top: f64) -> Grid {
        let room = (width * 0.32).min(220.0);
        let row_lines: Vec<Vec<String>> = self
            .rows
            .iter()
            .map(|name| wrap(name, room, TICK_SIZE, Weight::Regular))
            .collect();
        let left = widest(row_lines.iter().flatten()) + 8.0;
        let most_lines = row_lines.iter().map(Vec::len).max().unwrap_or(1);
        let asked = self.row_height.filter(|height| height.is_finite());
        let row_height = if let Some(height) = asked {
            // All rows together are at least as high as the longest name.
            let least = most_lines as f64 * line_height(TICK_SIZE) / self.rows.len() as f64;
            height.clamp(3.0, 200.0).max(least)
        } else if self.rows.len() <= 24 {
            (most_lines as f64 * line_height(TICK_SIZE) + 6.0).max(32.0)
        } else {
            (760.0 / self.rows.len() as f64).max(4.0)
        };
        let column_width = ((width - left) / self.columns.len() as f64).min(140.0);
        Grid {
            area: Area {
                left,
                top,
                right: left + column_width * self.columns.len() as f64,
                bottom: top + row_height * self.rows.len() as f64,
            },
            gap: if column_width.min(row_height) >= 14.0 {
                1.5
            } else {
                -OVERLAP
            },
            row_lines,
            row_height,
            column_width,
        }
    }

    fn draw_cells(&self, drawing: &mut Drawing, grid: &Grid, colors: &Colors) {
        let shows_text = self.cell_text_fits(grid);
        let shows_tips = self.rows.len() * self.columns.len() <= MOST_TIPS;
        let radius = if grid.gap > 0.0 { 2.0 } else { 0.0 };
        for row in 0..self.rows.len() {
            for column in 0..self.columns.len() {
                let cell = grid.cell(row, column);
                let value = self.value(row, column);
                match value {
                    Some(value) => {
                        drawing.rect(cell, radius, Some(Ink::Fixed(colors.at(value))), None);
                    }
                    None => draw_missing(drawing, cell),
                }
                if shows_tips {
                    drawing.tip(self.tip(row, column));
                }
                if let Some(value) = value.filter(|_| shows_text) {
                    self.draw_number(drawing, cell, value, colors.at(value));
                    drawing.tip(self.tip(row, column));
                }
            }
        }
    }

    fn draw_number(&self, drawing: &mut Drawing, cell: Area, value: f64, background: Rgb) {
        let ink = Ink::Fixed(background.readable_on());
        let x = f64::midpoint(cell.left, cell.right);
        let y = f64::midpoint(cell.top, cell.bottom) + TICK_SIZE * 0.36;
        let font = font(TICK_SIZE, ink, Anchor::Middle);
        drawing.text(x, y, font, &self.cell_text(value));
    }

    fn tip(&self, row: usize, column: usize) -> String {
        let value = self.value(row, column).map_or_else(
            || "no value".to_owned(),
            |value| format!("{}: {}", self.value_title, number::short(value, 5)),
        );
        let (row, column) = (&self.rows[row], &self.columns[column]);
        format!(
            "{}: {row}\n{}: {column}\n{value}",
            self.row_title, self.column_title
        )
    }

    /// Numbers in all cells or in none: numbers in some would look like a difference between them.
    fn cell_text_fits(&self, grid: &Grid) -> bool {
        let texts: Vec<String> = self.finite().map(|v| self.cell_text(v)).collect();
        widest(&texts) + 5.0 <= grid.column_width - grid.gap
            && line_height(TICK_SIZE) <= grid.row_height - grid.gap
    }

    /// The columns' names and title below the cells; the y below them.
    fn draw_columns(&self, drawing: &mut Drawing, grid: &Grid) -> f64 {
        let (stride, names) = self.column_names(grid);
        let y = grid.area.bottom + 6.0;
        let mut bottom = y;
        let mut taken = f64::NEG_INFINITY;
        for (column, lines) in names.iter().enumerate().step_by(stride) {
            let cell = grid.cell(0, column);
            let half = widest(lines) / 2.0;
            let middle = f64::midpoint(cell.left, cell.right)
                .min(drawing.width - half)
                .max(half);
            // Moved away from the edge, a name may meet the one before it.
            if middle - half < taken {
                continue;
            }
            taken = middle + half + 4.0;
            let font = font(TICK_SIZE, Ink::Text, Anchor::Middle);
            bottom = draw_lines(drawing, middle, y, font, lines).max(bottom);
        }
        draw_axis_title(drawing, &grid.area, bottom + 1.0, &self.column_title)
    }

    /// Names broken to the width of their columns, or, where the columns are many, names of every
    /// so-many-th column broken to the width of so many columns.
    fn column_names(&self, grid: &Grid) -> (usize, Vec<Vec<String>>) {
        let stride = if self.columns.len() <= MOST_NAMED_COLUMNS {
            1
        } else {
            let room = widest(&self.columns).min(90.0) + 8.0;
            (room / grid.column_width).ceil().max(1.0) as usize
        };
        let room = grid.column_width * stride as f64 - 5.0;
        let names = self
            .columns
            .iter()
            .map(|name| wrap(name, room, TICK_SIZE, Weight::Regular))
            .collect();
        (stride, names)
    }

    /// The colour scale with numbers; the y below them.
    fn draw_legend(&self, drawing: &mut Drawing, top: f64, colors: &Colors) -> f64 {
        let muted = font(TICK_SIZE, Ink::Muted, Anchor::Start);
        let mut y = draw_block(drawing, 0.0, top, drawing.width, muted, &self.value_title) + 3.0;
        if self.finite().next().is_none() {
            return y;
        }
        if colors.low >= colors.high {
            let bar = Area {
                left: 0.0,
                top: y,
                right: 24.0,
                bottom: y + LEGEND_HEIGHT,
            };
            drawing.rect(bar, 2.0, Some(Ink::Fixed(colors.at(colors.low))), None);
            let text = number::short(colors.low, 4);
            drawing.text(
                30.0,
                y + LEGEND_HEIGHT / 2.0 + TICK_SIZE * 0.36,
                muted,
                &text,
            );
            return y + line_height(TICK_SIZE);
        }
        let bar = Area {
            left: 0.0,
            top: y,
            right: (drawing.width * 0.5).clamp(180.0, 300.0),
            bottom: y + LEGEND_HEIGHT,
        };
        let fill = drawing.gradient(colors.ramp.stops());
        drawing.rect(bar, 2.0, Some(fill), None);
        y = draw_legend_ticks(drawing, &bar, colors);
        if self.has_missing() {
            draw_missing_key(drawing, &bar);
        }
        y
    }

    fn has_missing(&self) -> bool {
        self.finite().count() < self.rows.len() * self.columns.len()
    }
}

/// A name beside each row, or beside every so-many-th of low rows.
fn draw_row_names(drawing: &mut Drawing, grid: &Grid) {
    let most_lines = grid.row_lines.iter().map(Vec::len).max().unwrap_or(1);
    let needed = most_lines as f64 * line_height(TICK_SIZE);
    let stride = (needed / grid.row_height).ceil().max(1.0) as usize;
    let mut taken = f64::NEG_INFINITY;
    for (row, lines) in grid.row_lines.iter().enumerate().step_by(stride) {
        let cell = grid.cell(row, 0);
        let height = lines.len() as f64 * line_height(TICK_SIZE);
        // A name higher than its row keeps off what is above and below the rows.
        let top = (f64::midpoint(cell.top, cell.bottom) - height / 2.0)
            .min(grid.area.bottom + 3.0 - height)
            .max(grid.area.top - 3.0);
        if top < taken {
            continue;
        }
        taken = top + height;
        let font = font(TICK_SIZE, Ink::Text, Anchor::End);
        draw_lines(drawing, grid.area.left - 8.0, top, font, lines);
    }
}

fn draw_legend_ticks(drawing: &mut Drawing, bar: &Area, colors: &Colors) -> f64 {
    let axis = Axis::linear("");
    let ends = [colors.low, colors.high].into_iter();
    let mapping: Mapping = axis.mapping(ends, 0.0, bar.left, bar.right);
    let ticks = mapping.horizontal_ticks(4, TICK_SIZE);
    draw_ticks(drawing, bar.bottom, &mapping, &ticks)
}

/// A cell without a value: an outline with a stroke through it, not the colour of any number.
fn draw_missing(drawing: &mut Drawing, cell: Area) {
    let stroke = Stroke::solid(Ink::Axis, 1.0);
    let inner = Area {
        left: cell.left + 0.5,
        top: cell.top + 0.5,
        right: cell.right - 0.5,
        bottom: cell.bottom - 0.5,
    };
    drawing.line((inner.left, inner.bottom), (inner.right, inner.top), stroke);
    drawing.rect(inner, 2.0, None, Some(stroke));
}

fn draw_missing_key(drawing: &mut Drawing, bar: &Area) {
    let left = bar.right + 28.0;
    let key = Area {
        left,
        top: bar.top - 1.0,
        right: left + 18.0,
        bottom: bar.bottom + 1.0,
    };
    draw_missing(drawing, key);
    let font = font(TICK_SIZE, Ink::Muted, Anchor::Start);
    let y = f64::midpoint(key.top, key.bottom) + TICK_SIZE * 0.36;
    drawing.text(key.right + 6.0, y, font, "no value");
}

impl Chart for HeatMap {
    fn title(&self) -> &str {
        &self.title
    }

    fn description(&self) -> String {
        let mut text = format!(
            "Heat map of {}: {} rows ({}) by {} columns ({}).",
            self.value_title,
            self.rows.len(),
            self.row_title,
            self.columns.len(),
            self.column_title
        );
        let cells = (0..self.rows.len())
            .flat_map(|row| (0..self.columns.len()).map(move |column| (row, column)))
            .filter_map(|(row, column)| Some((self.value(row, column)?, row, column)));
        let cells: Vec<(f64, usize, usize)> = cells.collect();
        let least = cells.iter().min_by(|a, b| a.0.total_cmp(&b.0));
        let greatest = cells.iter().max_by(|a, b| a.0.total_cmp(&b.0));
        for (name, cell) in [("Least", least), ("Greatest", greatest)] {
            if let Some((value, row, column)) = cell {
                text += &format!(
                    " {name}: {} at {}, {}.",
                    number::short(*value, 4),
                    self.rows[*row],
                    self.columns[*column]
                );
            }
        }
        text
    }

    fn to_csv(&self) -> String {
        let title = |title: &str, name: &str| {
            if title.is_empty() {
                name.to_owned()
            } else {
                title.to_owned()
            }
        };
        let mut csv = csv_line(&[
            title(&self.row_title, "row"),
            title(&self.column_title, "column"),
            title(&self.value_title, "value"),
        ]);
        for (row, name) in self.rows.iter().enumerate() {
            for (column, column_name) in self.columns.iter().enumerate() {
                let value = self.values.get(row).and_then(|values| values.get(column));
                let value = number::exact(value.copied().unwrap_or(f64::NAN));
                csv += &csv_line(&[name.clone(), column_name.clone(), value]);
            }
        }
        csv
    }
}
