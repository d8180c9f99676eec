//! One HTML file with everything in it.

use crate::canvas::Coloring;
use crate::chart::Chart;
use crate::color::{self, Theme};
use crate::escape;
use crate::markup;
use crate::table::Table;

/// Widths in pixels at which a page lays each chart out, and the class that shows it: for phones, tablets
/// and wide windows.
const LAYOUTS: [(f64, &str); 3] = [(340.0, "narrow"), (500.0, "middle"), (700.0, "wide")];

/// Part of a page, under a heading.
#[derive(Clone, Debug, Default)]
pub struct Section {
    heading: String,
    blocks: Vec<Block>,
}

/// A piece of a section: prose, a figure, a table, or blocks that open on demand.
#[derive(Clone, Debug)]
pub struct Block(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Prose(String),
    Figure(Figure),
    Table(Table),
    Details(String, Vec<Block>),
}

/// A chart, drawn when it was added, so that a page owns nothing but text.
#[derive(Clone, Debug)]
struct Figure {
    drawings: Vec<crate::canvas::Drawing>,
    title: String,
    csv: String,
    caption: String,
}

impl Block {
    /// Paragraphs parted by blank lines; words between backticks are set as code. Nothing else is markup.
    pub fn prose(text: impl Into<String>) -> Self {
        Self(Kind::Prose(text.into()))
    }

    /// A chart with a caption, laid out for three widths, and a link that saves its numbers as CSV.
    pub fn chart(chart: &(impl Chart + ?Sized), caption: impl Into<String>) -> Self {
        let drawings = LAYOUTS
            .iter()
            .map(|(width, _)| chart.draw(*width))
            .collect();
        Self(Kind::Figure(Figure {
            drawings,
            title: chart.title().to_owned(),
            csv: chart.to_csv(),
            caption: caption.into(),
        }))
    }

    /// A table; on a narrow screen it scrolls sideways by itself.
    pub fn table(table: Table) -> Self {
        Self(Kind::Table(table))
    }

    /// Blocks under a summary that opens and closes; closed at first, open in print.
    pub fn details(summary: impl Into<String>, blocks: impl IntoIterator<Item = Block>) -> Self {
        Self(Kind::Details(summary.into(), blocks.into_iter().collect()))
    }
}

impl Section {
    /// A section without content.
    pub fn new(heading: impl Into<String>) -> Self {
        Self {
            heading: heading.into(),
            blocks: Vec::new(),
        }
    }

    /// One more block.
    #[must_use]
    pub fn block(mut self, block: Block) -> Self {
        self.blocks.push(block);
        self
    }

    /// [`Block::prose`].
    #[must_use]
    pub fn prose(self, text: impl Into<String>) -> Self {
        self.block(Block::prose(text))
    }

    /// [`Block::chart`].
    #[must_use]
    pub fn chart(self, chart: &(impl Chart + ?Sized), caption: impl Into<String>) -> Self {
        self.block(Block::chart(chart, caption))
    }

    /// [`Block::table`].
    #[must_use]
    pub fn table(self, table: Table) -> Self {
        self.block(Block::table(table))
    }

    /// [`Block::details`].
    #[must_use]
    pub fn details(
        self,
        summary: impl Into<String>,
        blocks: impl IntoIterator<Item = Block>,
    ) -> Self {
        self.block(Block::details(summary, blocks))
    }
}

/// A report: title, headline, facts, sections.
///
/// ```
/// use report::{Page, Section};
///
/// let html = Page::new("Six encodings")
///     .headline("p-RoPE 0.75 is best beyond the training length.")
///     .fact("seeds", "5")
///     .section(Section::new("Loss").prose("Trained with `configs/prope_0.75.toml`."))
///     .to_html();
/// assert!(html.starts_with("<!DOCTYPE html>"));
/// assert!(!html.contains("<script"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Page {
    title: String,
    headline: String,
    facts: Vec<(String, String)>,
    sections: Vec<Section>,
}

