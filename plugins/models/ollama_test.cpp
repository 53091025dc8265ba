#include "plugins/models/models_test.hpp"

namespace models::testing {
namespace {

constexpr const char* hello = R"({"provider":"ollama","model":"llama3.2","messages":[{"role":"user","content":"Hi"}]})";
constexpr const char* streamed =
    R"({"model":"llama3.2","created_at":"2026-11-23T07:00:00Z","message":{"role":"assistant","content":"","thinking":"Hm."},"done":false}
{"model":"llama3.2","created_at":"2026-11-23T07:00:00Z","message":{"role":"assistant","content":"Hel"},"done":false}
{"model":"llama3.2","created_at":"2026-11-23T07:00:00Z","message":{"role":"assistant","content":"lo"},"done":false}
{"model":"llama3.2","message":{"role":"assistant","content":""},"done_reason":"stop","done":true,"total_duration":1,"prompt_eval_count":26,"eval_count":12}
)";

using Ollama = ModelsTest;

TEST_F(Ollama, a_streamed_answer_is_collected_with_usage) {
  EXPECT_EQ(answered(hello, streamed), json::parse(R"({
    "provider":"ollama","model":"llama3.2","stop":"end","reasoning":"Hm.","message":{"role":"assistant","content":"Hello"},
    "usage":{"input_tokens":26,"cached_input_tokens":0,"cache_write_tokens":0,"output_tokens":12,"reasoning_tokens":0,"total_tokens":38}})"));
  EXPECT_EQ(host.streamed(1), "Hello") << "word by word";
  EXPECT_EQ(last().path, "/api/chat");
  EXPECT_EQ(sent(), json::parse(R"({"model":"llama3.2","messages":[{"role":"user","content":"Hi"}],"stream":true})"));
}

TEST_F(Ollama, a_stream_reads_the_same_however_it_is_cut) {
  const json::object whole = answered(hello, streamed);
  for (const std::uint64_t bytes : {1U, 7U, 100U}) {
    host.parts_have(bytes);
    EXPECT_EQ(answered(hello, streamed), whole) << bytes;
  }
}

TEST_F(Ollama, every_field_of_a_request_has_its_place) {
  (void)chat(R"({"provider":"ollama","model":"m","max_tokens":9,"temperature":0,"seed":7,"stop":["END"],
    "tools":[{"name":"weather","description":"d","parameters":{"type":"object"}}],"output":{"schema":{"type":"object"}},
    "extra":{"keep_alive":"5m","options":{"num_ctx":8192}},
    "messages":[
      {"role":"user","content":[{"type":"text","text":"what"},{"type":"image","media_type":"image/png","data":"AAAA"}]},
      {"role":"assistant","content":"","tool_calls":[{"id":"call_1","name":"weather","arguments":{"city":"Rome"}}]},
      {"role":"tool","tool_call_id":"call_1","content":"sunny"}]})",
             {500, ""});
  EXPECT_EQ(sent(), json::parse(R"({"model":"m","stream":true,"keep_alive":"5m","format":{"type":"object"},
    "options":{"num_predict":9,"temperature":0E0,"seed":7,"stop":["END"],"num_ctx":8192},
    "tools":[{"type":"function","function":{"name":"weather","description":"d","parameters":{"type":"object"}}}],
    "messages":[{"role":"user","content":"what","images":["AAAA"]},
      {"role":"assistant","content":"","tool_calls":[{"function":{"name":"weather","arguments":{"city":"Rome"}}}]},
      {"role":"tool","content":"sunny","tool_name":"weather"}]})"));
}

TEST_F(Ollama, calls_of_tools_get_ids) {
  const json::object out = answered(
      hello,
      R"({"model":"m","message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"a","arguments":{"x":1}}}]},"done":false}
{"model":"m","message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"b","arguments":{}}}]},"done":false}
{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop"})");
  EXPECT_EQ(out.at("stop"), "tool_calls");
  EXPECT_EQ(
      out.at("message").at("tool_calls"),
      json::parse(R"([{"id":"call_1","name":"a","arguments":{"x":1}},{"id":"call_2","name":"b","arguments":{}}])"));
  EXPECT_FALSE(out.contains("usage"));
}

TEST_F(Ollama, a_stream_that_ends_early_is_cut) {
  const std::string whole = streamed;
  for (const std::size_t end :
       {whole.find("\"Hel\""), whole.find("\"lo\""), whole.find("{\"model\":\"llama3.2\",\"message\"")}) {
    const CallOutcome outcome = chat(hello, {200, whole.substr(0, end)});
    EXPECT_EQ(kind_of(outcome), "cut") << end;
  }
}

TEST_F(Ollama, its_errors_are_read) {
  const CallOutcome missing = chat(hello, {404, R"({"error":"model 'llama3.2' not found"})"});
  EXPECT_EQ(missing.code(), TRV_ERROR_NOT_FOUND);
  EXPECT_EQ(missing.error->message, "Ollama, model llama3.2: answered 404: model 'llama3.2' not found");
  const CallOutcome within = chat(
      hello, {200, "{\"message\":{\"content\":\"H\"},\"done\":false}\n{\"error\":\"an error was encountered\"}\n"});
  EXPECT_EQ(kind_of(within), "unavailable");
}

TEST_F(Ollama, texts_become_vectors) {
  const CallOutcome outcome =
      host.call({.operation = "embed", .input = R"({"model":"e","input":"a"})", .connection = "ollama"},
                {HttpAnswer{200, R"({"model":"e","embeddings":[[0.5,-1]],"prompt_eval_count":2})"}});
  ASSERT_TRUE(outcome.succeeded()) << outcome.error->message;
  EXPECT_EQ(json::parse(*outcome.output).at("embeddings"), json::parse("[[0.5,-1]]"));
  EXPECT_EQ(last().path, "/api/embed");
  EXPECT_EQ(sent(), json::parse(R"({"model":"e","input":["a"]})"));
}

}  // namespace
}  // namespace models::testing
