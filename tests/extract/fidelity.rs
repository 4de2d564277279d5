//! Two folders of images against torch-fidelity, pytorch-fid and clean-fid, end to end: `tests/golden/fidelity.py`.

use std::collections::BTreeMap;
use std::path::Path;

use super::values;
use crate::model::extractors::{mixed, save_inception};
use crate::support::Project;

const COUNT: usize = 20;
const SIZE: (usize, usize) = (40, 48);

/// The script's images, as PNGs.
fn images(folder: &Path, which: usize) {
    std::fs::create_dir(folder).expect("a new folder");
    for k in 0..COUNT {
        let channel = |x: usize, y: usize, c: usize| {
            let wave = (x * (1 + k % 5) + y * (2 + k % 3) * (1 + which) + 37 * c + 11 * k) % 256;
            let noise = mixed((((which * 64 + k) * 3 + c) * 4096 + y * 64 + x) as u32) % 256;
            ((wave * 3 + noise as usize) / 4) as u8
        };
        let pixel =
            |x: u32, y: u32| image::Rgb([0, 1, 2].map(|c| channel(x as usize, y as usize, c)));
        let image = image::RgbImage::from_fn(SIZE.1 as u32, SIZE.0 as u32, pixel);
        image
            .save(folder.join(format!("{k:03}.png")))
            .expect("a written image");
    }
}

/// Metric → value, of these metrics under this protocol.
fn measured(protocol: &str, metrics: &str) -> BTreeMap<String, f64> {
    let project = Project::new("name: none\nstages: {}\n");
    images(&project.path("generated"), 0);
    images(&project.path("reference"), 1);
    let weights = project.path("weights.safetensors");
    save_inception(&weights);
    let digest = retake::hash::sha256_of_file(&weights).expect("a readable file");
    let mut args = vec![
        "metrics",
        "generated",
        "reference",
        "--format",
        "json",
        "-m",
        metrics,
    ];
    args.extend([
        "--protocol",
        protocol,
        "--weights",
        "weights.safetensors",
        "--weights-sha256",
        &digest,
    ]);
    if metrics.contains("kid") {
        args.extend(["--subset-size", "10"]);
    }
    values(&project.retake(&args))
}

fn golden(protocol: &str) -> BTreeMap<String, f64> {
    let mut golden: BTreeMap<String, BTreeMap<String, f64>> =
        serde_json::from_str(include_str!("../golden/fidelity.json")).expect("the golden numbers");
    golden.remove(protocol).expect("a protocol of the script")
}

#[track_caller]
fn close(what: &str, ours: f64, theirs: f64, tolerance: f64) {
    let apart = (ours - theirs).abs();
    assert!(
        apart <= tolerance,
        "{what}: {ours} here, {theirs} there, {apart:.1e} apart"
    );
}

#[test]
fn folders_measured_as_torch_fidelity_does_give_its_values() {
    let (ours, theirs) = (
        measured("torch-fidelity", "fid,kid,is,precision,recall"),
        golden("torch-fidelity"),
    );
    let fid = theirs["frechet_inception_distance"];
    close("fid", ours["fid"], fid, 1e-4 * fid);
    // Of the kernels' size, 1: the estimate itself is near zero.
    close(
        "kid",
        ours["kid"],
        theirs["kernel_inception_distance_mean"],
        1e-6,
    );
    close(
        "kid-sd",
        ours["kid-sd"],
        theirs["kernel_inception_distance_std"],
        1e-6,
    );
    close("is", ours["is"], theirs["inception_score_mean"], 1e-5);
    close("is-sd", ours["is-sd"], theirs["inception_score_std"], 1e-5);
    // Theirs are means in f32.
    close("precision", ours["precision"], theirs["precision"], 1e-6);
    close("recall", ours["recall"], theirs["recall"], 1e-6);
}

#[test]
fn folders_measured_as_pytorch_fid_and_clean_fid_do_give_their_values() {
    for protocol in ["pytorch-fid", "clean-fid"] {
        let theirs = golden(protocol)["fid"];
        close(
            protocol,
            measured(protocol, "fid")["fid"],
            theirs,
            1e-4 * theirs,
        );
    }
}
