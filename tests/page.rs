//! A report as one HTML page: everything within it, nothing of the user's taken for HTML, the same bytes each time.

use std::collections::BTreeSet;

use retake::report::animation::gif;
use retake::report::document::{
    Document, Extra, Figure, Files, Measured, Origin, Place, Prose, Provenance, Section, Series,
    Setting,
};
use retake::report::grid::png;
use retake::report::mermaid::Vertex;
use retake::report::page::{Live, LiveGroup, LiveNode, render, render_live};
use retake::report::summary::{Pick, Summary, SummaryCell, SummaryColumn, SummaryRow};

use image::{Rgb, RgbImage};

const SVG: &str = "<svg width=\"80\" height=\"40\" xmlns=\"http://www.w3.org/2000/svg\">\n<text id=\"a\">ü # % ' &amp;</text></svg>";

fn picture(level: u8) -> RgbImage {
    RgbImage::from_fn(12, 8, |x, y| Rgb([level, x as u8 * 20, y as u8 * 30]))
}

fn cell(text: &str, mean: Option<f64>, best: bool) -> SummaryCell {
    SummaryCell {
        text: text.to_owned(),
        mean,
        sd: None,
        interval: None,
        range: String::new(),
        n: 3,
        best,
        mark: "",
        protocol: String::new(),
        method: String::new(),
        samples: 1000,
    }
}

fn row(name: &str, cell: SummaryCell) -> SummaryRow {
    SummaryRow {
        name: name.to_owned(),
        labels: vec!["scores".to_owned(), name.to_owned()],
        runs: 3,
        outcome: "ok".to_owned(),
        cells: vec![cell],
    }
}

/// A report of `runs` runs with a chart, a still and an animation each.
fn report(runs: usize) -> (Document, Files) {
    let mut files = Files::default();
    let figure = |files: &mut Files, bytes: Vec<u8>, extension: &str, caption: &str| {
        files.add(bytes, extension, caption.to_owned())
    };
    let chart = figure(&mut files, SVG.into(), "svg", "fid by epoch: all runs");
    let still = figure(
        &mut files,
        png(&picture(9)).unwrap(),
        "png",
        "film: last checkpoint",
    );
    let frames = [picture(1), picture(2), picture(9)];
    let film = figure(
        &mut files,
        gif(&frames, 2).unwrap(),
        "gif",
        "film: every checkpoint",
    );
    let other = figure(
        &mut files,
        png(&picture(7)).unwrap(),
        "png",
        "grid: 8 images",
    );
    let section = |index: usize| Section {
        name: format!("gan[loss=<bce>,seed={index}]"),
        description: Some("A *small* <b>GAN</b>".to_owned()),
        outcome: if index == 1 {
            "diverged @ epoch 37"
        } else {
            "ok"
        }
        .to_owned(),
        settings: vec![Setting {
            name: "lr".to_owned(),
            value: "0.0002".to_owned(),
        }],
        metrics: vec![Measured {
            metric: "fid".to_owned(),
            arrow: "↓",
            last: "12.35".to_owned(),
            last_epoch: Some(4),
            best: "11.02".to_owned(),
            best_epoch: None,
            samples: 1000,
        }],
        curves: vec![chart.clone()],
        grids: vec![other.clone(), still.clone(), film.clone()],
        series: vec![Series {
            file: film.file.clone(),
            epochs: vec![2, 4, 5],
            still: Some(still.file.clone()),
        }],
    };
    let document = Document {
        title: "A <title> & more".to_owned(),
        pipeline: "shapes".to_owned(),
        summary: Some(Summary {
            labels: vec!["stage".to_owned(), "loss".to_owned()],
            columns: vec![SummaryColumn {
                metric: "fid".to_owned(),
                arrow: "↓",
                pick: Pick::Last,
            }],
            rows: vec![
                row("bce", cell("12.35 ± 0.50", Some(12.345_678), true)),
                row("hinge", cell("–", None, false)),
            ],
            grouped: true,
            ..Summary::default()
        }),
        findings: vec!["Best fid: `scores[loss=bce]` <i>by far</i>".to_owned()],
        figures: vec![chart.clone()],
        prose: vec![
            Prose {
                title: None,
                text: "See <script>alert(1)</script> [web](https://example.org) [bad](java&#10;script:alert(1)) \
                       ![there](https://example.org/a.png)"
                    .to_owned(),
                place: Place::Start,
            },
            Prose {
                title: Some("Discussion".to_owned()),
                text: format!("# Mine\n\n| a | b |\n| - | -: |\n| 1 | 2 |\n\n![grid]({})", other.file),
                place: Place::Findings,
            },
        ],
        sections: (0..runs).map(section).collect(),
        extras: vec![Extra {
            name: "table.csv".to_owned(),
            description: None,
            table: vec![vec!["a".to_owned()], vec!["<1>".to_owned()]],
            omitted: 5,
            figure: None,
        }],
        vertices: vec![
            Vertex {
                stage: "raw".to_owned(),
                kind: "dataset".to_owned(),
                axes: Vec::new(),
                nodes: 1,
                reads: BTreeSet::new(),
            },
            Vertex {
                stage: "gan".to_owned(),
                kind: "train".to_owned(),
                axes: Vec::new(),
                nodes: 2,
                reads: BTreeSet::from(["raw".to_owned()]),
            },
        ],
        provenance: Provenance {
            pipeline_digest: "0123456789abcdef".to_owned(),
            command: "retake run shapes.yaml".to_owned(),
            nodes: vec![Origin {
                name: "gan".to_owned(),
                kind: "train".to_owned(),
                version: 2,
                key: "abcdef".to_owned(),
                device: None,
                outcome: "ok".to_owned(),
                description: None,
            }],
        },
        ..Document::default()
    };
    (document, files)
}

