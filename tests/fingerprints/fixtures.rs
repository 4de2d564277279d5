//! Fixed inputs: files whose bytes no kind has made, nor any random stream of retake's.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use candle_core::Device;
use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use retake::data::{ImageRef, Label, LabelKind, PackSchema, PackWriter};
use retake::model::{Dims, Init, ModelHeader, ModelSpec, Network};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use tempfile::TempDir;

/// Numbers that look random (splitmix64).
pub struct Noise(u64);

impl Noise {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }

    /// In [-½, ½), exactly the same on every machine.
    fn number(&mut self) -> f32 {
        (self.next() >> 40) as f32 / 16_777_216.0 - 0.5
    }
}

/// A folder of inputs.
pub struct Fixtures {
    folder: TempDir,
}

const CONDITIONAL: &str = "
networks:
  generator: &g
    inputs: {z: [latent], condition: [classes]}
    start: z
    layers: [concat: {input: condition}, linear: {out: channels*height*width}, reshape: [channels, height, width], batch-norm, tanh]
  generator_ema: *g
  discriminator:
    inputs: {image: [channels, height, width]}
    layers: [conv: {out: 4, kernel: 4, stride: 2, padding: 1}, leaky-relu, flatten, linear: {out: 1}]
";
const MAPPED: &str = "
networks:
  mapping:
    inputs: {z: [latent]}
    layers: [linear: {out: latent}, tanh]
  generator:
    inputs: {w: [latent]}
    start: w
    layers: [linear: {out: channels*height*width}, reshape: [channels, height, width], tanh]
";
const VAE: &str = "
networks:
  encoder:
    inputs: {image: [channels, height, width]}
    layers: [flatten, linear: {out: 2*latent}]
  decoder:
    inputs: {z: [latent]}
    layers: [linear: {out: channels*height*width}, tanh, reshape: [channels, height, width]]
";
const JUDGE: &str = "
networks:
  classifier:
    inputs: {image: [channels, height, width]}
    layers: [conv: {out: 4, kernel: 3, padding: 1}, relu, flatten, linear: {out: 6}, tap: features, linear: {out: classes}]
";

