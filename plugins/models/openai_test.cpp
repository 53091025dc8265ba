#include "plugins/models/models_test.hpp"

namespace models::testing {
namespace {

constexpr const char* hello =
    R"({"provider":"openai","model":"gpt-4o-mini","messages":[{"role":"user","content":"Hi"}]})";
constexpr const char* streamed =
    "data: "
    "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4o-mini-2024-07-18\","
    "\"choices\":"
    "[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}],\"usage\":null}\n\n"
    ": keep-alive\n\n"
    "data: "
    "{\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"},\"finish_reason\":null}]}\n\n"
    "data: "
    "{\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo\"},\"finish_reason\":null}]}\n\n"
    "data: {\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
    "data: "
    "{\"id\":\"chatcmpl-1\",\"choices\":[],\"usage\":{\"prompt_tokens\":1000,\"completion_tokens\":200,\"total_"
    "tokens\":1200,"
    "\"prompt_tokens_details\":{\"cached_tokens\":400},\"completion_tokens_details\":{\"reasoning_tokens\":50}}}\n\n"
    "data: [DONE]\n\n";

using OpenAi = ModelsTest;

TEST_F(OpenAi, a_streamed_answer_is_collected_with_usage_and_cost) {
  EXPECT_EQ(answered(hello, streamed), json::parse(R"({
    "provider":"openai","model":"gpt-4o-mini-2024-07-18","id":"chatcmpl-1","stop":"end",
    "message":{"role":"assistant","content":"Hello"},
    "usage":{"input_tokens":1000,"cached_input_tokens":400,"cache_write_tokens":0,"output_tokens":200,"reasoning_tokens":50,
             "total_tokens":1200},
    "cost":{"currency":"USD","amount":0.00024,"prices_as_of":"2026-11-05"}})"));
  EXPECT_EQ(last().method, "POST");
  EXPECT_EQ(host.streamed(1), "Hello") << "word by word";
  EXPECT_EQ(last().path, "/chat/completions");
  EXPECT_EQ(sent(), json::parse(R"({"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hi"}],
    "stream":true,"stream_options":{"include_usage":true}})"));
}

TEST_F(OpenAi, a_stream_reads_the_same_however_it_is_cut) {
  const json::object whole = answered(hello, streamed);
  for (const std::uint64_t bytes : {1U, 7U, 100U}) {
    host.parts_have(bytes);
    EXPECT_EQ(answered(hello, streamed), whole) << bytes;
    EXPECT_EQ(answered(hello, R"( {"id":"c","model":"m","choices":[{"index":0,"finish_reason":"stop",
      "message":{"role":"assistant","content":"Hello"}}]})")
                  .at("message")
                  .at("content"),
              "Hello")
        << bytes;
  }
}

TEST_F(OpenAi, a_stream_is_read_as_it_comes_and_may_be_far_larger_than_what_it_says) {
  const std::uint64_t call = host.begin({.operation = "chat", .input = hello});
  const std::uint64_t stream = host.first_open_request(call).value();
  host.respond_in_parts(stream, {200});
  const std::string piece = "data: {\"id\":\"c\",\"padding\":\"" + std::string(50'000, ' ') +
                            "\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"},\"finish_reason\":null}]}\n\n";
  for (int i = 0; i < 100; ++i) {
    host.part(stream, piece);
    ASSERT_EQ(host.held_back(stream), 0U) << "what came is read at once";
  }
  EXPECT_FALSE(host.outcome(call));
  host.part(stream, "data: [DONE]\n\n");
  ASSERT_TRUE(host.outcome(call)) << "what follows is not waited for";
  EXPECT_FALSE(host.is_read(stream));
  const json::object out = json::parse(host.outcome(call)->output.value()).as_object();
  EXPECT_EQ(out.at("message").at("content"), std::string(100, 'x').c_str());
}

TEST_F(OpenAi, an_answer_in_one_piece_reads_the_same) {
  const json::object out = answered(hello, R"({"id":"c","model":"m","choices":[{"index":0,"finish_reason":"length",
    "message":{"role":"assistant","content":"Hello","refusal":null}}],"usage":{"prompt_tokens":3,"completion_tokens":2}})");
  EXPECT_EQ(out.at("message"), json::parse(R"({"role":"assistant","content":"Hello"})"));
  EXPECT_EQ(out.at("stop"), "length");
  EXPECT_EQ(out.at("usage").at("total_tokens"), 5);
}

