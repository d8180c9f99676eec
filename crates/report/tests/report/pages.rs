//! Pages as a browser and a screen reader take them.

use std::collections::HashSet;

use report::chart::{HeatMap, Line, Point, Series};
use report::{Block, Cell, Column, Page, Section, Table};
use roxmltree::{Document, Node};

fn page() -> String {
    let line = Line::new("Loss").series(Series::new(
        "s",
        [Point::new(1.0, 2.0), Point::new(2.0, 1.0)],
    ));
    let map = HeatMap::new("Map", "r", ["a"], "c", ["b", "c"]).values("v", vec![vec![1.0, 2.0]]);
    let table = Table::new("Numbers")
        .column(Column::left("a"))
        .row([Cell::text("b")]);
    Page::new("Title")
        .headline("It works.")
        .fact("seeds", "5")
        .section(
            Section::new("One")
                .prose("First.\n\nSecond.")
                .chart(&line, "A line."),
        )
        .section(Section::new("Two").chart(&map, "").table(table).details(
            "More",
            [Block::prose("Hidden."), Block::chart(&line, "Again.")],
        ))
        .to_html()
}

/// The page read as XML, which it is but for the tags that HTML leaves open.
fn with_document<T>(html: &str, use_it: impl Fn(&Document) -> T) -> T {
    let mut xml = html.replace("<!DOCTYPE html>\n", "");
    for start in ["<meta "] {
        let mut from = 0;
        while let Some(at) = xml[from..].find(start) {
            let end = from + at + xml[from + at..].find('>').unwrap();
            xml.insert(end, '/');
            from = end;
        }
    }
    let document = Document::parse(&xml).unwrap_or_else(|error| panic!("{error}"));
    use_it(&document)
}

#[test]
fn a_page_is_well_formed_and_ids_are_unique() {
    with_document(&page(), |document| {
        let ids: Vec<&str> = document
            .descendants()
            .filter_map(|node| node.attribute("id"))
            .collect();
        let unique: HashSet<&&str> = ids.iter().collect();
        assert_eq!(ids.len(), unique.len());
        for node in document.descendants() {
            for attribute in node.attributes() {
                for part in attribute.value().split("url(#").skip(1) {
                    let id = part.trim_end_matches(')');
                    assert!(ids.contains(&id), "{id}");
                }
            }
        }
    });
}

#[test]
fn structure_is_what_a_screen_reader_needs() {
    with_document(&page(), |document| {
        let count = |name: &str| {
            document
                .descendants()
                .filter(|n| n.has_tag_name(name))
                .count()
        };
        assert_eq!((count("h1"), count("h2"), count("main")), (1, 2, 1));
        assert_eq!(document.root_element().attribute("lang"), Some("en"));
        let figures: Vec<Node> = document
            .descendants()
            .filter(|n| n.has_tag_name("figure"))
            .collect();
        assert_eq!(figures.len(), 3);
        for figure in figures {
            assert!(figure.children().any(|n| n.has_tag_name("figcaption")));
            let drawings: Vec<Node> = figure
                .descendants()
                .filter(|n| n.tag_name().name() == "svg")
                .collect();
            assert_eq!(drawings.len(), 3);
            for drawing in drawings {
                assert_eq!(drawing.attribute("role"), Some("img"));
                let names: Vec<&str> = drawing
                    .children()
                    .take(2)
                    .map(|n| n.tag_name().name())
                    .collect();
                assert_eq!(names, ["title", "desc"]);
            }
        }
        assert_eq!(count("details"), count("summary"));
    });
}

#[test]
fn a_page_is_complete_in_itself() {
    let html = page();
    assert!(html.contains("default-src 'none'; style-src 'unsafe-inline'"));
    for forbidden in ["<script", "<link", "<img", "@import", "url(http", "src="] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
    assert!(html.contains("prefers-color-scheme:dark") && html.contains("@media print"));
    assert!(html.contains("width=device-width"));
    assert!(html.contains("<p>First.</p><p>Second.</p>"));
    assert!(html.contains("<a download=\"loss.csv\""));
}

#[test]
fn an_empty_page_is_a_page() {
    with_document(&Page::new("").to_html(), |document| {
        assert_eq!(document.root_element().tag_name().name(), "html");
    });
}
