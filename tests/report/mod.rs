//! Tables, plots, grids and the report's text, from synthetic records.

mod collapse;
mod condition;
mod contrast;
mod grouped;
mod inference;
mod reported;
mod show;

use image::{Rgb, RgbImage};
use indexmap::IndexMap;
use retake::hash::Digest;
use retake::metric::{Metric, MetricRow, Request};
use retake::report::document::{
    Document, Figure, Files, Measured, Origin, Section, Setting, Shared,
};
use retake::report::downsample::reduce;
use retake::report::findings::findings;
use retake::report::frame::long;
use retake::report::grid::{contact_sheet, png, tile};
use retake::report::history::History;
use retake::report::markdown::Template;
use retake::report::mermaid::{Vertex, flowchart};
use retake::report::plot::{Chart, Line};
use retake::report::quote::Quotes;
use retake::report::runs::{Ending, Run};
use retake::report::summary::{Summary, summarise};
use retake::report::table::{self, TableFormat};
use retake::report::{ReportError, markdown};
use serde_json::{Value, json};

fn row(metric: Metric, epoch: u64, value: f64) -> MetricRow {
    MetricRow {
        metric: String::from(Request {
            metric,
            judge: true,
        }),
        epoch: Some(epoch),
        value,
        direction: metric.direction(),
        samples: 1000,
        extractor: Some(Digest::of_bytes(b"judge")),
        reference: Some(Digest::of_bytes(b"reference")),
        protocol: metric.protocol().to_owned(),
        small: None,
        scores: None,
    }
}

fn run(stage: &str, axes: &[(&str, Value)], ending: Ending, rows: Vec<MetricRow>) -> Run {
    Run {
        stage: stage.to_owned(),
        axes: axes
            .iter()
            .map(|(axis, value)| ((*axis).to_owned(), value.clone()))
            .collect::<IndexMap<_, _>>(),
        ending,
        rows,
        settings: None,
    }
}

/// Two losses, three seeds, two metrics at two checkpoints; one run diverged.
fn runs() -> Vec<Run> {
    let mut runs = Vec::new();
    for (loss, base) in [("bce", 60.0), ("wgan-gp", 40.0)] {
        for seed in 0..3_u32 {
            let diverged = loss == "bce" && seed == 2;
            let shift = f64::from(seed);
            let mut rows = vec![
                row(Metric::Fid, 1, base * 2.0 + shift),
                row(Metric::Fid, 2, base + shift),
                row(Metric::Accuracy, 1, 0.2),
                row(Metric::Accuracy, 2, 0.5 + shift / 10.0 + base / 1000.0),
            ];
            if diverged {
                rows.retain(|row| row.epoch == Some(1));
            }
            let ending = if diverged {
                Ending::Diverged { epoch: 2 }
            } else {
                Ending::Ok
            };
            let axes = [("loss", json!(loss)), ("seed", json!(seed))];
            runs.push(run("scores", &axes, ending, rows));
        }
    }
    runs
}

fn cell<'a>(
    summary: &'a Summary,
    row: usize,
    metric: &str,
    nth: usize,
) -> &'a retake::report::summary::SummaryCell {
    let mut columns = summary.columns.iter().enumerate();
    let position = columns
        .by_ref()
        .filter(|(_, column)| column.metric == metric)
        .nth(nth)
        .map(|(position, _)| position)
        .expect("the column is there");
    &summary.rows[row].cells[position]
}

#[test]
fn the_summary_groups_over_seeds_and_marks_the_best() {
    let summary = summarise(&runs()).unwrap();
    assert_eq!(summary.labels, ["stage", "loss"]);
    assert_eq!(summary.rows.len(), 2);
    assert_eq!(summary.rows[0].name, "scores[loss=bce]");
    assert_eq!(summary.rows[0].outcome, "1 of 3 diverged @ epoch 2");
    // The run that diverged has no last value: 60 and 61 are left.
    let bce = cell(&summary, 0, "fid-judge", 0);
    assert_eq!(
        (bce.text.as_str(), bce.n, bce.best),
        ("60.50 ± 0.71", 2, false)
    );
    let gp = cell(&summary, 1, "fid-judge", 0);
    assert_eq!((gp.text.as_str(), gp.n, gp.best), ("41.00 ± 1.00", 3, true));
    // Its checkpoint before that counts among the best ones.
    assert_eq!(cell(&summary, 0, "fid-judge", 1).n, 3);
    assert_eq!(
        cell(&summary, 0, "fid-judge", 1).text,
        "81.00 ± 35.51 @ 1–2"
    );
    assert!(cell(&summary, 1, "accuracy", 0).best);
}

