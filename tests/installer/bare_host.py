"""A bare host: the smallest Debian that debootstrap makes, in namespaces of its own and without network; also with a
systemd that is booted.

Each base is made once and kept as a tar below ~/.cache/travertine/bases; a host is an overlay on the unpacked base, which
goes with it. Root is needed.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "travertine/bases"
BASES = {"bookworm": "Debian 12, glibc 2.36", "bullseye": "Debian 11, glibc 2.31", "bookworm-systemd": "Debian 12 with systemd"}
INIT = r"""
ip link set lo up
mount --make-rprivate /
cd "$0"
mount -t proc proc proc
mount -t tmpfs tmpfs run
mount --rbind /dev dev
pivot_root . mnt
exec chroot . sh -c 'umount -l /mnt; echo ready; trap : CHLD; while :; do sleep 1000 & wait $!; done'
"""


def reason_to_skip() -> str:
    """Empty where hosts can be made here."""
    if os.geteuid() != 0:
        return "needs root, for namespaces and mounts"
    if missing := [name for name in ("unshare", "nsenter", "ip", "pivot_root", "tar") if shutil.which(name) is None]:
        return f"{', '.join(missing)} not installed"
    if not all((CACHE / f"{suite}.tar").is_file() for suite in BASES) and shutil.which("debootstrap") is None:
        return "debootstrap is not installed, and no base is kept: apt-get install debootstrap"
    return ""


def base_tar(suite: str) -> pathlib.Path:
    """The base as a tar; made where it is not kept. OSError where that fails, for example without network."""
    kept = CACHE / f"{suite}.tar"
    if kept.is_file():
        return kept
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as work:
        tree = pathlib.Path(work) / "tree"
        release, _, init = suite.partition("-")
        more = (f"--include={init}-sysv",) if init else ()
        made = subprocess.run(("debootstrap", "--variant=minbase", *more, release, str(tree)), capture_output=True, text=True)
        if made.returncode != 0:
            raise OSError(f"debootstrap {suite} failed: {made.stdout.strip().splitlines()[-1:]}")
        for leftover in (*tree.glob("var/cache/apt/archives/*.deb"), *tree.glob("var/lib/apt/lists/*debian*")):
            leftover.unlink()
        subprocess.run(("tar", "-C", str(tree), "-cf", f"{work}/base.tar", "."), check=True)
        os.rename(f"{work}/base.tar", kept)
    return kept


def children_of(process: int) -> list[int]:
    return [int(child) for child in pathlib.Path(f"/proc/{process}/task/{process}/children").read_text().split()]


class BareHost:
    """One host; a context manager. Paths that begin with / are the host's."""

    def __init__(self, suite: str, work: pathlib.Path):
        self.work = work
        self.lower = work / f"base-{suite}"
        if not self.lower.is_dir():
            self.lower.mkdir()
            subprocess.run(("tar", "-C", str(self.lower), "-xf", str(base_tar(suite))), check=True)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{suite}-", dir=work))
        self.tree = self.folder / "tree"

    def __enter__(self) -> "BareHost":
        for name in ("upper", "aside", "tree"):
            (self.folder / name).mkdir()
        options = f"lowerdir={self.lower},upperdir={self.folder}/upper,workdir={self.folder}/aside"
        subprocess.run(("mount", "-t", "overlay", "overlay", "-o", options, str(self.tree)), check=True)
        self.boot()
        return self

    def boot(self) -> None:
        self.init = subprocess.Popen(("unshare", "-n", "-m", "-p", "-f", "--kill-child", "bash", "-c", INIT, str(self.tree)),
                                     stdout=subprocess.PIPE,
                                     stderr=subprocess.DEVNULL, text=True)
        assert self.init.stdout.readline() == "ready\n"
        self.pid = children_of(self.init.pid)[0]

    def halt(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.init.wait()

    def __exit__(self, *_) -> None:
        self.halt()
        subprocess.run(("umount", "-l", str(self.tree)), check=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def inside(self, *command: str) -> tuple[str, ...]:
        """The words that run a command of the host within it."""
        return ("nsenter", "-t", str(self.pid), "-m", "-n", "-p", "-r", "-w", "env", "-i",
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", *command)

    def run(self, script: str, check: bool = True, timeout_s: float = 120) -> subprocess.CompletedProcess:
        """A script of sh on the host, with both outputs as one text."""
        done = subprocess.run(self.inside("sh", "-euc", script), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              stdin=subprocess.DEVNULL, timeout=timeout_s)
        if check and done.returncode != 0:
            raise AssertionError(f"exit code {done.returncode} of:\n{script}\n{done.stdout}")
        return done

    def beside(self, *command: str, **options) -> subprocess.Popen:
        """A program of this machine on the host's network."""
        return subprocess.Popen(("nsenter", "-t", str(self.pid), "-n", *command), **options)

    def path(self, name: str) -> pathlib.Path:
        """Where a file of the host is found on this machine."""
        return self.tree / name.lstrip("/")


class SystemdHost(BareHost):
    """A host whose process 1 is systemd."""

    # Without a /tmp of its own, which is reached from outside like every other folder.
    BOOT = ('mount -t tmpfs tmpfs /run && export SYSTEMD_NSPAWN_TMPFS_TMP=0 && '
            'exec systemd-nspawn --quiet --directory="$0" --register=no --keep-unit --private-network --machine="trv-$$" --console=pipe --link-journal=no --boot')
    PATIENCE_S = 60

    def boot(self) -> None:
        if shutil.which("systemd-nspawn") is None:
            raise unittest.SkipTest("systemd-nspawn is not installed: apt-get install systemd-container")
        with open(self.folder / "console", "w") as console:
            self.init = subprocess.Popen(("unshare", "--mount", "sh", "-c", self.BOOT, str(self.tree)), stdin=subprocess.DEVNULL,
                                         stdout=console, stderr=subprocess.STDOUT)
        until = time.monotonic() + self.PATIENCE_S
        while time.monotonic() < until and self.init.poll() is None:
            if children := children_of(self.init.pid):
                self.pid = children[-1]
                if "running" in self.run("systemctl is-system-running --wait", check=False, timeout_s=self.PATIENCE_S).stdout:
                    return
            time.sleep(0.1)
        console = (self.folder / "console").read_text()[-2000:]
        self.init.kill()
        raise unittest.SkipTest(f"no systemd boots in a namespace here: {console}")
