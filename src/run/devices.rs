//! The devices that a run uses, each opened once.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::device::{self, Compute, DeviceError, DeviceRequest};

/// Opened devices by request; a stage without a `device:` of its own gets the run's.
#[derive(Debug)]
pub struct Devices {
    default: DeviceRequest,
    opened: Mutex<HashMap<DeviceRequest, Compute>>,
}

impl Devices {
    /// Devices for a run that was asked for `default` (`--device`).
    pub fn new(default: DeviceRequest) -> Self {
        Self {
            default,
            opened: Mutex::default(),
        }
    }

    /// The device of a stage that asks for `request`.
    pub fn get(&self, request: Option<DeviceRequest>) -> Result<Compute, DeviceError> {
        let request = request.unwrap_or(self.default);
        let mut opened = self
            .opened
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(compute) = opened.get(&request) {
            return Ok(compute.clone());
        }
        let compute = device::open(request)?;
        opened.insert(request, compute.clone());
        Ok(compute)
    }
}
