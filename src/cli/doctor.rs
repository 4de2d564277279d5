//! `retake doctor`: what this machine and this store are

use std::path::PathBuf;

use serde_json::json;

use super::common::{self, CliError, Exit};
use crate::device::{self, DeviceRequest};
use crate::run::slots::machine_memory;
use crate::store::Store;

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
    /// Read every object and record of the store and compare them with their digests
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
    let gpu_text = match &gpu {
        Ok(compute) => compute.class.to_string(),
        Err(error) => format!("none ({error})"),
    };
    let check = match args.check_store {
        true if args.store.is_dir() => {
            let store = Store::open(&args.store).map_err(CliError::failed)?;
            Some(store.check_all().map_err(CliError::failed)?)
        }
        true => {
            return Err(CliError::bad(format!(
                "there is no store at {}",
                args.store.display()
            )));
        }
        false => None,
    };
    let damaged = check
        .as_ref()
        .is_some_and(|check| !check.damaged.is_empty());
    if args.json {
        common::print_json(&json!({
            "version": env!("CARGO_PKG_VERSION"),
            "cpu": cpu.class,
            "cores": cores,
            "memory_mib": machine_memory(),
            "gpu": gpu.as_ref().ok().map(|compute| &compute.class),
            "store": args.store,
            "damaged": check.as_ref().map(|check| &check.damaged),
        }))?;
    } else {
        let mut text = format!(
            "retake    {}\nCPU       {} ({cores} cores, {} MiB memory)\nGPU       {gpu_text}\nstore     {}\n",
            env!("CARGO_PKG_VERSION"),
            cpu.class,
            machine_memory(),
            args.store.display(),
        );
        if let Some(check) = &check {
            text += &format!(
                "checked   {} objects, {} records\n",
                check.objects, check.records
            );
            for damage in &check.damaged {
                text += &format!("damaged   {damage}\n");
            }
        }
        common::print(&text)?;
    }
    Ok(if damaged { Exit::Different } else { Exit::Done })
}
