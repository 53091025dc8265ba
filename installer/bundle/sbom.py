"""The bill of materials of a bundle, as SPDX 2.3 and CycloneDX 1.5, and the licences of what it names."""

import hashlib
import json
import pathlib
import re
import shutil
import subprocess
import uuid
from typing import NamedTuple

# Compiled into our programs: their headers are all that there is of them.
COMPILED_IN = ("libcli11-dev", "libboost1.81-dev")


class Part(NamedTuple):
    package: str   # of the distribution
    version: str
    source: str
    licence: str   # of its copyright file; NOASSERTION where that is not in the machine-readable form
    copyright_file: pathlib.Path
    files: tuple[tuple[str, str], ...]  # name in the bundle's lib/, SHA-256 of the file as the distribution ships it


def query(*arguments: str) -> str:
    return subprocess.run(("dpkg-query", *arguments), capture_output=True, text=True, check=True).stdout


def package_of(file: pathlib.Path) -> str:
    for path in (str(file), str(file).removeprefix("/usr")):
        done = subprocess.run(("dpkg-query", "-S", path), capture_output=True, text=True)
        if done.returncode == 0:
            return done.stdout.split(":")[0].split(",")[0]
    raise SystemExit(f"bundle: {file} is of no package; its licence and version are not known")


def licence_in(copyright_file: pathlib.Path) -> str:
    text = copyright_file.read_text(errors="replace")
    if not text.startswith("Format:"):
        return "NOASSERTION"
    names = {match.strip() for match in re.findall(r"^License:[ \t]*(\S.*)$", text, re.MULTILINE)}
    usable = sorted(name for name in names if re.fullmatch(r"[A-Za-z0-9.+-]+", name))
    return " AND ".join(f"LicenseRef-{re.sub('[^A-Za-z0-9.-]', '-', name)}" for name in usable) or "NOASSERTION"


def parts_of(libraries: dict[str, pathlib.Path], root: pathlib.Path) -> list[Part]:
    files: dict[str, list[tuple[str, str]]] = {name: [] for name in COMPILED_IN}
    for name, path in libraries.items():
        files.setdefault(package_of(path), []).append((name, hashlib.sha256(path.read_bytes()).hexdigest()))
    parts = []
    for package in sorted(files):
        version, source = query("-W", "-f=${Version}\t${source:Package}\n", package).splitlines()[0].split("\t")
        copyright_file = pathlib.Path("/usr/share/doc") / package / "copyright"
        if not copyright_file.is_file():
            raise SystemExit(f"bundle: {copyright_file} is missing: the licence of {package} is not known")
        parts.append(Part(package, version, source, licence_in(copyright_file), copyright_file, tuple(sorted(files[package]))))
    return parts


def copy_licences(parts: list[Part], folder: pathlib.Path) -> None:
    for part in parts:
        target = folder / part.package / "copyright"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(part.copyright_file, target)
        target.chmod(0o644)


def purl(part: Part) -> str:
    version = part.version.replace("+", "%2B").replace(":", "%3A").replace("~", "%7E")
    return f"pkg:deb/debian/{part.package}@{version}?arch=amd64&distro=debian-12"


def spdx(parts: list[Part], version: str, created: str, name: str) -> dict:
    ours = {"SPDXID": "SPDXRef-travertine", "name": "travertine", "versionInfo": version,
            "downloadLocation": "NOASSERTION", "filesAnalyzed": False, "licenseConcluded": "Apache-2.0",
            "licenseDeclared": "Apache-2.0", "copyrightText": "NOASSERTION"}
    packages, references, relations = [ours], {}, []
    for part in parts:
        identifier = "SPDXRef-" + re.sub("[^A-Za-z0-9.-]", "-", part.package)
        for word in re.findall(r"LicenseRef-[A-Za-z0-9.-]+", part.licence):
            references[word] = {"licenseId": word, "name": word.removeprefix("LicenseRef-"),
                                "extractedText": f"See share/licences/{part.package}/copyright"}
        packages.append({
            "SPDXID": identifier, "name": part.package, "versionInfo": part.version, "downloadLocation": "NOASSERTION",
            "filesAnalyzed": False, "sourceInfo": f"Debian source package {part.source}",
            "licenseConcluded": "NOASSERTION", "licenseDeclared": part.licence, "copyrightText": "NOASSERTION",
            "comment": "files: " + (", ".join(file for file, _ in part.files) or "compiled in"),
            "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                              "referenceLocator": purl(part)}]})
        relations.append({"spdxElementId": "SPDXRef-travertine", "relatedSpdxElement": identifier,
                          "relationshipType": "DYNAMIC_LINK" if part.files else "STATIC_LINK"})
    return {"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": name,
            "documentNamespace": f"https://travertine.invalid/spdx/{name}",
            "creationInfo": {"created": created, "creators": ["Tool: travertine-bundle"]},
            "documentDescribes": ["SPDXRef-travertine"], "packages": packages,
            "hasExtractedLicensingInfos": [references[key] for key in sorted(references)],
            "relationships": [{"spdxElementId": "SPDXRef-DOCUMENT", "relatedSpdxElement": "SPDXRef-travertine",
                               "relationshipType": "DESCRIBES"}, *relations]}


def cyclonedx(parts: list[Part], version: str, created: str, name: str) -> dict:
    components = []
    for part in parts:
        component = {"type": "library", "bom-ref": purl(part), "name": part.package, "version": part.version,
                     "purl": purl(part),
                     "properties": [{"name": "travertine:file", "value": file} for file, _ in part.files]}
        if part.licence != "NOASSERTION":
            component["licenses"] = [{"license": {"name": word.removeprefix("LicenseRef-")}}
                                     for word in part.licence.split(" AND ")]
        components.append(component)
    serial = uuid.uuid5(uuid.NAMESPACE_URL, name + json.dumps(components, sort_keys=True))
    return {"bomFormat": "CycloneDX", "specVersion": "1.5", "serialNumber": f"urn:uuid:{serial}", "version": 1,
            "metadata": {"timestamp": created,
                         "component": {"type": "application", "bom-ref": "travertine", "name": "travertine",
                                       "version": version, "licenses": [{"license": {"id": "Apache-2.0"}}]}},
            "components": components,
            "dependencies": [{"ref": "travertine", "dependsOn": [component["bom-ref"] for component in components]}]}


def write(parts: list[Part], folder: pathlib.Path, version: str, created: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    name = f"travertine-{version}-x86_64"
    for file, document in (("travertine.spdx.json", spdx(parts, version, created, name)),
                           ("travertine.cdx.json", cyclonedx(parts, version, created, name))):
        (folder / file).write_text(json.dumps(document, indent=1) + "\n")
        (folder / file).chmod(0o644)
