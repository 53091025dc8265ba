// What a router may rely on: each way to fail has its kind, its code and its word about another try.

#include "plugins/models/models_test.hpp"

namespace models::testing {
namespace {

struct Case {
  const char* provider;
  int status;
  const char* body;
  std::int32_t code;
  const char* kind;
  bool is_retried;
};

constexpr Case cases[] = {
    {"openai", 400, R"({"error":{"message":"bad","type":"invalid_request_error","code":null}})", TRV_ERROR_INVALID,
     "invalid_request", false},
    {"openai", 400, R"({"error":{"message":"long","type":"invalid_request_error","code":"context_length_exceeded"}})",
     TRV_ERROR_TOO_LARGE, "context_length", false},
    {"openai", 401, R"({"error":{"message":"key","type":"invalid_request_error","code":"invalid_api_key"}})",
     TRV_ERROR_UNAUTHENTICATED, "unauthenticated", false},
    {"openai", 403, R"({"error":{"message":"country","code":"unsupported_country_region_territory"}})",
     TRV_ERROR_DENIED, "denied", false},
    {"openai", 404, R"({"error":{"message":"none","type":"invalid_request_error","code":"model_not_found"}})",
     TRV_ERROR_NOT_FOUND, "not_found", false},
    {"openai", 429, R"({"error":{"message":"slow","type":"requests","code":"rate_limit_exceeded"}})",
     TRV_ERROR_EXHAUSTED, "rate_limited", true},
    {"openai", 429, R"({"error":{"message":"pay","type":"insufficient_quota","code":"insufficient_quota"}})",
     TRV_ERROR_EXHAUSTED, "no_quota", false},
    {"openai", 500, R"({"error":{"message":"oops","type":"server_error"}})", TRV_ERROR_UNAVAILABLE, "unavailable",
     true},
    {"openai", 502, "<html>Bad gateway</html>", TRV_ERROR_UNAVAILABLE, "unavailable", true},
    {"openai", 503, R"({"error":{"message":"busy"}})", TRV_ERROR_UNAVAILABLE, "overloaded", true},
    {"openrouter", 402, R"({"error":{"code":402,"message":"credits"}})", TRV_ERROR_EXHAUSTED, "no_quota", false},
    {"mistral", 422, R"({"object":"error","message":"bad","type":"invalid_request_error","code":"1000"})",
     TRV_ERROR_INVALID, "invalid_request", false},
    {"anthropic", 400,
     R"({"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens > 8 maximum"}})",
     TRV_ERROR_TOO_LARGE, "context_length", false},
    {"anthropic", 400, R"({"type":"error","error":{"type":"billing_error","message":"balance"}})", TRV_ERROR_EXHAUSTED,
     "no_quota", false},
    {"anthropic", 401, R"({"type":"error","error":{"type":"authentication_error","message":"key"}})",
     TRV_ERROR_UNAUTHENTICATED, "unauthenticated", false},
    {"anthropic", 403, R"({"type":"error","error":{"type":"permission_error","message":"no"}})", TRV_ERROR_DENIED,
     "denied", false},
    {"anthropic", 404, R"({"type":"error","error":{"type":"not_found_error","message":"model"}})", TRV_ERROR_NOT_FOUND,
     "not_found", false},
    {"anthropic", 413, R"({"type":"error","error":{"type":"request_too_large","message":"big"}})", TRV_ERROR_TOO_LARGE,
     "context_length", false},
    {"anthropic", 429, R"({"type":"error","error":{"type":"rate_limit_error","message":"slow"}})", TRV_ERROR_EXHAUSTED,
     "rate_limited", true},
    {"anthropic", 500, R"({"type":"error","error":{"type":"api_error","message":"oops"}})", TRV_ERROR_UNAVAILABLE,
     "unavailable", true},
    {"anthropic", 529, R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})",
     TRV_ERROR_UNAVAILABLE, "overloaded", true},
    {"ollama", 400, R"({"error":"invalid options"})", TRV_ERROR_INVALID, "invalid_request", false},
    {"ollama", 503, R"({"error":"server busy, please try again.  maximum pending requests exceeded"})",
     TRV_ERROR_UNAVAILABLE, "overloaded", true},
};

