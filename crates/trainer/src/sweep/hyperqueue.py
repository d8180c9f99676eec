"""Submits the tasks of a JSON file to HyperQueue, waits for them, and writes which failed and why.

Arguments: TASKS.json ENDED.json CORES. With HQ_SERVER_DIR set, the server is the one that runs there; else
one begins here, with a worker of CORES cores, and ends with this process.
"""

import contextlib
import json
import os
import signal
import sys

from hyperqueue import Client, Job
from hyperqueue.cluster import LocalCluster, WorkerConfig
from hyperqueue.ffi.protocol import ResourceRequest


def cluster(cores):
    """A context that gives a client."""
    server = os.environ.get("HQ_SERVER_DIR")
    if server:
        return contextlib.nullcontext(Client(server))
    return LocalCluster(worker_config=WorkerConfig(cores=cores))


def submit(client, name, tasks):
    # One failed task does not stop the others.
    job = Job(max_fails=None, name=name)
    for task in tasks:
        # Both streams go to one file, which a continued run appends to.
        command = 'log=$1; shift; exec "$@" >>"$log" 2>&1'
        job.program(
            ["sh", "-c", command, "sh", task["log"], *task["command"]],
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
    # The wait below is native code, which no Python handler interrupts.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with open(tasks_file) as file:
        sweep = json.load(file)
    with cluster(int(cores)) as opened:
        client = opened.client() if isinstance(opened, LocalCluster) else opened
        job = submit(client, sweep["name"], sweep["tasks"])
        failed = {}
        if not client.wait_for_jobs([job], raise_on_error=False):
            failed = {task: failure.error for task, failure in client.get_failed_tasks(job).items()}
    with open(ended_file, "w") as file:
        json.dump(failed, file)


main()
