//! Reading an archive into a store: everything is checked before anything gets in.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Map;

use super::super::memo::PartRecord;
use super::super::objects::Staged;
use super::super::write::seal;
use super::super::{Record, Store, StoreError};
use super::{FIRST, FORMAT, INDEX, copy, line, tar};
use crate::hash::Digest;
use crate::stage::{Artifact, Format};

/// Records larger than this are none.
const LARGEST_RECORD: u64 = 1 << 30;

/// What came into a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Imported {
    /// records of nodes
    pub records: usize,
    /// records of parts of work
    pub parts: usize,
    /// objects
    pub objects: usize,
    /// bytes of the objects
    pub bytes: u64,
    /// records, parts and objects that were there already
    pub present: usize,
}

/// What an archive holds, read and found whole.
#[derive(Default)]
struct Held {
    /// objects that the store lacks
    staged: Vec<Staged>,
    /// objects that it holds
    present: BTreeSet<Digest>,
    parts: BTreeMap<Digest, PartRecord>,
    records: BTreeMap<Digest, Record>,
    links: BTreeMap<Digest, BTreeSet<Digest>>,
}

/// What the name of a file in an archive says of it.
enum Place {
    Object(Digest),
    Part(Digest),
    Record(Digest),
    Links(Digest),
}

impl Store {
    /// Takes in what an archive holds and the store lacks: objects, then the records that name them.
    ///
    /// # Errors
    /// When the archive was truncated or altered or is none, or the store cannot be written. Then nothing of it has
    /// come in, but where writing itself failed half-way.
    pub fn import_archive(&self, from: &mut dyn Read) -> Result<Imported, StoreError> {
        let held = self.read_archive(from)?;
        let mut imported = Imported {
            objects: held.staged.len(),
            bytes: held.staged.iter().map(|staged| staged.bytes).sum(),
            present: held.present.len(),
            ..Imported::default()
        };
        let _gate = self.share_briefly();
        for digest in &held.present {
            self.check(digest).map_err(|_| {
                bad("the store was cleared up meanwhile; import it again".to_owned())
            })?;
        }
        let mut moves = self.admit(held.staged);
        for (key, part) in &held.parts {
            // What the store knows of a part may be more: its resume state.
            let known = self.part(key)?;
            let is_there = |name: &String| {
                known
                    .as_ref()
                    .is_some_and(|known| known.objects.contains_key(name))
            };
            if known.is_some() && part.objects.keys().all(is_there) {
                imported.present += 1;
            } else {
                moves.push(self.ready_record(self.part_path(key), part, &Map::new())?.0);
                imported.parts += 1;
            }
        }
        for (key, record) in &held.records {
            if self.record(key).is_some() {
                imported.present += 1;
            } else {
                let path = self.record_path(key);
                moves.push(self.ready_record(path, record, &Map::new())?.0);
                imported.records += 1;
            }
        }
        self.name(moves)?;
        for (key, parts) in &held.links {
            let mut all = self.parts_of(key);
            all.extend(parts);
            self.remember_parts(key, &all)?;
        }
        Ok(imported)
    }

    /// Reads an archive to its end. Objects that the store lacks lie in the session's folder then.
    fn read_archive(&self, mut from: &mut dyn Read) -> Result<Held, StoreError> {
        let mut held = Held::default();
        let mut index = String::new();
        let mut names = BTreeSet::new();
        loop {
            let Some((name, size)) = tar::read_header(&mut from).map_err(|e| cut_off(&e))? else {
                return Err(bad("it was truncated: its index is missing".to_owned()));
            };
            if !names.insert(name.clone()) {
                return Err(bad(format!("`{name}` is in it twice")));
            }
            if name == INDEX {
                let (bytes, _) = read_small(&mut from, &name, size)?;
                compare(&index, &String::from_utf8_lossy(&bytes))?;
                break;
            }
            let digest = if name == FIRST {
                let (bytes, digest) = read_small(&mut from, &name, size)?;
                let format = serde_json::from_slice::<serde_json::Value>(&bytes).ok();
                let format = format.and_then(|first| first.get("format")?.as_u64());
                if format != Some(u64::from(FORMAT)) {
                    return Err(bad("it is of another version of retake".to_owned()));
                }
                digest
            } else if index.is_empty() {
                return Err(bad("it is no archive of retake's".to_owned()));
            } else {
                self.read_file(&mut from, &name, size, &mut held)?
            };
            tar::read_padding(&mut from, size).map_err(|e| cut_off(&e))?;
            index += &line(&name, size, &digest);
        }
        held.check()?;
        Ok(held)
    }

    fn read_file(
        &self,
        from: &mut impl Read,
        name: &str,
        size: u64,
        held: &mut Held,
    ) -> Result<Digest, StoreError> {
        let place =
            Place::of(name).ok_or_else(|| bad(format!("`{name}` has no place in a store")))?;
        let Place::Object(object) = place else {
            let (bytes, digest) = read_small(from, name, size)?;
            held.add(&place, name, &bytes)?;
            return Ok(digest);
        };
        let altered = || {
            bad(format!(
                "`{name}` was altered: its bytes are not what its name says"
            ))
        };
        if self.check(&object).is_ok() {
            let digest = copy(from, size, &mut io::sink()).map_err(|e| cut_off(&e))?;
            held.present.insert(object);
            return if digest == object {
                Ok(digest)
            } else {
                Err(altered())
            };
        }
        let path = self.session()?.fresh("object");
        let mut file = File::create_new(&path).map_err(|e| StoreError::io(&path, e))?;
        let digest = copy(from, size, &mut file).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => cut_off(&error),
            _ => StoreError::io(&path, error),
        })?;
        drop(file);
        if digest != object {
            return Err(altered());
        }
        seal(&path, false)?;
        held.staged.push(Staged {
            path,
            digest,
            bytes: size,
        });
        Ok(digest)
    }
}

