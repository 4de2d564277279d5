//! `retake doctor`: what this machine and this store are

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use indicatif::ProgressBar;
use serde_json::json;

use super::common::{self, CliError, Exit};
use crate::device::{self, DeviceRequest};
use crate::run::slots::machine_memory;
use crate::stage::command::guard::landlock_version;
use crate::store::{Checked, Store};

/// Say what retake finds on this machine: device class, cores, memory; check the store
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The store to look at
    #[arg(
        long,
        env = "RETAKE_STORE",
        value_name = "DIR",
        default_value = ".retake"
    )]
    store: PathBuf,
    /// Read every file of the store and compare it with its digest; what is damaged moves to the quarantine and is made
    /// again by the next run (exits with 5 when there is any)
    #[arg(long)]
    check_store: bool,
    /// JSON on standard output
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<Exit, CliError> {
    let cpu = device::cpu();
    let gpu = device::open(DeviceRequest::Cuda(0));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let version = landlock_version();
    let commands = match version {
        Some(version) => {
            format!("held to their inputs and their own directory by Landlock (version {version})")
        }
        None => "not held to their inputs: this system has no Landlock, or none since Linux 5.19"
            .to_owned(),
    };
    let gpu_text = match &gpu {
        Ok(compute) => compute.class.to_string(),
        Err(error) => format!("none ({error})"),
    };
    let check = match args.check_store {
        true if args.store.is_dir() => {
            let store = Store::open(&args.store).map_err(CliError::failed)?;
            common::refuse_strangers(&store)?;
            Some(check(&store))
        }
        true => {
            return Err(CliError::bad(format!(
                "there is no store at {}",
                args.store.display()
            )));
        }
        false => None,
    };
    let sound = check.as_ref().is_none_or(Checked::is_sound);
    if args.json {
        common::print_json(&json!({
            "version": env!("CARGO_PKG_VERSION"),
            "cpu": cpu.class,
            "cores": cores,
            "memory_mib": machine_memory(),
            "gpu": gpu.as_ref().ok().map(|compute| &compute.class),
            "landlock": version,
            "store": args.store,
            "check": check,
        }))?;
    } else {
        let mut text = format!(
            "retake    {}\nCPU       {} ({cores} cores, {} MiB memory)\nGPU       {gpu_text}\ncommands  {commands}\nstore     {}\n",
            env!("CARGO_PKG_VERSION"),
            cpu.class,
            machine_memory(),
            args.store.display(),
        );
        if let Some(check) = &check {
            text += &describe(check);
        }
        common::print(&text)?;
    }
    Ok(if sound { Exit::Done } else { Exit::Different })
}

/// Checks a store; a bar on a terminal says how far it is.
fn check(store: &Store) -> Checked {
    let bar = if io::stderr().is_terminal() {
        ProgressBar::new(0)
    } else {
        ProgressBar::hidden()
    };
    let checked = store.check_all(&|done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    checked
}

fn describe(check: &Checked) -> String {
    let mut text = format!(
        "checked   {} objects, {} records, {} parts, {} other files\n",
        check.objects, check.records, check.parts, check.others
    );
    for damage in &check.damaged {
        let place = match &damage.moved_to {
            Some(place) => format!("moved to {}", common::display(place)),
            None => "left where it is".to_owned(),
        };
        let path = common::display(&damage.path);
        text += &format!("damaged   {path}: {} ({place})\n", damage.cause);
    }
    for dangling in &check.dangling {
        let what = if dangling.part { "part" } else { "record" };
        text += &format!(
            "missing   {what} {}, `{}`: {}; it will be made again\n",
            dangling.key.short(),
            dangling.output,
            dangling.cause
        );
    }
    for left in &check.leftovers {
        let left = common::display(left);
        text += &format!("left      {left}, of a process that is gone; the next run removes it\n");
    }
    text
}
