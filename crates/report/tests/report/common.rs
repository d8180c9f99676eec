//! Random charts, a CSV reader, and the boxes that text takes in a real font.

use std::sync::{Arc, OnceLock};

use report::Axis;
use report::chart::{Effect, HeatMap, Intervals, Line, Point, Series};
use resvg::usvg::{Group, Node, Options, Rect, TextChunk, Tree, fontdb};

/// Knuth's linear congruential generator.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// In [0, 1).
    pub fn uniform(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / 2_f64.powi(53)
    }

    /// In 0..end.
    pub fn below(&mut self, end: usize) -> usize {
        (self.uniform() * end as f64) as usize
    }

    /// A name of one to three pieces, short and long, some without a place to break.
    pub fn name(&mut self) -> String {
        const WORDS: [&str; 9] = [
            "RoPE",
            "p-RoPE 0.75",
            "NoPE",
            "base 500,000",
            "partial:",
            "the highest frequencies rotate",
            "WWWWMMMM@@@@%%%%",
            "a_name_as_long_as_a_line_and_without_any_space",
            "λ ≤ 10⁴ — γ",
        ];
        let words: Vec<&str> = (0..=self.below(3))
            .map(|_| WORDS[self.below(WORDS.len())])
            .collect();
        words.join(" ")
    }
}

/// A line chart whose lines nearly coincide, with gaps, bands, references and odd numbers of all.
pub fn random_line(random: &mut Random) -> Line {
    let (series, points) = (random.below(13), 1 + random.below(11));
    let spread = 10_f64.powi(-(random.below(6) as i32));
    let level = 10_f64.powi(random.below(9) as i32 - 3);
    let x = match random.below(3) {
        0 => Axis::linear(random.name()),
        1 => Axis::log2("Context length").unit("tokens"),
        _ => Axis::log10("Base wavelength"),
    };
    let is_decades = random.below(2) == 0;
    let mut chart = Line::new(random.name())
        .subtitle(random.name())
        .x(x)
        .y(Axis::linear(random.name()).unit("nats per token"));
    for _ in 0..random.below(4) {
        let place = 128.0 * 2_f64.powf(random.uniform() * points as f64);
        chart = chart.reference(place, random.name());
    }
    for _ in 0..series {
        let line: Vec<Point> = (0..points)
            .map(|index| {
                let x = if is_decades {
                    10_f64.powi(index as i32 + 1)
                } else {
                    128.0 * 2_f64.powi(index as i32)
                };
                let y = level * (1.0 + spread * random.uniform());
                match random.below(10) {
                    0 => Point::new(x, f64::NAN),
                    1 => Point::new(x, y),
                    _ => Point::new(x, y).band(y * 0.99, y * 1.02),
                }
            })
            .collect();
        chart = chart.series(Series::new(random.name(), line));
    }
    chart
}

/// A heat map of random size, from one cell to many.
pub fn random_heat_map(random: &mut Random) -> HeatMap {
    let (rows, columns) = (1 + random.below(40), 1 + random.below(70));
    let is_named = random.below(2) == 0;
    let mut names = |count: usize| -> Vec<String> {
        (0..count)
            .map(|index| {
                if is_named && count < 12 {
                    random.name()
                } else {
                    (index * 1024).to_string()
                }
            })
            .collect()
    };
    let (row_names, column_names) = (names(rows), names(columns));
    let values = (0..rows)
        .map(|_| {
            (0..columns)
                .map(|_| {
                    if random.below(15) == 0 {
                        f64::NAN
                    } else {
                        random.uniform() * 3.0 - 1.0
                    }
                })
                .collect()
        })
        .collect();
    let chart = HeatMap::new(
        random.name(),
        random.name(),
        row_names,
        random.name(),
        column_names,
    )
    .values(random.name(), values)
    .decimals(random.below(4));
    let chart = if random.below(3) == 0 {
        chart.row_height(random.uniform() * 30.0)
    } else {
        chart
    };
    if random.below(2) == 0 {
        chart.diverging(0.25)
    } else {
        chart
    }
}

/// A forest plot with rows of every kind.
pub fn random_intervals(random: &mut Random) -> Intervals {
    let size = 10_f64.powi(random.below(8) as i32 - 4);
    let mut chart = Intervals::new(random.name(), Axis::linear(random.name()).unit("nats"))
        .subtitle(random.name())
        .directions(random.name(), random.name())
        .decimals(random.below(6));
    for _ in 0..random.below(12) {
        let estimate = size * (random.uniform() - 0.5);
        let half = size * random.uniform() * 0.4;
        let effect = match random.below(8) {
            0 => Effect::new(random.name(), f64::NAN, f64::NAN, f64::NAN),
            1 => Effect::new(random.name(), estimate, f64::NAN, f64::NAN),
            _ => Effect::new(random.name(), estimate, estimate - half, estimate + half),
        };
        chart = chart.effect(effect);
    }
    chart
}

/// The SVG as a renderer understands it.
pub fn tree(svg: &str) -> Tree {
    static FONTS: OnceLock<Arc<fontdb::Database>> = OnceLock::new();
    let fonts = FONTS.get_or_init(|| {
        let mut fonts = fontdb::Database::new();
        fonts.load_font_data(include_bytes!("../../fonts/Inter-Regular-subset.otf").to_vec());
        fonts.load_font_data(include_bytes!("../../fonts/Inter-SemiBold-subset.otf").to_vec());
        Arc::new(fonts)
    });
    let options = Options {
        fontdb: fonts.clone(),
        ..Options::default()
    };
    Tree::from_str(svg, &options).expect("a chart's SVG is understood")
}

/// Text and its box, shaped with the font of the PNGs.
pub fn text_boxes(tree: &Tree) -> Vec<(String, Rect)> {
    let mut boxes = Vec::new();
    collect(tree.root(), &mut boxes);
    boxes
}

fn collect(group: &Group, boxes: &mut Vec<(String, Rect)>) {
    for node in group.children() {
        match node {
            Node::Group(group) => collect(group, boxes),
            Node::Text(text) => {
                let words: String = text.chunks().iter().map(TextChunk::text).collect();
                boxes.push((words, text.abs_bounding_box()));
            }
            _ => {}
        }
    }
}

/// The fields of each record of a CSV text (RFC 4180).
pub fn records(csv: &str) -> Vec<Vec<String>> {
    let mut records = vec![vec![String::new()]];
    let mut is_quoted = false;
    let mut chars = csv.chars().peekable();
    while let Some(c) = chars.next() {
        let record = records.last_mut().expect("there is always one");
        let field = record.last_mut().expect("there is always one");
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => record.push(String::new()),
            '\r' if !is_quoted => {}
            '\n' if !is_quoted => records.push(vec![String::new()]),
            _ => field.push(c),
        }
    }
    records.pop();
    records
}
