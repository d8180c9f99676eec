//! Nothing that a caller passes is read as markup.

use report::chart::{Chart, Effect, HeatMap, Intervals, Line, Point, Series};
use report::{Axis, Block, Cell, Column, Page, Section, Table};
use roxmltree::Document;

const EVIL: &str =
    "<script>alert('1')</script> & \"x\" ]]> <!-- \u{1}\u{b} \\x{y}_%$#^~ | `<b>` *a*";

fn charts() -> Vec<String> {
    let axis = || Axis::linear(EVIL).unit(EVIL);
    let line = Line::new(EVIL)
        .subtitle(EVIL)
        .x(axis())
        .y(axis())
        .reference(1.5, EVIL)
        .series(Series::new(
            EVIL,
            [Point::new(1.0, 2.0), Point::new(2.0, 3.0)],
        ));
    let map = HeatMap::new(EVIL, EVIL, [EVIL, "b"], EVIL, [EVIL, "d"])
        .subtitle(EVIL)
        .values(EVIL, vec![vec![1.0, 2.0], vec![3.0]]);
    let forest = Intervals::new(EVIL, axis())
        .subtitle(EVIL)
        .directions(EVIL, EVIL)
        .level(EVIL)
        .effect(Effect::new(EVIL, 1.0, 0.5, 1.5));
    [320.0, 760.0]
        .into_iter()
        .flat_map(|width| {
            [
                line.to_svg_of_width(width),
                map.to_svg_of_width(width),
                forest.to_svg_of_width(width),
            ]
        })
        .collect()
}

#[test]
fn svg_is_xml_without_elements_of_the_callers() {
    for svg in charts() {
        let document = Document::parse(&svg).unwrap_or_else(|error| panic!("{error}: {svg}"));
        for node in document.descendants().filter(roxmltree::Node::is_element) {
            let name = node.tag_name().name();
            assert!(
                !matches!(name, "script" | "b" | "foreignObject" | "a"),
                "{name}"
            );
            let is_handler = |a: roxmltree::Attribute| a.name().starts_with("on");
            assert!(!node.attributes().any(is_handler));
        }
        let title = document
            .root_element()
            .children()
            .find(|node| node.has_tag_name("title"))
            .and_then(|node| node.text())
            .unwrap();
        assert!(
            title.starts_with("<script>alert('1')</script> & \"x\" ]]>"),
            "{title}"
        );
    }
}

fn table() -> Table {
    Table::new(EVIL)
        .column(Column::left(EVIL))
        .column(Column::number(EVIL, 2))
        .row([Cell::text(EVIL).best(), Cell::number(1.0).significant()])
        .marks(EVIL, EVIL)
}

#[test]
fn a_page_has_no_scripts_and_no_elements_of_the_callers() {
    let line = Line::new(EVIL).series(Series::new(EVIL, [Point::new(1.0, 2.0)]));
    let html = Page::new(EVIL)
        .headline(EVIL)
        .fact(EVIL, EVIL)
        .section(
            Section::new(EVIL)
                .prose(EVIL)
                .chart(&line, EVIL)
                .table(table())
                .details(EVIL, [Block::prose(EVIL)]),
        )
        .to_html();
    let lower = html.to_lowercase();
    for forbidden in [
        "<script",
        "<b>",
        "<!--",
        "javascript:",
        " onload",
        "src=",
        "http://",
        "https://",
    ] {
        let expected = if forbidden == "http://" {
            // The names of the SVG namespace, which nothing is loaded from.
            lower.matches("http://www.w3.org/2000/svg").count()
        } else {
            0
        };
        assert_eq!(lower.matches(forbidden).count(), expected, "{forbidden}");
    }
    let data = html
        .split("href=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    assert!(
        data.unwrap()
            .starts_with("data:text/csv;charset=utf-8,series%2C")
    );
}

#[test]
fn markdown_stays_one_cell_and_plain_text() {
    let markdown = table().to_markdown();
    let rows: Vec<&str> = markdown
        .lines()
        .filter(|line| line.starts_with('|'))
        .collect();
    assert_eq!(rows.len(), 3);
    let row = rows[2];
    let bars = row.replace("\\|", "").matches('|').count();
    assert_eq!(bars, 3, "{row}");
    assert!(!markdown.contains("<script"));
    assert!(row.contains("\\`&lt;b&gt;\\` \\*a\\*"), "{row}");
}

#[test]
fn latex_has_no_active_character_of_the_callers() {
    let latex = table().to_latex();
    let row = latex
        .lines()
        .find(|line| line.starts_with("\\textbf"))
        .unwrap();
    assert!(
        row.contains("\\textbackslash{}x\\{y\\}\\_\\%\\$\\#\\textasciicircum{}\\textasciitilde{}")
    );
    assert!(row.contains("\\textless{}script\\textgreater{}"));
    assert!(row.ends_with("$1.00$\\rlap{$^{*}$} \\\\"), "{row}");
    assert_eq!(row.replace("\\&", "").matches('&').count(), 1);
}

#[test]
fn a_terminal_gets_no_control_characters() {
    let text = table().to_text();
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
}
