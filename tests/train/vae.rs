//! Variational autoencoders: they learn, they measure, and they go on where they stopped.

use std::path::Path;
use std::sync::atomic::Ordering;

use retake::data::{Batch, LabelKind, Source};
use retake::stage::{Kind, Outcome, StageError, Status};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::harness::{Bench, FolderMemo, Watch, and, data, plus, table, vae};

fn run(with: &Value, pack: &Path, memo: &FolderMemo) -> Result<Outcome, StageError> {
    let inputs = [("data", pack), ("validation", pack)];
    let watch = Watch::default();
    Bench::new().with_inputs(with, &inputs, memo, &watch, Kind::run)
}

/// The mean squared error of the mean image, over pixels and images.
fn spread(pack: &Path) -> f32 {
    let source = Source::open(pack).unwrap();
    let images = source.pack.len();
    let all = Batch::of(&source.pack, &(0..images as u32).collect::<Vec<_>>()).unwrap();
    let pixels = all.images.len() / images;
    let mean = |pixel: usize| {
        let values = all.images.iter().skip(pixel).step_by(pixels);
        values.sum::<f32>() / images as f32
    };
    let means: Vec<f32> = (0..pixels).map(mean).collect();
    let errors = all.images.iter().zip(means.iter().cycle());
    let squares: f32 = errors.map(|(x, mean)| (x - mean) * (x - mean)).sum();
    squares / all.images.len() as f32
}

#[test]
fn a_vae_learns_what_tells_images_apart() {
    let folder = TempDir::new().unwrap();
    let pack = data(folder.path(), LabelKind::None);
    let memo = FolderMemo::new();
    let settings =
        json!({"reconstruction_reduction": "mean", "kl_reduction": "mean", "beta": 0.01});
    let outcome = run(&plus(vae(40), settings), &pack, &memo).unwrap();
    assert_eq!(outcome.status, Status::Ok);
    let history = table(&memo, &outcome);
    let figures =
        |column: &str| -> Vec<f32> { history[column].iter().copied().flatten().collect() };
    let loss = figures("loss");
    assert_eq!(loss.len(), 120);
    let mean = |steps: &[f32]| steps.iter().sum::<f32>() / steps.len() as f32;
    assert!(mean(&loss[117..]) < 0.2 * mean(&loss[..3]), "{loss:?}");
    let validation = figures("loss_reconstruction_validation");
    assert_eq!(validation.len(), 40, "once an epoch");
    let (reached, spread) = (validation[39], spread(&pack));
    assert!(reached < 0.1 * spread, "{reached} of {spread}");
    for (step, loss) in loss.iter().enumerate() {
        let sum = figures("loss_reconstruction")[step] + 0.01 * figures("loss_kl")[step];
        assert!((loss - sum).abs() < 1e-5 * sum);
    }
}

#[test]
fn sums_are_means_times_their_count() {
    let folder = TempDir::new().unwrap();
    let pack = data(folder.path(), LabelKind::None);
    let first = |reconstruction: &str, kl: &str| {
        let memo = FolderMemo::new();
        let settings = json!({"reconstruction_reduction": reconstruction, "kl_reduction": kl});
        let outcome = run(&plus(vae(1), settings), &pack, &memo).unwrap();
        let history = table(&memo, &outcome);
        ["loss_reconstruction", "loss_kl"].map(|column| history[column][0].unwrap())
    };
    let (mean, sum) = (first("mean", "mean"), first("sum", "sum"));
    assert!((sum[0] - 16.0 * mean[0]).abs() < 1e-5 * sum[0], "pixels");
    assert!((sum[1] - 3.0 * mean[1]).abs() < 1e-5 * sum[1], "dimensions");
}

#[test]
fn a_vae_goes_on_to_the_same_bytes() {
    let folder = TempDir::new().unwrap();
    let pack = data(folder.path(), LabelKind::None);
    let schedule = json!({"kind": "exponential", "factor": 0.9, "unit": "step"});
    let with = |epochs| and(vae(epochs), "schedule", schedule.clone());
    let straight = FolderMemo::new();
    let expected = straight.bytes(&run(&with(4), &pack, &straight).unwrap());
    let extended = FolderMemo::new();
    run(&with(2), &pack, &extended).unwrap();
    let outcome = run(&with(4), &pack, &extended).unwrap();
    assert_eq!(extended.bytes(&outcome), expected);
    for puts in 0..5 {
        let killed = FolderMemo::new();
        killed.puts_left.store(puts, Ordering::Relaxed);
        assert!(run(&with(4), &pack, &killed).is_err());
        killed.puts_left.store(usize::MAX, Ordering::Relaxed);
        let outcome = run(&with(4), &pack, &killed).unwrap();
        assert_eq!(killed.bytes(&outcome), expected, "after {puts} writes");
    }
}

#[test]
fn divergence_names_the_term_that_overflowed() {
    let folder = TempDir::new().unwrap();
    let pack = data(folder.path(), LabelKind::None);
    let term = |settings: Value| {
        let with = plus(vae(3), settings);
        match run(&with, &pack, &FolderMemo::new()).unwrap().status {
            Status::Diverged { term, .. } => term,
            Status::Ok => panic!("it is finite"),
        }
    };
    // A decoder of one z that ends in tanh stays finite whatever the encoder says; the square of a mean does not.
    let mut saturating = and(vae(3), "latent", 1);
    let decoder = &mut saturating["model"]["networks"]["decoder"]["layers"];
    decoder.as_array_mut().unwrap().drain(..2);
    saturating["lr"] = json!({"encoder": 1e12, "decoder": 1e-4});
    assert_eq!(term(saturating), "loss_kl");
    // One that does not end in tanh does not.
    let mut open = and(vae(3), "lr", json!({"encoder": 1e-4, "decoder": 1e30}));
    let decoder = &mut open["model"]["networks"]["decoder"]["layers"];
    decoder.as_array_mut().unwrap().remove(3);
    assert_eq!(term(open), "loss_reconstruction");
}