std::string input_for(const std::string& provider) {
  return R"({"provider":")" + provider + R"(","model":"m","messages":[{"role":"user","content":"Hi"}]})";
}

using Failures = ModelsTest;

TEST_F(Failures, each_has_its_kind) {
  for (const Case& expected : cases) {
    const CallOutcome outcome = chat(input_for(expected.provider), {expected.status, expected.body});
    SCOPED_TRACE(expected.body);
    ASSERT_TRUE(outcome.error);
    EXPECT_EQ(outcome.code(), expected.code);
    EXPECT_EQ(kind_of(outcome), expected.kind);
    EXPECT_EQ(outcome.error->retry == TRV_RETRY_SAFE, expected.is_retried);
    EXPECT_EQ(outcome.error->status, expected.status);
  }
}

TEST_F(Failures, the_time_to_wait_is_the_providers) {
  const auto wait = [&](const trv::conformance::HeaderList& headers) {
    return chat(input_for("openai"), {429, "{}", headers}).error->retry_after_ms;
  };
  EXPECT_EQ(wait({{"Retry-After", "7"}}), 7'000U);
  EXPECT_EQ(wait({{"retry-after-ms", "1500"}, {"Retry-After", "2"}}), 1'500U);
  EXPECT_EQ(wait({{"x-ratelimit-remaining-requests", "0"},
                  {"x-ratelimit-reset-requests", "1m2.5s"},
                  {"x-ratelimit-remaining-tokens", "5"},
                  {"x-ratelimit-reset-tokens", "1h"}}),
            62'500U);
  EXPECT_EQ(wait({{"x-ratelimit-remaining-tokens", "0"}, {"x-ratelimit-reset-tokens", "120ms"}}), 120U);
  EXPECT_EQ(wait({{"x-ratelimit-remaining-tokens", "0"}, {"x-ratelimit-reset-tokens", "soon"}}), 0U);
  EXPECT_EQ(wait({}), 0U);
}

TEST_F(Failures, a_provider_may_forbid_another_try) {
  const CallOutcome outcome = chat(input_for("openai"), {503, "{}", {{"x-should-retry", "false"}}});
  EXPECT_EQ(outcome.error->retry, TRV_RETRY_NEVER);
}

TEST_F(Failures, a_page_of_a_proxy_is_no_answer) {
  for (const char* provider : {"openai", "anthropic", "ollama"}) {
    EXPECT_EQ(kind_of(chat(input_for(provider), {200, "<html>Sign in</html>"})), "unreadable") << provider;
  }
}

TEST_F(Failures, no_answer_at_all_has_a_kind_too) {
  const CallOutcome outcome =
      host.call({.operation = "chat", .input = input_for("openai")},
                {trv::conformance::CallError{.code = TRV_ERROR_TIMEOUT, .message = "too slow"}});
  EXPECT_EQ(outcome.code(), TRV_ERROR_TIMEOUT);
  EXPECT_EQ(kind_of(outcome), "timeout");
  EXPECT_EQ(outcome.error->message, "too slow");
}

TEST_F(Failures, a_stream_that_breaks_has_a_kind_too) {
  const std::uint64_t call = host.begin({.operation = "chat", .input = input_for("openai")});
  const std::uint64_t stream = host.first_open_request(call).value();
  host.respond_in_parts(stream, {200});
  host.part(stream, "data: {\"id\":\"c\",\"choices\":[]}\n\n");
  EXPECT_FALSE(host.outcome(call));
  host.break_parts(stream, {.code = TRV_ERROR_UNAVAILABLE, .message = "it broke"});
  ASSERT_TRUE(host.outcome(call));
  EXPECT_EQ(kind_of(*host.outcome(call)), "unavailable");
  EXPECT_EQ(host.outcome(call)->error->message, "it broke");
}

TEST_F(Failures, a_wrong_input_is_named_and_nothing_is_sent) {
  const auto message = [&](const std::string& rest) {
    const CallOutcome outcome = chat(R"({"provider":"openai","model":"m",)" + rest + "}", {});
    EXPECT_EQ(outcome.code(), TRV_ERROR_INVALID);
    return outcome.error ? outcome.error->message : "";
  };
  EXPECT_EQ(message(R"("messages":[{"role":"user","content":"x"},{"role":"robot"}])"),
            "input: messages[1].role: \"robot\" is not one of system, user, assistant, tool");
  EXPECT_EQ(message(R"("messages":[{"role":"tool","content":"x"}])"),
            "input: messages[0].tool_call_id: is missing; a tool's message names the call that it answers");
  EXPECT_EQ(message(R"("messages":[{"role":"system","content":"x"}])"),
            "input: messages: there is no message but the system's; add one with role user");
  EXPECT_EQ(message(R"("messages":[{"role":"user","content":"x"}],"tools":[{"name":"a"}],"tool_choice":{"name":"b"})"),
            "input: tool_choice.name: \"b\" is not one of the tools");
  EXPECT_EQ(message(R"("messages":[{"role":"user","content":"x"}],"output":{})"), "input: output.schema: is missing");
  EXPECT_THAT(host.requests(), ::testing::IsEmpty());
}

TEST_F(Failures, a_provider_that_is_not_known_is_answered_with_those_that_are) {
  const CallOutcome outcome = host.call({.operation = "chat",
                                         .input = R"({"model":"m","messages":[{"role":"user","content":"x"}]})",
                                         .connection = "mine"});
  EXPECT_EQ(outcome.code(), TRV_ERROR_INVALID);
  EXPECT_THAT(outcome.error->message, ::testing::StartsWith("input: provider: is missing, and no provider is called as "
                                                            "the connection is, \"mine\"; known are anthropic, "));
}

TEST_F(Failures, configuration_changes_rows_and_adds_others) {
  host.deactivate();
  ASSERT_TRUE(host.activate(R"({"providers":{
    "openai":{"stream":false,"prices":{"m":{"input":1,"output":2}}},
    "inside":{"dialect":"ollama","currency":"EUR","prices":{"m":{"input":3,"output":0}}}}})"));
  const json::object ours =
      answered(input_for("openai"), R"({"choices":[{"index":0,"finish_reason":"stop","message":{"content":"x"}}],
    "usage":{"prompt_tokens":1000000,"completion_tokens":500000}})");
  EXPECT_EQ(ours.at("cost"), json::parse(R"({"currency":"USD","amount":2E0})"));
  EXPECT_FALSE(sent().as_object().contains("stream"));
  const json::object inside =
      answered(input_for("inside"), R"({"message":{"content":"x"},"done":true,"prompt_eval_count":10,"eval_count":1})");
  EXPECT_EQ(inside.at("cost"), json::parse(R"({"currency":"EUR","amount":3E-5})"));
}

TEST_F(Failures, a_configuration_that_cannot_be_is_refused_with_its_place) {
  const auto refused = [&](const char* configuration) {
    host.deactivate();
    EXPECT_FALSE(host.activate(configuration));
    return host.activation_error()->message;
  };
  EXPECT_EQ(refused(R"({"providers":{"x":{}}})"), "configuration: providers: x: dialect: is missing");
  EXPECT_EQ(refused(R"({"providers":{"openai":{"dialect":"smtp"}}})"),
            "configuration: providers: openai: dialect: must be one of \"openai\", \"anthropic\", \"ollama\"");
  EXPECT_EQ(refused(R"({"providers":{"openai":{"prices":{"m":{"input":-1,"output":1}}}}})"),
            "configuration: providers: openai: prices: m: input: must be a number from 0 to 1000000, the price of a "
            "million tokens");
}

}  // namespace
}  // namespace models::testing