#[test]
fn a_group_that_diverged_altogether_says_so() {
    let all = [
        run("scores", &[], Ending::Diverged { epoch: 37 }, Vec::new()),
        runs().remove(5),
    ];
    let summary = summarise(&all).unwrap();
    assert_eq!(cell(&summary, 0, "accuracy", 0).text, "diverged @ epoch 37");
    assert_eq!(summary.rows[0].outcome, "diverged @ epoch 37");
}

#[test]
fn values_of_different_protocols_are_never_ranked_nor_averaged() {
    let mut mixed = runs();
    for run in &mut mixed[..3] {
        for row in &mut run.rows {
            row.samples = 50;
        }
    }
    let summary = summarise(&mixed).unwrap();
    assert_eq!(summary.rows.len(), 2);
    assert!(
        summary
            .rows
            .iter()
            .flat_map(|row| &row.cells)
            .all(|cell| !cell.best)
    );
    assert_eq!(cell(&summary, 0, "fid-judge", 0).mark, "¹");
    assert_eq!(cell(&summary, 1, "fid-judge", 0).mark, "²");
    assert_eq!(summary.protocols.len(), 4);

    // Seeds that were judged by different judges stand alone.
    let mut judged = runs();
    for (index, run) in judged.iter_mut().enumerate() {
        for row in &mut run.rows {
            row.extractor = Some(Digest::of_bytes(&[index as u8]));
        }
    }
    let summary = summarise(&judged).unwrap();
    assert_eq!(summary.rows.len(), 6);
    assert_eq!(summary.labels, ["stage", "loss", "seed"]);
    assert_eq!(summary.rows[1].labels, ["scores", "bce", "1"]);
}

#[test]
fn the_long_table_has_a_row_for_each_node_metric_and_checkpoint() {
    let table = long(&runs(), &[]).unwrap();
    assert_eq!(table.height(), 5 * 4 + 2);
    let text = String::from_utf8(table::render(&table, TableFormat::Json).unwrap()).unwrap();
    let rows: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(rows[1]["loss"], "bce");
    assert_eq!(rows[1]["seed"], 0);
    assert_eq!(rows[1]["metric"], "fid-judge");
    assert_eq!(rows[1]["epoch"], 2);
    assert_eq!(rows[1]["value"], 60.0);
    assert_eq!(rows[1]["better"], "lower");
    assert_eq!(rows[8]["outcome"], "diverged @ epoch 2");
}

#[test]
fn a_run_without_values_and_an_axis_named_like_a_column_still_have_their_place() {
    let axes = [("samples", json!(10)), ("epoch", json!("x"))];
    let table = long(&[run("s", &axes, Ending::Ok, Vec::new())], &[]).unwrap();
    let text = String::from_utf8(table::render(&table, TableFormat::Csv).unwrap()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0].starts_with("stage,axis:samples,axis:epoch,metric,epoch,value"),
        "{text}"
    );
    assert_eq!(lines[1], "s,10,x,,,,,,,,,ok");
    assert_eq!(
        table::render(&long(&[], &[]).unwrap(), TableFormat::Json).unwrap(),
        b"[]\n"
    );
}

#[test]
fn parquet_holds_the_same_cells_as_json() {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;
    let table = long(&runs(), &[]).unwrap();
    let bytes = table::render(&table, TableFormat::Parquet).unwrap();
    assert_eq!(bytes, table::render(&table, TableFormat::Parquet).unwrap());
    let path = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(path.path(), &bytes).unwrap();
    let reader = SerializedFileReader::new(path.reopen().unwrap()).unwrap();
    let rows: Vec<_> = reader
        .get_row_iter(None)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(rows.len(), table.height());
    assert_eq!(rows[1].get_string(1).unwrap(), "bce");
    assert_eq!(rows[1].get_long(2).unwrap(), 0);
    assert!((rows[1].get_double(5).unwrap() - 60.0).abs() < 1e-12);
}

