"""Ollama's own API (github.com/ollama/ollama, docs/api.md), as far as it is imitated."""

import json

import mind
from refusal import Refusal, check_fields

CHAT_FIELDS = {"model", "messages", "tools", "format", "options", "stream", "keep_alive", "think", "logprobs", "top_logprobs"}
EMBED_FIELDS = {"model", "input", "truncate", "options", "keep_alive", "dimensions"}
ERRORS = {
    "slow-down": Refusal(429, "too many requests", headers={"Retry-After": "1"}),
    "overloaded": Refusal(503, "server busy, please try again.  maximum pending requests exceeded"),
    "broken": Refusal(500, "llama runner process has terminated"),
    "missing": Refusal(404, "model 'missing' not found"),
}


def error_body(refusal):
    return {"error": refusal.message}


def check_key(_):
    pass


def bad(message):
    return Refusal(400, message)


def chat(body):
    fault = mind.fault_of(body.get("model", ""))
    if fault in ERRORS:
        raise ERRORS[fault]
    check_fields(body, CHAT_FIELDS, bad)
    for message in body["messages"]:
        check_fields(message, {"role", "content", "thinking", "images", "tool_calls", "tool_name"}, bad)
        for call in message.get("tool_calls", []):
            if not isinstance(call["function"]["arguments"], dict):
                raise bad("json: cannot unmarshal string into Go struct field ToolCallFunction of type api.ToolCallFunctionArguments")
    tools = [(tool["function"]["name"], tool["function"].get("parameters", {})) for tool in body.get("tools", [])]
    question = next(message["content"] for message in reversed(body["messages"]) if message["role"] == "user")
    results = [message["content"] for message in body["messages"] if message["role"] == "tool"]
    schema = body.get("format") or None
    thought = mind.Thought(question, {} if schema == "json" else schema, tools, bool(results), results)
    head = {"model": body["model"], "created_at": "2026-11-23T07:00:00.000000Z"}
    calls = [{"function": {"name": name, "arguments": arguments}} for name, arguments in thought.calls]
    last = {"done": True, "done_reason": "stop", "total_duration": 5, "load_duration": 1, "prompt_eval_count": thought.read,
            "prompt_eval_duration": 1, "eval_count": thought.written, "eval_duration": 3}
    # Ollama streams unless the request says false.
    if body.get("stream", True):
        return "application/x-ndjson", stream(thought, head, calls, last, fault)
    message = {"role": "assistant", "content": thought.text, **({"tool_calls": calls} if calls else {})}
    return "application/json", [json.dumps({**head, "message": message, **last})]


def stream(thought, head, calls, last, fault):
    def line(message, **more):
        return json.dumps({**head, "message": {"role": "assistant", "content": "", **message}, "done": False, **more}) + "\n"

    for place, piece in enumerate(thought.pieces()):
        yield line({"content": piece})
        if place == 0 and fault == "cut":
            return
        if place == 0 and fault == "torn":
            raise ConnectionAbortedError
        if place == 0 and fault == "trips":
            yield json.dumps({"error": "an error was encountered while running the model"}) + "\n"
            return
    for call in calls:
        yield line({"tool_calls": [call]})
    yield line({}, **last)


def embed(body):
    check_fields(body, EMBED_FIELDS, bad)
    if mind.fault_of(body["model"]) in ERRORS:
        raise ERRORS[mind.fault_of(body["model"])]
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    return "application/json", [json.dumps({
        "model": body["model"], "embeddings": [mind.vector_of(text, body.get("dimensions") or 8) for text in texts],
        "total_duration": 5, "load_duration": 1, "prompt_eval_count": sum(len(text.split()) for text in texts)})]


ROUTES = {"/api/chat": chat, "/api/embed": embed}
