#!/usr/bin/env python3
"""House rules that no compiler knows. Prints `path:line: rule: message`; exits 1 where one is broken.

    house_rules.py [FOLDER]     default: the repository that this file lies in

A rule is one generator function on a Tree, listed in RULES. Exceptions are in the tables below, each with its reason.
house_rules_test.py plants a violation of every rule.
"""

import functools
import pathlib
import re
import subprocess
import sys
from typing import Iterator, NamedTuple

LINES_MAX = 600
BYTES_MAX = 500_000
TOP_FOLDERS = ("sdk", "events", "audit", "kernel", "plugins", "installer", "tests", "bench")

# A key is a file, or a folder when it ends with '/'. Tests, tests/ and bench/ may do all of this anyway.
REAL_CLOCK = {
    "sdk/base/clock.cpp": "the port's real implementation",
    "plugins/smtp/smtp.cpp": "a mail says when it was written; a plugin has no port for time",
}
REAL_RANDOMNESS = {
    "sdk/base/random.cpp": "the port's real implementation",
}
LMDB = {
    "events/lmdb/": "wraps it for everybody else",
}
NETWORK = {
    "kernel/egress/": "the HTTP broker",
    "kernel/gateway/": "the HTTP server",
    "kernel/daemon/": "opens the listening socket",
    "kernel/config/": "reads addresses, opens no socket",
    "kernel/cli/": "the HTTP client",
    "kernel/http/": "the HTTP server's engine",
    "kernel/s3/": "the client of an object storage",
    "kernel/node/forwarder.cpp": "sends requests on to other nodes",
    "kernel/sandbox/": "socket pairs to sandboxed processes; names of the families that it forbids",
    "kernel/otlp/": "sends telemetry to its receiver",
    "kernel/node/peer_watch.cpp": "notices that other nodes end",
    "kernel/plugin_host/": "socket pairs to sandboxed children",
    "installer/steps/": "holds the socket of travd; asks it whether it is ready",
}
EXCEPTIONS = {
    "kernel/json/value.cpp": "bad_alloc, as operator new; caught where a program is run",
}
PRINTING = {
    "sdk/base/contract.cpp": "last words of a broken contract",
    "kernel/cli/": "a program for a terminal",
    "kernel/daemon/": "says what it did at the start",
    "installer/steps/supervise.cpp": "a daemon's log",
    "plugins/pack/": "a program for a terminal",
}
SLEEPING = {}
# The workflow language says how the pages of repositories at two hosts become texts.
NAMED_BY_THE_LANGUAGE = ("kernel/workflow/definition/catalog.cpp",)
PRODUCT_FREE = ("kernel/", "events/", "audit/", "sdk/base/", "sdk/abi/")
# Files whose bytes are data, not text of ours.
DATA_FOLDERS = {"golden", "corpus", "testdata"}

CODE_SUFFIXES = {".cpp", ".hpp", ".h", ".c"}
LENGTH_SUFFIXES = CODE_SUFFIXES | {".rs", ".py", ".sh", ".fbs", ".cmake", ".go", ".ts"}
TEXT_SUFFIXES = LENGTH_SUFFIXES | {".md", ".txt", ".json", ".yaml", ".yml", ".toml", ".html", ".svg", ".css", ".js", ""}


class Finding(NamedTuple):
    path: str
    line: int
    message: str


class Source:
    """One tracked file. `lines` is its text; `code` the same without comments and contents of literals."""

    def __init__(self, root: pathlib.Path, path: str):
        self.path = path
        self.name = path.rsplit("/", 1)[-1]
        self.suffix = pathlib.PurePosixPath(path).suffix
        self.raw = (root / path).read_bytes()

    @functools.cached_property
    def text(self) -> str:
        return self.raw.decode("utf-8", errors="replace")

    @functools.cached_property
    def lines(self) -> list[str]:
        return self.text.split("\n")

    @functools.cached_property
    def code(self) -> list[str]:
        return blank_comments_and_literals(self.text).split("\n")

    @property
    def is_binary(self) -> bool:
        return b"\0" in self.raw

    @property
    def is_code(self) -> bool:
        return self.suffix in CODE_SUFFIXES and not self.is_generated

    @property
    def is_generated(self) -> bool:
        return "_generated." in self.name

    @property
    def is_data(self) -> bool:
        return self.is_binary or not DATA_FOLDERS.isdisjoint(self.path.split("/")[:-1])

    @property
    def is_test(self) -> bool:
        folders = self.path.split("/")[:-1]
        return ("_test." in self.name or not {"fuzz", "testing"}.isdisjoint(folders)
                or any(folder.startswith(("test_", "tests", "bench")) for folder in folders))

    def is_in(self, table) -> bool:
        return any(self.path == key or (key.endswith("/") and self.path.startswith(key)) for key in table)


