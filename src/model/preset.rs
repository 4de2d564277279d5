//! The models that come with retake, embedded from `pipelines/models/`.

macro_rules! presets {
    ($($name:literal),+ $(,)?) => {
        /// All presets, in the order in which they are shown.
        pub(super) const NAMES: [&str; [$($name),+].len()] = [$($name),+];

        /// The YAML of a preset.
        pub(super) fn text(name: &str) -> Option<&'static str> {
            match name {
                $($name => Some(include_str!(concat!("../../pipelines/models/", $name, ".yaml"))),)+
                _ => None,
            }
        }
    };
}

presets![
    "dcgan-64",
    "cdcgan-64",
    "dcgan-32",
    "cdcgan-32",
    "wgan-gp-64",
    "resnet-18-small",
    "resnet-8",
    "judge-64",
    "r0",
    "r1",
    "r3",
    "r4",
    "inception-v3",
    "vgg16",
    "efficientnet-lite0"
];
