//! The numbers as charts, each with how to read it and what the paper saw in Gemma 7B.

use report::chart::{Chart, Effect, HeatMap, Intervals};
use report::{Axis, Block, Cell, Column, Section, Table};

use crate::heads::{Kind, best};
use crate::maps::AttentionMap;
use crate::words::{self, band_label, head, pair_label};
use crate::{Anatomy, CLASSES, Damage, LayerUse};

/// A chart with a name for its file and a caption for the page.
pub struct Figure {
    /// File name without extension.
    pub name: String,
    /// The chart.
    pub chart: Box<dyn Chart>,
    /// How to read it.
    pub caption: String,
    /// Whether the page shows it only when it is asked for.
    pub detail: bool,
}

/// What a part shows.
pub enum Piece {
    /// A chart.
    Figure(Figure),
    /// A table, with a name for its file.
    Table(String, Table),
}

/// A part of the page.
pub struct Part {
    /// Its heading.
    pub heading: String,
    /// What it is about.
    pub intro: String,
    /// Its charts and tables in their order.
    pub pieces: Vec<Piece>,
}

impl Part {
    fn new(heading: &str, intro: impl Into<String>) -> Self {
        Self {
            heading: heading.to_owned(),
            intro: intro.into(),
            pieces: Vec::new(),
        }
    }

    fn table(&mut self, name: &str, table: Table) {
        self.pieces.push(Piece::Table(name.to_owned(), table));
    }

    fn figure(&mut self, name: impl Into<String>, chart: impl Chart + 'static, caption: &str) {
        self.push(name.into(), chart, caption, false);
    }

    fn detail(&mut self, name: impl Into<String>, chart: impl Chart + 'static, caption: &str) {
        self.push(name.into(), chart, caption, true);
    }

    fn push(&mut self, name: String, chart: impl Chart + 'static, caption: &str, detail: bool) {
        self.pieces.push(Piece::Figure(Figure {
            name,
            chart: Box::new(chart),
            caption: caption.to_owned(),
            detail,
        }));
    }

    /// Its charts.
    pub fn figures(&self) -> impl Iterator<Item = &Figure> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Figure(figure) => Some(figure),
            Piece::Table(..) => None,
        })
    }

    /// Its tables with the names of their files.
    pub fn tables(&self) -> impl Iterator<Item = (&str, &Table)> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Figure(_) => None,
            Piece::Table(name, table) => Some((name.as_str(), table)),
        })
    }

    /// The part as a section of a page: what is shown only when asked for comes last.
    pub fn section(&self) -> Section {
        let mut section = Section::new(&self.heading).prose(&self.intro);
        let block = |figure: &Figure| Block::chart(figure.chart.as_ref(), &figure.caption);
        for piece in &self.pieces {
            section = match piece {
                Piece::Table(_, table) => section.table(table.clone()),
                Piece::Figure(figure) if figure.detail => section,
                Piece::Figure(figure) => section.block(block(figure)),
            };
        }
        for figure in self.figures().filter(|figure| figure.detail) {
            section = section.details(figure.chart.title(), [block(figure)]);
        }
        section
    }
}

/// The page's parts in their order.
pub fn parts(anatomy: &Anatomy) -> Vec<Part> {
    vec![
        frequency_use(anatomy),
        heads(anatomy),
        positional(anatomy),
        classes(anatomy),
        ablation(anatomy),
    ]
}

impl Anatomy {
    /// The finding in a few sentences.
    pub fn headline(&self) -> String {
        words::headline(self)
    }
}

/// Rows of pairs: all of them, in about 430 pixels.
fn pair_rows(pairs: usize) -> f64 {
    (430.0 / pairs.max(1) as f64).clamp(4.0, 18.0)
}

const WAVELENGTH: &str = "Wavelength in tokens, high frequency to low";

/// `[columns][rows]` to `[rows][columns]`.
fn transposed(columns: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let rows = columns.iter().map(Vec::len).max().unwrap_or(0);
    let cell = |row: usize, column: &Vec<f64>| column.get(row).copied().unwrap_or(f64::NAN);
    (0..rows)
        .map(|row| columns.iter().map(|column| cell(row, column)).collect())
        .collect()
}

/// Layers that have the same pairs, group by group.
fn groups(anatomy: &Anatomy) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (layer, spectrum) in anatomy.spectra.iter().enumerate() {
        let same =
            |group: &&mut Vec<usize>| anatomy.spectra[group[0]].wavelengths == spectrum.wavelengths;
        match groups.iter_mut().find(same) {
            Some(group) => group.push(layer),
            None => groups.push(vec![layer]),
        }
    }
    groups
}