class Tree:
    def __init__(self, root: pathlib.Path):
        self.root = root
        self.files = [Source(root, path) for path in list_files(root)]

    def code(self) -> Iterator[Source]:
        return (file for file in self.files if file.is_code)

    def text(self) -> Iterator[Source]:
        return (file for file in self.files if file.suffix in TEXT_SUFFIXES and not file.is_data)


def list_files(root: pathlib.Path) -> list[str]:
    """What git tracks or would track; without git, everything but hidden and build folders."""
    try:
        command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listing = subprocess.run(command, capture_output=True, check=True).stdout.decode().split("\0")
        # A folder inside a foreign repository lists nothing of its own.
        if any(listing):
            return sorted({path for path in listing if path and (root / path).is_file()})
    except (OSError, subprocess.CalledProcessError):
        pass
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()
                  and not any(part.startswith(".") or part == "build" for part in path.relative_to(root).parts))


LITERAL = re.compile(r'//[^\n]*|/\*.*?\*/|R"([^()\\ \n]{0,16})\(.*?\)\1"|"(?:\\.|[^"\\\n])*"'
                     r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'", re.DOTALL)


def blank_comments_and_literals(text: str) -> str:
    """Line structure is kept; includes keep their paths because rules on them read `lines`."""
    def blank(match: re.Match) -> str:
        found = match.group(0)
        return ('""' if found[0] in 'R"' else "") + "\n" * found.count("\n")
    return LITERAL.sub(blank, text)


def grep(sources, pattern: str, message: str, raw: bool = False, flags: int = 0) -> Iterator[Finding]:
    """A finding for each line that matches; `message` may name the match as {0}."""
    compiled = re.compile(pattern, flags)
    for source in sources:
        if not compiled.search(source.text):
            continue
        for number, line in enumerate(source.lines if raw else source.code, 1):
            if match := compiled.search(line):
                yield Finding(source.path, number, message.format(match.group(0).strip()))


def file_length(tree: Tree) -> Iterator[Finding]:
    for source in tree.files:
        if (source.suffix in LENGTH_SUFFIXES or source.name == "CMakeLists.txt") and not source.is_generated:
            count = source.text.count("\n")
            if count > LINES_MAX:
                yield Finding(source.path, LINES_MAX + 1, f"{count} lines; split it, at most {LINES_MAX}")


def file_size(tree: Tree) -> Iterator[Finding]:
    for source in tree.files:
        size = (tree.root / source.path).stat().st_size
        if size > BYTES_MAX:
            yield Finding(source.path, 1, f"{size} bytes; a repository keeps what it was given for ever, at most {BYTES_MAX}")


def whitespace(tree: Tree) -> Iterator[Finding]:
    for source in tree.text():
        for number, line in enumerate(source.lines, 1):
            if "\t" in line and source.suffix != ".go":  # gofmt's
                yield Finding(source.path, number, "a tab; indent with spaces")
            if line != line.rstrip():
                yield Finding(source.path, number, "blanks at the end of the line")
        if source.raw and not source.raw.endswith(b"\n"):
            yield Finding(source.path, len(source.lines), "no line end at the end of the file")


def include_once(tree: Tree) -> Iterator[Finding]:
    for source in tree.code():
        if source.suffix == ".hpp" and "#pragma once" not in source.lines:
            yield Finding(source.path, 1, "a .hpp begins with #pragma once")
        if source.suffix == ".h" and source.path.startswith("sdk/abi/"):
            guard = re.sub(r"\W", "_", "trv_" + source.path.removeprefix("sdk/")).upper()
            names = re.findall(r"^#ifndef (TRV_\w+_H_?)\n#define \1$", source.text, re.MULTILINE)
            if not names:
                yield Finding(source.path, 1, f"a C header has an include guard such as {guard}")


def full_includes(tree: Tree) -> Iterator[Finding]:
    pattern = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
    for source in tree.code():
        for number, line in enumerate(source.lines, 1):
            if not (match := pattern.match(line)):
                continue
            bracket, path = match.groups()
            ours = path.split("/")[0] in TOP_FOLDERS and "/" in path
            if bracket == "<" and ours:
                yield Finding(source.path, number, f'headers of this repository are in quotes: "{path}"')
            # The template is copied out of the tree, and finds its own headers beside it.
            of_template = source.path.startswith("sdk/template/") and (tree.root / "sdk/template" / path).is_file()
            if bracket == '"' and not ours and not of_template:
                yield Finding(source.path, number, f'"{path}" is not a full path from the root; '
                                                   "foreign headers are in <>")
            generated = re.search(r"_(generated|schema|json|html|css|js)\.h$", path)
            if bracket == '"' and ours and not generated and not (tree.root / path).is_file():
                yield Finding(source.path, number, f'"{path}" does not exist')


def real_clock(tree: Tree) -> Iterator[Finding]:
    sources = (file for file in tree.code() if not file.is_test and not file.is_in(REAL_CLOCK))
    yield from grep(sources, r"\b(?:system|steady|high_resolution)_clock::now\b"
                    r"|(?<![\w.>])(?:std::)?time\s*\(\s*(?:nullptr|NULL|0|&\w+)\s*\)"
                    r"|\bgettimeofday\s*\(|\bclock_gettime\s*\(",
                    "{0} is the real clock; take a base::Clock")


def real_randomness(tree: Tree) -> Iterator[Finding]:
    sources = (file for file in tree.code() if not file.is_test and not file.is_in(REAL_RANDOMNESS))
    yield from grep(sources, r"\brandom_device\b|\bRAND_(?:priv_)?bytes\b"
                    r"|\bgetrandom\s*\(|\bgetentropy\s*\(|\bs?rand\s*\(\s*\w*\s*\)",
                    "{0} is real randomness; take a base::Random")


def lmdb_header(tree: Tree) -> Iterator[Finding]:
    sources = (file for file in tree.code() if not file.path.startswith("bench/") and not file.is_in(LMDB))
    yield from grep(sources, r"#\s*include\s*[<\"]lmdb\.h", "only events/lmdb includes lmdb.h", raw=True)


def network(tree: Tree) -> Iterator[Finding]:
    sources = (file for file in tree.code() if not file.is_test and not file.is_in(NETWORK))
    yield from grep(sources, r"#\s*include\s*[<\"](?:curl/|boost/beast|boost/asio|sys/socket\.h"
                    r"|netinet/|arpa/inet\.h|netdb\.h|sys/un\.h)[^>\"]*[>\"]",
                    "{0}: this module holds no sockets", raw=True)


def exceptions(tree: Tree) -> Iterator[Finding]:
    sources = (file for file in tree.code() if not file.is_test and not file.is_in(EXCEPTIONS))
    yield from grep(sources, r"\bthrow\b", "failure is a value: return base::fail(...), or break a contract")


def printing(tree: Tree) -> Iterator[Finding]:
    sources = (file for file in tree.code()
               if not file.is_test and not file.is_in(PRINTING) and file.name != "main.cpp")
    yield from grep(sources, r"\bstd::(?:cout|cerr|clog)\b|\b(?:std::)?(?:f?printf|puts|fputs)\s*\(|\bfmt::print\b",
                    "{0} in a library; return it or log it")


def open_ends(tree: Tree) -> Iterator[Finding]:
    words = "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK"))
    yield from grep(tree.text(), rf"\b(?:{words})\b", "{0}: do it, or open an issue", raw=True)