impl Place {
    fn of(name: &str) -> Option<Self> {
        let mut parts = name.split('/');
        let (folder, shard, rest) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || shard.len() != 2 {
            return None;
        }
        let json = rest.strip_suffix(".json");
        let key = |rest: &str| format!("{shard}{rest}").parse().ok();
        match (folder, json) {
            ("objects", None) => key(rest).map(Self::Object),
            ("links", None) => key(rest).map(Self::Links),
            ("parts", Some(rest)) => key(rest).map(Self::Part),
            ("records", Some(rest)) => key(rest).map(Self::Record),
            _ => None,
        }
    }
}

impl Held {
    /// Adds what is no object.
    fn add(&mut self, place: &Place, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        match place {
            Place::Object(_) => (),
            Place::Part(key) => {
                let part: PartRecord = parse(name, bytes)?;
                if part.key != *key {
                    return Err(other_key(name));
                }
                self.parts.insert(*key, part);
            }
            Place::Record(key) => {
                let record: Record = parse(name, bytes)?;
                if record.key != *key || Digest::of_value(&record.recipe) != *key {
                    return Err(other_key(name));
                }
                self.records.insert(*key, record);
            }
            Place::Links(key) => {
                let lines = String::from_utf8_lossy(bytes);
                let parts: Result<_, _> = lines.lines().map(str::parse::<Digest>).collect();
                let parts = parts.map_err(|_| bad(format!("`{name}` was altered")))?;
                self.links.insert(*key, parts);
            }
        }
        Ok(())
    }

    /// Whether everything that its records name came with it.
    fn check(&self) -> Result<(), StoreError> {
        let objects: BTreeMap<Digest, Option<&Staged>> = self
            .present
            .iter()
            .map(|digest| (*digest, None))
            .chain(
                self.staged
                    .iter()
                    .map(|staged| (staged.digest, Some(staged))),
            )
            .collect();
        let of_records = self
            .records
            .values()
            .flat_map(|record| record.outputs.values());
        let of_parts = self.parts.values().flat_map(|part| part.objects.values());
        for artifact in of_records.chain(of_parts) {
            for digest in objects_of(artifact, &objects)? {
                if !objects.contains_key(&digest) {
                    return Err(bad(format!(
                        "object {digest}, which it needs, is not in it"
                    )));
                }
            }
        }
        let unknown = self
            .links
            .keys()
            .find(|key| !self.records.contains_key(*key));
        match unknown {
            Some(key) => Err(bad(format!("it holds parts of {key} without its record"))),
            None => Ok(()),
        }
    }
}

/// The objects that an artifact of an archive consists of.
fn objects_of(
    artifact: &Artifact,
    objects: &BTreeMap<Digest, Option<&Staged>>,
) -> Result<Vec<Digest>, StoreError> {
    let mut all = vec![artifact.digest];
    // A folder that the store holds already is looked into when it is looked up.
    if artifact.format == Format::Folder
        && let Some(Some(staged)) = objects.get(&artifact.digest)
    {
        let bytes = std::fs::read(&staged.path).map_err(|e| StoreError::io(&staged.path, e))?;
        let manifest = super::super::Manifest::from_bytes(&bytes).ok_or_else(|| {
            bad(format!(
                "object {} is not the folder that it should be",
                artifact.digest
            ))
        })?;
        all.extend(manifest.files.values().map(|file| file.digest));
    }
    Ok(all)
}

/// Reads a file that is no object.
fn read_small(
    from: &mut impl Read,
    name: &str,
    size: u64,
) -> Result<(Vec<u8>, Digest), StoreError> {
    if size > LARGEST_RECORD {
        return Err(bad(format!("`{name}` is too large for what it should be")));
    }
    let mut bytes = Vec::new();
    let digest = copy(from, size, &mut bytes).map_err(|e| cut_off(&e))?;
    Ok((bytes, digest))
}

fn parse<T: DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|error| bad(format!("`{name}` was altered: {error}")))
}

/// Compares what was read with what the index says.
fn compare(read: &str, index: &str) -> Result<(), StoreError> {
    if read == index {
        return Ok(());
    }
    let different = read
        .lines()
        .zip(index.lines())
        .find(|(read, index)| read != index)
        .and_then(|(read, _)| read.splitn(3, ' ').nth(2));
    Err(bad(match different {
        Some(name) => format!("`{name}` was altered: it is not as the index says"),
        None => "files are missing from it, or from its index".to_owned(),
    }))
}

fn other_key(name: &str) -> StoreError {
    bad(format!("`{name}` is the record of another key"))
}

fn cut_off(error: &io::Error) -> StoreError {
    bad(match error.kind() {
        io::ErrorKind::UnexpectedEof => "it was truncated".to_owned(),
        _ => error.to_string(),
    })
}

fn bad(problem: String) -> StoreError {
    StoreError::unsuitable("the archive", problem)
}