const NORM: &str = "Mean 2-norm of a pair's chunk";

fn frequency_use(anatomy: &Anatomy) -> Part {
    let mut part = Part::new(
        "How each frequency is used",
        "A rotary encoding turns the coordinates `i` and `i + d/2` of queries and keys by one frequency. A pair whose \
         chunk is long can move the logit much, whatever the angle; a pair of short chunks cannot matter. Rows go from \
         the highest frequency to the lowest, named by how many tokens a full turn takes.",
    );
    let Some(main) = anatomy.frequency_use.first() else {
        return part;
    };
    let names = ["queries", "keys", "values"];
    for (which, name) in names.iter().enumerate() {
        for group in groups(anatomy) {
            let spectrum = &anatomy.spectra[group[0]];
            let columns: Vec<Vec<f64>> = group
                .iter()
                .map(|layer| main.layers[*layer].over_heads(which))
                .collect();
            let title = format!("Norms of {name} by layer and frequency");
            let chart = HeatMap::new(
                title,
                WAVELENGTH,
                (0..spectrum.wavelengths.len()).map(|pair| spectrum.label(pair)),
                "Layer",
                group.iter().map(ToString::to_string),
            )
            .subtitle(format!(
                "{}, mean over heads and {} tokens of {}",
                spectrum.encoding, main.tokens, main.text
            ))
            .values(NORM, transposed(&columns))
            .row_height(pair_rows(spectrum.wavelengths.len()));
            let file = if group.len() == anatomy.spectra.len() {
                format!("norms_{name}")
            } else {
                format!("norms_{name}_{}", spectrum.kind)
            };
            if which < 2 {
                part.figure(
                    file,
                    chart,
                    "Bright rows are the frequencies that a layer gives most of its length to. In Gemma 7B the low \
                     frequencies were by far the brightest in almost every layer (Figure 3), and the first and last layers \
                     used high ones too.",
                );
            } else {
                part.detail(
                    file,
                    chart,
                    "Values are not rotated, so their pairs mean nothing: a pattern here would be one of the measure, \
                     not of the encoding. In Gemma 7B there was none (Figure 13).",
                );
            }
        }
    }
    by_head(anatomy, &main.layers, &mut part);
    by_text(anatomy, &mut part);
    part
}

fn by_head(anatomy: &Anatomy, layers: &[LayerUse], part: &mut Part) {
    for layer in &anatomy.budget.layers {
        let spectrum = &anatomy.spectra[*layer];
        for (name, heads) in [
            ("queries", &layers[*layer].queries),
            ("keys", &layers[*layer].keys),
        ] {
            if heads.is_empty() {
                continue;
            }
            let chart = HeatMap::new(
                format!("Norms of {name} in layer {layer}, head by head"),
                WAVELENGTH,
                (0..spectrum.wavelengths.len()).map(|pair| spectrum.label(pair)),
                if name == "queries" {
                    "Query head"
                } else {
                    "Key-value head"
                },
                (0..heads.len()).map(|head| head.to_string()),
            )
            .values(NORM, transposed(heads))
            .row_height(pair_rows(spectrum.wavelengths.len()));
            part.detail(
                format!("norms_{name}_layer_{layer}"),
                chart,
                "A head that is bright at the top knows exact distances. In Gemma 7B's first layer heads 5 and 8 were, \
                 and they were the positional heads (Figures 4, 6 and 14 to 16).",
            );
        }
    }
}

