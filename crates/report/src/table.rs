//! Tables to Markdown, LaTeX, HTML, CSV and text.

use crate::escape;
use crate::number;

/// A column: its title, alignment, and the decimals of its numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    title: String,
    align: Align,
    decimals: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Align {
    Left,
    Center,
    Right,
}

impl Column {
    /// Text from the left.
    pub fn left(title: impl Into<String>) -> Self {
        Self::new(title, Align::Left, 0)
    }

    /// Text in the middle.
    pub fn center(title: impl Into<String>) -> Self {
        Self::new(title, Align::Center, 0)
    }

    /// Numbers, aligned at the decimal point, all with so many decimals.
    pub fn number(title: impl Into<String>, decimals: usize) -> Self {
        Self::new(title, Align::Right, decimals)
    }

    fn new(title: impl Into<String>, align: Align, decimals: usize) -> Self {
        Self {
            title: title.into(),
            align,
            // More decimals than an f64 has digits say nothing.
            decimals: decimals.min(17),
        }
    }
}

/// A cell, perhaps marked.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    content: Content,
    is_best: bool,
    is_significant: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Content {
    Text(String),
    Number(f64),
    PlusMinus(f64, f64),
    Interval(f64, f64, f64),
    Missing,
}

impl Cell {
    /// Text as it is.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(Content::Text(text.into()))
    }

    /// A number with its column's decimals. NaN is a missing value.
    pub fn number(value: f64) -> Self {
        Self::new(if value.is_nan() {
            Content::Missing
        } else {
            Content::Number(value)
        })
    }

    /// `value ± half_width`: for symmetric intervals and standard errors. Without a finite half-width just
    /// the value.
    pub fn plus_minus(value: f64, half_width: f64) -> Self {
        if value.is_finite() && half_width.is_finite() {
            Self::new(Content::PlusMinus(value, half_width))
        } else {
            Self::number(value)
        }
    }

    /// `value [low, high]`: for intervals that may be asymmetric. Without finite ends just the value.
    pub fn interval(value: f64, low: f64, high: f64) -> Self {
        if value.is_finite() && low.is_finite() && high.is_finite() {
            Self::new(Content::Interval(value, low, high))
        } else {
            Self::number(value)
        }
    }

    /// No value: a dash.
    pub fn missing() -> Self {
        Self::new(Content::Missing)
    }

    fn new(content: Content) -> Self {
        Self {
            content,
            is_best: false,
            is_significant: false,
        }
    }

    /// Marked as the best of its column: bold, or `^` on a terminal.
    #[must_use]
    pub fn best(mut self) -> Self {
        self.is_best = true;
        self
    }

    /// Marked as significantly different from the table's reference: `*`.
    #[must_use]
    pub fn significant(mut self) -> Self {
        self.is_significant = true;
        self
    }
}

/// Rows of cells under titled columns.
///
/// ```
/// use report::{Cell, Column, Table};
///
/// let table = Table::new("Perplexity")
///     .column(Column::left("encoding"))
///     .column(Column::number("4,096 tokens", 2))
///     .row([Cell::text("RoPE"), Cell::interval(21.4, 20.9, 21.8)])
///     .row([Cell::text("p-RoPE 0.75"), Cell::interval(19.9, 19.5, 20.2).best().significant()]);
/// assert!(table.to_markdown().contains("**19.90 [19.50, 20.20]**\\*"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    caption: String,
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    best: String,
    significant: String,
}

impl Table {
    /// A table without columns and rows. An empty caption is not written.
    pub fn new(caption: impl Into<String>) -> Self {
        Self {
            caption: caption.into(),
            columns: Vec::new(),
            rows: Vec::new(),
            best: "best of its column".to_owned(),
            significant: "95% interval of the difference from the reference excludes 0".to_owned(),
        }
    }

    /// One more column.
    #[must_use]
    pub fn column(mut self, column: Column) -> Self {
        self.columns.push(column);
        self
    }

    /// One more row. Cells that are too few are missing; cells beyond the columns are not written.
    #[must_use]
    pub fn row(mut self, cells: impl IntoIterator<Item = Cell>) -> Self {
        self.rows.push(cells.into_iter().collect());
        self
    }

    /// What the marks mean, if not `best of its column` and `95% interval of the difference from the
    /// reference excludes 0`. Only marks that occur are explained.
    #[must_use]
    pub fn marks(mut self, best: impl Into<String>, significant: impl Into<String>) -> Self {
        self.best = best.into();
        self.significant = significant.into();
        self
    }

