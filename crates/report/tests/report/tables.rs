//! Tables in each format.

use report::{Cell, Column, Table};

fn table() -> Table {
    Table::new("Perplexity")
        .column(Column::left("encoding"))
        .column(Column::number("1,024", 2))
        .column(Column::number("delta", 1))
        .column(Column::center("note"))
        .row([
            Cell::text("RoPE"),
            Cell::interval(1234.5, 999.0, 1500.25),
            Cell::plus_minus(-0.04, 0.5),
            Cell::text("reference"),
        ])
        .row([
            Cell::text("p-RoPE"),
            Cell::interval(9.125, 8.0, 10.0).best().significant(),
            Cell::number(f64::NAN),
        ])
}

#[test]
fn markdown() {
    let expected = "Perplexity\n\n\
        | encoding | 1,024 | delta | note |\n\
        | :--- | ---: | ---: | :---: |\n\
        | RoPE | 1234.50 [999.00, 1500.25] | 0.0 ± 0.5 | reference |\n\
        | p-RoPE | **9.12 [8.00, 10.00]**\\* | - | - |\n\n\
        **Bold**: best of its column. \\*: 95% interval of the difference from the reference excludes 0.\n";
    assert_eq!(table().to_markdown(), expected);
}

#[test]
fn latex() {
    let latex = table().to_latex();
    for part in [
        "\\begin{tabular}{lrrc}\n\\toprule\nencoding & 1,024 & delta & note \\\\\n\\midrule\n",
        "RoPE & $1234.50$ {[}$999.00$, $1500.25${]} & $0.0 \\pm 0.5$ & reference \\\\\n",
        "p-RoPE & $\\mathbf{9.12}$ {[}$8.00$, $10.00${]}\\rlap{$^{*}$} & -- & -- \\\\\n\\bottomrule\n",
        "\\caption{Perplexity}\n",
    ] {
        assert!(latex.contains(part), "{part}\nis not in\n{latex}");
    }
    assert_eq!(
        latex.matches("\\begin").count(),
        latex.matches("\\end").count()
    );
}

#[test]
fn text_is_aligned() {
    let expected = "Perplexity\n\n  \
        encoding                         1,024           delta     note\n  \
        --------   -----------------------------   -----------   ---------\n";
    let text = table().to_text();
    let lines: Vec<&str> = text.lines().collect();
    assert!(expected.starts_with(lines[0]));
    let place = |line: &str, what: &str| line.find(what).map(|byte| line[..byte].chars().count());
    // The brackets and the points of the values are below each other.
    assert_eq!(place(lines[4], " ["), place(lines[5], " ["));
    assert_eq!(
        place(lines[4], "1234.50").map(|p| p + 4),
        place(lines[5], "9.12").map(|p| p + 1)
    );
    assert!(lines[5].contains("10.00]^*"), "{text}");
    assert!(lines[4].contains("1500.25]  "), "{text}");
    assert!(text.lines().all(|line| line == line.trim_end()));
    assert!(text.ends_with(
        "  ^ best of its column\n  * 95% interval of the difference from the reference excludes 0\n"
    ));
}

#[test]
fn html() {
    let html = table().to_html();
    let document = roxmltree::Document::parse(&format!("<div>{html}</div>"))
        .map(|_| ())
        .map_err(|error| error.to_string());
    assert_eq!(document, Ok(()));
    assert!(html.contains("<th scope=\"row\" class=\"left\">p-RoPE</th>"));
    assert!(html.contains("<th scope=\"col\" class=\"center\">note</th>"));
    assert!(html.contains(
        "<strong>\u{2007}\u{2007}\u{2007}\u{2007}9.12 <span class=\"interval\">[\u{2007}\u{2007}8.00, \
         \u{2007}\u{2007}\u{2007}10.00]</span></strong><span class=\"mark\">*</span>"
    ), "{html}");
}

#[test]
fn marks_that_do_not_occur_are_not_explained() {
    let table = Table::new("")
        .column(Column::number("x", 0))
        .row([Cell::number(1.0)]);
    assert_eq!(table.to_markdown(), "| x |\n| ---: |\n| 1 |\n");
    assert_eq!(table.to_text(), "  x\n  -\n  1\n");
    assert!(!table.to_html().contains("marks"));
}

#[test]
fn tables_without_columns_or_rows() {
    let empty = Table::new("");
    for text in [
        empty.to_text(),
        empty.to_csv(),
        empty.to_markdown(),
        empty.to_latex(),
        empty.to_html(),
    ] {
        assert!(!text.contains("NaN"));
    }
    let ragged = Table::new("")
        .column(Column::left("a"))
        .row([])
        .row([Cell::text("x"), Cell::text("beyond").best()]);
    assert!(!ragged.to_csv().contains("beyond"));
    assert!(!ragged.to_text().contains('^'));
}

#[test]
fn huge_tiny_and_infinite_numbers() {
    let table = Table::new("")
        .column(Column::number("x", 3))
        .row([Cell::number(1e300)])
        .row([Cell::number(-1e-300)])
        .row([Cell::number(f64::NEG_INFINITY)]);
    let text = table.to_text();
    assert!(
        text.contains("1.000e300") && text.contains("0.000") && text.contains("-inf"),
        "{text}"
    );
    let latex = table.to_latex();
    assert!(
        latex.contains("$1.000 \\cdot 10^{300}$") && latex.contains("$-\\infty$"),
        "{latex}"
    );
    assert!(table.to_html().contains("10³⁰⁰"));
}
