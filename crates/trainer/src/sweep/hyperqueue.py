"""Submits the tasks of a JSON file to HyperQueue, waits for them, and writes which failed and why.

Arguments: TASKS.json ENDED.json CORES. With HQ_SERVER_DIR set, the server is the one that runs there; else
one begins here, with a worker of CORES cores, and ends with this process. SIGUSR1 lets the runs of that worker save their
state and ends the process once they have.
"""

import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path

from hyperqueue import Client, Job
from hyperqueue.cluster import LocalCluster, WorkerConfig
from hyperqueue.ffi.protocol import ResourceRequest

# The exit status of a run that was stopped and saved its state.
STOPPED = 75


def cluster(cores):
    """A context that gives a client."""
    server = os.environ.get("HQ_SERVER_DIR")
    if server:
        return contextlib.nullcontext(Client(server))
    return LocalCluster(worker_config=WorkerConfig(cores=cores))


def children():
    """The processes that this one has started and that have not ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == os.getpid() and state != "Z":
                found.append(int(stat.parent.name))
    return found


def stop(stopping):
    """Ends this process, and the runs before it. HyperQueue itself would kill them a second after SIGINT."""
    stopping.touch()
    asked = set()
    while at_work := children():
        for process in set(at_work) - asked:
            asked.add(process)
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGUSR1)
        time.sleep(0.1)
    os._exit(STOPPED)


def submit(client, name, tasks, stopping):
    # One failed task does not stop the others.
    job = Job(max_fails=None, name=name)
    for task in tasks:
        # A task that begins while the others stop ends at once. Both streams go to one file, which a continued run
        # appends to.
        command = f'test ! -e "$1" || exit {STOPPED}; log=$2; shift 2; exec "$@" >>"$log" 2>&1'
        job.program(
            ["sh", "-c", command, "sh", str(stopping), task["log"], *task["command"]],
            name=task["name"],
            cwd=task["folder"],
            env=task["environment"],
            stdout=None,
            stderr=None,
            resources=ResourceRequest(cpus=task["cpus"], resources=dict(task["resources"])),
        )
    return client.submit(job)


def main():
    tasks_file, ended_file, cores = sys.argv[1:]
    stopping = Path(ended_file).with_suffix(".stopping")
    stopping.unlink(missing_ok=True)
    # The wait below is native code. It calls Python every second for its progress bar, and then the handler runs.
    signal.signal(signal.SIGUSR1, lambda *_: stop(stopping))
    with open(tasks_file) as file:
        sweep = json.load(file)
    with cluster(int(cores)) as opened:
        client = opened.client() if isinstance(opened, LocalCluster) else opened
        job = submit(client, sweep["name"], sweep["tasks"], stopping)
        failed = {}
        if not client.wait_for_jobs([job], raise_on_error=False):
            failed = {task: failure.error for task, failure in client.get_failed_tasks(job).items()}
    with open(ended_file, "w") as file:
        json.dump(failed, file)


main()
