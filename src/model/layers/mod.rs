//! The layers: THE list, and how a layer is written in YAML.
//!
//! A layer is its name with settings (`conv: {out: 64, kernel: 4}`), its name alone where it needs
//! none (`relu`), or a list of layers (a block). Beside its settings it may have a name of its own, after which
//! its tensors are called: `{name: conv1, conv: {…}}`, `{name: block1, block: […]}`. A new layer is one file here and
//! one line in the list.

mod activation;
mod adain;
mod adaptive_pool;
mod affine;
mod batch_norm;
mod bias;
mod branches;
mod concat;
mod conv;
mod conv_transpose;
mod dropout;
mod expand;
mod head;
mod linear;
mod minibatch_stddev;
mod modulated_conv;
mod named;
mod pixel_norm;
mod pixel_shuffle;
mod pool;
mod projection;
mod reshape;
mod residual;
mod sample_norm;
mod self_attention;
mod smooth;
mod tap;
mod upsample;
mod weight;
mod window;

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapDeserializer, SeqAccessDeserializer};
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use super::build::{Builder, Built, Layer};
use super::error::{ShapeError, nearest};

pub use activation::{LeakyRelu, Relu, Relu6, Sigmoid, Tanh};
pub use adain::Adain;
pub use adaptive_pool::{AdaptiveAvgPool, AdaptiveMaxPool};
pub use batch_norm::BatchNorm;
pub use bias::Bias;
pub use branches::Branches;
pub use concat::Concat;
pub use conv::Conv;
pub use conv_transpose::ConvTranspose;
pub use dropout::Dropout;
pub use expand::Expand;
pub use head::Head;
pub use linear::Linear;
pub use minibatch_stddev::MinibatchStddev;
pub use modulated_conv::ModulatedConv;
pub use named::Named;
pub use pixel_norm::PixelNorm;
pub use pixel_shuffle::PixelShuffle;
pub use pool::{AvgPool, GlobalAvgPool, MaxPool};
pub use projection::Projection;
pub use reshape::{Flatten, Reshape};
pub use residual::Residual;
pub use sample_norm::{GroupNorm, InstanceNorm, LayerNorm};
pub use self_attention::SelfAttention;
pub use smooth::{Elu, Gelu, Silu, Softplus};
pub use tap::Tap;
pub use upsample::{Upsample, UpsampleMode};
pub use weight::{Equalised, SpectralNorm, Switch};

/// Makes [`LayerSpec`] from the list of layers: an enum, its YAML names, its decoder, and the calls passed
/// on to whichever layer it holds.
macro_rules! layers {
    ($($name:literal => $variant:ident),+ $(,)?) => {
        /// A layer of a network.
        #[derive(Debug, Clone, PartialEq)]
        pub enum LayerSpec {
            $(#[doc = concat!("`", $name, "`")] $variant($variant),)+
            /// a list of layers
            Block(Vec<LayerSpec>),
            /// one of these with a name of its own
            Named(Named),
        }

        impl LayerSpec {
            /// The names of all layers, in declared order.
            pub const NAMES: &'static [&'static str] = &[$($name),+];

            /// The layer's name in YAML.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $name,)+
                    Self::Block(_) => BLOCK,
                    Self::Named(named) => named.layer.name(),
                }
            }

            pub(super) fn build(&self, input: &[usize], builder: &mut Builder<'_>) -> Result<Built, ShapeError> {
                match self {
                    $(Self::$variant(layer) => layer.build(input, builder),)+
                    Self::Block(layers) => builder.block(layers, input),
                    Self::Named(named) => builder.named(&named.name, &named.layer, input),
                }
            }

            /// Writes its name and settings as an entry.
            fn entry<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
                match self {
                    $(Self::$variant(layer) => map.serialize_entry($name, layer),)+
                    Self::Block(layers) => map.serialize_entry(BLOCK, layers),
                    Self::Named(named) => named.entries(map),
                }
            }
        }

        impl Serialize for LayerSpec {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if let Self::Block(layers) = self {
                    return layers.serialize(serializer);
                }
                let mut map = serializer.serialize_map(None)?;
                self.entry(&mut map)?;
                map.end()
            }
        }

        impl<'de> DeserializeSeed<'de> for Settings<'_> {
            type Value = LayerSpec;
            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<LayerSpec, D::Error> {
                match self.0 {
                    $($name => $variant::deserialize(deserializer).map(LayerSpec::$variant),)+
                    BLOCK => Vec::deserialize(deserializer).map(LayerSpec::Block),
                    unknown => Err(de::Error::custom(unknown_layer(unknown))),
                }
            }
        }

        fn settings(generator: &mut SchemaGenerator) -> Vec<(&'static str, Schema)> {
            vec![$(($name, generator.subschema_for::<$variant>())),+]
        }
    };
}

