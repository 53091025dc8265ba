"""What the stand-ins of all dialects share."""


class Refusal(Exception):
    """An answer that is an error of the provider."""

    def __init__(self, status, message, kind=None, code=None, headers=None):
        super().__init__(message)
        self.status, self.message, self.type, self.code, self.headers = status, message, kind, code, headers or {}


def check_fields(given, allowed, bad):
    """A real provider ignores or refuses what it does not know; the stand-in refuses, so that no mistake passes."""
    unknown = set(given) - allowed
    if unknown:
        raise bad(f"Unrecognized request argument supplied: {', '.join(sorted(unknown))}")


def text_of(content):
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content or [] if part.get("type") == "text")
