#include "plugins/models/models_test.hpp"

namespace models::testing {
namespace {

constexpr const char* hello =
    R"({"provider":"anthropic","model":"claude-haiku-4-5","messages":[{"role":"user","content":"Hi"}]})";
constexpr const char* streamed = R"(event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-haiku-4-5-20251001","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":100,"cache_read_input_tokens":300,"cache_creation_input_tokens":200,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm."}}

event: ping
data: {"type": "ping"}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Hel"}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"lo"}}

event: content_block_start
data: {"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"toolu_1","name":"weather","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"city\": \"Ro"}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"me\"}"}}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":40}}

event: message_stop
data: {"type":"message_stop"}

)";

using Anthropic = ModelsTest;

TEST_F(Anthropic, a_streamed_answer_is_collected_with_usage_and_cost) {
  // 100 at 1, 300 at 0.1, 200 at 1.25 and 40 at 5 USD per million.
  EXPECT_EQ(answered(hello, streamed), json::parse(R"({
    "provider":"anthropic","model":"claude-haiku-4-5-20251001","id":"msg_1","stop":"tool_calls","reasoning":"Hm.",
    "message":{"role":"assistant","content":"Hello","tool_calls":[{"id":"toolu_1","name":"weather","arguments":{"city":"Rome"}}]},
    "usage":{"input_tokens":600,"cached_input_tokens":300,"cache_write_tokens":200,"output_tokens":40,"reasoning_tokens":0,
             "total_tokens":640},
    "cost":{"currency":"USD","amount":0.00058,"prices_as_of":"2026-11-05"}})"));
  EXPECT_EQ(host.streamed(1), "Hello") << "word by word";
  EXPECT_EQ(last().path, "/messages");
  EXPECT_EQ(last().header("anthropic-version"), "2026-10-21");
  EXPECT_EQ(sent(), json::parse(R"({"model":"claude-haiku-4-5","max_tokens":4096,"stream":true,
    "messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}]})"));
}

TEST_F(Anthropic, a_stream_reads_the_same_however_it_is_cut) {
  const json::object whole = answered(hello, streamed);
  for (const std::uint64_t bytes : {1U, 7U, 100U}) {
    host.parts_have(bytes);
    EXPECT_EQ(answered(hello, streamed), whole) << bytes;
  }
}

TEST_F(Anthropic, an_answer_in_one_piece_reads_the_same) {
  const json::object out = answered(hello, R"({"id":"m","type":"message","role":"assistant","model":"x",
    "content":[{"type":"text","text":"Hello"},{"type":"tool_use","id":"t","name":"f","input":{"a":1}}],
    "stop_reason":"stop_sequence","usage":{"input_tokens":3,"output_tokens":2}})");
  EXPECT_EQ(out.at("message"),
            json::parse(
                R"({"role":"assistant","content":"Hello","tool_calls":[{"id":"t","name":"f","arguments":{"a":1}}]})"));
  EXPECT_EQ(out.at("stop"), "stop_sequence");
  EXPECT_EQ(out.at("usage").at("input_tokens"), 3);
}

TEST_F(Anthropic, every_field_of_a_request_has_its_place_and_turns_alternate) {
  (void)chat(
      R"({"provider":"anthropic","model":"m","max_tokens":9,"stop":["END"],"tool_choice":"required",
    "tools":[{"name":"weather","description":"d","parameters":{"properties":{"city":{}}}}],"extra":{"thinking":{"type":"disabled"}},
    "messages":[
      {"role":"system","content":"one"},{"role":"system","content":"two"},
      {"role":"user","content":[{"type":"text","text":"what"},{"type":"image","media_type":"image/png","data":"AAAA"}]},
      {"role":"assistant","content":"","tool_calls":[{"id":"t1","name":"weather","arguments":{"city":"Rome"}},{"id":"t2","name":"weather","arguments":{}}]},
      {"role":"tool","tool_call_id":"t1","content":"sunny"},
      {"role":"tool","tool_call_id":"t2","content":"rain"},
      {"role":"user","content":"and?"}]})",
      {500, ""});
  EXPECT_EQ(sent(), json::parse(R"({"model":"m","max_tokens":9,"stop_sequences":["END"],"system":"one\n\ntwo",
    "stream":true,"thinking":{"type":"disabled"},"tool_choice":{"type":"any"},
    "tools":[{"name":"weather","description":"d","input_schema":{"type":"object","properties":{"city":{}}}}],
    "messages":[
      {"role":"user","content":[{"type":"text","text":"what"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}]},
      {"role":"assistant","content":[{"type":"tool_use","id":"t1","name":"weather","input":{"city":"Rome"}},
                                     {"type":"tool_use","id":"t2","name":"weather","input":{}}]},
      {"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":[{"type":"text","text":"sunny"}]},
                                {"type":"tool_result","tool_use_id":"t2","content":[{"type":"text","text":"rain"}]},
                                {"type":"text","text":"and?"}]}]})"));
}

