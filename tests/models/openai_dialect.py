"""OpenAI's Chat Completions and Embeddings (platform.openai.com/docs/api-reference), as far as they are imitated."""

import base64
import json
import struct

import mind
from refusal import Refusal, check_fields, text_of

CHAT_FIELDS = {"model", "messages", "tools", "tool_choice", "response_format", "max_tokens", "max_completion_tokens", "temperature",
               "top_p", "seed", "stop", "stream", "stream_options", "n", "user", "service_tier"}
EMBED_FIELDS = {"model", "input", "encoding_format", "dimensions", "user"}
ERRORS = {
    "slow-down": Refusal(429, "Rate limit reached", "requests", "rate_limit_exceeded",
                         {"retry-after": "1", "retry-after-ms": "1000", "x-ratelimit-remaining-requests": "0"}),
    "no-quota": Refusal(429, "You exceeded your current quota", "insufficient_quota", "insufficient_quota"),
    "overloaded": Refusal(503, "The engine is currently overloaded", "server_error", None),
    "broken": Refusal(500, "The server had an error", "server_error", None),
    "too-long": Refusal(400, "This model's maximum context length is 10 tokens", "invalid_request_error", "context_length_exceeded"),
    "missing": Refusal(404, "The model does not exist", "invalid_request_error", "model_not_found"),
}


def error_body(refusal):
    return {"error": {"message": refusal.message, "type": refusal.type, "param": None, "code": refusal.code}}


def check_key(headers):
    if headers.get("Authorization") != "Bearer openai-key":
        raise Refusal(401, "Incorrect API key provided", "invalid_request_error", "invalid_api_key")


def bad(message):
    return Refusal(400, message, "invalid_request_error", None)


def check_messages(messages):
    open_calls = set()
    for message in messages:
        role = message.get("role")
        allowed = {"role", "content", "name"} | ({"tool_calls", "refusal"} if role == "assistant" else set()) | (
            {"tool_call_id"} if role == "tool" else set())
        check_fields(message, allowed, bad)
        if role not in ("system", "developer", "user", "assistant", "tool"):
            raise bad(f"Invalid value: '{role}'")
        if role == "tool":
            if message.get("tool_call_id") not in open_calls:
                raise bad("messages with role 'tool' must be a response to a preceeding message with 'tool_calls'")
            open_calls.discard(message["tool_call_id"])
        for call in message.get("tool_calls", []):
            if call["type"] != "function" or not isinstance(json.loads(call["function"]["arguments"]), dict):
                raise bad("a tool call needs type function and arguments as JSON text")
            open_calls.add(call["id"])
        if message.get("content") is None and not message.get("tool_calls"):
            raise bad("content is required")
    if open_calls:
        raise bad("An assistant message with 'tool_calls' must be followed by tool messages")


def think(body):
    check_fields(body, CHAT_FIELDS, bad)
    messages = body["messages"]
    check_messages(messages)
    if "stream_options" in body and not body.get("stream"):
        raise bad("The 'stream_options' parameter is only allowed when 'stream' is enabled.")
    form = body.get("response_format", {"type": "text"})
    schema = None
    if form["type"] == "json_schema":
        schema = form["json_schema"]["schema"]
        if form["json_schema"].get("strict") and schema.get("additionalProperties") is not False:
            raise bad("Invalid schema for response_format: 'additionalProperties' is required to be supplied and to be false.")
    tools = [(tool["function"]["name"], tool["function"].get("parameters", {})) for tool in body.get("tools", [])]
    choice = body.get("tool_choice", "auto")
    if choice == "none":
        tools = []
    question = next(text_of(message["content"]) for message in reversed(messages) if message["role"] == "user")
    results = [text_of(message["content"]) for message in messages if message["role"] == "tool"]
    return mind.Thought(question, schema, tools, bool(results), results,
                        choice["function"]["name"] if isinstance(choice, dict) else None)


def usage_of(thought):
    return {"prompt_tokens": thought.read, "completion_tokens": thought.written, "total_tokens": thought.read + thought.written,
            "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 0}}


def calls_of(thought):
    return [{"id": f"call_{place}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
            for place, (name, arguments) in enumerate(thought.calls)]


def chat(body):
    """Yields the answer, in pieces where it is a stream."""
    fault = mind.fault_of(body.get("model", ""))
    if fault in ERRORS:
        raise ERRORS[fault]
    thought = think(body)
    head = {"id": "chatcmpl-1", "created": 1_790_000_000, "model": body["model"] + "-2026-01-01"}
    reason = "tool_calls" if thought.calls else "stop"
    if not body.get("stream"):
        message = {"role": "assistant", "content": thought.text or None, "refusal": None}
        if fault == "silent":
            message = {"role": "assistant", "content": None, "refusal": "I cannot help with that."}
        if thought.calls:
            message["tool_calls"] = calls_of(thought)
        choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
        return "application/json", [json.dumps({**head, "object": "chat.completion", "choices": [choice], "usage": usage_of(thought)})]
    return "text/event-stream", stream(body, thought, head, reason, fault)


def stream(body, thought, head, reason, fault):
    has_usage = body.get("stream_options", {}).get("include_usage")

    def chunk(delta, finish=None, **more):
        piece = {**head, "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        return "data: " + json.dumps({**piece, **({"usage": None} if has_usage else {}), **more}) + "\n\n"

    yield chunk({"role": "assistant", "content": None if thought.calls else ""})
    if fault == "silent":
        yield chunk({"refusal": "I cannot help with that."})
        thought.text = ""
    for place, piece in enumerate(thought.pieces()):
        yield chunk({"content": piece})
        if place == 0 and fault == "cut":
            return
        if place == 0 and fault == "torn":
            raise ConnectionAbortedError
        if place == 0 and fault == "trips":
            yield "data: " + json.dumps({"error": {"message": "The server had an error", "type": "server_error", "code": None}}) + "\n\n"
            return
    for place, call in enumerate(calls_of(thought)):
        arguments = call["function"]["arguments"]
        yield chunk({"tool_calls": [{"index": place, **call, "function": {"name": call["function"]["name"], "arguments": ""}}]})
        for half in (arguments[:3], arguments[3:]):
            yield chunk({"tool_calls": [{"index": place, "function": {"arguments": half}}]})
    yield chunk({}, reason)
    if has_usage:
        yield chunk({}, choices=[], usage=usage_of(thought))
    yield "data: [DONE]\n\n"


def embed(body):
    check_fields(body, EMBED_FIELDS, bad)
    if mind.fault_of(body["model"]) in ERRORS:
        raise ERRORS[mind.fault_of(body["model"])]
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    data = []
    for index, text in enumerate(texts):
        vector = mind.vector_of(text, body.get("dimensions", 8))
        if body.get("encoding_format") == "base64":
            vector = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
        data.append({"object": "embedding", "index": index, "embedding": vector})
    tokens = sum(len(text.split()) for text in texts)
    return "application/json", [json.dumps({"object": "list", "model": body["model"], "data": data,
                                            "usage": {"prompt_tokens": tokens, "total_tokens": tokens}})]


ROUTES = {"/v1/chat/completions": chat, "/v1/embeddings": embed}
