#!/usr/bin/env python3
"""Each house rule is shown one tree that breaks it, and the exact lines it prints are compared."""

import pathlib
import tempfile
import unittest

import house_rules

# Assembled here so that this file obeys the rules it tests.
OPEN_END = "TO" + "DO"
MACHINE = "/" + "work/main"
OUTSIDE = "shared" + "/reference"
VECTORS = "shared" + "/conformance"
TAB = chr(9)

HEADER = "#pragma once\n// What it is.\n"

# rule: (files that break it, what it prints, files that do not)
CASES = {
    "file-length": (
        {"events/a.cpp": "int a;\n" * 601},
        ["events/a.cpp:601: file-length: 601 lines; split it, at most 600"],
        {"events/a.cpp": "int a;\n" * 600, "events/b_generated.h": "int b;\n" * 601},
    ),
    "file-size": (
        {"a.whl": "x" * 500_001},
        ["a.whl:1: file-size: 500001 bytes; a repository keeps what it was given for ever, at most 500000"],
        {"a.whl": "x" * 500_000},
    ),
    "whitespace": (
        {"a.py": f"if x:\n{TAB}y\nz \nend"},
        ["a.py:2: whitespace: a tab; indent with spaces", "a.py:3: whitespace: blanks at the end of the line",
         "a.py:4: whitespace: no line end at the end of the file"],
        {"a.py": "x\n", "tests/golden/a.txt": f"{TAB} ", "a.png": "\0\t "},
    ),
    "include-once": (
        {"sdk/base/a.hpp": "// What it is.\n", "sdk/abi/ext/b.h": "int b;\n"},
        ["sdk/abi/ext/b.h:1: include-once: a C header has an include guard such as TRV_ABI_EXT_B_H",
         "sdk/base/a.hpp:1: include-once: a .hpp begins with #pragma once"],
        {"sdk/base/a.hpp": HEADER, "sdk/abi/b.h": "#ifndef TRV_ABI_B_H\n#define TRV_ABI_B_H\n#endif\n"},
    ),
    "full-includes": (
        {"kernel/a/a.cpp": '#include "a.hpp"\n#include <sdk/base/result.hpp>\n#include "kernel/a/gone.hpp"\n'},
        ['kernel/a/a.cpp:1: full-includes: "a.hpp" is not a full path from the root; foreign headers are in <>',
         'kernel/a/a.cpp:2: full-includes: headers of this repository are in quotes: "sdk/base/result.hpp"',
         'kernel/a/a.cpp:3: full-includes: "kernel/a/gone.hpp" does not exist'],
        {"kernel/a/a.cpp": '#include "kernel/a/a.hpp"\n#include <vector>\n#include "events/schema/a_generated.h"\n',
         "kernel/a/a.hpp": HEADER},
    ),
    "real-clock": (
        {"kernel/a/a.cpp": "auto a = std::chrono::steady_clock::now();\nlong b = time(nullptr);\n"},
        ["kernel/a/a.cpp:1: real-clock: steady_clock::now is the real clock; take a base::Clock",
         "kernel/a/a.cpp:2: real-clock: time(nullptr) is the real clock; take a base::Clock"],
        {"sdk/base/clock.cpp": "auto a = std::chrono::steady_clock::now();\n",
         "kernel/a/a.cpp": "// steady_clock::now\nauto b = clock.time(0) + base::Time(1);\n",
         "kernel/a/a_test.cpp": "auto a = std::chrono::steady_clock::now();\n"},
    ),
    "real-randomness": (
        {"kernel/a/a.cpp": "std::random_device a;\nint b = rand();\n"},
        ["kernel/a/a.cpp:1: real-randomness: random_device is real randomness; take a base::Random",
         "kernel/a/a.cpp:2: real-randomness: rand() is real randomness; take a base::Random"],
        {"sdk/base/random.cpp": "RAND_bytes(a, 1);\n", "kernel/a/a.cpp": 'auto a = operand(); auto b = "rand()";\n'},
    ),
    "lmdb-header": (
        {"kernel/a/a.cpp": "#include <lmdb.h>\n"},
        ["kernel/a/a.cpp:1: lmdb-header: only events/lmdb includes lmdb.h"],
        {"events/lmdb/env.cpp": "#include <lmdb.h>\n"},
    ),
    "network": (
        {"kernel/workflow/a.cpp": "#include <curl/curl.h>\n#include <boost/beast/http.hpp>\n#include <sys/socket.h>\n"},
        ["kernel/workflow/a.cpp:1: network: #include <curl/curl.h>: this module holds no sockets",
         "kernel/workflow/a.cpp:2: network: #include <boost/beast/http.hpp>: this module holds no sockets",
         "kernel/workflow/a.cpp:3: network: #include <sys/socket.h>: this module holds no sockets"],
        {"kernel/egress/a.cpp": "#include <curl/curl.h>\n", "kernel/workflow/a_test.cpp": "#include <sys/socket.h>\n"},
    ),
    "exceptions": (
        {"kernel/a/a.cpp": 'void a() { throw 1; }\n'},
        ["kernel/a/a.cpp:1: exceptions: failure is a value: return base::fail(...), or break a contract"],
        {"kernel/a/a.cpp": '// never throw\nvoid a() noexcept; auto b = "throw"; auto c = R"(throw)";\n'},
    ),
    "printing": (
        {"kernel/a/a.cpp": 'void a() { std::cout << 1; }\nvoid b() { printf("b"); }\n'},
        ["kernel/a/a.cpp:1: printing: std::cout in a library; return it or log it",
         "kernel/a/a.cpp:2: printing: printf( in a library; return it or log it"],
        {"kernel/cli/a.cpp": "void a() { std::cout << 1; }\n", "kernel/a/a.cpp": 'void b() { snprintf(c, 1, "b"); }\n'},
    ),
    "open-ends": (
        {"docs/a.md": f"One.\n{OPEN_END}: two.\n"},
        [f"docs/a.md:2: open-ends: {OPEN_END}: do it, or open an issue"],
        {"docs/a.md": f"{OPEN_END}S are not words.\n"},
    ),
    "product-names": (
        {"kernel/a/a.cpp": "// as GitHub does\n"},
        ["kernel/a/a.cpp:1: product-names: GitHub: the kernel knows no product"],
        {"kernel/a/a_test.cpp": "// as GitHub does\n", "plugins/github/a.cpp": "// as GitHub does\n"},
    ),
    "class-names": (
        {"kernel/a/a.hpp": HEADER + "class TaskManager;\nstruct Utils {};\n"},
        ["kernel/a/a.hpp:3: class-names: class TaskManager: name it for what it does",
         "kernel/a/a.hpp:4: class-names: struct Utils: name it for what it does"],
        {"kernel/a/a.hpp": HEADER + "class Managers;\nstruct Implication {};\n"},
    ),
    "sleeping": (
        {"kernel/a/a.cpp": "std::this_thread::sleep_for(a);\n"},
        ["kernel/a/a.cpp:1: sleeping: sleep_for: wait for the thing itself"],
        {"kernel/a/a_test.cpp": "std::this_thread::sleep_for(a);\n"},
    ),
    "modules-exist": (
        {"kernel/CMakeLists.txt": "trv_module(kernel/gone DEPENDS sdk/base)\n"},
        ["kernel/CMakeLists.txt:1: modules-exist: module kernel/gone has no folder"],
        {"kernel/CMakeLists.txt": "trv_module(kernel/a DEPENDS sdk/base)\n", "kernel/a/a.cpp": "int a;\n"},
    ),
    "header-comments": (
        {"kernel/a/a.hpp": "#pragma once\n\n#include <vector>\n"},
        ["kernel/a/a.hpp:2: header-comments: after #pragma once, a comment says what it is, who owns what, "
         "which thread may call"],
        {"kernel/a/a.hpp": HEADER},
    ),
    "decision-numbers": (
        {"docs/decisions/0001-one.md": "1\n", "docs/decisions/0001-two.md": "2\n", "docs/decisions/three.md": "3\n"},
        ["docs/decisions/0001-two.md:1: decision-numbers: number 0001 belongs to 0001-one.md",
         "docs/decisions/three.md:1: decision-numbers: a decision is named NNNN-title.md"],
        {"docs/decisions/0001-one.md": "1\n", "docs/decisions/0002-two.md": "2\n"},
    ),
    "links": (
        {"README.md": "[a](docs/gone.md) and [b](docs/there.md#part)\n", "docs/there.md": "there\n"},
        ["README.md:1: links: links to docs/gone.md, which does not exist"],
        {"README.md": "[a](https://example.com/x) `[b](c)` [d](#part)\n```\n[e](f)\n```\n"},
    ),
    "plain-english": (
        {"docs/a.md": "The row stands there.\nWho was told?\nIt is no number.\n",
         "kernel/a/a.cpp": '// Whoever asks.\nauto a = "it can not be";\nauto b = "is none that was given";\n',
         "README.md": "Of the two that last, one. They are no keys.\n"},
        ["README.md:1: plain-english: 'are no keys': write 'is not a', or 'there is no'",
         "README.md:1: plain-english: 'Of the two that': one fact a sentence",
         "docs/a.md:1: plain-english: 'stands': write what it is, for example 'is stored', 'is', 'means'",
         "docs/a.md:2: plain-english: 'told': write 'reported', 'printed' or 'given'",
         "docs/a.md:3: plain-english: 'is no number': write 'is not a', or 'there is no'",
         "kernel/a/a.cpp:1: plain-english: 'Whoever': name who it is, for example 'the caller'",
         "kernel/a/a.cpp:2: plain-english: 'can not': write 'cannot'",
         "kernel/a/a.cpp:3: plain-english: 'is none that': write 'is not one that'"],
        {"docs/a.md": "There is no row, it is no longer stored. A stand-in for stand_ins understands.\n"},
    ),
    "machine-paths": (
        {"dev": f"cd {MACHINE}\n"},
        [f"dev:1: machine-paths: {MACHINE} is a path of one machine"],
        {"dev": "cd $ROOT/work/sources; curl https://example.com/home/page\n"},
    ),
    "shared-paths": (
        {"docs/a.md": f"see {OUTSIDE}\n", "tests/a/a_test.cpp": f"// {OUTSIDE}\n"},
        [f"docs/a.md:1: shared-paths: {OUTSIDE} lies outside the repository",
         f"tests/a/a_test.cpp:1: shared-paths: {OUTSIDE} lies outside the repository"],
        {"tests/a/a_test.cpp": f"// /../{VECTORS}\n"},
    ),
}