TEST_F(Anthropic, json_of_a_schema_is_asked_for_and_read) {
  const json::object out = answered(
      R"({"provider":"anthropic","model":"m","messages":[{"role":"user","content":"x"}],"output":{"schema":{"type":"object"}}})",
      R"({"type":"message","content":[{"type":"text","text":"{\"a\":1}"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}})");
  EXPECT_EQ(out.at("output"), json::parse(R"({"a":1})"));
  EXPECT_EQ(sent().at("output_config"), json::parse(R"({"format":{"type":"json_schema","schema":{"type":"object"}}})"));
}

TEST_F(Anthropic, a_stream_that_ends_early_is_cut) {
  const std::string whole = streamed;
  for (const std::size_t end :
       {whole.find("event: ping"), whole.find("event: message_delta"), whole.find("event: message_stop")}) {
    const CallOutcome outcome = chat(hello, {200, whole.substr(0, end)});
    EXPECT_EQ(kind_of(outcome), "cut") << end;
    EXPECT_EQ(outcome.error->retry, TRV_RETRY_SAFE);
  }
}

TEST_F(Anthropic, an_overload_within_a_stream_is_one) {
  const CallOutcome outcome =
      chat(hello,
           {200, std::string(streamed).substr(0, std::string(streamed).find("event: ping")) +
                     "event: error\ndata: "
                     "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n"});
  EXPECT_EQ(outcome.code(), TRV_ERROR_UNAVAILABLE);
  EXPECT_EQ(kind_of(outcome), "overloaded");
  EXPECT_EQ(outcome.error->message, "Anthropic, model claude-haiku-4-5: the answer broke off: Overloaded");
}

TEST_F(Anthropic, what_the_version_does_not_take_is_refused_by_name_and_a_row_may_have_another_version) {
  const std::string warm =
      R"({"provider":"anthropic","model":"m","temperature":0.5,"messages":[{"role":"user","content":"x"}]})";
  const CallOutcome refused = chat(warm, {});
  EXPECT_EQ(refused.code(), TRV_ERROR_INVALID);
  EXPECT_THAT(refused.error->message,
              ::testing::StartsWith("Anthropic, model m: input: temperature: the provider does not take it"));
  EXPECT_THAT(host.requests(), ::testing::IsEmpty());
  host.deactivate();
  ASSERT_TRUE(host.activate(R"({"providers":{"anthropic":{"api_version":"2023-06-01","unsupported":[]}}})"));
  (void)chat(warm, {500, ""});
  EXPECT_EQ(last().header("anthropic-version"), "2023-06-01");
  EXPECT_EQ(sent().at("temperature"), 0.5);
}

TEST_F(Anthropic, it_has_no_embeddings) {
  const CallOutcome outcome =
      host.call({.operation = "embed", .input = R"({"provider":"anthropic","model":"e","input":"a"})"}, {HttpAnswer{}});
  EXPECT_EQ(outcome.code(), TRV_ERROR_INVALID);
  EXPECT_THAT(host.requests(), ::testing::IsEmpty());
}

}  // namespace
}  // namespace models::testing