    pub(crate) fn caption(&self) -> &str {
        &self.caption
    }

    fn cell(row: &[Cell], column: usize) -> Cell {
        row.get(column).cloned().unwrap_or_else(Cell::missing)
    }

    fn cells(&self) -> impl Iterator<Item = &Cell> {
        self.rows
            .iter()
            .flat_map(|row| row.iter().take(self.columns.len()))
    }

    fn has_best(&self) -> bool {
        self.cells().any(|cell| cell.is_best)
    }

    fn has_significant(&self) -> bool {
        self.cells().any(|cell| cell.is_significant)
    }
}

/// How numbers look in one format.
struct Style {
    number: fn(f64, usize) -> String,
    plus_minus: &'static str,
    missing: &'static str,
    /// As wide as a digit.
    pad: char,
}

const ASCII: Style = Style {
    number: number::plain,
    plus_minus: "±",
    missing: "-",
    pad: ' ',
};

const TYPESET: Style = Style {
    number: number::pretty,
    plus_minus: "±",
    missing: "–",
    pad: '\u{2007}',
};

/// Widths in characters of the parts of a column's numbers, so that each part is aligned by itself.
#[derive(Clone, Copy, Default)]
struct Widths {
    value: usize,
    first: usize,
    second: usize,
}

impl Style {
    fn parts(&self, content: &Content, decimals: usize) -> [String; 3] {
        let show = |value: f64| (self.number)(value, decimals);
        match content {
            Content::Number(value) => [show(*value), String::new(), String::new()],
            Content::PlusMinus(value, half) => [show(*value), show(*half), String::new()],
            Content::Interval(value, low, high) => [show(*value), show(*low), show(*high)],
            Content::Text(_) | Content::Missing => Default::default(),
        }
    }

    fn widths(&self, table: &Table, column: usize) -> Widths {
        let decimals = table.columns[column].decimals;
        let mut widths = Widths::default();
        for row in &table.rows {
            let [value, first, second] = self
                .parts(&Table::cell(row, column).content, decimals)
                .map(|p| p.chars().count());
            widths.value = widths.value.max(value);
            widths.first = widths.first.max(first);
            widths.second = widths.second.max(second);
        }
        widths
    }

    /// The cell's text; `None` for text cells, which are the caller's to escape.
    fn numbers(&self, content: &Content, decimals: usize, widths: Widths) -> Option<String> {
        let [value, first, second] = self.parts(content, decimals);
        let pad = |text: &str, width: usize| {
            let missing = width.saturating_sub(text.chars().count());
            format!("{}{text}", self.pad.to_string().repeat(missing))
        };
        match content {
            Content::Text(_) => None,
            Content::Missing => Some(self.missing.to_owned()),
            Content::Number(_) => Some(pad(&value, widths.value)),
            Content::PlusMinus(..) => Some(format!(
                "{} {} {}",
                pad(&value, widths.value),
                self.plus_minus,
                pad(&first, widths.first)
            )),
            Content::Interval(..) => Some(format!(
                "{} [{}, {}]",
                pad(&value, widths.value),
                pad(&first, widths.first),
                pad(&second, widths.second)
            )),
        }
    }
}

impl Table {
    /// The table in GitHub's Markdown, with its caption above and its marks explained below.
    pub fn to_markdown(&self) -> String {
        let mut out = String::new();
        if !self.caption.is_empty() {
            out += &format!("{}\n\n", escape::markdown(&self.caption));
        }
        let titles: Vec<String> = self
            .columns
            .iter()
            .map(|column| escape::markdown(&column.title))
            .collect();
        out += &format!("| {} |\n", titles.join(" | "));
        let rules: Vec<&str> = self
            .columns
            .iter()
            .map(|column| match column.align {
                Align::Left => ":---",
                Align::Center => ":---:",
                Align::Right => "---:",
            })
            .collect();
        out += &format!("| {} |\n", rules.join(" | "));
        for row in &self.rows {
            let cells: Vec<String> = (0..self.columns.len())
                .map(|column| self.markdown_cell(&Table::cell(row, column), column))
                .collect();
            out += &format!("| {} |\n", cells.join(" | "));
        }
        let mut notes = Vec::new();
        if self.has_best() {
            notes.push(format!("**Bold**: {}.", escape::markdown(&self.best)));
        }
        if self.has_significant() {
            notes.push(format!("\\*: {}.", escape::markdown(&self.significant)));
        }
        if !notes.is_empty() {
            out += &format!("\n{}\n", notes.join(" "));
        }
        out
    }

