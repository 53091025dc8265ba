"""What is in a bundle: programs, every library that they load, plugins, the SDK, documentation and licences."""

import pathlib
import re
import shutil
import struct
import subprocess

import html_pages
import sbom

PROGRAMS = ("travd", "trav", "trav-plugin-host", "trav-installer")
LOADER = "ld-linux-x86-64.so.2"
PREFIX = "/opt/travertine"
# Room in each program for the path of its loader, with the zero behind it.
LOADER_PATH_BYTES = 512
SDK_FOLDERS = ("abi", "cpp", "cpp_json", "base", "template", "template_python", "template_rust", "template_typescript",
               "python", "rust", "typescript")
EXAMPLES = ("triage.yaml", "issue-opened.json", "answer-issue.yaml")


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"bundle: {' '.join(command)} failed:\n{done.stderr.strip()}")
    return done.stdout


def needed(binary: pathlib.Path) -> list[str]:
    return re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-d", str(binary)))


def libraries_of(programs: list[pathlib.Path]) -> dict[str, pathlib.Path]:
    """Every library that the programs load, by the name that the loader looks for; with the loader itself."""
    found: dict[str, pathlib.Path] = {}
    for program in programs:
        for line in run("ldd", str(program)).splitlines():
            if match := re.match(r"\s*(\S+) => (/\S+)", line):
                found[match.group(1)] = pathlib.Path(match.group(2)).resolve()
            elif match := re.match(rf"\s*(/\S*{re.escape(LOADER)})", line):
                found[LOADER] = pathlib.Path(match.group(1)).resolve()
            elif "not found" in line:
                raise SystemExit(f"bundle: {program} needs {line.strip()}")
    if LOADER not in found:
        raise SystemExit(f"bundle: the programs are not started by {LOADER}; bundles are made on x86_64 with glibc")
    # Loaded by name while a program runs: name services of hosts that are not files or DNS are looked for and skipped.
    return found


def name_loader(program: pathlib.Path, loader: str) -> int:
    """Writes the loader's path into a program that has room for a long one. Gives where it is."""
    data = bytearray(program.read_bytes())
    headers, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    for at in range(headers, headers + size * count, size):
        if struct.unpack_from("<I", data, at)[0] == 3:  # PT_INTERP
            offset, = struct.unpack_from("<Q", data, at + 8)
            room, = struct.unpack_from("<Q", data, at + 32)
            if room != LOADER_PATH_BYTES:
                raise SystemExit(f"bundle: {program.name} has room for {room} bytes of its loader's path, not {LOADER_PATH_BYTES}")
            data[offset:offset + room] = loader.encode().ljust(room, b"\0")
            program.write_bytes(data)
            return offset
    raise SystemExit(f"bundle: {program.name} names no loader")


def copy(source: pathlib.Path, target: pathlib.Path, mode: int) -> pathlib.Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)
    return target


def copy_folder(source: pathlib.Path, target: pathlib.Path, tracked: set[str], root: pathlib.Path) -> None:
    """What git tracks of a folder of the repository, without its tests."""
    for file in sorted(source.rglob("*")):
        name = str(file.relative_to(root))
        if name in tracked and file.is_file() and "/tests/" not in name and "_test." not in name:
            copy(file, target / file.relative_to(source), 0o755 if file.stat().st_mode & 0o100 else 0o644)


def collect(root: pathlib.Path, build: pathlib.Path, tree: pathlib.Path, version: str, created: str) -> None:
    """Fills `tree`, the folder that becomes /opt/travertine/<version>."""
    home = f"{PREFIX}/{version}"
    built = [build / "bin" / name for name in PROGRAMS]
    if missing := [str(file) for file in built if not file.is_file()]:
        raise SystemExit(f"bundle: not built: {', '.join(missing)}")
    libraries = libraries_of(built)
    places = []
    for file in built:
        program = copy(file, tree / "bin" / file.name, 0o755)
        run("strip", "--strip-all", "--remove-section=.note.gnu.build-id", str(program))
        run("patchelf", "--set-interpreter", "/" * (LOADER_PATH_BYTES - 1), str(program))
        run("patchelf", "--set-rpath", "$ORIGIN/../lib", str(program))
        places.append(f"{file.name} {name_loader(program, f'{home}/lib/{LOADER}')}")
    for name, source in sorted(libraries.items()):
        library = copy(source, tree / "lib" / name, 0o755)
        # The loader and the C library need nothing that has to be found.
        if name not in (LOADER, "libc.so.6"):
            run("patchelf", "--set-rpath", "$ORIGIN", str(library))
    for package in sorted((build / "packages").glob("*.trvp")):
        copy(package, tree / "plugins" / package.name, 0o644)
    tracked = set(run("git", "-C", str(root), "ls-files").splitlines())
    for name in SDK_FOLDERS:
        copy_folder(root / "sdk" / name, tree / "sdk" / name, tracked, root)
    for name in EXAMPLES:
        copy(root / "docs/guides" / name, tree / "share/examples" / name, 0o644)
    for unit in sorted((root / "installer/systemd").glob("*")):
        copy(unit, tree / "share/systemd" / unit.name, 0o644)
    script = copy(root / "installer/bundle/relocate.sh", tree / "share/relocate.sh", 0o755)
    script.write_text(script.read_text().replace("@LOADER@", LOADER).replace("@ROOM@", str(LOADER_PATH_BYTES))
                      .replace("@PROGRAMS@", "\n".join(places)))
    html_pages.write(root, tree / "share/doc", tracked)
    copy(root / "LICENSE", tree / "share/licences/travertine/LICENSE", 0o644)
    parts = sbom.parts_of(libraries, root)
    sbom.copy_licences(parts, tree / "share/licences")
    sbom.write(parts, tree / "share/sbom", version, created)
