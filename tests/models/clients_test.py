#!/usr/bin/python3
"""The stand-in is right as far as the providers' own clients see: they talk to it, read its answers whole and in pieces, and
raise their own errors.

    official_clients.sh FOLDER clients_test.py [unittest arguments]"""

import json
import unittest

import anthropic
import ollama
import openai

import mind
from stand_in import StandIn

SCHEMA = {"type": "object", "required": ["kind"], "additionalProperties": False,
          "properties": {"kind": {"enum": ["question", "bug"]}}}
WEATHER = {"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}}


class OpenAi(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = StandIn().begin()
        cls.client = openai.OpenAI(base_url=cls.server.urls["openai"], api_key="openai-key", max_retries=0, timeout=60)

    def ask(self, text="Hi there", model="gpt", **more):
        return self.client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}], **more)

    def test_an_answer_is_read(self):
        answer = self.ask(max_completion_tokens=10, temperature=0.5)
        self.assertEqual(answer.choices[0].message.content, "You said: Hi there")
        self.assertEqual(answer.choices[0].finish_reason, "stop")
        self.assertEqual(answer.usage.prompt_tokens_details.cached_tokens, 4)

    def test_a_stream_is_read(self):
        with self.client.chat.completions.stream(model="gpt", messages=[{"role": "user", "content": "Hi there"}],
                                                 stream_options={"include_usage": True}) as stream:
            final = stream.get_final_completion()
        self.assertEqual(final.choices[0].message.content, "You said: Hi there")
        self.assertEqual(final.usage.total_tokens, final.usage.prompt_tokens + final.usage.completion_tokens)

    def test_tools_are_called_and_their_results_used(self):
        tools = [{"type": "function", "function": {"name": "weather", "parameters": WEATHER}}]
        with self.client.chat.completions.stream(model="gpt", messages=[{"role": "user", "content": "Rome"}], tools=tools) as stream:
            message = stream.get_final_completion().choices[0].message
        self.assertEqual(json.loads(message.tool_calls[0].function.arguments), {"city": "Rome"})
        messages = [{"role": "user", "content": "Rome"}, {"role": "assistant", "tool_calls": [
            {"id": call.id, "type": "function", "function": {"name": call.function.name, "arguments": call.function.arguments}}
            for call in message.tool_calls]}, {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "sunny"}]
        answer = self.client.chat.completions.create(model="gpt", messages=messages, tools=tools)
        self.assertEqual(answer.choices[0].message.content, "The tools said: sunny")

    def test_json_of_a_schema_comes(self):
        form = {"type": "json_schema", "json_schema": {"name": "sorted", "schema": SCHEMA, "strict": True}}
        self.assertEqual(json.loads(self.ask("A bug.", response_format=form).choices[0].message.content), {"kind": "bug"})

    def test_vectors_are_read(self):
        answer = self.client.embeddings.create(model="embed", input=["a", "b"], dimensions=4)  # asks for base64 by itself
        self.assertEqual([item.embedding for item in answer.data], [mind.vector_of("a", 4), mind.vector_of("b", 4)])

    def test_errors_are_the_clients_own(self):
        for model, error in (("slow-down", openai.RateLimitError), ("no-quota", openai.RateLimitError),
                             ("overloaded", openai.InternalServerError), ("broken", openai.InternalServerError),
                             ("too-long", openai.BadRequestError), ("missing", openai.NotFoundError)):
            with self.assertRaises(error, msg=model):
                self.ask(model=model)
        with self.assertRaises(openai.AuthenticationError):
            self.client.with_options(api_key="other").chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
        with self.assertRaises(openai.APIError):
            list(self.ask(model="trips", stream=True))
        with self.assertRaises(openai.BadRequestError):
            self.ask(extra_body={"unknown": 1})


