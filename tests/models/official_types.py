"""The types that the official clients have for requests, as a check that knows no field more than they do."""

import collections.abc

from anthropic.types.message_create_params import MessageCreateParamsStreaming
from ollama._types import ChatRequest, EmbedRequest
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from openai.types.embedding_create_params import EmbeddingCreateParams
from pydantic import ConfigDict, TypeAdapter


def strict(kind):
    kind.__pydantic_config__ = ConfigDict(extra="forbid")
    return TypeAdapter(kind)


KINDS = {
    ("openai", "/v1/chat/completions"): strict(CompletionCreateParamsStreaming),
    ("openai", "/v1/embeddings"): strict(EmbeddingCreateParams),
    ("anthropic", "/v1/messages"): strict(MessageCreateParamsStreaming),
    ("ollama", "/api/chat"): TypeAdapter(ChatRequest),
    ("ollama", "/api/embed"): TypeAdapter(EmbedRequest),
}


def check(dialect, path, body):
    """Raises where the body is not what the client would send."""
    read = KINDS[dialect, path].validate_python(body)
    unread(read)
    if dialect == "ollama":  # its types keep no field that they do not know
        unknown = set(body) - set(type(read).model_fields)
        if unknown:
            raise ValueError(f"fields that the client does not know: {unknown}")


def unread(value):
    """What is iterable is checked only when it is read."""
    if isinstance(value, dict):
        for part in value.values():
            unread(part)
    elif isinstance(value, collections.abc.Iterable) and not isinstance(value, (str, bytes)):
        for part in value:
            unread(part)