def product_names(tree: Tree) -> Iterator[Finding]:
    sources = (file for file in tree.files if file.path.startswith(PRODUCT_FREE) and not file.is_test
               and not file.is_in(NAMED_BY_THE_LANGUAGE) and file.suffix in CODE_SUFFIXES | {".fbs"})
    yield from grep(sources, r"github|jira|slack", "{0}: the kernel knows no product", raw=True, flags=re.IGNORECASE)


def class_names(tree: Tree) -> Iterator[Finding]:
    yield from grep(tree.code(), r"\b(?:class|struct|union|enum)\s+(?:class\s+)?\w*(?:Manager|Helper|Utils?|Impl)\b",
                    "{0}: name it for what it does")


def sleeping(tree: Tree) -> Iterator[Finding]:
    sources = (file for file in tree.code() if not file.is_test and not file.is_in(SLEEPING))
    yield from grep(sources, r"\b(?:sleep_for|sleep_until|usleep|nanosleep)\b", "{0}: wait for the thing itself")


def modules_exist(tree: Tree) -> Iterator[Finding]:
    for source in tree.files:
        if source.name != "CMakeLists.txt":
            continue
        for number, line in enumerate(source.lines, 1):
            match = re.match(r"\s*trv_(?:module\(|program\(\S+\s+)([\w/]+)", line)
            if match and not (tree.root / match.group(1)).is_dir():
                yield Finding(source.path, number, f"module {match.group(1)} has no folder")


def header_comments(tree: Tree) -> Iterator[Finding]:
    for source in tree.code():
        if source.suffix != ".hpp" or source.is_test or "#pragma once" not in source.lines:
            continue
        at = source.lines.index("#pragma once")
        following = next((line for line in source.lines[at + 1:] if line), "")
        if not following.startswith("//"):
            yield Finding(source.path, at + 2,
                          "after #pragma once, a comment says what it is, who owns what, which thread may call")