impl Fixtures {
    pub fn new() -> Self {
        let fixtures = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fixtures.packs();
        fixtures.models();
        fixtures.images();
        fixtures.idx();
        fixtures.cifar();
        fixtures
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn packs(&self) {
        self.pack("class", (12, 12, 3), LabelKind::Class, 24);
        self.pack("multi", (8, 8, 3), LabelKind::Multi, 40);
        self.pack("grey", (9, 11, 1), LabelKind::None, 10);
        self.pack("small", (4, 4, 1), LabelKind::Class, 40);
    }

    fn pack(&self, name: &str, size: (usize, usize, usize), labels: LabelKind, count: u32) {
        let (height, width, channels) = size;
        let classes = ["a", "b", "c"].map(str::to_owned).to_vec();
        let schema = PackSchema {
            channels,
            labels,
            classes: if labels == LabelKind::None {
                Vec::new()
            } else {
                classes
            },
        };
        let mut pack = PackWriter::create(&self.path(name), schema).unwrap();
        let mut noise = Noise::new(u64::from(count));
        for index in 0..count {
            let pixels = noise.bytes(height * width * channels);
            let image = ImageRef {
                height,
                width,
                channels,
                pixels: &pixels,
            };
            let label = match labels {
                LabelKind::None => Label::None,
                LabelKind::Class => Label::Class(index % 3),
                LabelKind::Multi if index % 2 == 0 => Label::Multi(vec![index % 3]),
                LabelKind::Multi => Label::Multi(vec![0, 2]),
            };
            pack.push(&image, &label, &format!("{index}.png")).unwrap();
        }
        pack.finish().unwrap();
    }

    fn models(&self) {
        for epoch in 1..=2 {
            let name = format!("checkpoints/epoch-{epoch:04}.safetensors");
            self.model(&name, CONDITIONAL, 5, epoch);
            self.model(&format!("vaes/epoch-{epoch:04}.safetensors"), VAE, 4, epoch);
        }
        self.model("mapped", MAPPED, 6, 3);
        self.model("judge", JUDGE, 5, 4);
        self.write("eye.yaml", crate::extract::SPEC);
        let spec = crate::extract::spec();
        let (layers, dims) = (spec.layers().unwrap(), dims(0, 0, 21));
        let eye = Network::new("eye", layers, &dims, Init::Pytorch, 0, &Device::Cpu).unwrap();
        let weights = tensors(&eye, "", &mut Noise::new(5));
        self.write("eye.safetensors", safetensors_of(&weights, None));
    }

    /// A model whose numbers are noise.
    fn model(&self, file: &str, spec: &str, latent: usize, seed: u64) {
        let spec = ModelSpec::from_yaml(spec).unwrap();
        let dims = dims(latent, 3, 8);
        let mut noise = Noise::new(seed);
        let mut all = Vec::new();
        for (name, network) in &spec.networks {
            let made = Network::new(name, network, &dims, Init::Pytorch, 0, &Device::Cpu).unwrap();
            all.extend(tensors(&made, &format!("{name}."), &mut noise));
        }
        let header = ModelHeader {
            task: "test".to_owned(),
            dims,
            classes: ["a", "b", "c"].map(str::to_owned).to_vec(),
            multi_label: true,
            spec,
        };
        let header = serde_json::to_string(&header).unwrap();
        let metadata = HashMap::from([("retake".to_owned(), header)]);
        self.write(file, safetensors_of(&all, Some(metadata)));
    }

    fn images(&self) {
        let mut noise = Noise::new(9);
        for (index, class) in ["cat", "cat", "dog", "emu"].into_iter().enumerate() {
            let image = png(5 + index as u32, 7, &mut noise);
            self.write(&format!("folder/{class}/{index}.png"), &image);
            self.write(&format!("images/{index}.png"), &image);
        }
        self.write(
            "attr.txt",
            "4\nred blue\n2.png 1 -1\n0.png -1 1\n1.png 1 1\n3.png -1 -1\n",
        );
        self.write(
            "labels.json",
            r#"{"0.png": ["red"], "2.png": ["blue", "red"], "3.png": []}"#,
        );
        self.write("classes.json", r#"{"red": 1, "blue": 0}"#);
        self.write("prompts.json", r#"[["a"], ["b", "c"], "c"]"#);
    }

    fn idx(&self) {
        let idx = |sizes: &[u32], content: &[u8]| {
            let mut bytes = vec![0, 0, 8, sizes.len() as u8];
            bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
            bytes.extend(content);
            bytes
        };
        let images = idx(&[6, 5, 4], &Noise::new(1).bytes(120));
        let labels = idx(&[6], &[0, 1, 2, 2, 1, 0]);
        for part in ["train", "t10k"] {
            self.write(&format!("mnist/{part}-images-idx3-ubyte"), &images);
            self.write(&format!("mnist/{part}-labels-idx1-ubyte"), &labels);
        }
    }

    fn cifar(&self) {
        let mut noise = Noise::new(2);
        let records: Vec<u8> = (0..3)
            .flat_map(|label| [vec![label], noise.bytes(3072)].concat())
            .collect();
        self.write("cifar/data_batch_1.bin", &records);
        self.write("cifar/test_batch.bin", &records[..3073]);
    }
}

/// A PNG of noise in RGB, uncompressed, so that no compressor has a say in its bytes.
fn png(width: u32, height: u32, noise: &mut Noise) -> Vec<u8> {
    let mut rows = Vec::new();
    for _ in 0..height {
        rows.push(0);
        rows.extend(noise.bytes(3 * width as usize));
    }
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::none());
    packed.write_all(&rows).unwrap();
    let mut head = [width.to_be_bytes(), height.to_be_bytes()].concat();
    head.extend([8, 2, 0, 0, 0]);
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, content) in [
        (b"IHDR", head),
        (b"IDAT", packed.finish().unwrap()),
        (b"IEND", vec![]),
    ] {
        let mut crc = Crc::new();
        crc.update(kind);
        crc.update(&content);
        png.extend((content.len() as u32).to_be_bytes());
        png.extend(kind);
        png.extend(&content);
        png.extend(crc.sum().to_be_bytes());
    }
    png
}

fn dims(latent: usize, classes: usize, side: usize) -> Dims {
    Dims {
        latent,
        classes,
        channels: 3,
        height: side,
        width: side,
    }
}

/// Name, shape, bytes.
type Tensor = (String, Vec<usize>, Vec<u8>);

/// Noise in the form of a network's numbers.
fn tensors(network: &Network, prefix: &str, noise: &mut Noise) -> Vec<Tensor> {
    let all = network.parameters().iter().chain(network.buffers());
    let noisy = all.map(|parameter| {
        let shape = parameter.value.dims().to_vec();
        let count: usize = shape.iter().product();
        // A variance is positive.
        let is_variance = parameter.name.contains("var");
        let mut number = || {
            let number = noise.number();
            if is_variance {
                number.abs() + 0.1
            } else {
                number
            }
        };
        let bytes = (0..count).flat_map(|_| number().to_le_bytes()).collect();
        (format!("{prefix}{}", parameter.name), shape, bytes)
    });
    noisy.collect()
}

fn safetensors_of(tensors: &[Tensor], metadata: Option<HashMap<String, String>>) -> Vec<u8> {
    let views = tensors.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes);
        (name, view.unwrap())
    });
    safetensors::serialize(views, metadata).unwrap()
}
