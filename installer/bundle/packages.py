"""The tree of a bundle in other wrappings: .deb, .rpm and an OCI image layout. All put it at /opt/travertine/<version>, and
nothing else, or where `rpm --prefix` says: what makes it run is the operator's own tool, or `trav-installer`. The same tree gives the same bytes."""

import gzip
import hashlib
import io
import json
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile
import time

SUMMARY = "Event-sourced, plugin-based platform for workflows"
NOBODY = 65_532


def entry(name: str, created: int, mode: int, kind: bytes = tarfile.REGTYPE, owner: int = 0) -> tarfile.TarInfo:
    out = tarfile.TarInfo(name)
    out.mode, out.type, out.mtime, out.uid, out.gid = mode, kind, created, owner, owner
    return out


def tar_of(tree: pathlib.Path, below: str, created: int, folders: tuple[tuple[str, int, int], ...] = ()) -> bytes:
    """The tree below a path, with the folders above it, then more folders with their modes and owners."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        parts = below.split("/")
        for count in range(1, len(parts)):
            archive.addfile(entry("/".join(parts[:count]), created, 0o755, tarfile.DIRTYPE))
        archive.addfile(entry(below, created, 0o755, tarfile.DIRTYPE))
        for path in sorted(tree.rglob("*")):
            name = f"{below}/{path.relative_to(tree)}"
            if path.is_dir():
                archive.addfile(entry(name, created, 0o755, tarfile.DIRTYPE))
                continue
            data = path.read_bytes()
            file = entry(name, created, path.stat().st_mode & 0o777)
            file.size = len(data)
            archive.addfile(file, io.BytesIO(data))
        for name, mode, owner in folders:
            archive.addfile(entry(name, created, mode, tarfile.DIRTYPE, owner))
    return out.getvalue()


def packed(data: bytes) -> bytes:
    return gzip.compress(data, 6, mtime=0)


def deb(tree: pathlib.Path, version: str, created: int) -> bytes:
    size = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file()) // 1024
    control = (f"Package: travertine-{version}\nVersion: {version}\nArchitecture: amd64\nMaintainer: Travertine <releases@travertine.invalid>\n"
               f"Installed-Size: {size}\nSection: net\nPriority: optional\nDescription: {SUMMARY}\n"
               f" The programs with their own libraries, in /opt/travertine/{version}.\n Versions are beside each other; nothing is started.\n")
    below = f"./opt/travertine/{version}"
    sums = "".join(f"{hashlib.md5(path.read_bytes()).hexdigest()}  {below[2:]}/{path.relative_to(tree)}\n"
                   for path in sorted(tree.rglob("*")) if path.is_file())
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, text in (("./control", control), ("./md5sums", sums)):
            file = entry(name, created, 0o644)
            file.size = len(text.encode())
            archive.addfile(file, io.BytesIO(text.encode()))
    out = b"!<arch>\n"
    for name, data in (("debian-binary", b"2.0\n"), ("control.tar.gz", packed(inner.getvalue())),
                       ("data.tar.gz", packed(tar_of(tree, below, created)))):
        out += f"{name:<16}{created:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)
    return out


def oci(tree: pathlib.Path, version: str, created: int) -> bytes:
    """An image layout as a tar: one layer, no base. `skopeo copy oci-archive:FILE …` and `podman load` take it."""
    home = f"opt/travertine/{version}"
    layer = tar_of(tree, home, created, (("var", 0o755, 0), ("var/lib", 0o755, 0), ("var/lib/travertine", 0o750, NOBODY), ("etc", 0o755, 0),
                                         ("tmp", 0o1777, 0)))
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(created))
    blobs: dict[str, bytes] = {}

    def keep(data: bytes, media_type: str) -> dict:
        digest = hashlib.sha256(data).hexdigest()
        blobs[digest] = data
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    def document(value: dict) -> bytes:
        return json.dumps(value, separators=(",", ":")).encode()

    config = keep(document({
        "created": when, "architecture": "amd64", "os": "linux",
        "config": {"User": f"{NOBODY}:{NOBODY}", "Entrypoint": [f"/{home}/bin/travd"], "ExposedPorts": {"8400/tcp": {}},
                   "Env": [f"PATH=/{home}/bin", "TRAV_DATA_FOLDER=/var/lib/travertine", "TRAV_HTTP_ADDRESS=0.0.0.0"],
                   "Volumes": {"/var/lib/travertine": {}}, "StopSignal": "SIGTERM",
                   "Labels": {"org.opencontainers.image.version": version, "org.opencontainers.image.licenses": "Apache-2.0"}},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        "history": [{"created": when, "created_by": "./dev bundle"}]}), "application/vnd.oci.image.config.v1+json")
    manifest = keep(document({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config,
                              "layers": [keep(packed(layer), "application/vnd.oci.image.layer.v1.tar+gzip")]}),
                    "application/vnd.oci.image.manifest.v1+json")
    manifest["annotations"] = {"org.opencontainers.image.ref.name": version}
    files = {"oci-layout": document({"imageLayoutVersion": "1.0.0"}), "index.json": document({"schemaVersion": 2, "manifests": [manifest]})}
    files |= {f"blobs/sha256/{digest}": data for digest, data in blobs.items()}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in ("blobs", "blobs/sha256"):
            archive.addfile(entry(name, created, 0o755, tarfile.DIRTYPE))
        for name in sorted(files):
            file = entry(name, created, 0o644)
            file.size = len(files[name])
            archive.addfile(file, io.BytesIO(files[name]))
    return out.getvalue()


def rpm(tree: pathlib.Path, output: pathlib.Path, version: str, created: int) -> pathlib.Path:
    if shutil.which("rpmbuild") is None:
        raise SystemExit("bundle: rpmbuild is not installed: apt-get install rpm")
    home = f"/opt/travertine/{version}"
    with tempfile.TemporaryDirectory() as work:
        spec = pathlib.Path(work) / "travertine.spec"
        # The time and the host of the build are not of the package; what is in the tree is not changed or looked through.
        spec.write_text("\n".join((
            "%global use_source_date_epoch_as_buildtime 1", "%global clamp_mtime_to_source_date_epoch 1", "%global _buildhost travertine",
            "%global source_date_epoch_from_changelog 0", "%global _build_id_links none", "%global __os_install_post %{nil}",
            "%global debug_package %{nil}", "%global _binary_payload w6.gzdio", f"Name: travertine-{version}",
            f"Version: {version.replace('-', '~')}", "Release: 1", f"Summary: {SUMMARY}", "License: Apache-2.0", "AutoReqProv: no",
            "Prefix: /opt/travertine", "%description", "The programs with their own libraries. Versions are beside each other; nothing is started.",
            "%install", f"mkdir -p %{{buildroot}}{home}", f"cp -a {tree}/. %{{buildroot}}{home}/", "%files", "%defattr(-,root,root)", home,
            # `rpm --prefix FOLDER` puts the version there.
            "%post", f'if [ "$RPM_INSTALL_PREFIX" != /opt/travertine ]; then sh "$RPM_INSTALL_PREFIX/{version}/share/relocate.sh"; fi', "")))
        done = subprocess.run(("rpmbuild", "-bb", "--target", "x86_64-linux", "--define", f"_topdir {work}", str(spec)), capture_output=True,
                              text=True, env={**os.environ, "SOURCE_DATE_EPOCH": str(created)})
        if done.returncode != 0:
            raise SystemExit(f"bundle: rpmbuild failed:\n{done.stderr[-2000:]}")
        made = next(pathlib.Path(work).glob("RPMS/**/*.rpm"))
        return pathlib.Path(shutil.copy(made, output / f"travertine-{version}.x86_64.rpm"))


def write(tree: pathlib.Path, output: pathlib.Path, version: str, created: int) -> list[pathlib.Path]:
    # What is in a package is older than now for every tool that looks at it.
    for path in (tree, *tree.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)
        os.utime(path, (created, created))
    made = [output / f"travertine-{version}_amd64.deb", output / f"travertine-{version}-x86_64.oci.tar"]
    made[0].write_bytes(deb(tree, version, created))
    made[1].write_bytes(oci(tree, version, created))
    return [*made, rpm(tree, output, version, created)]
