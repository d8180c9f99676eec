//! Processes on this machine.

use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use experiment::{DeviceRequest, Sweep};
use rustix::process::{Pid, kill_process};

use crate::error::TrainerError;
use crate::stop;
use crate::sweep::Engine;
use crate::sweep::job::{End, Job, State};

/// Runs as many processes at once as there are slots. On CPUs a slot is a share of the threads: small models on
/// one thread each waste the least. Several GPUs asked for (`cuda:0..3`) are a slot each.
pub struct Local {
    slots: Vec<Slot>,
}

struct Slot {
    /// Device of its processes; `None`: as the config says.
    device: Option<String>,
    /// Threads of its processes; `None`: all.
    threads: Option<usize>,
    running: Option<(usize, Child)>,
}

impl Local {
    /// `jobs` slots; without a number, one for each core, or for each GPU that the config lists.
    pub fn new(sweep: &Sweep, jobs: Option<usize>) -> Self {
        let request = &sweep.runs[0].experiment.run.device;
        let devices = single_devices(request);
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let on_cpu = crate::device::select(request).is_ok_and(|selected| selected.is_cpu());
        let count = jobs.unwrap_or(match devices.len() {
            0 if on_cpu => cores,
            0 => 1,
            gpus => gpus,
        });
        let slot = |index: usize| Slot {
            device: (!devices.is_empty()).then(|| devices[index % devices.len()].clone()),
            threads: on_cpu.then(|| (cores / count.max(1)).max(1)),
            running: None,
        };
        Self {
            slots: (0..count.max(1)).map(slot).collect(),
        }
    }
}

/// The devices of a list, by themselves.
fn single_devices(request: &DeviceRequest) -> Vec<String> {
    let (kind, indices) = match request {
        DeviceRequest::Cuda(Some(indices)) => ("cuda", indices),
        DeviceRequest::Wgpu(Some(experiment::Adapter::Gpus(indices))) => ("wgpu", indices),
        _ => return Vec::new(),
    };
    let indices = indices.as_slice().iter();
    indices.map(|index| format!("{kind}:{index}")).collect()
}

impl Engine for Local {
    fn advance(&mut self, jobs: &mut [Job]) -> Result<(), TrainerError> {
        for slot in &mut self.slots {
            slot.reap(jobs);
            if slot.running.is_some() {
                continue;
            }
            if let Some(index) = next(jobs) {
                slot.start(index, &mut jobs[index])?;
            }
        }
        Ok(())
    }

    fn stop(&mut self) {
        let children = || self.slots.iter().filter_map(|slot| slot.running.as_ref());
        for (_, child) in children() {
            if let Some(pid) = Pid::from_raw(child.id().cast_signed()) {
                let _ = kill_process(pid, stop::for_children());
            }
        }
        for slot in &mut self.slots {
            if let Some((_, mut child)) = slot.running.take() {
                let _ = child.wait();
            }
        }
    }
}

/// The first run that nobody works on.
fn next(jobs: &[Job]) -> Option<usize> {
    jobs.iter().position(|job| job.state == State::Waiting)
}

impl Slot {
    fn start(&mut self, index: usize, job: &mut Job) -> Result<(), TrainerError> {
        let program = std::env::current_exe().map_err(TrainerError::io(Path::new("trainer")))?;
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&job.log)
            .map_err(TrainerError::io(&job.log))?;
        let errors = log.try_clone().map_err(TrainerError::io(&job.log))?;
        let mut command = Command::new(&program);
        command
            .args(job.arguments())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            // Ctrl-C is for the sweep, which passes it on once: a second signal would cost the checkpoint.
            .process_group(0);
        if let Some(device) = &self.device {
            command.args(["--device", device]);
        }
        if let Some(threads) = self.threads {
            command.env("RAYON_NUM_THREADS", threads.to_string());
        }
        let child = command.spawn().map_err(TrainerError::io(&program))?;
        job.state = State::Running { step: 0 };
        self.running = Some((index, child));
        Ok(())
    }

    /// Notices that its process ended.
    fn reap(&mut self, jobs: &mut [Job]) {
        let Some((index, child)) = &mut self.running else {
            return;
        };
        let job = &mut jobs[*index];
        match child.try_wait() {
            Ok(None) => {
                // The process may not have taken its folder yet.
                if job.state == State::Waiting {
                    job.state = State::Running { step: 0 };
                }
            }
            Ok(Some(status)) => {
                self.running = None;
                ended(job, status);
            }
            Err(error) => {
                self.running = None;
                job.fail(&format!("its process is lost: {error}"));
            }
        }
    }
}

/// Judges a run whose process is gone by what it left.
fn ended(job: &mut Job, status: ExitStatus) {
    job.look();
    if job.state == State::Waiting {
        let why = format!("its process ended with {status}");
        job.ended_without_result(End::by_status(status.code()), &why);
    }
}
