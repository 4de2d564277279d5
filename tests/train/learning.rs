//! What training does: it learns, it measures, and it says when it cannot go on.

use std::path::Path;

use retake::data::LabelKind;
use retake::model::SavedModel;
use retake::stage::{Kind, Outcome, Product, StageError, Status};
use serde_json::Value;
use tempfile::TempDir;

use super::harness::{Bench, FolderMemo, Watch, and, classifier, data, gan};

fn run_on(
    with: &Value,
    inputs: &[(&str, &Path)],
    memo: &FolderMemo,
) -> Result<Outcome, StageError> {
    Bench::new().with_inputs(with, inputs, memo, &Watch::default(), |config, ctx| {
        config.run(ctx)
    })
}

fn columns(memo: &FolderMemo, outcome: &Outcome) -> (Vec<String>, Vec<Vec<String>>) {
    let history = String::from_utf8(memo.bytes(outcome)["history"].clone()).unwrap();
    let mut lines = history
        .lines()
        .map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
    (lines.next().unwrap(), lines.collect())
}

#[test]
fn a_classifier_learns_what_can_be_learnt() {
    let folder = TempDir::new().unwrap();
    for labels in [LabelKind::Class, LabelKind::Multi] {
        let pack = data(folder.path(), labels);
        let memo = FolderMemo::new();
        let outcome = run_on(
            &classifier(20),
            &[("data", &pack), ("validation", &pack)],
            &memo,
        )
        .unwrap();
        assert_eq!(outcome.status, Status::Ok);
        let accuracy = outcome.scalars["accuracy_validation"];
        assert!(accuracy >= 0.9, "{labels:?}: {accuracy}");
        assert!(outcome.scalars["loss"] < 0.6, "{:?}", outcome.scalars);

        let (header, rows) = columns(&memo, &outcome);
        let measured = header
            .iter()
            .position(|column| column == "accuracy_validation")
            .unwrap();
        let per_epoch = rows.iter().filter(|row| !row[measured].is_empty()).count();
        assert_eq!(
            (rows.len(), per_epoch),
            (60, 20),
            "three steps an epoch, measured at its last"
        );
    }
}

#[test]
fn a_gan_has_a_history_of_finite_figures_at_every_step() {
    let bench = Bench::new();
    let memo = FolderMemo::new();
    let outcome = bench.run(&gan(2), &memo).unwrap();
    let (header, rows) = columns(&memo, &outcome);
    let expected = "step,epoch,loss_d,loss_g,loss_d_real,loss_d_fake,accuracy_real,accuracy_fake,lr_generator,\
        lr_discriminator,grad_norm_generator,grad_norm_discriminator";
    assert_eq!(header.join(","), expected);
    let counters: Vec<(&str, &str)> = rows
        .iter()
        .map(|row| (row[0].as_str(), row[1].as_str()))
        .collect();
    assert_eq!(
        counters,
        [
            ("1", "1"),
            ("2", "1"),
            ("3", "1"),
            ("4", "2"),
            ("5", "2"),
            ("6", "2")
        ]
    );
    assert!(
        rows.iter()
            .flatten()
            .all(|cell| cell.parse::<f32>().unwrap().is_finite())
    );
    assert!(outcome.timings["images_per_second"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_saved_model_says_what_is_needed_to_use_it() {
    let bench = Bench::new();
    let memo = FolderMemo::new();
    let outcome = bench.run(&gan(1), &memo).unwrap();
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("model");
    std::fs::write(&path, &memo.bytes(&outcome)["model"]).unwrap();
    let header = SavedModel::load_header(&path).unwrap();
    assert_eq!((header.task.as_str(), header.multi_label), ("gan", false));
    assert_eq!(header.classes, ["dark", "grey", "light"]);
    assert_eq!(
        (header.dims.latent, header.dims.classes, header.dims.height),
        (5, 3, 4)
    );
}

#[test]
fn divergence_is_a_result() {
    let bench = Bench::new();
    let memo = FolderMemo::new();
    let with = and(and(gan(6), "lr", 1e37), "checkpoint_every", 1);
    let outcome = bench.run(&with, &memo).unwrap();
    let Status::Diverged {
        epoch,
        step,
        term,
        last_good,
    } = &outcome.status
    else {
        panic!("{:?}", outcome.status);
    };
    assert!(!term.is_empty());
    assert_eq!(last_good.unwrap_or(0), epoch - 1);
    let (_, rows) = columns(&memo, &outcome);
    assert_eq!(rows.len() as u64, step - 1, "the steps before it");

    // It belongs to the trajectory from that epoch on: nothing is tried again, shorter runs are unaffected.
    let again = bench
        .recall(&and(with.clone(), "epochs", 9), &memo)
        .expect("known to diverge");
    assert_eq!(again.status, outcome.status);
    if *epoch > 1 {
        let before = bench
            .recall(&and(with, "epochs", epoch - 1), &memo)
            .expect("all there");
        assert_eq!(before.status, Status::Ok);
        assert!(matches!(before.outputs["model"], Product::Stored(_)));
    }
}

#[test]
fn labels_that_are_needed_and_missing_are_an_error() {
    let folder = TempDir::new().unwrap();
    let unlabelled = data(folder.path(), LabelKind::None);
    let several = data(folder.path(), LabelKind::Multi);
    let error = |with: &Value, pack: &Path| {
        run_on(with, &[("data", pack)], &FolderMemo::new())
            .unwrap_err()
            .to_string()
    };
    assert!(error(&classifier(1), &unlabelled).contains("no labels"));
    let softmax = and(classifier(1), "loss", "cross-entropy");
    assert!(error(&softmax, &several).contains("use `loss: bce`"));
}