fn by_text(anatomy: &Anatomy, part: &mut Part) {
    let texts = &anatomy.frequency_use;
    let pairs = |text: &crate::FrequencyUse, which: usize| -> Vec<f64> {
        let layers: Vec<Vec<f64>> = text.layers.iter().map(|l| l.over_heads(which)).collect();
        let layers: Vec<Vec<f64>> = layers.into_iter().filter(|l| !l.is_empty()).collect();
        let most = layers.iter().map(Vec::len).max().unwrap_or(0);
        (0..most)
            .map(|pair| {
                let of: Vec<f64> = layers.iter().filter_map(|l| l.get(pair)).copied().collect();
                of.iter().sum::<f64>() / of.len() as f64
            })
            .collect()
    };
    if texts.len() < 2 {
        return;
    }
    for (which, name) in ["queries", "keys"].iter().enumerate() {
        let columns: Vec<Vec<f64>> = texts.iter().map(|text| pairs(text, which)).collect();
        let rows = columns.iter().map(Vec::len).max().unwrap_or(0);
        let chart = HeatMap::new(
            format!("Norms of {name} on other texts"),
            WAVELENGTH,
            (0..rows).map(|pair| pair_label(anatomy, pair)),
            "Text",
            texts.iter().map(|text| text.text.clone()),
        )
        .subtitle("Mean over layers, heads and tokens")
        .values(NORM, transposed(&columns))
        .row_height(pair_rows(rows));
        let caption = "Columns that look alike say that the use of frequencies is the model's, not the text's. In Gemma 7B \
                       Italian, Chinese, code and arithmetic gave the pattern of English (Figure 19).";
        if which == 0 {
            part.figure(format!("norms_{name}_texts"), chart, caption);
        } else {
            part.detail(format!("norms_{name}_texts"), chart, caption);
        }
    }
}

fn heads(anatomy: &Anatomy) -> Part {
    let mut part = Part::new(
        "What heads look at",
        "Every score is a mean attention weight: 1 means that all of the attention goes there. The induction score is \
         taken on random tokens repeated once, where only a head that looks for the earlier copy of a token can know what \
         follows. `docs/anatomy.md` defines each.",
    );
    part.table("heads", ranking(anatomy));
    if anatomy.heads.len() <= 40 {
        let chart = HeatMap::new(
            "Scores of all heads",
            "Layer and head",
            anatomy.heads.iter().map(|h| head(h.layer, h.head)),
            "Looks at",
            [
                "diagonal",
                "previous token",
                "k back",
                "first token",
                "prefix match",
            ],
        )
        .values(
            "Mean attention weight",
            anatomy
                .heads
                .iter()
                .map(|h| Kind::ALL.iter().map(|kind| kind.score(h)).collect())
                .collect(),
        )
        .range(0.0, greatest(&anatomy.heads))
        .row_height(22.0);
        part.figure(
            "head_scores",
            chart,
            "A row that is bright in one column is a head with one job; prefix match is the induction score. Mind the scale: it \
             ends at the greatest score.",
        );
    } else {
        by_kind(anatomy, &mut part);
    }
    for (kind, map) in &anatomy.maps {
        part.detail(
            format!("map_{}", kind.name().replace(' ', "_")),
            attention_map(*kind, map),
            match kind {
                Kind::Diagonal | Kind::Previous | Kind::KBack => {
                    "A row is a query, a column a key. A positional head is a bright line along the diagonal; Gemma 7B has \
                     perfect ones in its first and last layers (Figure 5)."
                }
                Kind::First => {
                    "A bright first column is a head that rests on the first token. The paper's apostrophe head does so \
                     unless an apostrophe is at hand (Figure 7)."
                }
                Kind::Induction => {
                    "Random tokens, twice. An induction head's second half is a bright line one to the right of the earlier \
                     copy of each query's token."
                }
            },
        );
    }
    part
}

/// The greatest score of all, for one scale of all kinds.
fn greatest(heads: &[crate::HeadScores]) -> f64 {
    let scores = heads
        .iter()
        .flat_map(|h| Kind::ALL.map(|kind| kind.score(h)));
    scores.fold(0.0, f64::max)
}

fn ranking(anatomy: &Anatomy) -> Table {
    let mut table = Table::new("The heads most like each kind")
        .column(Column::left("looks at"))
        .column(Column::left("head"))
        .column(Column::number("weight", 3))
        .column(Column::number("entropy, nats", 2))
        .column(Column::left("second"))
        .column(Column::left("third"));
    for kind in Kind::ALL {
        let three = best(&anatomy.heads, kind, 3);
        let Some(first) = three.first() else {
            continue;
        };
        let other = |index: usize| {
            three.get(index).map_or_else(Cell::missing, |h| {
                Cell::text(format!("{} {:.3}", head(h.layer, h.head), kind.score(h)))
            })
        };
        table = table.row([
            Cell::text(words::column(kind, first)),
            Cell::text(head(first.layer, first.head)),
            Cell::number(kind.score(first)),
            Cell::number(first.entropy),
            other(1),
            other(2),
        ]);
    }
    table
}