layers! {
    "linear" => Linear,
    "conv" => Conv,
    "conv-transpose" => ConvTranspose,
    "modulated-conv" => ModulatedConv,
    "self-attention" => SelfAttention,
    "bias" => Bias,
    "batch-norm" => BatchNorm,
    "instance-norm" => InstanceNorm,
    "group-norm" => GroupNorm,
    "layer-norm" => LayerNorm,
    "adain" => Adain,
    "pixel-norm" => PixelNorm,
    "minibatch-stddev" => MinibatchStddev,
    "relu" => Relu,
    "relu6" => Relu6,
    "leaky-relu" => LeakyRelu,
    "tanh" => Tanh,
    "sigmoid" => Sigmoid,
    "elu" => Elu,
    "gelu" => Gelu,
    "silu" => Silu,
    "softplus" => Softplus,
    "dropout" => Dropout,
    "max-pool" => MaxPool,
    "avg-pool" => AvgPool,
    "global-avg-pool" => GlobalAvgPool,
    "adaptive-avg-pool" => AdaptiveAvgPool,
    "adaptive-max-pool" => AdaptiveMaxPool,
    "upsample" => Upsample,
    "pixel-shuffle" => PixelShuffle,
    "flatten" => Flatten,
    "reshape" => Reshape,
    "expand" => Expand,
    "concat" => Concat,
    "projection" => Projection,
    "head" => Head,
    "residual" => Residual,
    "branches" => Branches,
    "tap" => Tap,
}

/// What a block is called where it needs a word.
const BLOCK: &str = "block";
/// The key of a layer's own name.
const NAME: &str = "name";

/// The settings of the layer of this name.
struct Settings<'a>(&'a str);

fn unknown_layer(name: &str) -> String {
    match nearest(name, LayerSpec::NAMES) {
        Some(near) => format!("unknown layer `{name}`: did you mean `{near}`?"),
        None => format!(
            "unknown layer `{name}`: expected one of {}",
            LayerSpec::NAMES.join(", ")
        ),
    }
}

impl<'de> Deserialize<'de> for LayerSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LayerVisitor;
        impl<'de> Visitor<'de> for LayerVisitor {
            type Value = LayerSpec;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a layer: its name, its name with settings, or a list of layers")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<LayerSpec, E> {
                if !LayerSpec::NAMES.contains(&name) {
                    return Err(E::custom(unknown_layer(name)));
                }
                let nothing = MapDeserializer::new(std::iter::empty::<(&str, &str)>());
                Settings(name).deserialize(nothing).map_err(|error: E| {
                    E::custom(format!("layer `{name}` needs settings: {error}"))
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<LayerSpec, A::Error> {
                let (mut own, mut layer) = (None, None);
                while let Some(key) = map.next_key::<String>()? {
                    match (key.as_str(), &layer) {
                        (NAME, _) if own.is_none() => own = Some(map.next_value::<named::Name>()?),
                        (_, None) => layer = Some((map.next_value_seed(Settings(&key))?, key)),
                        (other, Some((_, name))) => {
                            return Err(de::Error::custom(format!(
                                "one layer an item, but `{other}` follows `{name}` (is a `- ` missing, or an indent?)"
                            )));
                        }
                    }
                }
                match (own, layer) {
                    (None, Some((layer, _))) => Ok(layer),
                    (Some(name), Some((layer, _))) => Ok(LayerSpec::Named(Named::new(name, layer))),
                    (Some(_), None) => Err(de::Error::custom("a name alone is no layer")),
                    (None, None) => Err(de::Error::custom("an empty mapping is no layer")),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<LayerSpec, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(LayerSpec::Block)
            }
        }
        deserializer.deserialize_any(LayerVisitor)
    }
}

impl JsonSchema for LayerSpec {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Layer".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let block = json_schema!({"type": "array", "items": generator.subschema_for::<Self>()});
        let mut with_settings = settings(generator);
        with_settings.push((BLOCK, block.clone()));
        let with_settings = with_settings.into_iter().map(|(layer, schema)| {
            json_schema!({
                "type": "object",
                "properties": {NAME: generator.subschema_for::<named::Name>(), layer: schema},
                "required": [layer],
                "additionalProperties": false
            })
        });
        let mut forms: Vec<Schema> = with_settings.collect();
        forms.push(json_schema!({"type": "string", "enum": Self::NAMES}));
        forms.push(block);
        json_schema!({
            "description": "A layer: its name with settings, and maybe a name of its own; its name alone; or a list of layers (a block).",
            "anyOf": forms
        })
    }
}
