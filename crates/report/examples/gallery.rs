//! Every chart and table the crate makes, with made-up numbers of a realistic kind:
//! `cargo run -p report --example gallery -- FOLDER` writes `report.html`, SVG, PNG and CSV there.

use std::path::Path;
use std::{env, fs, io};

use report::chart::{Chart, Effect, HeatMap, Intervals, Line, Point, Series};
use report::{Axis, Block, Cell, Column, Page, Section, Table};

/// Variants with the loss they start from, how much context helps, and how they fail beyond 1,024 tokens.
const VARIANTS: [(&str, f64, f64, f64); 7] = [
    ("RoPE, base 10,000", 3.412, 0.052, 0.110),
    ("RoPE, base 500,000", 3.409, 0.055, 0.031),
    ("p-RoPE 0.75", 3.404, 0.056, 0.012),
    ("p-RoPE 0.25", 3.418, 0.054, 0.004),
    (
        "p-RoPE 0.75, partial: the highest frequencies rotate",
        3.406,
        0.055,
        0.014,
    ),
    ("p-RoPE 0.75, reversed", 3.431, 0.050, 0.064),
    ("NoPE", 3.466, 0.047, 0.022),
];

const LENGTHS: [u32; 9] = [128, 256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768];

fn main() -> io::Result<()> {
    let folder = env::args()
        .nth(1)
        .unwrap_or_else(|| "target/gallery".to_owned());
    let folder = Path::new(&folder);
    fs::create_dir_all(folder)?;
    write_chart(folder, "loss_by_length", &loss_by_length())?;
    write_chart(folder, "differences", &differences())?;
    write_chart(folder, "needle", &needle())?;
    write_chart(folder, "frequencies", &frequencies())?;
    write_chart(folder, "wavelengths", &wavelengths())?;
    let table = perplexities();
    fs::write(folder.join("table.md"), table.to_markdown())?;
    fs::write(folder.join("table.tex"), table.to_latex())?;
    fs::write(folder.join("table.csv"), table.to_csv())?;
    println!("{}", table.to_text());
    fs::write(folder.join("report.html"), page().to_html())?;
    println!("{}", folder.join("report.html").display());
    Ok(())
}

fn write_chart(folder: &Path, name: &str, chart: &impl Chart) -> io::Result<()> {
    fs::write(folder.join(format!("{name}.svg")), chart.to_svg())?;
    fs::write(folder.join(format!("{name}.csv")), chart.to_csv())?;
    for (theme, suffix) in [(report::Theme::Light, ""), (report::Theme::Dark, "_dark")] {
        let png = chart.to_png(theme, 2.0).map_err(io::Error::other)?;
        fs::write(folder.join(format!("{name}{suffix}.png")), png)?;
    }
    Ok(())
}

fn page() -> Page {
    Page::new("Which positional encoding, at which context length?")
        .headline(
            "Within the 1,024 tokens of training all seven encodings are within 2% of each other; beyond, \
             p-RoPE 0.75 keeps its loss while RoPE with base 10,000 loses 0.2 nats by 8,192 tokens.",
        )
        .fact("Commit", "`8acff3c`")
        .fact("Device", "AMD EPYC, 2 cores")
        .fact("Seeds", "5 a variant")
        .fact("Protocol", "final-tokens/1")
        .fact("Made", "2026-11-23")
        .section(
            Section::new("Loss by context length")
                .prose(
                    "The same 64 final tokens of each window are scored at every context length, so that a \
                     line shows what context is worth and nothing else.\n\n\
                     The numbers on this page are made up: it shows what `report` draws.",
                )
                .chart(
                    &loss_by_length(),
                    "Lines nearly coincide up to the training length. Bands are 95% bootstrap intervals over \
                     documents.",
                ),
        )
        .section(
            Section::new("How sure")
                .prose("Paired by document and seed, the differences are far surer than the losses.")
                .chart(
                    &differences(),
                    "Paired bootstrap over 312 documents and 5 seeds, 10,000 resamples.",
                )
                .table(perplexities()),
        )
        .section(
            Section::new("Needle in a haystack")
                .chart(&needle(), "20 needles a cell; two cells ran out of memory.")
                .details(
                    "Where the rotation goes: use of frequencies by layer",
                    [
                        Block::prose("Mean norm of queries and keys by rotary frequency, less that of layer means."),
                        Block::chart(&frequencies(), ""),
                    ],
                )
                .details(
                    "Base wavelength",
                    [Block::chart(
                        &wavelengths(),
                        "A single seed a point; the gap is a run that diverged.",
                    )],
                ),
        )
}

fn loss(variant: usize, length: u32) -> f64 {
    let (_, start, gain, failure) = VARIANTS[variant];
    let doublings = f64::from(length).log2() - 7.0;
    let beyond = (doublings - 3.0).max(0.0);
    let wobble = 0.0015 * (f64::from(length).sqrt() * (variant as f64 + 1.3)).sin();
    start - gain * doublings.min(4.0).sqrt() + failure * beyond.powf(1.15) * 0.55 + wobble
}