def decision_numbers(tree: Tree) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for source in tree.files:
        if not source.path.startswith("docs/decisions/") or source.suffix != ".md":
            continue
        match = re.match(r"(\d{4})-[a-z0-9-]+\.md$", source.name)
        if not match:
            if source.name != "README.md":
                yield Finding(source.path, 1, "a decision is named NNNN-title.md")
        elif (other := seen.setdefault(match.group(1), source.name)) != source.name:
            yield Finding(source.path, 1, f"number {match.group(1)} belongs to {other}")


def links(tree: Tree) -> Iterator[Finding]:
    for source in tree.files:
        if source.suffix != ".md" or source.is_data:
            continue
        folder = (tree.root / source.path).parent
        fenced = False
        for number, line in enumerate(source.lines, 1):
            fenced ^= line.lstrip().startswith("```")
            if fenced:
                continue
            for target in re.findall(r"\]\(([^)\s#]+)(?:#[^)]*)?\)", re.sub(r"`[^`]*`", "", line)):
                if not re.match(r"[a-z]+:", target) and not (folder / target).exists():
                    yield Finding(source.path, number, f"links to {target}, which does not exist")


PLAIN_ENGLISH = (
    (r"\bstands?\b(?!-)", "'{0}': write what it is, for example 'is stored', 'is', 'means'"),
    (r"\btold\b", "'{0}': write 'reported', 'printed' or 'given'"),
    (r"\bwhoever\b", "'{0}': name who it is, for example 'the caller'"),
    (r"\bis none that\b", "'{0}': write 'is not one that'"),
    (r"(?<!there )\b(?:is|are) no (?!longer\b|more\b|less\b|better\b|worse\b|larger\b|later\b|other\b)[\w']+",
     "'{0}': write 'is not a', or 'there is no'"),
    (r"\bof the two that\b", "'{0}': one fact a sentence"),
    (r"\bcan not\b", "'{0}': write 'cannot'"),
)


def plain_english(tree: Tree) -> Iterator[Finding]:
    """Readers know English from technical texts only."""
    sources = [file for file in tree.text() if not file.path.startswith("tests/lint/")]
    for pattern, message in PLAIN_ENGLISH:
        yield from grep(sources, pattern, message, raw=True, flags=re.IGNORECASE)


def machine_paths(tree: Tree) -> Iterator[Finding]:
    folders = "|".join(("work", "home", "root"))
    yield from grep((file for file in tree.files if not file.is_binary), rf"(?<![\w.$}}*)/])/(?:{folders})/\w[\w./-]*",
                    "{0} is a path of one machine", raw=True)


def shared_paths(tree: Tree) -> Iterator[Finding]:
    folder = "shared" + "/"
    for source in tree.files:
        if source.is_binary or folder not in source.text:
            continue
        for number, line in enumerate(source.lines, 1):
            for match in re.finditer(rf"(?<![\w-]){folder}([\w-]*)", line):
                if not (source.is_test and match.group(1) == "conformance"):
                    yield Finding(source.path, number, f"{match.group(0)} lies outside the repository")


RULES = {rule.__name__.replace("_", "-"): rule for rule in (
    file_length, file_size, whitespace, include_once, full_includes, real_clock, real_randomness, lmdb_header, network, exceptions,
    printing, open_ends, product_names, class_names, sleeping, modules_exist, header_comments, decision_numbers, links,
    plain_english, machine_paths, shared_paths)}


def contract_density(tree: Tree) -> Iterator[str]:
    """Contracts per 1,000 lines of sources; reported, not demanded: some code has nothing to assert."""
    for top in ("events", "kernel"):
        sources = [file for file in tree.code() if file.path.startswith(top + "/") and not file.is_test]
        lines = sum(file.text.count("\n") for file in sources)
        contracts = sum(len(re.findall(r"\bTRV_(?:EXPECTS|ENSURES|ASSERT)\b", file.text)) for file in sources)
        if lines:
            yield f"{top}: {contracts} contracts in {lines} lines, {1000 * contracts / lines:.1f} per 1,000"


def check(root: pathlib.Path) -> tuple[list[str], list[str]]:
    """The findings and the figures of a folder, as lines."""
    tree = Tree(root)
    findings = [f"{finding.path}:{finding.line}: {name}: {finding.message}"
                for name, rule in RULES.items() for finding in rule(tree)]
    return findings, list(contract_density(tree))


def main(arguments: list[str]) -> int:
    if len(arguments) > 1 or any(argument.startswith("-") for argument in arguments):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    root = pathlib.Path(arguments[0]) if arguments else pathlib.Path(__file__).resolve().parents[2]
    if not root.is_dir():
        print(f"house_rules.py: {root} is not a folder", file=sys.stderr)
        return 2
    findings, figures = check(root)
    print("\n".join(findings + figures))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