    fn markdown_cell(&self, cell: &Cell, column: usize) -> String {
        let decimals = self.columns[column].decimals;
        let text = match &cell.content {
            Content::Text(text) => escape::markdown(text),
            content => ASCII
                .numbers(content, decimals, Widths::default())
                .unwrap_or_default(),
        };
        let text = if cell.is_best && !text.trim().is_empty() {
            format!("**{}**", text.trim())
        } else {
            text
        };
        format!("{text}{}", if cell.is_significant { "\\*" } else { "" })
    }

    /// A `table` environment with the rules of the package `booktabs`, which the document must load.
    /// Characters beyond ASCII are written as they are, in UTF-8.
    pub fn to_latex(&self) -> String {
        let mut out = "\\begin{table}\n\\centering\n".to_owned();
        if !self.caption.is_empty() {
            out += &format!("\\caption{{{}}}\n", escape::latex(&self.caption));
        }
        let letters: String = self
            .columns
            .iter()
            .map(|column| match column.align {
                Align::Left => 'l',
                Align::Center => 'c',
                Align::Right => 'r',
            })
            .collect();
        out += &format!("\\begin{{tabular}}{{{letters}}}\n\\toprule\n");
        let titles: Vec<String> = self
            .columns
            .iter()
            .map(|column| escape::latex(&column.title))
            .collect();
        out += &format!("{} \\\\\n\\midrule\n", titles.join(" & "));
        for row in &self.rows {
            let cells: Vec<String> = (0..self.columns.len())
                .map(|column| self.latex_cell(&Table::cell(row, column), column))
                .collect();
            out += &format!("{} \\\\\n", cells.join(" & "));
        }
        out += "\\bottomrule\n\\end{tabular}\n";
        let mut notes = Vec::new();
        if self.has_best() {
            notes.push(format!("\\textbf{{Bold}}: {}.", escape::latex(&self.best)));
        }
        if self.has_significant() {
            notes.push(format!("$^{{*}}$: {}.", escape::latex(&self.significant)));
        }
        if !notes.is_empty() {
            out += &format!("\n\\smallskip\n{{\\footnotesize {}}}\n", notes.join(" "));
        }
        out + "\\end{table}\n"
    }

    fn latex_cell(&self, cell: &Cell, column: usize) -> String {
        let show = |value: f64| latex_number(value, self.columns[column].decimals);
        // Without `\boldsymbol`, which needs another package, `\mathbf` makes digits bold.
        let math = |text: String| {
            if cell.is_best {
                format!("$\\mathbf{{{text}}}$")
            } else {
                format!("${text}$")
            }
        };
        let text = match &cell.content {
            Content::Text(text) if cell.is_best => format!("\\textbf{{{}}}", escape::latex(text)),
            Content::Text(text) => escape::latex(text),
            Content::Missing => "--".to_owned(),
            Content::Number(value) => math(show(*value)),
            Content::PlusMinus(value, half) => {
                math(format!("{} \\pm {}", show(*value), show(*half)))
            }
            Content::Interval(value, low, high) => {
                let value = math(show(*value));
                format!("{value} {{[}}${}$, ${}${{]}}", show(*low), show(*high))
            }
        };
        // Without width of its own, so that the numbers stay aligned.
        let mark = match (cell.is_significant, self.columns[column].align) {
            (true, Align::Right) => "\\rlap{$^{*}$}",
            (true, _) => "$^{*}$",
            (false, _) => "",
        };
        format!("{text}{mark}")
    }

    /// A `<table>` whose text is escaped. Classes: `left`, `center`, `number`; `interval` around the
    /// interval of a cell; `marks` around the explanation below.
    pub fn to_html(&self) -> String {
        let mut out = "<table>".to_owned();
        if !self.caption.is_empty() {
            out += &format!("<caption>{}</caption>", escape::xml(&self.caption));
        }
        out += &format!("{}</table>", self.html_rows());
        let notes = self.html_notes();
        if !notes.is_empty() {
            out += &format!("<p class=\"marks\">{notes}</p>");
        }
        out
    }

    /// The head and the body.
    pub(crate) fn html_rows(&self) -> String {
        let titles: String = (0..self.columns.len())
            .map(|column| {
                let (title, class) = (&self.columns[column].title, self.columns[column].class());
                let room = self.html_mark(false, column);
                format!(
                    "<th scope=\"col\" class=\"{class}\">{}{room}</th>",
                    escape::xml(title)
                )
            })
            .collect();
        let mut out = format!("<thead><tr>{titles}</tr></thead><tbody>");
        let widths: Vec<Widths> = (0..self.columns.len())
            .map(|column| TYPESET.widths(self, column))
            .collect();
        for row in &self.rows {
            let cells: String = (0..self.columns.len())
                .map(|column| self.html_cell(&Table::cell(row, column), column, widths[column]))
                .collect();
            out += &format!("<tr>{cells}</tr>");
        }
        out + "</tbody>"
    }