/// Layers by heads, a map a kind.
fn by_kind(anatomy: &Anatomy, part: &mut Part) {
    let layers = anatomy.spectra.len();
    let heads = anatomy.heads.len() / layers.max(1);
    for kind in Kind::ALL {
        let rows: Vec<Vec<f64>> = anatomy
            .heads
            .chunks(heads.max(1))
            .map(|layer| layer.iter().map(|h| kind.score(h)).collect())
            .collect();
        let chart = HeatMap::new(
            format!("Attention to: {}", kind.name()),
            "Layer",
            (0..layers).map(|layer| layer.to_string()),
            "Head",
            (0..heads).map(|head| head.to_string()),
        )
        .values("Mean attention weight", rows)
        .range(0.0, greatest(&anatomy.heads))
        .row_height(pair_rows(layers));
        let caption = "A bright cell is a head with this job. Mind the scale: it ends at the greatest score of all kinds.";
        let name = format!("heads_{}", kind.name().replace(' ', "_"));
        if matches!(kind, Kind::Previous | Kind::Induction) {
            part.figure(name, chart, caption);
        } else {
            part.detail(name, chart, caption);
        }
    }
}

fn attention_map(kind: Kind, map: &AttentionMap) -> HeatMap {
    let names: Vec<String> = map
        .tokens
        .iter()
        .enumerate()
        .map(|(i, token)| format!("{i} {}", visible(token)))
        .collect();
    let rows = map
        .weights
        .iter()
        .map(|row| row.iter().map(|weight| f64::from(*weight)).collect())
        .collect();
    HeatMap::new(
        format!(
            "Attention of {}, the most {} head",
            head(map.layer, map.head),
            kind.name()
        ),
        "Query",
        names.clone(),
        "Key",
        (0..names.len()).map(|i| i.to_string()),
    )
    .values("Attention weight", rows)
    .range(0.0, 1.0)
    .row_height(16.0)
}

/// A token's text with what cannot be seen written out.
fn visible(text: &str) -> String {
    let text = text.replace('\n', "\u{23ce}").replace(' ', "\u{2423}");
    text.chars().take(14).collect()
}

fn positional(anatomy: &Anatomy) -> Part {
    let mut part = Part::new(
        "What makes a positional head",
        "For the head that is most diagonal, most previous-token and most k-back: what each pair adds to the logit at the \
         key it looks at, less the mean of what it adds at the query's other keys. The sum over pairs is the head's margin; \
         the larger a pair's part, the more of the head's work it does. The table names the wavelength of the pair with the largest part, \
         and how much of the margin comes from it and from the half of the pairs that turn faster.",
    );
    if anatomy.shares.is_empty() {
        return part;
    }
    let mut table = Table::new("Margins of the best positional heads")
        .column(Column::left("looks at"))
        .column(Column::left("head"))
        .column(Column::number("margin, logits", 2))
        .column(Column::left("largest pair"))
        .column(Column::number("its share, %", 0))
        .column(Column::number("faster half, %", 0));
    for (kind, share) in &anatomy.shares {
        let total = share.margin();
        let most = share.margins.iter().enumerate();
        let Some((pair, largest)) = most.max_by(|a, b| a.1.total_cmp(b.1)) else {
            continue;
        };
        let faster: f64 = share.margins[..share.margins.len() / 2].iter().sum();
        table = table.row([
            Cell::text(match kind {
                Kind::KBack => format!("{} back", share.distance),
                kind => kind.name().to_owned(),
            }),
            Cell::text(head(share.layer, share.head)),
            Cell::number(total),
            Cell::text(anatomy.spectra[share.layer].label(pair)),
            percent_of(*largest, total),
            percent_of(faster, total),
        ]);
    }
    part.table("margins", table);
    let columns: Vec<Vec<f64>> = anatomy
        .shares
        .iter()
        .map(|(_, s)| s.margins.clone())
        .collect();
    let rows = columns.iter().map(Vec::len).max().unwrap_or(0);
    let name = |(kind, share): &(Kind, crate::LogitShare)| {
        let what = match kind {
            Kind::KBack => format!("{} back", share.distance),
            kind => kind.name().to_owned(),
        };
        format!("{what} {}", head(share.layer, share.head))
    };
    let chart = HeatMap::new(
        "Which pairs carry a positional head's logit",
        WAVELENGTH,
        (0..rows).map(|pair| pair_label(anatomy, pair)),
        "Head",
        anatomy.shares.iter().map(name),
    )
    .values(
        "Logit at the key looked at, less the mean of the others",
        transposed(&columns),
    )
    .diverging(0.0)
    .row_height(pair_rows(rows));
    part.figure(
        "positional_shares",
        chart,
        "Theorem 5.3 builds positional heads from any rotated pair, and cheapest from the highest frequencies. In Gemma 7B \
         they are made of the highest (Figures 6 and 14 to 16). Without rotation no pair can do it in a first layer \
         (Proposition 5.2); deeper layers can, from what earlier ones wrote.",
    );
    part
}