#[test]
fn an_axis_stands_as_it_was_set_beside_a_rounded_value() {
    let axes = [("lr", json!(0.0002))];
    let runs = [run(
        "s",
        &axes,
        Ending::Ok,
        vec![row(Metric::Accuracy, 1, 0.123_456_7)],
    )];
    let table = table::render(&long(&runs, &[]).unwrap(), TableFormat::Md).unwrap();
    let text = String::from_utf8(table).unwrap();
    assert!(
        text.contains("| 0.0002 |") && text.contains("| 0.1235 |"),
        "{text}"
    );
}

#[test]
fn markdown_tables_survive_hostile_names() {
    let axes = [("a|b", json!("x|y*z\nw"))];
    let runs = [run(
        "s",
        &axes,
        Ending::Ok,
        vec![row(Metric::Accuracy, 1, 0.5)],
    )];
    let table = long(&runs, &[]).unwrap();
    let text = String::from_utf8(table::render(&table, TableFormat::Md).unwrap()).unwrap();
    let bars = |line: &str| line.replace("\\|", "").matches('|').count();
    let counts: Vec<usize> = text.lines().map(bars).collect();
    assert_eq!(counts.len(), 3, "{text}");
    assert!(counts.iter().all(|count| *count == counts[0]), "{text}");
}

#[test]
fn downsampling_keeps_the_extremes_and_breaks_at_gaps() {
    let mut points: Vec<(f64, f64)> = (0..10_000).map(|i| (f64::from(i), 0.0)).collect();
    points[1234].1 = 50.0;
    points[7777].1 = -50.0;
    for point in &mut points[4000..4500] {
        point.1 = f64::NAN;
    }
    let reduced = reduce(&points, 100);
    let highest = reduced.envelopes.iter().flat_map(|e| &e.highest);
    assert!(highest.clone().any(|point| *point == (1234.0, 50.0)));
    let lowest = reduced.envelopes.iter().flat_map(|e| &e.lowest);
    assert!(lowest.clone().any(|point| *point == (7777.0, -50.0)));
    assert_eq!(reduced.mean.len(), 2);
    assert_eq!(reduced.mean.iter().map(Vec::len).sum::<usize>(), 95);

    let short = reduce(&[(1.0, 2.0), (2.0, 3.0)], 100);
    assert_eq!(short.mean, [vec![(1.0, 2.0), (2.0, 3.0)]]);
    assert!(short.envelopes.is_empty());
    assert_eq!(
        reduce(&[], 100),
        retake::report::downsample::Reduced::default()
    );
}

fn chart(lines: Vec<Line>) -> Chart {
    Chart {
        title: "loss".to_owned(),
        x_label: "step".to_owned(),
        y_label: "value".to_owned(),
        lines,
        ..Chart::default()
    }
}

fn line(name: &str, values: &[f64]) -> Line {
    let points = values.iter().enumerate().map(|(i, y)| ((i + 1) as f64, *y));
    Line::new(name, points.collect())
}

#[test]
fn plots_draw_every_odd_series() {
    for values in [
        &[][..],
        &[f64::NAN, f64::NAN],
        &[1.5],
        &[0.0, 0.0, 0.0],
        &[1e30, -1e30, f64::INFINITY, 3.0],
        &[1e8, 1e8 + 1e-7],
        &[1.0, f64::NAN, 2.0, 3.0],
    ] {
        let svg = chart(vec![line("a", values)]).svg();
        assert!(
            svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"),
            "{values:?}"
        );
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{values:?}");
        let finite = values.iter().any(|value| value.is_finite());
        assert_eq!(svg.contains("no finite values"), !finite, "{values:?}");
    }
}

#[test]
fn plots_are_the_same_bytes_every_time_and_small_however_long_the_series() {
    let long: Vec<f64> = (0..200_000).map(|i| f64::from(i % 97)).collect();
    let chart = chart(vec![line("a", &long), line("b <&>", &[1.0, 2.0])]);
    let svg = chart.svg();
    assert_eq!(svg, chart.svg());
    assert!(svg.len() < 40_000, "{} bytes", svg.len());
    assert!(svg.contains("b &lt;&amp;&gt;"));
}