    /// What the marks mean; empty without marks.
    pub(crate) fn html_notes(&self) -> String {
        let mut notes = Vec::new();
        if self.has_best() {
            notes.push(format!(
                "<strong>Bold</strong>: {}.",
                escape::xml(&self.best)
            ));
        }
        if self.has_significant() {
            notes.push(format!("*: {}.", escape::xml(&self.significant)));
        }
        notes.join(" ")
    }

    fn html_cell(&self, cell: &Cell, column: usize, widths: Widths) -> String {
        let kind = &self.columns[column];
        let text = match &cell.content {
            Content::Text(text) => escape::xml(text),
            content => TYPESET
                .numbers(content, kind.decimals, widths)
                .map(|text| html_numbers(&text))
                .unwrap_or_default(),
        };
        let text = if cell.is_best {
            format!("<strong>{text}</strong>")
        } else {
            text
        };
        let mark = self.html_mark(cell.is_significant, column);
        let class = kind.class();
        if column == 0 {
            format!("<th scope=\"row\" class=\"{class}\">{text}{mark}</th>")
        } else {
            format!("<td class=\"{class}\">{text}{mark}</td>")
        }
    }

    /// The mark, or room for it: every cell of a column of numbers has it where one has the mark, or the
    /// numbers would not align.
    fn html_mark(&self, is_significant: bool, column: usize) -> &'static str {
        let is_marked = |row: &Vec<Cell>| Table::cell(row, column).is_significant;
        if is_significant {
            "<span class=\"mark\">*</span>"
        } else if self.columns[column].align == Align::Right && self.rows.iter().any(is_marked) {
            "<span class=\"mark\"></span>"
        } else {
            ""
        }
    }

    /// The numbers as given, as CSV (RFC 4180). A column with intervals has two more, `… low` and
    /// `… high`; one with `±` has `… half-width`; one with marks has `… mark`: `best`, `significant` or
    /// both.
    pub fn to_csv(&self) -> String {
        let columns: Vec<CsvColumn> = (0..self.columns.len())
            .map(|column| CsvColumn::of(self, column))
            .collect();
        let mut header = Vec::new();
        for (column, kind) in self.columns.iter().zip(&columns) {
            header.push(column.title.clone());
            if kind.has_half_width {
                header.push(format!("{} half-width", column.title));
            }
            if kind.has_interval {
                header.extend(["low", "high"].map(|end| format!("{} {end}", column.title)));
            }
            if kind.has_marks {
                header.push(format!("{} mark", column.title));
            }
        }
        let mut csv = escape::csv_line(&header);
        for row in &self.rows {
            let fields: Vec<String> = columns
                .iter()
                .enumerate()
                .flat_map(|(column, kind)| kind.fields(&Table::cell(row, column)))
                .collect();
            csv += &escape::csv_line(&fields);
        }
        csv
    }

    /// Text with aligned columns, for a terminal; `^` and `*` are the marks.
    pub fn to_text(&self) -> String {
        let columns: Vec<Vec<String>> = (0..self.columns.len())
            .map(|column| self.text_column(column))
            .collect();
        let mut out = String::new();
        if !self.caption.is_empty() {
            out += &format!("{}\n\n", escape::terminal(&self.caption));
        }
        for line in 0..=self.rows.len() {
            let cells: Vec<&str> = columns.iter().map(|cells| cells[line].as_str()).collect();
            out += format!("  {}", cells.join("   ")).trim_end();
            out.push('\n');
            if line == 0 {
                let rules: Vec<String> = columns
                    .iter()
                    .map(|cells| "-".repeat(display_width(&cells[0])))
                    .collect();
                out += &format!("  {}\n", rules.join("   "));
            }
        }
        let mut notes = Vec::new();
        if self.has_best() {
            notes.push(format!("  ^ {}\n", escape::terminal(&self.best)));
        }
        if self.has_significant() {
            notes.push(format!("  * {}\n", escape::terminal(&self.significant)));
        }
        if !notes.is_empty() {
            out += &format!("\n{}", notes.concat());
        }
        out
    }

    /// Title and cells of a column, padded to one width.
    fn text_column(&self, column: usize) -> Vec<String> {
        let kind = &self.columns[column];
        let widths = ASCII.widths(self, column);
        let cells: Vec<Cell> = self
            .rows
            .iter()
            .map(|row| Table::cell(row, column))
            .collect();
        let has_best = cells.iter().any(|cell| cell.is_best);
        let has_significant = cells.iter().any(|cell| cell.is_significant);
        let body = cells.iter().map(|cell| {
            let text = match &cell.content {
                Content::Text(text) => escape::terminal(text),
                content => ASCII
                    .numbers(content, kind.decimals, widths)
                    .unwrap_or_default(),
            };
            let mut marks = String::new();
            if has_best {
                marks.push(if cell.is_best { '^' } else { ' ' });
            }
            if has_significant {
                marks.push(if cell.is_significant { '*' } else { ' ' });
            }
            (text, marks)
        });
        let body: Vec<(String, String)> = body.collect();
        let no_marks = " ".repeat(usize::from(has_best) + usize::from(has_significant));
        let all: Vec<(String, String)> = std::iter::once((escape::terminal(&kind.title), no_marks))
            .chain(body)
            .collect();
        let width = all
            .iter()
            .map(|(text, _)| display_width(text))
            .max()
            .unwrap_or(0);
        all.iter()
            .map(|(text, marks)| {
                let room = width - display_width(text);
                let before = match kind.align {
                    Align::Left => 0,
                    Align::Center => room / 2,
                    Align::Right => room,
                };
                format!(
                    "{}{text}{}{marks}",
                    " ".repeat(before),
                    " ".repeat(room - before)
                )
            })
            .collect()
    }
}