class Anthropic(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = StandIn().begin()
        # This client adds /v1 itself.
        cls.client = anthropic.Anthropic(base_url=cls.server.urls["anthropic"].removesuffix("/v1"), api_key="anthropic-key",
                                         max_retries=0, timeout=60)

    def ask(self, text="Hi there", model="claude", **more):
        return self.client.messages.create(model=model, max_tokens=100, messages=[{"role": "user", "content": text}], **more)

    def test_an_answer_is_read(self):
        answer = self.ask(system="Be brief.", stop_sequences=["END"])
        self.assertEqual([block.text for block in answer.content], ["You said: Hi there"])
        self.assertEqual((answer.stop_reason, answer.usage.cache_read_input_tokens), ("end_turn", 4))

    def test_a_stream_is_read(self):
        with self.client.messages.stream(model="claude", max_tokens=100, messages=[{"role": "user", "content": "Hi there"}]) as stream:
            self.assertEqual(stream.get_final_text(), "You said: Hi there")
            self.assertEqual(stream.get_final_message().stop_reason, "end_turn")

    def test_tools_are_called_and_their_results_used(self):
        tools = [{"name": "weather", "input_schema": WEATHER}]
        question = {"role": "user", "content": "Rome"}
        with self.client.messages.stream(model="claude", max_tokens=100, messages=[question], tools=tools) as stream:
            message = stream.get_final_message()
        self.assertEqual((message.stop_reason, message.content[0].input), ("tool_use", {"city": "Rome"}))
        result = {"type": "tool_result", "tool_use_id": message.content[0].id, "content": "sunny"}
        call = {"type": "tool_use", "id": message.content[0].id, "name": "weather", "input": message.content[0].input}
        answer = self.client.messages.create(model="claude", max_tokens=100, tools=tools, messages=[
            question, {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}])
        self.assertEqual(answer.content[0].text, "The tools said: sunny")

    def test_json_of_a_schema_comes(self):
        answer = self.ask("A bug.", output_config={"format": {"type": "json_schema", "schema": SCHEMA}})
        self.assertEqual(json.loads(answer.content[0].text), {"kind": "bug"})

    def test_errors_are_the_clients_own(self):
        for model, error in (("slow-down", anthropic.RateLimitError), ("no-quota", anthropic.BadRequestError),
                             ("overloaded", anthropic.InternalServerError), ("broken", anthropic.InternalServerError),
                             ("too-long", anthropic.BadRequestError), ("missing", anthropic.NotFoundError)):
            with self.assertRaises(error, msg=model):
                self.ask(model=model)
        with self.assertRaises(anthropic.AuthenticationError):
            self.client.with_options(api_key="other").messages.create(model="m", max_tokens=1, messages=[{"role": "user", "content": "x"}])
        with self.assertRaises(anthropic.APIStatusError):
            list(self.ask(model="trips", stream=True))
        with self.assertRaises(anthropic.BadRequestError):
            self.ask(extra_body={"unknown": 1})


class Ollama(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = StandIn().begin()
        cls.client = ollama.Client(host=cls.server.urls["ollama"])

    def ask(self, text="Hi there", model="llama", **more):
        return self.client.chat(model=model, messages=[{"role": "user", "content": text}], **more)

    def test_an_answer_is_read(self):
        answer = self.ask(options={"temperature": 0})
        self.assertEqual((answer.message.content, answer.done_reason), ("You said: Hi there", "stop"))
        self.assertGreater(answer.eval_count, 0)

    def test_a_stream_is_read(self):
        pieces = list(self.ask(stream=True))
        self.assertEqual("".join(piece.message.content for piece in pieces), "You said: Hi there")
        self.assertTrue(pieces[-1].done)

    def test_tools_are_called_and_their_results_used(self):
        tools = [{"type": "function", "function": {"name": "weather", "description": "d", "parameters": WEATHER}}]
        message = self.ask("Rome", tools=tools).message
        self.assertEqual(dict(message.tool_calls[0].function.arguments), {"city": "Rome"})
        answer = self.client.chat(model="llama", tools=tools, messages=[
            {"role": "user", "content": "Rome"}, message, {"role": "tool", "content": "sunny", "tool_name": "weather"}])
        self.assertEqual(answer.message.content, "The tools said: sunny")

    def test_json_of_a_schema_comes(self):
        self.assertEqual(json.loads(self.ask("A bug.", format=SCHEMA).message.content), {"kind": "bug"})

    def test_vectors_are_read(self):
        answer = self.client.embed(model="embed", input=["a", "b"], dimensions=4)
        self.assertEqual([list(vector) for vector in answer.embeddings], [mind.vector_of("a", 4), mind.vector_of("b", 4)])

    def test_errors_are_the_clients_own(self):
        for model, status in (("slow-down", 429), ("overloaded", 503), ("broken", 500), ("missing", 404)):
            with self.assertRaises(ollama.ResponseError) as raised:
                self.ask(model=model)
            self.assertEqual(raised.exception.status_code, status)
        with self.assertRaises(ollama.ResponseError):
            list(self.ask(model="trips", stream=True))


if __name__ == "__main__":
    unittest.main()
