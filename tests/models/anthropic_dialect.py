"""Anthropic's Messages (platform.claude.com/docs/en/api/messages), version 2026-10-21, as far as they are imitated."""

import json

import mind
from refusal import Refusal, check_fields, text_of

FIELDS = {"model", "messages", "max_tokens", "system", "tools", "tool_choice", "stop_sequences", "stream",
          "metadata", "output_config", "thinking", "service_tier"}
BLOCKS = {"text": {"type", "text", "cache_control"}, "image": {"type", "source", "cache_control"},
          "tool_use": {"type", "id", "name", "input", "cache_control"},
          "tool_result": {"type", "tool_use_id", "content", "is_error", "cache_control"}}
ERRORS = {
    "slow-down": Refusal(429, "This request would exceed your rate limit", "rate_limit_error", None,
                         {"retry-after": "1", "anthropic-ratelimit-requests-remaining": "0"}),
    "no-quota": Refusal(400, "Your credit balance is too low", "billing_error"),
    "overloaded": Refusal(529, "Overloaded", "overloaded_error"),
    "broken": Refusal(500, "Internal server error", "api_error"),
    "too-long": Refusal(400, "prompt is too long: 11 tokens > 10 maximum", "invalid_request_error"),
    "missing": Refusal(404, "model: no such model", "not_found_error"),
}


def error_body(refusal):
    return {"type": "error", "error": {"type": refusal.type, "message": refusal.message}, "request_id": "req_1"}


def check_key(headers):
    # The documentation names x-api-key; the official client sends a bearer.
    if headers.get("x-api-key") != "anthropic-key" and headers.get("Authorization") != "Bearer anthropic-key":
        raise Refusal(401, "invalid x-api-key", "authentication_error")
    if headers.get("anthropic-version") != "2026-10-21":
        raise bad("anthropic-version: header is required")


def bad(message):
    return Refusal(400, message, "invalid_request_error")


def blocks_of(message):
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def check_messages(messages):
    if not messages or messages[0]["role"] != "user":
        raise bad("messages: first message must use the \"user\" role")
    asked = set()
    for place, message in enumerate(messages):
        check_fields(message, {"role", "content"}, bad)
        if message["role"] not in ("user", "assistant"):
            raise bad(f"messages.{place}.role: Input should be 'user' or 'assistant'")
        blocks = blocks_of(message)
        answered = {block["tool_use_id"] for block in blocks if block["type"] == "tool_result"}
        if answered != asked:
            raise bad(f"messages.{place}: `tool_use` ids were found without `tool_result` blocks immediately after")
        for block in blocks:
            if block["type"] not in BLOCKS:
                raise bad(f"messages.{place}.content: '{block['type']}' is not a block")
            check_fields(block, BLOCKS[block["type"]], bad)
            if block["type"] == "text" and not block["text"]:
                raise bad("messages: text content blocks must be non-empty")
        asked = {block["id"] for block in blocks if block["type"] == "tool_use"}
    if asked:
        raise bad("messages: final assistant content has a tool_use without a result")


def think(body):
    check_fields(body, FIELDS, bad)
    if not isinstance(body.get("max_tokens"), int):
        raise bad("max_tokens: Field required")
    messages = body["messages"]
    check_messages(messages)
    tools = []
    for tool in body.get("tools", []):
        check_fields(tool, {"name", "description", "input_schema", "cache_control", "strict", "type"}, bad)
        if tool["input_schema"].get("type") != "object":
            raise bad("tools.0.input_schema.type: Field required")
        tools.append((tool["name"], tool["input_schema"]))
    choice = body.get("tool_choice", {"type": "auto"})
    if choice["type"] == "none":
        tools = []
    form = body.get("output_config", {}).get("format")
    users = [blocks_of(message) for message in messages if message["role"] == "user"]
    question = next(text for text in (text_of(blocks) for blocks in reversed(users)) if text)
    results = [text_of(block["content"]) for blocks in users for block in blocks if block["type"] == "tool_result"]
    return mind.Thought(question, form["schema"] if form else None, tools, bool(results), results, choice.get("name"))


def content_of(thought):
    blocks = [{"type": "text", "text": thought.text}] if thought.text else []
    return blocks + [{"type": "tool_use", "id": f"toolu_{place}", "name": name, "input": arguments}
                     for place, (name, arguments) in enumerate(thought.calls)]


def messages(body):
    fault = mind.fault_of(body.get("model", ""))
    if fault in ERRORS:
        raise ERRORS[fault]
    thought = think(body)
    reason = "refusal" if fault == "silent" else "tool_use" if thought.calls else "end_turn"
    if fault == "silent":
        thought.text, thought.calls = "", []
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"] + "-20260101", "stop_sequence": None}
    usage = {"input_tokens": thought.read - 4, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 0}
    if not body.get("stream"):
        return "application/json", [json.dumps({**head, "content": content_of(thought), "stop_reason": reason,
                                                "usage": {**usage, "output_tokens": thought.written}})]
    return "text/event-stream", stream(thought, {**head, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}},
                                       reason, fault)


def event(kind, **more):
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **more})}\n\n"


def stream(thought, head, reason, fault):
    yield event("message_start", message=head)
    yield event("ping")
    for index, block in enumerate(content_of(thought)):
        if block["type"] == "text":
            yield event("content_block_start", index=index, content_block={"type": "text", "text": ""})
            for place, piece in enumerate(thought.pieces()):
                yield event("content_block_delta", index=index, delta={"type": "text_delta", "text": piece})
                if place == 0 and fault == "cut":
                    return
                if place == 0 and fault == "torn":
                    raise ConnectionAbortedError
                if place == 0 and fault == "trips":
                    yield event("error", error={"type": "overloaded_error", "message": "Overloaded"})
                    return
        else:
            yield event("content_block_start", index=index, content_block={**block, "input": {}})
            arguments = json.dumps(block["input"])
            for half in ("", arguments[:3], arguments[3:]):
                yield event("content_block_delta", index=index, delta={"type": "input_json_delta", "partial_json": half})
        yield event("content_block_stop", index=index)
    yield event("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage={"output_tokens": thought.written})
    yield event("message_stop")


ROUTES = {"/v1/messages": messages}