TEST_F(OpenAi, every_field_of_a_request_has_its_place) {
  (void)chat(R"({"provider":"openai","model":"m","max_tokens":9,"temperature":0.5,"top_p":0.25,"seed":7,"stop":["END"],
    "tool_choice":{"name":"weather"},"tools":[{"name":"weather","description":"d","parameters":{"type":"object"}},{"name":"now"}],
    "extra":{"service_tier":"flex","stream_options":{"more":1}},
    "messages":[
      {"role":"system","content":"s"},
      {"role":"user","content":[{"type":"text","text":"what"},{"type":"image","media_type":"image/png","data":"AAAA"}]},
      {"role":"assistant","content":"","tool_calls":[{"id":"t1","name":"weather","arguments":{"city":"Rome"}}]},
      {"role":"tool","tool_call_id":"t1","content":"sunny"}]})",
             {500, ""});
  EXPECT_EQ(
      sent(),
      json::parse(R"({"model":"m","max_completion_tokens":9,"temperature":0.5,"top_p":0.25,"seed":7,"stop":["END"],
    "stream":true,"stream_options":{"include_usage":true,"more":1},"service_tier":"flex",
    "tool_choice":{"type":"function","function":{"name":"weather"}},
    "tools":[{"type":"function","function":{"name":"weather","description":"d","parameters":{"type":"object"}}},
             {"type":"function","function":{"name":"now","parameters":{"type":"object","properties":{}}}}],
    "messages":[
      {"role":"system","content":"s"},
      {"role":"user","content":[{"type":"text","text":"what"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]},
      {"role":"assistant","content":"","tool_calls":[{"id":"t1","type":"function",
        "function":{"name":"weather","arguments":"{\"city\":\"Rome\"}"}}]},
      {"role":"tool","content":"sunny","tool_call_id":"t1"}]})"));
}

TEST_F(OpenAi, calls_of_tools_come_together_from_their_pieces) {
  const json::object out = answered(
      hello,
      R"(data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"weather","arguments":""}}]}}]}

data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"city\":"}},{"index":1,"id":"b","function":{"name":"now","arguments":""}}]}}]}

data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\"Rome\"}"}}]},"finish_reason":"tool_calls"}]}

data: [DONE]

)");
  EXPECT_EQ(out.at("stop"), "tool_calls");
  EXPECT_EQ(out.at("message").at("tool_calls"), json::parse(R"([{"id":"a","name":"weather","arguments":{"city":"Rome"}},
    {"id":"b","name":"now","arguments":{}}])"));
}

TEST_F(OpenAi, arguments_that_are_no_json_are_given_as_they_are) {
  const json::object out = answered(hello, R"({"choices":[{"index":0,"finish_reason":"stop","message":{"content":null,
    "tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\":"}}]}}]})");
  EXPECT_EQ(out.at("message").at("tool_calls"),
            json::parse(R"([{"id":"a","name":"f","arguments":{},"arguments_text":"{\"x\":"}])"));
  EXPECT_EQ(out.at("stop"), "tool_calls");
}

constexpr const char* schema =
    R"({"type":"object","required":["kind"],"properties":{"kind":{"enum":["bug","question"]}}})";
std::string classified_by(const std::string& provider) {
  return R"({"provider":")" + provider +
         R"(","model":"m","messages":[{"role":"user","content":"It broke"}],"output":{"name":"sorted","schema":)" +
         schema + "}}";
}

TEST_F(OpenAi, json_of_a_schema_is_asked_for_and_read) {
  const json::object out = answered(classified_by("openai"), R"({"choices":[{"index":0,"finish_reason":"stop",
    "message":{"content":"{\"kind\":\"bug\"}"}}]})");
  EXPECT_EQ(out.at("output"), json::parse(R"({"kind":"bug"})"));
  EXPECT_EQ(
      sent().at("response_format"),
      json::parse(std::string(R"({"type":"json_schema","json_schema":{"name":"sorted","strict":false,"schema":)") +
                  schema + "}}"));
}

TEST_F(OpenAi, a_provider_without_schemas_gets_it_in_the_instructions) {
  const json::object out = answered(classified_by("deepseek"), R"({"choices":[{"index":0,"finish_reason":"stop",
    "message":{"content":"```json\n{\"kind\":\"bug\"}\n```"}}]})");
  EXPECT_EQ(out.at("output"), json::parse(R"({"kind":"bug"})"));
  EXPECT_EQ(sent().at("response_format"), json::parse(R"({"type":"json_object"})"));
  EXPECT_EQ(sent().at("messages").at(0).at("role"), "system");
  EXPECT_THAT(std::string(sent().at("messages").at(0).at("content").as_string()),
              ::testing::HasSubstr(R"("enum":["bug","question"])"));
}

TEST_F(OpenAi, a_provider_may_be_made_to_call_a_tool_with_the_answer) {
  host.deactivate();
  ASSERT_TRUE(host.activate(R"({"providers":{"inside":{"dialect":"openai","structured_output":"tool"}}})"));
  const json::object out = answered(classified_by("inside"), R"({"choices":[{"index":0,"finish_reason":"tool_calls",
    "message":{"content":null,"tool_calls":[{"id":"a","function":{"name":"sorted","arguments":"{\"kind\":\"bug\"}"}}]}}]})");
  EXPECT_EQ(out.at("output"), json::parse(R"({"kind":"bug"})"));
  EXPECT_EQ(out.at("message"), json::parse(R"({"role":"assistant","content":""})"));
  EXPECT_EQ(out.at("stop"), "end");
  EXPECT_EQ(sent().at("tool_choice"), json::parse(R"({"type":"function","function":{"name":"sorted"}})"));
  EXPECT_EQ(sent().at("tools").at(0).at("function").at("parameters"), json::parse(schema));
}

