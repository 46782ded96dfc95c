"""A real Slurm of a few nodes on this machine: munged, slurmctld and one slurmd a node, in a folder of its own.

    with SmallCluster(4) as cluster:
        job = cluster.submit(script, "--ntasks-per-node=1", "job.yaml", cwd=folder)
        cluster.wait_for(job)

Nothing is installed, nothing outside the folder is written, the ports are free ones. Every process that comes from
it (daemons, steps, ranks) has SLURM_CONF with this folder's unique name in its environment: by that those which are left
are known at the end, and ended one by one.
"""
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue", "scancel", "mpirun")
PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))

CONFIGURATION = """\
ClusterName=small
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
TmpFS={folder}/tmp/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MailProg=/bin/true
SelectType=select/cons_tres
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=1,sched_interval=2
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=pmix
ReturnToService=2
SlurmdTimeout=20
KillWait=15
NodeName=n[1-{nodes}] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{port_list}] CPUs=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=10
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10
"""


def what_is_missing():
    """The commands that are not installed."""
    return [name for name in NEEDED if shutil.which(name, path=PATH) is None]


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


def until(question, seconds, what):
    """The first answer that is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = question()
        if answer:
            return answer
        time.sleep(0.25)
    raise TimeoutError(f"{what() if callable(what) else what}: not within {seconds} s")


# A job's states that are its last; others come and go (SIGNALING).
ENDED = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "OUT_OF_MEMORY", "BOOT_FAIL")
ENDINGS = (signal.SIGALRM, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def take_down_when_ended(seconds):
    """Lets this program leave its `with` blocks when it is to end, or takes longer than so many seconds (0: however long)."""
    def leave(number, _):
        for ending in ENDINGS:
            signal.signal(ending, signal.SIG_IGN)  # once is enough
        raise KeyboardInterrupt(f"{signal.Signals(number).name}: taking the cluster down")
    for number in ENDINGS:
        signal.signal(number, leave)
    signal.alarm(seconds)


class SmallCluster:
    def __init__(self, nodes):
        self.nodes = [f"n{i + 1}" for i in range(nodes)]
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="small-cluster-"))
        self.folder.chmod(0o755)  # munged wants its socket to be reached by all
        self.configuration = self.folder / "slurm.conf"
        self.environment = {name: value for name, value in os.environ.items()
                            if not name.startswith(("SLURM", "SBATCH", "SRUN", "OMPI", "PMI"))}
        self.environment.update(PATH=PATH, SLURM_CONF=str(self.configuration))
        self.daemons = {}
        self.resting = {}  # job -> since when

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        ports = free_ports(1 + len(self.nodes))
        for name in ("state", *(f"spool/{n}" for n in self.nodes), *(f"tmp/{n}" for n in self.nodes)):
            (self.folder / name).mkdir(parents=True)
        self.configuration.write_text(CONFIGURATION.format(
            host=socket.gethostname().split(".")[0], folder=self.folder, nodes=len(self.nodes), ports=ports,
            user=subprocess.check_output(["id", "-un"], text=True).strip(),
            port_list=",".join(map(str, ports[1:]))))
        # Ranks of several nodes on one machine: the plain way between them.
        (self.folder / "mpi.conf").write_text("PMIxDirectConn=false\n")
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        self.spawn("munged", "munged", "--foreground", f"--key-file={key}",
                   *(f"--{what}-file={self.folder}/munge.{what}" for what in ("log", "pid", "seed")),
                   f"--socket={self.folder}/munge.socket")
        until((self.folder / "munge.socket").exists, 20, "munged's socket")
        self.spawn("slurmctld", "slurmctld", "-D")
        for node in self.nodes:
            self.start_node(node)
        until(lambda: self.states_of_nodes() == ["idle"] * len(self.nodes), 60, "all nodes idle")

    def kill_node(self, node):
        """Ends a node's daemon at once; what it has started lives on."""
        self.daemons[node].kill()
        self.daemons[node].wait()

    def lose_node(self, node):
        """Takes a node away, with all that runs there."""
        self.call("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=drill")

    def find_node(self, node):
        """Gives a lost node back; it may have come back by itself."""
        with contextlib.suppress(RuntimeError):
            self.call("scontrol", "update", f"NodeName={node}", "State=RESUME")

    def start_node(self, node):
        """Also again: by its spool folder a daemon knows the steps that its forerunner left running."""
        self.spawn(node, "slurmd", "-D", "-N", node)

    def spawn(self, name, *command):
        with open(self.folder / f"{name}.out", "ab") as out:
            self.daemons[name] = subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL,
                                                  stdout=out, stderr=out, start_new_session=True)

    def call(self, *words, cwd=None, environment=None):
        result = subprocess.run([str(w) for w in words], cwd=cwd, env={**self.environment, **(environment or {})},
                                text=True, capture_output=True, timeout=60, check=False)
        if result.returncode != 0:
            raise RuntimeError(f"{words}: exit {result.returncode}\n{result.stdout}{result.stderr}")
        return result.stdout.strip()

    def states_of_nodes(self):
        return self.call("sinfo", "--noheader", "--Node", "--partition=all", "--format=%t").split()

    def submit(self, *words, cwd, environment=None):
        return int(self.call("sbatch", "--parsable", *words, cwd=cwd, environment=environment))

    def show(self, job):
        """What Slurm knows of a job: JobState, Restarts, ExitCode, ..."""
        text = self.call("scontrol", "--oneliner", "show", "job", job)
        return dict(word.split("=", 1) for word in text.split() if "=" in word)

    def state(self, job):
        return self.show(job)["JobState"]

    def hurry(self, job):
        """Slurm lets a requeued job rest for two minutes, so that its processes are gone and forgotten: here it goes on some
        seconds after they are. Returns what show() says."""
        shown = self.show(job)
        rests = shown["JobState"] == "PENDING" and shown["Reason"] == "BeginTime" and not self.steps(job)
        if not rests:
            self.resting.pop(job, None)
        elif time.monotonic() > self.resting.setdefault(job, time.monotonic()) + 3:
            self.call("scontrol", "update", f"JobId={job}", "StartTime=now")
        return shown

    def wait_for(self, job, seconds):
        """Waits until the job has ended for good; returns what show() says."""
        def ended():
            shown = self.hurry(job)
            return shown if shown["JobState"] in ENDED else None
        return until(ended, seconds, lambda: f"the end of job {job}: {self.show(job)}")

    def nodes_of(self, job):
        """The names of the nodes that a job has."""
        return self.call("scontrol", "show", "hostnames", self.show(job)["NodeList"]).split()

    def state_of_node(self, node):
        return self.call("sinfo", "--noheader", "--Node", f"--nodes={node}", "--partition=all", "--format=%T")

    def steps(self, job):
        """The processes of a job's steps."""
        return [pid for pid in self.processes() if self.command(pid).startswith(f"slurmstepd: [{job}.")]

    @staticmethod
    def command(pid):
        try:
            return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""

    def processes(self, *variables):
        """The processes that come from this cluster, by number; those with these variables besides."""
        wanted = {f"SLURM_CONF={self.configuration}".encode(), *(v.encode() for v in variables)}
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                if wanted <= set((entry / "environ").read_bytes().split(b"\0")):
                    found.append(int(entry.name))
            except OSError:
                pass  # it has ended, or is somebody else's
        return found

    def ranks(self, job, *variables):
        """The numbers of a job's ranks (not of their helpers); with these variables besides."""
        return [pid for pid in self.processes(f"SLURM_JOB_ID={job}", *variables)
                if self.has_variable(pid, "SLURM_STEP_NUM_TASKS") and " run " in self.command(pid)
                and not self.command(pid).startswith("srun")]

    @staticmethod
    def has_variable(pid, name):
        try:
            return f"\0{name}=".encode() in pathlib.Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            return False

    def logs(self):
        return "\n".join(f"--- {file.name}\n{file.read_text(errors='replace')[-3000:]}"
                         for file in (self.folder / "munged.out", *sorted(self.folder.glob("*.log"))))

    def stop(self):
        for process in self.daemons.values():
            if process.poll() is None:
                process.terminate()
        for process in self.daemons.values():
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for number in (signal.SIGTERM, signal.SIGKILL):
            left = self.processes()
            for pid in left:
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    pass
            end = time.monotonic() + 5
            while self.processes() and time.monotonic() < end:
                time.sleep(0.1)
        shutil.rmtree(self.folder, ignore_errors=True)