impl Page {
    /// A page without content.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            ..Self::default()
        }
    }

    /// The finding in one sentence, below the title.
    #[must_use]
    pub fn headline(mut self, sentence: impl Into<String>) -> Self {
        self.headline = sentence.into();
        self
    }

    /// What the results come from: commit, device, seeds, date. Shown in a row below the headline.
    #[must_use]
    pub fn fact(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.facts.push((name.into(), value.into()));
        self
    }

    /// One more section.
    #[must_use]
    pub fn section(mut self, section: Section) -> Self {
        self.sections.push(section);
        self
    }

    /// The whole page as one HTML file: no scripts, nothing loaded from anywhere (its content security
    /// policy forbids both), readable from 360 pixels on, light or dark as the reader prefers.
    pub fn to_html(&self) -> String {
        let mut writer = Writer::default();
        let sections: String = self
            .sections
            .iter()
            .map(|section| writer.section(section))
            .collect();
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>{}</title>\n<style>\n{}</style>\n</head>\n<body>\n<main>\n{}{sections}</main>\n</body>\n</html>\n",
            escape::xml(&self.title),
            style(),
            self.head()
        )
    }

    fn head(&self) -> String {
        let mut out = format!("<header>\n<h1>{}</h1>\n", markup::inline(&self.title));
        if !self.headline.trim().is_empty() {
            out += &format!(
                "<p class=\"headline\">{}</p>\n",
                markup::inline(&self.headline)
            );
        }
        if !self.facts.is_empty() {
            let facts: String = self
                .facts
                .iter()
                .map(|(name, value)| {
                    let (name, value) = (escape::xml(name), markup::inline(value));
                    format!("<div><dt>{name}</dt><dd>{value}</dd></div>")
                })
                .collect();
            out += &format!("<dl class=\"facts\">{facts}</dl>\n");
        }
        out + "</header>\n"
    }
}

/// Counts figures, whose ids must differ within the page, and tables.
#[derive(Default)]
struct Writer {
    figures: usize,
    tables: usize,
}

impl Writer {
    fn section(&mut self, section: &Section) -> String {
        let heading = if section.heading.trim().is_empty() {
            String::new()
        } else {
            format!("<h2>{}</h2>\n", markup::inline(&section.heading))
        };
        format!(
            "<section>\n{heading}{}</section>\n",
            self.blocks(&section.blocks)
        )
    }

    fn blocks(&mut self, blocks: &[Block]) -> String {
        blocks.iter().map(|block| self.block(block)).collect()
    }

    fn block(&mut self, block: &Block) -> String {
        match &block.0 {
            Kind::Prose(text) => format!("{}\n", markup::paragraphs(text)),
            Kind::Figure(figure) => self.figure(figure),
            Kind::Table(table) => self.table(table),
            Kind::Details(summary, blocks) => format!(
                "<details><summary>{}</summary>\n<div class=\"inside\">{}</div></details>\n",
                markup::inline(summary),
                self.blocks(blocks)
            ),
        }
    }

    fn table(&mut self, table: &Table) -> String {
        self.tables += 1;
        let number = self.tables;
        let (caption, name) = if table.caption().trim().is_empty() {
            (String::new(), "aria-label=\"Table\"".to_owned())
        } else {
            let text = escape::xml(table.caption());
            let caption = format!("<p class=\"caption\" id=\"table-{number}\">{text}</p>");
            (caption, format!("aria-labelledby=\"table-{number}\""))
        };
        let file = file_name(table.caption(), &format!("table-{number}"));
        // Caption and notes are outside of what scrolls.
        format!(
            "<div class=\"table\">{caption}<div class=\"scroll\" role=\"region\" tabindex=\"0\" {name}>\
             <table {name}>{}</table></div><p class=\"marks\">{} {}</p></div>\n",
            table.html_rows(),
            table.html_notes(),
            csv_link(&file, &table.to_csv())
        )
    }

    fn figure(&mut self, figure: &Figure) -> String {
        self.figures += 1;
        let number = self.figures;
        let drawings: String = figure
            .drawings
            .iter()
            .zip(LAYOUTS)
            .map(|(drawing, (_, class))| {
                let svg = drawing.svg(&format!("figure-{number}-{class}"), Coloring::Inline);
                format!("<div class=\"{class}\">{svg}</div>\n")
            })
            .collect();
        let caption = if figure.caption.trim().is_empty() {
            String::new()
        } else {
            format!("{} ", markup::inline(&figure.caption))
        };
        let file = file_name(&figure.title, &format!("figure-{number}"));
        let link = csv_link(&file, &figure.csv);
        format!("<figure>\n{drawings}<figcaption>{caption}{link}</figcaption>\n</figure>\n")
    }
}

/// A link that saves the numbers without a server: they are in its address.
fn csv_link(file: &str, csv: &str) -> String {
    let data = escape::data_url(csv);
    format!(
        "<a download=\"{file}.csv\" href=\"data:text/csv;charset=utf-8,{data}\">Numbers (CSV)</a>"
    )
}

/// A file name from a title: letters, digits and dashes; the fallback where that leaves nothing.
fn file_name(title: &str, fallback: &str) -> String {
    let name: String = title
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect();
    let words: Vec<&str> = name.split('-').filter(|word| !word.is_empty()).collect();
    let name: String = words.join("-").chars().take(60).collect();
    if name.is_empty() {
        fallback.to_owned()
    } else {
        name
    }
}

fn style() -> String {
    format!(
        ":root{{{}}}\n@media (prefers-color-scheme:dark){{:root{{{}}}}}\n{}\n{}",
        color::custom_properties(Theme::Light),
        color::custom_properties(Theme::Dark),
        color::style_sheet(),
        include_str!("page.css")
    )
}