#[test]
fn history_gives_lines_by_step_without_empty_columns() {
    let csv =
        b"step,epoch,loss_d,loss_g,loss_gp,lr\n10,1,0.5,,,1\n20,1,inf,0.25,,1\n30,2,NaN,0.5,,1\n";
    let history = History::from_csv(csv).unwrap();
    let lines = history.lines("loss");
    let names: Vec<&str> = lines.iter().map(|line| line.name.as_str()).collect();
    assert_eq!(names, ["loss_d", "loss_g"]);
    assert_eq!(lines[0].points[..2], [(10.0, 0.5), (20.0, f64::INFINITY)]);
    assert!(lines[0].points[2].1.is_nan());
    // What was not measured is no gap.
    assert_eq!(lines[1].points, [(20.0, 0.25), (30.0, 0.5)]);
    assert!(History::from_csv(b"a,b\n1\n").is_err());
}

fn plain(size: u32, color: [u8; 3]) -> RgbImage {
    RgbImage::from_pixel(size, size, Rgb(color))
}

#[test]
fn contact_sheets_place_tiles_in_rows_on_white() {
    let tiles = [
        plain(64, [255, 0, 0]),
        plain(64, [0, 255, 0]),
        plain(64, [0, 0, 255]),
    ];
    let sheet = contact_sheet(&tiles, 2);
    assert_eq!(sheet.dimensions(), (2 * 66 + 2, 2 * 66 + 2));
    assert_eq!(sheet.get_pixel(2, 2).0, [255, 0, 0]);
    assert_eq!(sheet.get_pixel(68, 2).0, [0, 255, 0]);
    assert_eq!(sheet.get_pixel(2, 68).0, [0, 0, 255]);
    assert_eq!(sheet.get_pixel(0, 0).0, [255; 3]);
    assert_eq!(sheet.get_pixel(68, 68).0, [255; 3]);
    // Small images are enlarged by a whole factor.
    assert_eq!(
        contact_sheet(&[plain(28, [0; 3])], 8).dimensions(),
        (28 * 3 + 4, 28 * 3 + 4)
    );
    assert_eq!(contact_sheet(&[], 8).dimensions(), (4, 2));
    let decoded = image::load_from_memory(&png(&sheet).unwrap())
        .unwrap()
        .to_rgb8();
    assert_eq!(decoded, sheet);
}

#[test]
fn tiles_are_grey_or_rgb_of_the_right_size() {
    assert_eq!(
        tile(1, 2, 1, &[7, 9]).unwrap().into_raw(),
        [7, 7, 7, 9, 9, 9]
    );
    assert!(tile(1, 2, 3, &[0; 6]).is_some());
    assert!(tile(1, 2, 3, &[0; 5]).is_none());
    assert!(tile(1, 1, 4, &[0; 4]).is_none());
}