fn loss_by_length() -> Line {
    let mut chart = Line::new("Beyond the training length the encodings part")
        .subtitle("Loss of the same final tokens, given more and more context before them")
        .x(Axis::log2("Context length").unit("tokens"))
        .y(Axis::linear("Loss").unit("nats per token, lower is better"))
        .reference(1024.0, "training length");
    for (variant, (name, ..)) in VARIANTS.iter().enumerate() {
        let points = LENGTHS.iter().map(|length| {
            let y = loss(variant, *length);
            let half = 0.006 + 0.002 * (f64::from(*length).log2() - 7.0);
            // 32,768 tokens at base 10,000 were not evaluated.
            let y = if variant == 0 && *length == 32_768 {
                f64::NAN
            } else {
                y
            };
            Point::new(f64::from(*length), y).band(y - half, y + half)
        });
        chart = chart.series(Series::new(*name, points));
    }
    chart
}

fn differences() -> Intervals {
    let mut chart = Intervals::new(
        "At 8,192 tokens most variants beat RoPE with base 10,000",
        Axis::linear("Difference in loss from RoPE, base 10,000").unit("nats per token"),
    )
    .subtitle("Paired by document and seed")
    .directions("better than RoPE", "worse");
    for (variant, (name, ..)) in VARIANTS.iter().enumerate().skip(1) {
        let estimate = loss(variant, 8192) - loss(0, 8192);
        let half = if variant == 5 {
            0.130
        } else {
            0.021 + 0.004 * variant as f64
        };
        chart = chart.effect(Effect::new(
            *name,
            estimate,
            estimate - half,
            estimate + half * 1.1,
        ));
    }
    chart
        .effect(Effect::new("YaRN, scale 8", f64::NAN, f64::NAN, f64::NAN))
        .effect(Effect::new("Sinusoidal, as of 2017", 0.064, 0.021, 0.109))
}

fn needle() -> HeatMap {
    let rows: Vec<String> = (0..9).map(|row| format!("{}%", row * 100 / 8)).collect();
    let columns = ["1,024", "2,048", "4,096", "8,192", "16,384"];
    let values = (0..9_i32)
        .map(|row| {
            (0..5_i32)
                .map(|column| {
                    let middle = 1.0 - f64::from((row - 4).abs()) / 4.0;
                    let value = 1.0 - 0.045 * f64::from(column * column) * (0.35 + middle);
                    if column == 4 && (row == 3 || row == 4) {
                        f64::NAN
                    } else {
                        value.clamp(0.0, 1.0)
                    }
                })
                .collect()
        })
        .collect();
    HeatMap::new(
        "Needles in the middle are lost first",
        "Depth of the needle",
        rows,
        "Context length (tokens)",
        columns,
    )
    .subtitle("p-RoPE 0.75, trained on 1,024 tokens")
    .values("Accuracy, fraction of needles found", values)
}

fn frequencies() -> HeatMap {
    let values = (0..12_i32)
        .map(|layer| {
            (0..64_i32)
                .map(|frequency| {
                    let (layer, frequency) = (f64::from(layer), f64::from(frequency));
                    0.9 * (-(frequency - 50.0 + layer).powi(2) / 160.0).exp()
                        - 0.55 * (-(frequency - 12.0).powi(2) / (60.0 + 20.0 * layer)).exp()
                        + 0.05 * (layer * 5.1 + frequency * 2.3).sin()
                })
                .collect()
        })
        .collect();
    HeatMap::new(
        "Low frequencies carry most of the norm",
        "Layer",
        (0..12).map(|layer| layer.to_string()),
        "Rotary frequency, high to low",
        (0..64).map(|frequency| frequency.to_string()),
    )
    .values("Norm, difference from the layer's mean", values)
    .diverging(0.0)
}

fn wavelengths() -> Line {
    let bases: [f64; 7] = [1e2, 1e3, 1e4, 1e5, 5e5, 1e6, 1e7];
    let series = |name: &str, best: f64, depth: f64| {
        let points = bases.iter().enumerate().map(|(index, base)| {
            let y = 31.0 + depth * (base.log10() - best).powi(2);
            let is_lost = index == 3 && depth > 1.0;
            Point::new(*base, if is_lost { f64::NAN } else { y })
        });
        Series::new(name, points)
    };
    Line::new("The best base grows with the context")
        .x(Axis::log10("Base wavelength"))
        .y(Axis::linear("Perplexity").unit("lower is better"))
        .series(series("1,024 tokens", 4.1, 0.55))
        .series(series("4,096 tokens", 4.9, 0.85))
        .series(series("8,192 tokens", 5.4, 1.15))
        .series(
            series(
                "trained and evaluated at 1,024 tokens, without packing",
                4.0,
                0.4,
            )
            .muted(),
        )
}

fn perplexities() -> Table {
    let lengths = [1024, 2048, 4096, 8192];
    let mut table = Table::new("Perplexity with 95% intervals").column(Column::left("Encoding"));
    for length in ["1,024", "2,048", "4,096", "8,192"] {
        table = table.column(Column::number(length, 2));
    }
    for (variant, (name, ..)) in VARIANTS.iter().enumerate() {
        let cells = lengths.iter().map(|length| {
            let value = loss(variant, *length).exp();
            let cell = Cell::interval(value, value * 0.984, value * 1.018);
            let least = (0..VARIANTS.len())
                .map(|other| loss(other, *length))
                .fold(f64::INFINITY, f64::min);
            let cell = if loss(variant, *length) <= least {
                cell.best()
            } else {
                cell
            };
            let is_apart = (loss(variant, *length) - loss(0, *length)).abs() > 0.03;
            if is_apart { cell.significant() } else { cell }
        });
        table = table.row(std::iter::once(Cell::text(*name)).chain(cells));
    }
    table.marks(
        "lowest of its column",
        "95% interval of the paired difference from RoPE, base 10,000, excludes 0",
    )
}