impl Column {
    fn class(&self) -> &'static str {
        match self.align {
            Align::Left => "left",
            Align::Center => "center",
            Align::Right => "number",
        }
    }
}

/// Which fields a column has in CSV.
struct CsvColumn {
    has_half_width: bool,
    has_interval: bool,
    has_marks: bool,
}

impl CsvColumn {
    fn of(table: &Table, column: usize) -> Self {
        let mut kind = Self {
            has_half_width: false,
            has_interval: false,
            has_marks: false,
        };
        for row in &table.rows {
            let cell = Table::cell(row, column);
            kind.has_half_width |= matches!(cell.content, Content::PlusMinus(..));
            kind.has_interval |= matches!(cell.content, Content::Interval(..));
            kind.has_marks |= cell.is_best || cell.is_significant;
        }
        kind
    }

    fn fields(&self, cell: &Cell) -> Vec<String> {
        let (mut half, mut ends) = (String::new(), [String::new(), String::new()]);
        let value = match &cell.content {
            Content::Text(text) => text.clone(),
            Content::Missing => String::new(),
            Content::Number(value) => number::exact(*value),
            Content::PlusMinus(value, half_width) => {
                half = number::exact(*half_width);
                number::exact(*value)
            }
            Content::Interval(value, low, high) => {
                ends = [number::exact(*low), number::exact(*high)];
                number::exact(*value)
            }
        };
        let mut fields = vec![value];
        if self.has_half_width {
            fields.push(half);
        }
        if self.has_interval {
            fields.extend(ends);
        }
        if self.has_marks {
            let best = cell.is_best.then_some("best");
            let significant = cell.is_significant.then_some("significant");
            let marks: Vec<&str> = best.into_iter().chain(significant).collect();
            fields.push(marks.join(" "));
        }
        fields
    }
}

/// The interval in a smaller, quieter span.
fn html_numbers(text: &str) -> String {
    match text.find(['[', '±']) {
        Some(start) => {
            let (value, interval) = text.split_at(start);
            format!("{value}<span class=\"interval\">{interval}</span>")
        }
        None => text.to_owned(),
    }
}

fn latex_number(value: f64, decimals: usize) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "\\infty" } else { "-\\infty" }.to_owned();
    }
    let text = number::plain(value, decimals);
    match text.split_once('e') {
        Some((mantissa, exponent)) => format!("{mantissa} \\cdot 10^{{{exponent}}}"),
        None => text,
    }
}

/// Columns that text takes on a terminal: two for East Asian wide characters and emoji, none for
/// combining marks.
fn display_width(text: &str) -> usize {
    text.chars()
        .map(|c| match u32::from(c) {
            0x300..=0x36f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
            0x1100..=0x115f
            | 0x2e80..=0xa4cf
            | 0xac00..=0xd7a3
            | 0xf900..=0xfaff
            | 0xff00..=0xff60
            | 0x1f300..=0x1faff => 2,
            _ => 1,
        })
        .sum()
}