class HouseRules(unittest.TestCase):
    def check(self, files: dict[str, str]) -> list[str]:
        with tempfile.TemporaryDirectory() as folder:
            for path, text in files.items():
                target = pathlib.Path(folder, path)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text)
            return house_rules.check(pathlib.Path(folder))[0]

    def test_every_rule_has_a_case(self):
        self.assertEqual(set(CASES), set(house_rules.RULES))

    def test_a_planted_violation_is_found_and_named(self):
        for rule, (bad, expected, _) in CASES.items():
            with self.subTest(rule):
                self.assertEqual(sorted(line for line in self.check(bad) if f": {rule}: " in line), sorted(expected))

    def test_what_only_resembles_a_violation_passes(self):
        for rule, (_, _, good) in CASES.items():
            with self.subTest(rule):
                self.assertEqual([line for line in self.check(good) if f": {rule}: " in line], [])

    def test_the_density_of_contracts_is_reported(self):
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "events").mkdir()
            pathlib.Path(folder, "events/a.cpp").write_text("TRV_EXPECTS(a);\n" + "int b;\n" * 99)
            self.assertEqual(house_rules.check(pathlib.Path(folder))[1],
                             ["events: 1 contracts in 100 lines, 10.0 per 1,000"])

    def test_exit_codes_tell_broken_rules_from_wrong_usage(self):
        self.assertEqual(house_rules.main(["a", "b"]), 2)
        self.assertEqual(house_rules.main(["/nonexistent"]), 2)


if __name__ == "__main__":
    unittest.main()