#[test]
fn the_graph_collapses_the_matrix_and_quotes_names() {
    let vertex = |stage: &str, axes: &[&str], nodes, reads: &[&str]| Vertex {
        stage: stage.to_owned(),
        kind: "train".to_owned(),
        axes: axes.iter().map(|a| (*a).to_owned()).collect(),
        nodes,
        reads: reads.iter().map(|r| (*r).to_owned()).collect(),
    };
    let text = flowchart(&[
        vertex("raw", &[], 1, &[]),
        vertex("g\"an", &["loss", "seed"], 6, &["raw", "file"]),
    ]);
    insta::assert_snapshot!(text, @r#"
    flowchart LR
      n0["<b>raw</b><br/>train"]
      n1["<b>g#quot;an</b><br/>train · 6 × loss, seed"]
      n0 --> n1
    "#);
}

/// A document as a small experiment gives it, and its files.
fn document() -> (Document, Files) {
    let mut files = Files::default();
    let runs = runs();
    let summary = summarise(&runs).expect("a summary");
    let lines = runs.iter().map(|run| {
        let fid = run.rows.iter().filter(|row| row.metric == "fid-judge");
        let points = fid.filter_map(|row| Some((row.epoch? as f64, row.value)));
        Line::new(run.name_without(&[]), points.collect())
    });
    let by_epoch = Chart {
        title: "fid-judge by epoch".to_owned(),
        x_label: "epoch".to_owned(),
        y_label: "fid-judge ↓".to_owned(),
        lines: lines.collect(),
        levels: vec![("real images".to_owned(), 12.5)],
        ..Chart::default()
    };
    let noise = |i: u32, k: f64| (f64::from(i * 7919 % 101) / 101.0 - 0.5) * k;
    let loss_d: Vec<f64> = (0..3000)
        .map(|i| 0.5 + 0.8 / (1.0 + f64::from(i) / 300.0) + noise(i, 0.4))
        .collect();
    let loss_g: Vec<f64> = (0..3000)
        .map(|i| 1.2 + f64::from(i) / 2000.0 + noise(i + 13, 1.2))
        .collect();
    let losses = Chart {
        title: "losses of gan[loss=bce,seed=0]".to_owned(),
        x_label: "step".to_owned(),
        y_label: "loss".to_owned(),
        lines: vec![line("loss_d", &loss_d), line("loss_g", &loss_g)],
        noisy: true,
        ..Chart::default()
    };
    let tiles: Vec<RgbImage> = (0..24)
        .map(|i| plain(32, [i * 10, 255 - i * 10, 128]))
        .collect();
    let figure = files.chart(&by_epoch);
    let curves: Vec<Figure> = vec![files.chart(&losses)];
    let grid = files
        .image(&contact_sheet(&tiles, 8), "24 samples of gan".to_owned())
        .expect("a grid");
    let setting = |name: &str, value: &str| Setting {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    let document = Document {
        title: "Shapes".to_owned(),
        pipeline: "quickstart".to_owned(),
        findings: findings(&summary),
        summary: Some(summary),
        figures: vec![figure],
        settings: vec![Shared {
            stage: "gan".to_owned(),
            settings: vec![setting("lr", "0.0002")],
        }],
        sections: vec![Section {
            name: "gan[loss=bce,seed=0]".to_owned(),
            description: Some("A conditional DCGAN.".to_owned()),
            outcome: "ok".to_owned(),
            settings: vec![setting("loss", "bce"), setting("seed", "0")],
            metrics: vec![Measured {
                metric: "fid-judge".to_owned(),
                arrow: "↓",
                last: "60".to_owned(),
                last_epoch: Some(2),
                best: "60".to_owned(),
                best_epoch: Some(2),
                samples: 1000,
            }],
            curves,
            grids: vec![grid],
            ..Section::default()
        }],
        graph: "flowchart LR\n  n0[\"raw\"]\n".to_owned(),
        provenance: retake::report::document::Provenance {
            pipeline_digest: "0123456789ab".to_owned(),
            command: "retake run pipelines/quickstart.yaml".to_owned(),
            nodes: vec![Origin {
                name: "gan[loss=bce,seed=0]".to_owned(),
                kind: "train".to_owned(),
                version: 1,
                key: "0123456789ab".to_owned(),
                device: Some("cpu-avx512".to_owned()),
                outcome: "ok".to_owned(),
                description: None,
            }],
        },
        ..Document::default()
    };
    (document, files)
}

fn render(template: Template<'_>, document: &Document) -> Result<String, ReportError> {
    markdown::render(template, document, &Quotes::default())
}

#[test]
fn a_report_holds_table_findings_figures_graph_and_provenance() {
    let (document, files) = document();
    let text = render(markdown::TEMPLATE, &document).unwrap();
    for file in files.0.keys() {
        assert!(text.contains(&format!("]({file})")), "{file} is not shown");
    }
    let named = images_in(&text);
    assert!(
        named.iter().all(|file| files.0.contains_key(file)),
        "{named:?}"
    );
    insta::assert_snapshot!(text);
}

/// The targets of all images in Markdown text.
fn images_in(text: &str) -> Vec<String> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')').map(|(file, _)| file.to_owned()))
        .collect()
}

#[test]
fn a_template_of_the_users_gets_the_same_data_and_its_faults_are_named() {
    let (document, _) = document();
    let own = |text| Template {
        name: "own.md.j2",
        text,
    };
    let text =
        "{{ title }}: {{ summary.rows | length }} groups, {{ sections[0].settings[0].value }}\n";
    assert_eq!(
        render(own(text), &document).unwrap(),
        "Shapes: 2 groups, bce\n"
    );
    let fault = |text| render(own(text), &document).unwrap_err().to_string();
    assert_eq!(
        fault("x\n{{ title.a.b }}\n"),
        "own.md.j2, line 2: undefined value (a name that is not there)\n  2 | {{ title.a.b }}"
    );
    assert!(fault("{% if %}").starts_with("own.md.j2, line 1: "));
    let fault = markdown::check(own("{{ title }}\n{{ sumary.rows }}\n")).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "own.md.j2, line 2: there is no `sumary` in a report; did you mean `summary`?\n  2 | {{ sumary.rows }}"
    );
}
