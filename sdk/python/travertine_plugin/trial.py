"""One operation from a shell: `python3 program/main.py echo '{"text":"hello"}'`."""

import json
import logging
import pathlib
import sys
from typing import Any, List

from .failure import Failure, Refused
from .testing import FakeHost


def main(plugin: Any, words: List[str]) -> int:
    program = pathlib.Path(sys.argv[0])
    if not words or len(words) > 2 or words[0].startswith("-") or words[0] not in plugin.operations:
        if words and not words[0].startswith("-") and words[0] not in plugin.operations:
            print(f"There is no operation '{words[0]}'.\n", file=sys.stderr)
        print(f"This is a plugin; its host starts it. To try one of its operations:\n\n"
              f"  python3 {program} OPERATION 'INPUT AS JSON'\n\n"
              f"Operations: {', '.join(sorted(plugin.operations)) or 'none is declared yet'}", file=sys.stderr)
        return 2
    try:
        given = json.loads(words[1]) if len(words) == 2 else {}
    except ValueError as error:
        print(f"The input is not JSON: {error}", file=sys.stderr)
        return 2
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(message)s", level=logging.INFO)
    try:
        with FakeHost(plugin) as host:
            print(json.dumps(host.call(words[0], given), ensure_ascii=False, indent=2))
    except Refused as refusal:
        print(f"The plugin refuses its configuration: {refusal}", file=sys.stderr)
        return 1
    except Failure as failure:
        print(f"Failed with {failure.code}: {failure.message}", file=sys.stderr)
        return 1
    return 0