/// Margins below this many logits have no shares worth a number.
const LEAST_MARGIN: f64 = 0.5;

fn percent_of(part: f64, margin: f64) -> Cell {
    if margin < LEAST_MARGIN {
        Cell::missing()
    } else {
        Cell::number(100.0 * part / margin)
    }
}

/// Columns of the chart of separations.
const MOST_SEPARATIONS: usize = 8;

fn classes(anatomy: &Anatomy) -> Part {
    let mut part = Part::new(
        "Pairs as channels for a class of tokens",
        "In Gemma 7B's apostrophe head a band of low frequencies is a channel: it says `not an apostrophe, rest on the first \
         token` (Figure 7). Here the same is looked for in every head and for every class of tokens: how much higher the logit \
         is at keys of the class than at others, pair by pair. Shown are the heads furthest apart.",
    );
    let shown = &anatomy.separations[..anatomy.separations.len().min(MOST_SEPARATIONS)];
    let letter = |index: usize| char::from(b'A' + index as u8).to_string();
    let mut table = Table::new("Heads that tell a class of keys from the others")
        .column(Column::left(""))
        .column(Column::left("class"))
        .column(Column::left("head"))
        .column(Column::number("logits apart", 2))
        .column(Column::number("attention to the class, %", 1))
        .column(Column::number("its share of keys, %", 1));
    for (index, separation) in shown.iter().enumerate() {
        let class = CLASSES.iter().position(|name| *name == separation.class);
        let scores = anatomy
            .heads
            .iter()
            .find(|h| (h.layer, h.head) == (separation.layer, separation.head));
        let weight = scores.zip(class).map(|(h, class)| h.class_weight[class]);
        let share = class.map(|class| anatomy.class_share[class]);
        let percent = |x: Option<f64>| x.map_or_else(Cell::missing, |x| Cell::number(100.0 * x));
        table = table.row([
            Cell::text(letter(index)),
            Cell::text(&separation.class),
            Cell::text(head(separation.layer, separation.head)),
            Cell::number(separation.total()),
            percent(weight),
            percent(share),
        ]);
    }
    if shown.is_empty() {
        return part;
    }
    part.table("classes", table);
    let columns: Vec<Vec<f64>> = shown.iter().map(|s| s.by_pair.clone()).collect();
    let rows = columns.iter().map(Vec::len).max().unwrap_or(0);
    let chart = HeatMap::new(
        "Which pairs separate the class",
        WAVELENGTH,
        (0..rows).map(|pair| pair_label(anatomy, pair)),
        "Head and class, as in the table",
        (0..shown.len()).map(letter),
    )
    .values(
        "Logit at keys of the class, less that at others",
        transposed(&columns),
    )
    .diverging(0.0)
    .row_height(pair_rows(rows));
    part.figure(
        "channels",
        chart,
        "Few strong rows at the bottom are a low-frequency channel, as in Gemma 7B, where one band near a frequency of 2e-4 \
         gave +24.9 logits for the first token and -85.5 for others. Rows all over are a head that uses its pairs alike.",
    );
    part
}

fn ablation(anatomy: &Anatomy) -> Part {
    let ablation = &anatomy.ablation;
    let mut part = Part::new(
        "Which frequencies are needed",
        format!(
            "Beyond the paper: a long chunk may still be idle. Pairs are parted into {} bands, and one band at a time is either \
             removed from the logits or left unrotated, in the trained model, without training it again. The loss is that of \
             {} windows of {} tokens of {} (single layers and heads: {} windows); without ablation it is {:.3} nats a token. A trained model expects what it was trained \
             with: damage says that a band is used, not that a model trained without it would be worse.",
            ablation.bands,
            ablation.windows,
            ablation.length,
            ablation.text,
            ablation.layer_windows,
            ablation.baseline.loss
        ),
    );
    part.figure(
        "removed",
        damages(anatomy, "A band removed from the logits of all layers", &ablation.removed),
        "95% t intervals over the text's windows, paired with the same windows without ablation: how sure this is for this \
         model and this kind of text, not for other seeds.",
    );
    part.figure(
        "unrotated",
        damages(anatomy, "A band left unrotated in all layers", &ablation.unrotated),
        "What the rotation of a band is worth to this model. A pair of a wavelength far beyond the text hardly turns, so \
         that leaving it unrotated changes next to nothing. A pair that is never rotated changes nothing at all.",
    );
    for (name, title, layers) in [
        (
            "removed_by_layer",
            "A band removed in one layer",
            &ablation.removed_by_layer,
        ),
        (
            "unrotated_by_layer",
            "A band left unrotated in one layer",
            &ablation.unrotated_by_layer,
        ),
    ] {
        part.figure(
            name,
            damage_map(
                anatomy,
                title,
                "Layer",
                (0..layers.len()).map(|l| l.to_string()),
                layers,
            ),
            "Where in the model the band is needed.",
        );
    }
    part.table(
        "probes_removed",
        probes(anatomy, "A band removed", &ablation.removed),
    );
    part.table(
        "probes_unrotated",
        probes(anatomy, "A band unrotated", &ablation.unrotated),
    );
    damage_by_head(anatomy, &mut part);
    damage_by_position(anatomy, &mut part);
    part
}

