"""What the stand-in of a model answers: always the same for the same question, so that tests can say what they expect.

Asked with a schema, it makes a value of it, in which every enum is the value that occurs in the question, or else the first.
Given tools, it calls the first, with arguments made of its schema, until a result came. Otherwise it repeats the question.
The model's name may ask for a fault; FAULTS lists them."""

import json
import re

FAULTS = {
    "slow-down": "429 with a time to wait",
    "no-quota": "the account has nothing left",
    "overloaded": "the provider's word for too much load",
    "broken": "500",
    "too-long": "more than the model can read",
    "missing": "no such model",
    "cut": "the stream ends before the answer does",
    "torn": "the connection is closed within the answer",
    "trips": "an error within the stream",
    "silent": "refuses to answer",
}


def fault_of(model: str):
    return next((fault for fault in FAULTS if fault in model), None)


def made_of(schema: dict, question: str):
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return next((value for value in schema["enum"] if str(value).lower() in question.lower()), schema["enum"][0])
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if kind == "object":
        return {name: made_of(part, question) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [made_of(schema.get("items", {}), question)]
    if kind == "boolean":
        return True
    if kind in ("integer", "number"):
        return max(1, schema.get("minimum", 1))
    return question[: schema.get("maxLength", 60)]


class Thought:
    """text, or calls as (name, arguments); tokens are words."""

    def __init__(self, question, schema=None, tools=(), has_results=False, results=(), picked=None, is_required=False):
        self.calls, self.text = [], ""
        if tools and not has_results:
            name, parameters = next(((n, p) for n, p in tools if n == picked), tools[0])
            self.calls = [(name, made_of({"type": "object", **parameters}, question))]
        elif schema is not None:
            self.text = json.dumps(made_of(schema, question))
        elif has_results:
            self.text = "The tools said: " + ", ".join(results)
        else:
            self.text = "You said: " + question
        self.read = len(question.split()) + 10
        self.written = max(1, len(self.text.split()) + 5 * len(self.calls))

    def pieces(self):
        """The text in pieces, as a stream brings it."""
        return re.findall(r"\S+\s*", self.text) or ([] if self.calls else [""])


def vector_of(text: str, dimensions: int):
    """Multiples of 1/256, so that they are the same as floats of four bytes."""
    seed = sum((index + 1) * byte for index, byte in enumerate(text.encode()))
    return [((seed * (place + 3)) % 509 - 254) / 256 for place in range(dimensions)]