fn page(runs: usize) -> String {
    let (document, files) = report(runs);
    render(&document, &files).unwrap()
}

/// Values of the attribute `name` in `page`.
fn attribute<'p>(page: &'p str, name: &str) -> Vec<&'p str> {
    let start = format!(" {name}=\"");
    page.split(start.as_str())
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect()
}

#[test]
fn a_page_loads_nothing_from_anywhere() {
    let page = page(2);
    for src in attribute(&page, "src") {
        assert!(src.starts_with("data:image/"), "{src}");
    }
    let style = page
        .split("<style>")
        .nth(1)
        .unwrap()
        .split("</style>")
        .next()
        .unwrap();
    assert!(
        !style.contains("url(") && !style.contains("@import"),
        "{style}"
    );
    assert_eq!(page.matches("<link").count(), 1, "the icon, which is empty");
    assert!(page.contains("<link rel=\"icon\" href=\"data:,\">"));
    assert!(!page.contains("<script src"));
}

#[test]
fn a_page_is_the_same_to_the_byte_each_time() {
    assert_eq!(page(3), page(3));
}

#[test]
fn what_users_write_is_text_not_html() {
    let page = page(2);
    assert!(
        page.contains("<title>A &lt;title&gt; &amp; more</title>"),
        "{page}"
    );
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(!page.contains("<script>alert"));
    assert!(page.contains("A <em>small</em> &lt;b&gt;GAN&lt;/b&gt;"));
    assert!(page.contains("<code>scores[loss=bce]</code> &lt;i&gt;by far&lt;/i&gt;"));
    assert!(page.contains("gan[loss=&lt;bce&gt;,"));
    assert!(page.contains("<td>&lt;1&gt;</td>"));
}

#[test]
fn prose_keeps_its_markdown_and_loses_what_could_do_harm() {
    let page = page(2);
    assert!(page.contains("<a href=\"https://example.org\">web</a>"));
    assert!(!page.contains("script:alert"), "a link that is a program");
    assert!(!page.contains("a.png"), "an image from elsewhere");
    assert!(
        page.contains("<h3>Mine</h3>"),
        "headings stand below those of the page"
    );
    assert!(page.contains("<td style=\"text-align: right\">2</td>"));
    let figures = attribute(&page, "src");
    let of_prose = page.split("<h3>Mine</h3>").nth(1).unwrap();
    assert!(
        figures.contains(&attribute(of_prose, "src")[0]),
        "a figure of the report"
    );
}

#[test]
fn every_figure_is_whole() {
    let (document, files) = report(1);
    let page = render(&document, &files).unwrap();
    let decode = |text: &str| {
        let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let value = |c: u8| digits.iter().position(|digit| *digit == c).unwrap() as u32;
        let mut bytes = Vec::new();
        for four in text.as_bytes().chunks(4) {
            let there = four.iter().filter(|c| **c != b'=').count();
            let bits = four[..there]
                .iter()
                .fold(0, |bits, c| bits << 6 | value(*c));
            let bits = bits << (6 * (4 - there));
            bytes.extend(&bits.to_be_bytes()[1..there]);
        }
        bytes
    };
    let found: Vec<Vec<u8>> = attribute(&page, "src")
        .into_iter()
        .filter_map(|src| src.split_once(";base64,"))
        .map(|(_, text)| decode(text))
        .collect();
    for figure in &document.sections[0].grids {
        let repeated = figure.caption == "film: last checkpoint";
        assert_eq!(
            found.contains(&files.0[&figure.file]),
            !repeated,
            "{}: the animation ends with the still of the same stage",
            figure.caption
        );
    }
    let svg = attribute(&page, "src")
        .into_iter()
        .find(|src| src.contains("svg"))
        .unwrap();
    let (_, text) = svg.split_once(',').unwrap();
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let hex = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap()
            }
            byte => byte,
        });
    }
    assert_eq!(String::from_utf8(bytes).unwrap(), SVG);
    assert!(
        page.contains(" width=\"80\" height=\"40\""),
        "the size of the SVG"
    );
    assert!(
        page.contains(" width=\"12\" height=\"8\""),
        "the size of the PNG"
    );
}