fn damage_by_head(anatomy: &Anatomy, part: &mut Part) {
    for of_layer in &anatomy.ablation.heads {
        let layer = of_layer.layer;
        let heads = (0..of_layer.removed.len()).map(|head| head.to_string());
        part.detail(
            format!("removed_by_head_layer_{layer}"),
            damage_map(
                anatomy,
                &format!("A band removed in one head of layer {layer}"),
                "Head",
                heads,
                &of_layer.removed,
            ),
            "Which head needs it. Only removing can be done head by head: heads that share keys share their rotation.",
        );
    }
}

fn damage_by_position(anatomy: &Anatomy, part: &mut Part) {
    let ablation = &anatomy.ablation;
    let columns: Vec<Vec<f64>> = transposed(
        &ablation
            .removed
            .iter()
            .map(|d| d.by_position.clone())
            .collect::<Vec<_>>(),
    );
    let chart = HeatMap::new(
        "A band removed in all layers, by position",
        "Wavelength of the band in tokens",
        (0..ablation.bands).map(|index| band_label(anatomy, index)),
        "Position in the window",
        ablation
            .positions
            .iter()
            .map(|(first, end)| format!("{first}-{}", end - 1)),
    )
    .values(
        "Loss, difference from no ablation, nats",
        transposed(&columns),
    )
    .diverging(0.0);
    part.detail(
        "removed_by_position",
        chart,
        "Whether the damage grows with the text before a token.",
    );
}

fn damages(anatomy: &Anatomy, title: &str, damages: &[Damage]) -> Intervals {
    let axis = Axis::linear("Loss, difference from no ablation").unit("nats per token");
    let mut chart = Intervals::new(title, axis).subtitle("By wavelength of the band in tokens");
    for (index, damage) in damages.iter().enumerate() {
        let (low, high) = damage.interval.unwrap_or((damage.loss, damage.loss));
        chart = chart.effect(Effect::new(
            band_label(anatomy, index),
            damage.loss,
            low,
            high,
        ));
    }
    chart
}

/// Bands by columns.
fn damage_map(
    anatomy: &Anatomy,
    title: &str,
    column_title: &str,
    columns: impl Iterator<Item = String>,
    damages: &[Vec<Damage>],
) -> HeatMap {
    let losses: Vec<Vec<f64>> = damages
        .iter()
        .map(|bands| bands.iter().map(|damage| damage.loss).collect())
        .collect();
    HeatMap::new(
        title,
        "Wavelength of the band in tokens",
        (0..anatomy.ablation.bands).map(|index| band_label(anatomy, index)),
        column_title,
        columns,
    )
    .values(
        "Loss, difference from no ablation, nats",
        transposed(&losses),
    )
    .diverging(0.0)
    .decimals(3)
}

fn probes(anatomy: &Anatomy, what: &str, damages: &[Damage]) -> Table {
    let mut table = Table::new(format!(
        "{what} in all layers, differences from no ablation"
    ))
    .column(Column::left("band, wavelength in tokens"))
    .column(Column::number("loss of the text", 3))
    .column(Column::number("loss of the second copy", 3))
    .column(Column::number("attention to the token before", 3));
    for (index, damage) in damages.iter().enumerate() {
        table = table.row([
            Cell::text(band_label(anatomy, index)),
            Cell::number(damage.loss),
            Cell::number(damage.second_copy),
            Cell::number(damage.previous),
        ]);
    }
    table
}
