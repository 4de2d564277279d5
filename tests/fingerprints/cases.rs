//! Small fixed nodes that exercise the settings of each kind broadly. What a case is must not change: give a changed
//! one another name.

use retake::stage::Format;
use serde_json::{Value, json};

use crate::train::harness::{and, classifier, gan, plus, vae};

/// An input, and the outputs of the node behind it: name, form, fixture.
type Behind = (&'static str, Vec<(&'static str, Format, &'static str)>);

/// One node.
pub struct Case {
    pub kind: &'static str,
    pub name: &'static str,
    pub with: Value,
    /// what it takes
    pub inputs: Vec<Behind>,
}

fn case(
    kind: &'static str,
    name: &'static str,
    with: Value,
    inputs: &[(&'static str, Format, &'static str)],
) -> Case {
    let inputs = inputs
        .iter()
        .map(|(input, format, fixture)| {
            let output = match format {
                Format::Data => "data",
                Format::Model => "model",
                _ => "file",
            };
            (*input, vec![(output, *format, *fixture)])
        })
        .collect();
    Case {
        kind,
        name,
        with,
        inputs,
    }
}

const FILE: Format = Format::File;
const DATA: Format = Format::Data;
const FOLDER: Format = Format::Folder;
const MODEL: Format = Format::Model;

/// All of them but `report`'s, which is made of nodes upstream.
pub fn all() -> Vec<Case> {
    [
        datasets(),
        preprocessing(),
        augmentations(),
        trainings(),
        samples(),
        evaluations(),
        commands(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn datasets() -> Vec<Case> {
    let case = |name, with, inputs: &[_]| case("dataset", name, with, inputs);
    let images = ("files", FOLDER, "images");
    vec![
        case(
            "shapes",
            json!({"name": "shapes", "images": 6, "size": 24, "objects": [1, 5]}),
            &[],
        ),
        case(
            "faces",
            json!({"name": "faces", "images": 6, "size": 32}),
            &[],
        ),
        case(
            "idx",
            json!({"name": "idx", "classes": ["x", "y", "z"], "limit": 5}),
            &[
                ("images", FILE, "mnist/train-images-idx3-ubyte"),
                ("labels", FILE, "mnist/train-labels-idx1-ubyte"),
            ],
        ),
        #[cfg(feature = "candle-datasets")]
        case(
            "mnist-dir",
            json!({"name": "mnist-dir", "split": "test"}),
            &[("files", FOLDER, "mnist")],
        ),
        case(
            "folder",
            json!({"name": "folder", "keep": ["cat", "emu"], "resize": {"size": 6, "filter": "bicubic"}}),
            &[("files", FOLDER, "folder")],
        ),
        case(
            "folder-grey",
            json!({"name": "folder", "channels": 1, "limit": 3}),
            &[("files", FOLDER, "folder")],
        ),
        case(
            "attributes",
            json!({"name": "attributes"}),
            &[images, ("attributes", FILE, "attr.txt")],
        ),
        case(
            "multi-label-json",
            json!({"name": "multi-label-json"}),
            &[
                images,
                ("labels", FILE, "labels.json"),
                ("classes", FILE, "classes.json"),
            ],
        ),
        case(
            "cifar",
            json!({"name": "cifar", "limit": 2}),
            &[("files", FOLDER, "cifar")],
        ),
        case(
            "cifar-test",
            json!({"name": "cifar", "split": "test"}),
            &[("files", FOLDER, "cifar")],
        ),
    ]
}

fn preprocessing() -> Vec<Case> {
    let case = |name, with, data| case("preprocess", name, with, &[("data", DATA, data)]);
    let resize = |filter: &str| json!({"steps": [{"resize": {"size": [9, 7], "filter": filter}}]});
    vec![
        case("nearest", resize("nearest"), "class"),
        case("bilinear", resize("bilinear"), "class"),
        case("bicubic", resize("bicubic"), "class"),
        case("lanczos", resize("lanczos"), "grey"),
        case(
            "center-crop",
            json!({"steps": [{"center-crop": [7, 5]}]}),
            "multi",
        ),
        case(
            "pad",
            json!({"steps": [{"pad": {"margin": [2, 1], "fill": 99}}]}),
            "multi",
        ),
        case("grey", json!({"steps": [{"channels": 1}]}), "class"),
        case("colour", json!({"steps": [{"channels": 3}]}), "grey"),
        case(
            "keep",
            json!({"steps": [{"filter": {"keep": ["c", "a"]}}]}),
            "class",
        ),
        case(
            "drop",
            json!({"steps": [{"filter": {"drop": ["a"]}}]}),
            "multi",
        ),
        case(
            "split",
            json!({"split": {"validation": 0.25, "test": 0.2}}),
            "class",
        ),
    ]
}

fn augmentations() -> Vec<Case> {
    let case = |name, with, data| case("augment", name, with, &[("data", DATA, data)]);
    let one = |step: Value| json!({"steps": [step], "factor": 2, "keep_original": false});
    let jitter = json!({"brightness": 0.4, "contrast": 0.3, "saturation": 0.5, "hue": 0.2});
    let crop = json!({"size": [6, 6], "scale": [0.3, 0.9], "ratio": [0.5, 2.0]});
    vec![
        case("hflip", one(json!({"hflip": {}})), "class"),
        case("vflip", one(json!({"vflip": {"p": 0.7}})), "grey"),
        case(
            "rotate",
            one(json!({"rotate": {"degrees": [-30, 30]}})),
            "class",
        ),
        case(
            "rotate-fill",
            one(json!({"rotate": {"degrees": [-90, 45], "edge": {"fill": 7}}})),
            "grey",
        ),
        case(
            "random-crop",
            one(json!({"random-crop": {"size": 8, "padding": 2}})),
            "multi",
        ),
        case(
            "random-resized-crop",
            one(json!({"random-resized-crop": crop})),
            "class",
        ),
        case(
            "colour-jitter",
            one(json!({"colour-jitter": jitter})),
            "class",
        ),
        case(
            "colour-jitter-grey",
            one(json!({"colour-jitter": {"brightness": 0.4, "contrast": 0.4}})),
            "grey",
        ),
        case(
            "several",
            json!({"steps": [{"hflip": {}}, {"rotate": {"degrees": [-9, 9]}}, {"vflip": {}}]}),
            "multi",
        ),
        case(
            "factor",
            json!({"steps": [{"hflip": {}}], "factor": 3}),
            "class",
        ),
        case(
            "online",
            json!({"steps": [{"hflip": {}}, {"rotate": {"degrees": [-9, 9]}}], "online": true}),
            "class",
        ),
    ]
}

/// Two epochs, from the start.
fn trainings() -> Vec<Case> {
    let case = |name, with| case("train", name, with, &[("data", DATA, "small")]);
    let adversarial = |loss: &str| and(gan(2), "loss", loss);
    let everything = plus(
        gan(2),
        json!({
            "optimiser": "rmsprop",
            "momentum": 0.5,
            "optimisers": {"generator": {"optimiser": "adamw", "weight_decay": 0.01}},
            "lr": {"generator": 0.003, "discriminator": 0.002},
            "schedule": {
                "generator": {"kind": "cosine", "horizon": 15, "unit": "step", "floor": 0.0001, "warm_up": 2},
                "discriminator": {"kind": "step", "every": 1, "factor": 0.5},
            },
            "gradient_clip": {"norm": 0.5},
            "gradient_penalty": {"weight": 0.5, "points": "dragan", "sides": "one"},
            "r1": {"weight": 0.2, "every": 2},
            "r2": 0.1,
            "divergence": {"k": 0.1, "p": 3, "points": "real-and-fake"},
            "critic_steps": {"steps": 1, "warm_up": {"steps": 2, "first": 1, "every": 4}},
            "weight_clip": 0.5,
            "labels": {"real": [0.8, 1.2], "fake": [0, 0.2], "flip": 0.1},
            "adversarial_weight": {"discriminator": 0.5},
            "fresh_noise": true,
            "ema": {"decay": 0.9, "start": 2},
        }),
    );
    vec![
        case("gan-bce", adversarial("bce")),
        case("gan-minimax", adversarial("minimax")),
        case("gan-lsgan", adversarial("lsgan")),
        case("gan-hinge", adversarial("hinge")),
        case("gan-wgan-gp", adversarial("wgan-gp")),
        case(
            "gan-wasserstein-clipped",
            plus(gan(2), json!({"loss": "wasserstein", "weight_clip": 0.05})),
        ),
        case("gan-everything", everything),
        case(
            "gan-diff-augment",
            and(
                gan(2),
                "diff_augment",
                json!(["color", "translation", "cutout"]),
            ),
        ),
        case("classifier", classifier(2)),
        case("classifier-bce", and(classifier(2), "loss", "bce")),
        case(
            "classifier-sgd",
            plus(
                classifier(2),
                json!({"optimiser": "sgd", "momentum": 0.9, "nesterov": true, "init": "pytorch"}),
            ),
        ),
        case(
            "classifier-exponential",
            and(
                classifier(2),
                "schedule",
                json!({"kind": "exponential", "factor": 0.5}),
            ),
        ),
        case(
            "classifier-linear",
            and(
                classifier(2),
                "schedule",
                json!({"kind": "linear", "horizon": 4}),
            ),
        ),
        case("vae-mse", vae(2)),
        case(
            "vae-l1",
            plus(
                vae(2),
                json!({"loss": "l1", "beta": 0.5, "kl_reduction": "mean"}),
            ),
        ),
        case(
            "diverged",
            plus(classifier(2), json!({"optimiser": "sgd", "lr": 1e30})),
        ),
    ]
}

/// A model with two checkpoints.
fn run(folder: &'static str, last: &'static str) -> Behind {
    (
        "model",
        vec![("model", MODEL, last), ("checkpoints", FOLDER, folder)],
    )
}

fn generator() -> Behind {
    run("checkpoints", "checkpoints/epoch-0002.safetensors")
}

fn samples() -> Vec<Case> {
    let with = |name, with, model, inputs: &[_]| {
        let mut case = case("sample", name, with, inputs);
        case.inputs.insert(0, model);
        case
    };
    let mapped = ("model", vec![("model", MODEL, "mapped")]);
    let vae = || run("vaes", "vaes/epoch-0002.safetensors");
    let (judge, data) = (("judge", MODEL, "judge"), ("data", DATA, "multi"));
    vec![
        with(
            "grid",
            json!({"images": 6, "columns": 3, "classes": "each"}),
            generator(),
            &[],
        ),
        with(
            "grid-as-data",
            json!({"images": 5, "average": false, "checkpoint": 1}),
            generator(),
            &[data],
        ),
        with(
            "grid-prompts",
            json!({"labels": false}),
            generator(),
            &[("prompts", FILE, "prompts.json")],
        ),
        with(
            "grid-condition",
            json!({"images": 4, "condition": ["a", "c"]}),
            generator(),
            &[],
        ),
        with(
            "interpolate",
            json!({"mode": "interpolate", "frames": 5, "endpoints": 3, "condition": ["b"]}),
            generator(),
            &[],
        ),
        with(
            "interpolate-w",
            json!({"mode": "interpolate", "frames": 4, "space": "w", "endpoints": [4, 1]}),
            mapped.clone(),
            &[],
        ),
        with(
            "slerp",
            json!({"mode": "interpolate", "frames": 4, "path": "slerp"}),
            mapped,
            &[],
        ),
        with(
            "checkpoints",
            json!({"mode": "checkpoints", "images": 4, "checkpoints": "all", "classes": "each"}),
            generator(),
            &[],
        ),
        with(
            "reconstruct",
            json!({"mode": "reconstruct", "images": 4, "checkpoints": [1, 2]}),
            vae(),
            &[data],
        ),
        with(
            "neighbours",
            json!({"mode": "neighbours", "images": 3, "neighbours": 2}),
            generator(),
            &[data, judge],
        ),
        with(
            "best-worst",
            json!({"mode": "best-worst", "images": 12, "show": 2, "classes": "each"}),
            generator(),
            &[judge],
        ),
    ]
}

fn evaluations() -> Vec<Case> {
    let with = |name, with, model: Option<_>, inputs: &[_]| {
        let mut case = case("evaluate", name, with, inputs);
        case.inputs.extend(model);
        case
    };
    let (judge, reference) = (("judge", MODEL, "judge"), ("reference", DATA, "multi"));
    let metrics: Vec<&str> = retake::metric::Metric::ALL
        .iter()
        .map(|metric| metric.name())
        .collect();
    let small = ["fid", "kid", "is", "precision"];
    let eye = |protocol: &str| {
        json!({
            "metrics": small, "samples": 40, "subset_size": 10, "extractor": "file:eye.yaml", "protocol": protocol,
        })
    };
    let weights = ("weights", FILE, "eye.safetensors");
    vec![
        with(
            "every-metric",
            json!({"metrics": metrics, "samples": 36, "subset_size": 10, "bootstrap": 5, "checkpoints": "all"}),
            Some(generator()),
            &[judge, reference],
        ),
        with(
            "draws",
            json!({"metrics": ["fid", "accuracy"], "samples": 20, "draws": 3}),
            Some(generator()),
            &[judge, reference],
        ),
        with(
            "data",
            json!({"metrics": ["fid", "accuracy", "coverage"], "samples": 30}),
            None,
            &[judge, reference, ("data", DATA, "multi")],
        ),
        with(
            "torch-fidelity",
            eye("torch-fidelity"),
            Some(generator()),
            &[weights, reference],
        ),
        with(
            "pytorch-fid",
            eye("pytorch-fid"),
            Some(generator()),
            &[weights, reference],
        ),
        with(
            "clean-fid",
            eye("clean-fid"),
            Some(generator()),
            &[weights, reference],
        ),
    ]
}

fn commands() -> Vec<Case> {
    let case = |name, with, inputs: &[_]| case("command", name, with, inputs);
    vec![
        case(
            "file",
            json!({"run": "cat in/text | tr a-z A-Z > out/upper; echo $EXTRA >> out/upper", "outputs": {"upper": "upper"}, "env": {"EXTRA": "more"}}),
            &[("text", FILE, "attr.txt")],
        ),
        case(
            "folder",
            json!({"run": "mkdir -p out/made/empty; echo x > out/made/x; chmod +x out/made/x; ls in > out/made/in", "outputs": {"made": "made"}}),
            &[("images", FOLDER, "images")],
        ),
        case(
            "environment",
            json!({
                "run": "echo ${CARGO_MANIFEST_DIR:-cleared} > out/seen; ls -A >> out/seen",
                "outputs": {"seen": "seen"},
            }),
            &[],
        ),
    ]
}
