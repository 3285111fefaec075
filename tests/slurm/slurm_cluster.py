"""A real Slurm of one node on this computer, for tests.

Jobs that Snakemake submits lose every ``SLURM_*`` variable, so Slurm has to find its configuration
at the default path. That is why :func:`start` needs root, and why it refuses to run where a
``slurm.conf`` of somebody else exists. All else (keys, sockets, states, logs) stays in one private
folder, with a munge daemon of its own.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

SIGNATURE = "# Written by the tests of smrestore, which also remove it.\n"
STATE = Path("/run/smrestore-slurm")
MUNGE_SOCKET = STATE / "munge.socket"

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")
"""Programs of the Debian packages slurm-wlm and munge that a run needs."""

DAEMONS = ("slurmd", "slurmctld", "munged")
"""In the order in which they are stopped."""

WORKING = ("idle", "mixed", "allocated")
"""States of a node that is there."""

# The node claims more cores and memory than the computer may have, so that the requests of the
# profile are granted as they stand.
SLURM_CONF = """\
ClusterName=smrestore
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={munge_socket}
CryptoType=crypto/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=2
ReturnToService=2
# After a time limit, little time to end: the tests do not need more.
KillWait=5
# Finished jobs stay visible to scontrol, as there is no database to ask.
MinJobAge=86400
SlurmctldPidFile={state}/slurmctld.pid
SlurmdPidFile={state}/slurmd.pid
SlurmctldLogFile={state}/slurmctld.log
SlurmdLogFile={state}/slurmd.log
StateSaveLocation={state}/controller
SlurmdSpoolDir={state}/node
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory=64000 Gres=gpu:1 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""

# Slurm counts a GPU only with a device file behind it, and any device will do.
GRES_CONF = """\
NodeName={host} Name=gpu Count=1 File=/dev/null
"""

CONFIGURATION = {
    Path("/etc/slurm/slurm.conf"): SLURM_CONF,
    Path("/etc/slurm/gres.conf"): GRES_CONF,
}


def obstacle() -> str | None:
    """Return in plain words why Slurm cannot be started here, or None when it can."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        return f"not installed: {', '.join(missing)} (Debian packages slurm-wlm and munge)"
    if os.geteuid() != 0:
        return "starting Slurm needs root"
    for path in CONFIGURATION:
        if path.exists() and not path.read_text().startswith(SIGNATURE):
            return f"{path} exists and is not from these tests; it is left alone"
    return None


def start(cores: int = 8) -> None:
    """Start munge, the Slurm controller and one node that claims to have these cores and a GPU.

    Eight cores let a training of the profile run. What a former run left behind is stopped first.

    Raises:
        RuntimeError: Slurm cannot be started here, or the node was not ready within 30 s.
    """
    if (reason := obstacle()) is not None:
        raise RuntimeError(reason)
    stop()
    try:
        _start_daemons(cores)
        if not _wait(lambda: _run("sinfo", "--noheader", "--format=%T") == "idle", seconds=30):
            raise RuntimeError(f"the Slurm node is not ready:\n{logs()}")
    except BaseException:
        stop()
        raise


def stop() -> None:
    """Cancel all jobs, stop the daemons that :func:`start` started and remove their files."""
    if (STATE / "slurmctld.pid").exists() and _pid("slurmctld") is not None:
        _run("scancel", "--full", f"--user={os.getuid()}", check=False)
        _wait(lambda: not _run("squeue", "--noheader", check=False), seconds=20)
    for daemon in DAEMONS:
        _stop_daemon(daemon)
    shutil.rmtree(STATE, ignore_errors=True)
    for path in CONFIGURATION:
        if path.exists() and path.read_text().startswith(SIGNATURE):
            path.unlink()


def restart_node() -> None:
    """Stop the daemon of the node, as an update of Slurm does, and start it again.

    Raises
    ------
    RuntimeError
        If the node does not come back within 30 s.
    """
    _stop_daemon("slurmd")
    _run("slurmd")
    if not _wait(lambda: _run("sinfo", "--noheader", "--format=%T") in WORKING, seconds=30):
        raise RuntimeError(f"the Slurm node has not come back:\n{logs()}")


def jobs() -> list[dict[str, str]]:
    """Return the fields of every job the controller knows, finished ones included."""
    lines = _run("scontrol", "--oneliner", "--details", "show", "job").splitlines()
    return [
        dict(field.split("=", 1) for field in line.split(" ") if "=" in field)
        for line in lines
        if line.startswith("JobId=")
    ]


def logs(lines: int = 20) -> str:
    """Return the ends of the daemons' logs, for messages."""
    files = sorted(STATE.glob("*.log"))
    return "\n".join(
        "\n".join([f"== {file.name}", *file.read_text(errors="replace").splitlines()[-lines:]])
        for file in files
    )


def _start_daemons(cores: int) -> None:
    """Write the configuration and start munge, the controller and the node."""
    for folder in (STATE, STATE / "controller", STATE / "node"):
        folder.mkdir(mode=0o755)
    host = socket.gethostname().split(".")[0]
    for path, template in CONFIGURATION.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        text = template.format(host=host, state=STATE, munge_socket=MUNGE_SOCKET, cores=cores)
        path.write_text(SIGNATURE + text)
    key = STATE / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(os.urandom(1024))
    _run(
        "munged",
        f"--socket={MUNGE_SOCKET}",
        f"--key-file={key}",
        f"--pid-file={STATE}/munged.pid",
        f"--log-file={STATE}/munged.log",
        f"--seed-file={STATE}/munged.seed",
    )
    _run("slurmctld", "-c")
    _run("slurmd")


def _run(*command: str, check: bool = True) -> str:
    """Return the standard output of a command; with ``check`` a failure raises RuntimeError."""
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if check and result.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{result.stderr}\n{logs()}")
    return result.stdout.strip()


def _pid(daemon: str) -> int | None:
    """Return the process number in a daemon's pid file, if that process is this daemon."""
    try:
        pid = int((STATE / f"{daemon}.pid").read_text())
        # Numbers are used again: the process of a stale file may be anybody's.
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except (OSError, ValueError):
        return None
    return pid if name == daemon else None


def _stop_daemon(daemon: str) -> None:
    """End one of our daemons, by force when it does not go within 20 s."""
    pid = _pid(daemon)
    if pid is None:
        return
    os.kill(pid, signal.SIGTERM)
    if not _wait(lambda: _pid(daemon) != pid, seconds=20):
        os.kill(pid, signal.SIGKILL)
        _wait(lambda: _pid(daemon) != pid, seconds=5)


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    """Return whether a condition became true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True
