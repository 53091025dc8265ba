#!/usr/bin/python3
"""Holds the YAML reader of definitions against two other parsers, over thousands of edits of good texts.

    compare.py READER [EDITS [SEED]]     READER: build/<preset>/bin/trv_yaml_reader; EDITS of each text, 700 by default

A text that the reader takes and both PyYAML and ruamel.yaml refuse is a defect, and so is one that PyYAML reads as
something else. Prints the defects and the counts; exits 1 where there is a defect, 77 where a parser is not installed.
"""

import json
import math
import pathlib
import random
import re
import subprocess
import sys
import warnings

try:
    import ruamel.yaml
    import yaml
except ImportError as missing:
    print(f"skipped: {missing.name} is not installed (apt-get install python3-yaml python3-ruamel.yaml)")
    sys.exit(77)

warnings.simplefilter("ignore")  # ruamel.yaml warns of anchors that occur twice, which YAML allows
ROOT = pathlib.Path(__file__).resolve().parents[2]
MIXED = r"""# every form that definitions use
a: 'it''s'
b: "y\n \u00e9"
c: [1, {d: e}, 'f', [], {}]
g: |
  text
    more

  end
h: >-
  folded
  line
i:
- j: k
  l: ~
- &m n
- *m
- - deep
  - 0x1F
o: {p: 1.5, q: -3, r: true, s: null,
    t: "u v"}
? w
: x
y: # why
  plain text
  goes on
on: no
"""
INSERTED = "{}[],:'\"-#&*!|>%@` \n\t?ax1~.\\"


def edits_of(text: str, count: int, dice: random.Random):
    yield text
    for _ in range(count):
        at = dice.randrange(len(text))
        kind = dice.randrange(8)
        lines = text.split("\n")
        line = dice.randrange(len(lines))
        if kind <= 1:
            yield text[:at] + text[at + 1:]
        elif kind <= 3:
            yield text[:at] + dice.choice(INSERTED) + text[at:]
        elif kind == 4:
            yield text[:at] + dice.choice(INSERTED) + text[at + 1:]
        elif kind == 5:
            yield text[:at]
        elif kind == 6:
            yield "\n".join(lines[:line] + lines[line + 1:])
        else:
            yield "\n".join(lines[:line] + [dice.choice([" ", "  ", "\t", "- "]) + lines[line]] + lines[line + 1:])


def scalar(text: str):
    """An unquoted scalar by the core schema, YAML 1.2.2 §10.3.2."""
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text.lower() in ("true", "false") and text in (text.lower(), text.upper(), text.capitalize()):
        return text.lower() == "true"
    if re.fullmatch(r"[-+]?[0-9]+", text):
        return int(text)
    if re.fullmatch(r"0o[0-7]+", text):
        return int(text[2:], 8)
    if re.fullmatch(r"0x[0-9a-fA-F]+", text):
        return int(text[2:], 16)
    if re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", text):
        return float(text)
    return text


def plain_value(node):
    if isinstance(node, yaml.ScalarNode):
        return scalar(node.value) if node.style is None else node.value
    if isinstance(node, yaml.SequenceNode):
        return [plain_value(item) for item in node.value]
    return {str(plain_value(key)): plain_value(value) for key, value in node.value}


def pyyaml(text: str):
    """The value, and None; or None, and why it is refused."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        return (plain_value(node) if node else None), None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return None, str(error).split("\n")[0]


def ruamel_refuses(text: str) -> bool:
    parser = ruamel.yaml.YAML(typ="safe", pure=True)
    try:
        parser.compose(text)
        return False
    except Exception:  # its own errors and those of Python's types, by version
        return True


def same(ours, theirs) -> bool:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(ours, bool) or isinstance(theirs, bool):
        return ours is theirs
    if isinstance(ours, (int, float)) and isinstance(theirs, (int, float)):
        return ours == theirs or math.isclose(ours, theirs, rel_tol=1e-12)
    return ours == theirs


def read_all(reader: str, texts: list[str]) -> list[str]:
    packed = b"".join(b"%d\n%s" % (len(text.encode()), text.encode()) for text in texts)
    answer = subprocess.run([reader], input=packed, capture_output=True, check=True, timeout=120).stdout.decode()
    return answer.split("\n")[:-1]


def main(arguments: list[str]) -> int:
    reader, *rest = arguments
    edits = int(rest[0]) if rest else 700
    dice = random.Random(int(rest[1]) if len(rest) > 1 else 1)
    good = [MIXED] + [file.read_text() for file in sorted((ROOT / "docs").rglob("*.yaml"))]
    texts = [edit for text in good for edit in edits_of(text, edits, dice)]
    verdicts = read_all(reader, texts)
    assert len(verdicts) == len(texts), f"{len(verdicts)} answers to {len(texts)} texts"
    taken = defects = stricter = 0
    for text, verdict in zip(texts, verdicts):
        value, refusal = pyyaml(text)
        if verdict[0] == "-":
            stricter += refusal is None and not ruamel_refuses(text)
            continue
        taken += 1
        ours = json.loads(verdict[1:])
        if refusal is not None and ruamel_refuses(text):
            defects += 1
            print(f"taken, and both others refuse ({refusal}):\n{text}\n{verdict[1:]}\n")
        elif refusal is None and not same(ours, value):
            defects += 1
            print(f"read as something else:\n{text}\nours:   {verdict[1:]}\nPyYAML: {json.dumps(value)}\n")
    print(f"{len(texts)} texts: {taken} taken, {len(texts) - taken} refused, {stricter} of those taken by both others, "
          f"{defects} defects")
    return 1 if defects or verdicts[0][0] != "+" else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
