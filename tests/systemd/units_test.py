"""The units in installer/systemd, on a real systemd that is booted in a namespace on the programs of this host.

    units_test.py BUILD_FOLDER

Skipped (77) where that cannot be done: it needs root, systemd and systemd-nspawn.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
UNITS = HERE.parents[1] / "installer" / "systemd"
EXPOSURE = {"travertine.service": 15, "travertine-zygote@.service": 25}  # tenths, at most
BOOT_SECONDS = 180


def skip(why: str) -> None:
    print(f"skipped: {why}")
    sys.exit(77)


def requirements() -> None:
    if os.geteuid() != 0:
        skip("only root boots a systemd in a namespace")
    for program in ("systemd-nspawn", "systemd-analyze", "unshare"):
        if shutil.which(program) is None:
            skip(f"{program} is not installed")
    if not pathlib.Path("/usr/lib/systemd/systemd").exists() or not pathlib.Path("/bin").is_symlink():
        skip("this host has no systemd below /usr")


def check_exposure() -> None:
    for unit, most in EXPOSURE.items():
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={most}", str(UNITS / unit)],
                              capture_output=True, text=True, check=False)
        line = (done.stdout + done.stderr).strip().splitlines()[-1]
        assert done.returncode == 0, f"{unit}: {line}; at most {most / 10} is promised"
        print(line.encode("ascii", "ignore").decode().strip())


def make_tree(tree: pathlib.Path, build: pathlib.Path) -> None:
    """A root folder without anything but the programs of this host and ours."""
    for folder in ("usr", "etc/systemd/system", "var", "root", "tmp", "test", "opt/travertine/current/bin", "etc/travertine"):
        (tree / folder).mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64", "lib32"):
        if (pathlib.Path("/") / name).is_symlink():
            (tree / name).symlink_to(os.readlink(f"/{name}"))
    shutil.copy("/usr/lib/os-release", tree / "etc/os-release")
    for program in ("travd", "trav", "trav-plugin-host"):
        shutil.copy(build / "bin" / program, tree / "opt/travertine/current/bin" / program)
    for unit in UNITS.iterdir():
        shutil.copy(unit, tree / ("etc/systemd/system" if unit.suffix in (".service", ".socket") else "test") / unit.name)
    shutil.copy(HERE / "inside.py", tree / "test/inside.py")
    shutil.copy(build / "test_plugins/good.so", tree / "test/good.so")
    (tree / "etc/travertine/travd.toml").write_text(
        '[data]\nfolder = "/var/lib/travertine"\n[http]\nsocket = "/run/travertine/api.sock"\n', encoding="utf-8")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "2", "-subj", "/CN=here", "-addext",
                    "subjectAltName=IP:127.0.0.1", "-keyout", str(tree / "etc/travertine/tls.key"),
                    "-out", str(tree / "etc/travertine/tls.pem")], capture_output=True, check=True)
    system = tree / "etc/systemd/system"
    (system / "inside.service").write_text(
        "[Service]\nType=oneshot\nTimeoutStartSec=170\nExecStart=/bin/sh -c '/usr/bin/python3 /test/inside.py > /test/said 2>&1'\n"
        "ExecStopPost=/bin/systemctl --no-block exit 0\n", encoding="utf-8")
    (system / "inside.target").write_text("[Unit]\nRequires=basic.target inside.service\nAfter=basic.target\n", encoding="utf-8")
    # The promise is seen in seconds, not in half a minute.
    drop_in = system / "travertine.service.d"
    drop_in.mkdir()
    (drop_in / "test.conf").write_text("[Service]\nWatchdogSec=3\n", encoding="utf-8")


def main() -> int:
    requirements()
    check_exposure()
    build = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory(prefix="trv-systemd-") as scratch:
        tree = pathlib.Path(scratch) / "tree"
        make_tree(tree, build)
        boot = ('mount --bind /usr "$0/usr" && mount -o remount,bind,ro "$0/usr" && mount -t tmpfs tmpfs /run && '
                'exec systemd-nspawn --quiet --directory="$0" --register=no --keep-unit --private-network --machine=trv-units '
                "--console=pipe --boot systemd.unit=inside.target")
        booted = subprocess.run(["unshare", "--mount", "sh", "-c", boot, str(tree)], capture_output=True, text=True,
                                timeout=BOOT_SECONDS, check=False, stdin=subprocess.DEVNULL)
        said = tree / "test/said"
        if not said.exists():
            skip(f"no systemd boots in a namespace here: {booted.stdout[-500:]}{booted.stderr[-500:]}")
        text = said.read_text(encoding="utf-8")
        print(text)
        return 0 if text.endswith("all promises hold\n") else 1


if __name__ == "__main__":
    sys.exit(main())