TEST_F(OpenAi, an_answer_that_is_not_the_json_asked_for_is_a_failure_that_says_why) {
  const auto answer = [](const char* reason, const char* text) {
    return HttpAnswer{200, std::string(R"({"choices":[{"index":0,"finish_reason":")") + reason +
                               R"(","message":{"content":")" + text + R"("}}]})"};
  };
  const CallOutcome words = chat(classified_by("openai"), answer("stop", "It is a bug."));
  EXPECT_EQ(words.code(), TRV_ERROR_UNAVAILABLE);
  EXPECT_EQ(kind_of(words), "unreadable");
  EXPECT_EQ(words.error->retry, TRV_RETRY_SAFE);
  const CallOutcome cut = chat(classified_by("openai"), answer("length", "{"));
  EXPECT_EQ(cut.code(), TRV_ERROR_INVALID);
  EXPECT_EQ(kind_of(cut), "length");
  EXPECT_EQ(cut.error->message, "OpenAI, model m: the answer was cut off before its JSON was whole; raise max_tokens");
  const CallOutcome refused = chat(classified_by("openai"), answer("content_filter", ""));
  EXPECT_EQ(refused.code(), TRV_ERROR_DENIED);
  EXPECT_EQ(kind_of(refused), "refused");
}

TEST_F(OpenAi, a_refusal_without_a_schema_is_an_answer) {
  const json::object out = answered(hello, R"({"choices":[{"index":0,"finish_reason":"stop",
    "message":{"content":null,"refusal":"I cannot."}}]})");
  EXPECT_EQ(out.at("stop"), "refused");
  EXPECT_EQ(out.at("message").at("content"), "I cannot.");
}

TEST_F(OpenAi, a_stream_that_ends_early_is_cut) {
  const std::string whole = streamed;
  const std::size_t finish = whole.find("\"finish_reason\":\"stop\"");
  for (const std::size_t end : {whole.find("data: ", 10), whole.find("\"lo\""), finish}) {
    const CallOutcome outcome = chat(hello, {200, whole.substr(0, end)});
    EXPECT_EQ(outcome.code(), TRV_ERROR_UNAVAILABLE) << end;
    EXPECT_EQ(kind_of(outcome), "cut") << end;
    EXPECT_EQ(outcome.error->retry, TRV_RETRY_SAFE);
  }
  // Some services leave out the last line.
  EXPECT_EQ(answered(hello, whole.substr(0, whole.find("data: [DONE]"))).at("message").at("content"), "Hello");
}

TEST_F(OpenAi, an_error_within_a_stream_ends_it) {
  const CallOutcome outcome =
      chat(hello,
           {200,
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}]}\n\n"
            "data: {\"error\":{\"message\":\"The server had an error\",\"type\":\"server_error\",\"code\":null}}\n\n"});
  EXPECT_EQ(outcome.code(), TRV_ERROR_UNAVAILABLE);
  EXPECT_EQ(kind_of(outcome), "unavailable");
  EXPECT_EQ(outcome.error->message, "OpenAI, model gpt-4o-mini: the answer broke off: The server had an error");
}

TEST_F(OpenAi, embeddings_come_in_the_order_of_the_texts) {
  const CallOutcome outcome = host.call(
      {.operation = "embed", .input = R"({"provider":"openai","model":"e","input":["a","b"],"dimensions":2})"},
      {HttpAnswer{
          200,
          R"({"object":"list","model":"e-1","data":[{"index":1,"embedding":[0.5,1]},{"index":0,"embedding":[0.25,-1]}],
                  "usage":{"prompt_tokens":2,"total_tokens":2}})"}});
  ASSERT_TRUE(outcome.succeeded());
  EXPECT_EQ(json::parse(*outcome.output),
            json::parse(R"({"provider":"openai","model":"e-1","embeddings":[[0.25,-1],[0.5,1]],
    "usage":{"input_tokens":2,"cached_input_tokens":0,"cache_write_tokens":0,"output_tokens":0,"reasoning_tokens":0,"total_tokens":2}})"));
  EXPECT_EQ(last().path, "/embeddings");
  EXPECT_EQ(sent(), json::parse(R"({"model":"e","input":["a","b"],"encoding_format":"float","dimensions":2})"));
}

TEST_F(OpenAi, embeddings_that_do_not_fit_the_texts_are_unreadable) {
  for (const char* body : {R"({"data":[{"index":0,"embedding":[1]}]})",
                           R"({"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]})",
                           R"({"data":[{"index":0,"embedding":[1]},{"index":9,"embedding":[1]}]})", "{}"}) {
    const CallOutcome outcome =
        host.call({.operation = "embed", .input = R"({"provider":"openai","model":"e","input":["a","b"]})"},
                  {HttpAnswer{200, body}});
    EXPECT_EQ(kind_of(outcome), "unreadable") << body;
  }
}

}  // namespace
}  // namespace models::testing
