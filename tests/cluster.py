"""A real SLURM of two nodes on this machine, and a network that can wait.

``slurmctld`` is taken from the PATH, or from a folder of unpacked packages
(``.ci/slurm FOLDER``) that ``COURSEWORK_SLURM`` names.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from torch import Tensor, nn

from coursework import stopping
from coursework.launch import slurm
from tests import trials

Servers = dict[str, subprocess.Popen[bytes]]
SERVERS = ("slurmctld", "slurmd", "slurmstepd")
CONF = """
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={0}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
AuthInfo=cred_expire=2
PluginDir={plugins}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=1,sched_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdTimeout=5
MessageTimeout=3
NodeName=n0 NodeHostname=localhost NodeAddr=127.0.0.1 Port={1} CPUs=1
NodeName=n1 NodeHostname=localhost NodeAddr=127.0.0.1 Port={2} CPUs=1
PartitionName=main Nodes=ALL Default=YES MaxTime=10
"""


class Gate(nn.Module):
    """Wait in a job's training as long as a file of the job's number says."""

    def forward(self, x: Tensor) -> Tensor:
        task = os.environ.get("SLURM_ARRAY_TASK_ID")
        if self.training and task:
            hold = trials.folder() / f"hold-{task}"
            trials.until(lambda: stopping.asked() or not hold.exists(), 300)
        return x


def gated() -> nn.Module:
    return nn.Sequential(Gate(), trials.mates())


def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Servers]:
    """Start the servers; end them and all that they started."""
    unpacked = os.environ.get("COURSEWORK_SLURM")
    usr = Path(unpacked or "none").resolve() / "usr"
    if usr.is_dir():
        path = [usr / "bin", usr / "sbin", os.environ["PATH"]]
        monkeypatch.setenv("PATH", os.pathsep.join(map(str, path)))
        own = next(usr.glob("lib/*/slurm-wlm"))
        monkeypatch.setenv("LD_LIBRARY_PATH", f"{own.parent}:{own}")
    found = {name: shutil.which(name) for name in SERVERS}
    if not all(found.values()):
        pytest.skip("no SLURM here: .ci/slurm FOLDER, COURSEWORK_SLURM=FOLDER")
    plugins = next(
        Path(found["slurmctld"] or "")
        .resolve()
        .parents[1]
        .glob("lib/*/slurm-wlm")
    )
    folder = tmp_path / "slurm"
    for name in ("state", "n0", "n1"):
        (folder / name).mkdir(parents=True)
    user = getpass.getuser()
    conf = CONF.format(*_ports(), user=user, plugins=plugins, folder=folder)
    (folder / "slurm.conf").write_text(conf)
    monkeypatch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
    step = ["-d", str(found["slurmstepd"])]
    servers = {
        name: _serve(folder / f"{name}.log", *command)
        for name, command in {
            "ctld": ["slurmctld", "-D"],
            "n0": ["slurmd", "-D", "-N", "n0", *step],
            "n1": ["slurmd", "-D", "-N", "n1", *step],
        }.items()
    }
    try:
        trials.until(lambda: said("sinfo", "-hNo%T") == "idle\nidle\n", 30)
        assert said("sinfo", "-hNo%T") == "idle\nidle\n"
        yield servers
    finally:
        subprocess.run(["scancel", f"--user={user}"], check=False)
        trials.until(lambda: not slurm.queue(), 15)
        for server in reversed(servers.values()):
            server.terminate()
            server.wait()


def _ports() -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _serve(log: Path, *command: str) -> subprocess.Popen[bytes]:
    with log.open("w") as file:
        return subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)


def said(*command: str) -> str:
    return subprocess.run(
        command, capture_output=True, text=True, check=False
    ).stdout
