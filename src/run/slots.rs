//! What the machine has for stages to occupy: CPU and GPU slots, and memory.

use crate::stage::Slots;

/// The machine's slots and what running stages hold of them.
#[derive(Debug)]
pub struct Pool {
    total: Slots,
    free: Slots,
}

impl Pool {
    /// A pool of `total`.
    pub fn new(total: Slots) -> Self {
        Self { total, free: total }
    }

    /// Takes slots for a stage if they are free now. A wish beyond the whole machine counts as all of it.
    pub fn take(&mut self, wish: Slots) -> Option<Slots> {
        let wish = Slots {
            cpu: wish.cpu.min(self.total.cpu),
            gpu: wish.gpu.min(self.total.gpu),
            memory: wish.memory.min(self.total.memory),
        };
        let fits = wish.cpu <= self.free.cpu
            && wish.gpu <= self.free.gpu
            && wish.memory <= self.free.memory;
        fits.then(|| {
            self.free.cpu -= wish.cpu;
            self.free.gpu -= wish.gpu;
            self.free.memory -= wish.memory;
            wish
        })
    }

    /// Gives back what [`Pool::take`] gave.
    pub fn give_back(&mut self, slots: Slots) {
        self.free.cpu += slots.cpu;
        self.free.gpu += slots.gpu;
        self.free.memory += slots.memory;
    }
}

/// The machine's memory in MiB as the kernel tells it; without it, no limit.
pub fn machine_memory() -> usize {
    let total = std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
            line.split_whitespace().nth(1)?.parse::<usize>().ok()
        });
    total.map_or(usize::MAX / 2, |kib| kib / 1024)
}