#[test]
fn an_animation_says_which_epochs_its_frames_are() {
    assert!(page(1).contains("class=\"film\" data-epochs=\"2,4,5\""));
}

#[test]
fn numbers_stand_as_in_the_summary_and_sort_by_their_value() {
    let page = page(2);
    assert!(
        page.contains(
            "<td class=\"n best\" data-value=\"12.345678\"><strong>12.35 ± 0.50</strong>"
        )
    );
    assert!(
        page.contains("<td class=\"n\">–</td>"),
        "nothing to sort by"
    );
    assert!(
        page.contains("data-first=\"ascending\">fid ↓</th>"),
        "less is better"
    );
}

#[test]
fn many_runs_are_folded_and_can_be_filtered() {
    let few = page(12);
    assert_eq!(few.matches("<details class=\"run\"").count(), 12);
    assert!(!few.contains("id=\"filter\""));
    let open = |page: &str| {
        let runs = page.split("<details class=\"run\"").skip(1);
        runs.filter(|run| run.split('>').next().unwrap().ends_with(" open"))
            .count()
    };
    assert_eq!(open(&few), 12);
    let many = page(13);
    assert_eq!(open(&many), 0);
    assert!(many.contains("<input id=\"filter\""));
    assert_eq!(
        many.matches("<li id=\"to-run-gan").count(),
        13,
        "a table of contents"
    );
}

#[test]
fn a_page_of_a_run_reads_itself_again_until_all_is_done() {
    let (document, files) = report(13);
    let mut live = Live {
        title: "1 of 3".to_owned(),
        headline: "1 of 3 nodes done, 1 running".to_owned(),
        done: 1,
        total: 3,
        active: vec![LiveNode {
            name: "gan[seed=0]".to_owned(),
            state: "running".to_owned(),
            tone: "busy",
            percent: Some(25.0),
            said: vec!["epoch 5 of 20".to_owned(), "310 images/s".to_owned()],
        }],
        groups: vec![LiveGroup {
            state: "waiting".to_owned(),
            nodes: vec![LiveNode {
                name: "scores".to_owned(),
                state: "waiting".to_owned(),
                tone: "quiet",
                ..LiveNode::default()
            }],
        }],
        refresh: Some(2),
        opened: vec!["gan[loss=<bce>,seed=3]".to_owned()],
        ..Live::default()
    };
    let page = render_live(&document, &files, &live).unwrap();
    assert!(page.contains("<noscript><meta http-equiv=\"refresh\" content=\"2\"></noscript>"));
    assert!(page.contains("data-refresh=\"2\""));
    assert!(page.contains("<span>epoch 5 of 20</span><span>310 images&#x2f;s</span>"));
    assert!(page.contains("1 waiting"));
    let runs = page.split("<details class=\"run\"").skip(1);
    let open = runs.filter(|run| run.split('>').next().unwrap().ends_with(" open"));
    assert_eq!(open.count(), 1, "the run that goes on stands open");
    live.refresh = None;
    let page = render_live(&document, &files, &live).unwrap();
    assert!(!page.contains("http-equiv") && !page.contains("data-refresh=\""));
}

#[test]
fn a_report_of_nothing_is_a_page_too() {
    let page = render(&Document::default(), &Files::default()).unwrap();
    assert!(page.starts_with("<!doctype html>"), "{}", &page[..60]);
    assert!(!page.contains("id=\"runs\""));
}

#[test]
fn a_figure_whose_file_is_missing_leaves_its_caption() {
    let document = Document {
        figures: vec![Figure {
            file: "fig-none.png".to_owned(),
            caption: "lost".to_owned(),
        }],
        ..Document::default()
    };
    let page = render(&document, &Files::default()).unwrap();
    assert!(page.contains("lost") && !page.contains("fig-none"));
}
