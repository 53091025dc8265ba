"""Reads the kit's feature files: the part of Gherkin that they use."""
import collections
import re
import textwrap

Scenario = collections.namedtuple("Scenario", "feature name steps")
Step = collections.namedtuple("Step", "text document")

KEYWORD = re.compile(r"^(And given|Given|When|Then|And)\s+")


def scenarios(path):
    found, document = [], None
    for line in path.read_text(encoding="utf-8").split("\n"):
        text = line.strip()
        if text.startswith('"""'):
            if document is None:
                document = []
            else:
                step = found[-1].steps[-1]
                found[-1].steps[-1] = Step(step.text, textwrap.dedent("\n".join(document)) + "\n")
                document = None
        elif document is not None:
            document.append(line)
        elif text.startswith("Scenario:"):
            found.append(Scenario(path.stem, text[len("Scenario:"):].strip(), []))
        elif found and text and not text.startswith("#"):
            found[-1].steps.append(Step(KEYWORD.sub("", text), None))
    return found
