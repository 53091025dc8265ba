#include "kernel/cli/commands/redaction.hpp"

#include <gtest/gtest.h>

#include "kernel/json/serialize.hpp"

namespace trv::cli {
namespace {

TEST(Redaction, what_may_be_a_secret_is_left_out) {
  for (const char* text : {
           "the token is trv_acme_f23cc8c4e117_1FC4NN",
           "Authorization: Bearer abc",
           "authorization=x",
           R"({"password": "x"})",
           "PASSWORD = hunter2",
           "api_key:1",
           "https://ada:x@example.com/",
           "-----BEGIN PRIVATE KEY-----",
           "key 9f86d081884c7d659a2feaa0c55ad015",
           "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v7Vpgu",
       }) {
    EXPECT_TRUE(may_hold_secret(text)) << text;
  }
}

TEST(Redaction, what_helps_stays) {
  for (const char* text : {
           "[2026-11-24 01:02:12.635] [travd] [info] plugins.require is none",
           "request 681e75e3be3a554b-00000001: GET /v1/tenants/{tenant}/instances",
           "instance 0193a5b2-7c1e-7d3a-9f00-5a6b7c8d9e0f failed",
           "/var/lib/travertine/projection/shard0/data.mdb has 1048576 bytes",
           "token is missing",
           "https://example.com/a/b?c=d",
           "travertine_http_request_duration_seconds_bucket",
       }) {
    EXPECT_FALSE(may_hold_secret(text)) << text;
  }
}

TEST(Redaction, lines_go_and_a_pem_goes_whole) {
  const Redacted redacted =
      lines_without_secrets("one\n-----BEGIN KEY-----\nabc\n-----END KEY-----\ntwo\ntoken: x\nthree");
  EXPECT_EQ(redacted.text, "one\ntwo\nthree\n");
  EXPECT_EQ(redacted.left_out, 4U);
  for (const char* line : {"the password is hunter2", "AWS_SECRET wJalrXUtnFEMI", "X-Api-Key: short1", "pwd=hunter3",
                           "https://hooks.example.com/services/T0ABCDEF12/B0/AbCdEf01GhIjKl02MnOp",
                           "AKIAIOSFODNN7EXAMPLE", "connection github secret \"abcd\" set"}) {
    EXPECT_EQ(lines_without_secrets(line).text, "") << line;
  }
  const Redacted cut = lines_without_secrets("one\n-----BEGIN KEY-----\nabc\ntwo");
  EXPECT_EQ(cut.text, "one\n") << "a PEM without an end";
}

TEST(Redaction, a_line_of_json_goes_whole_where_any_part_of_it_may_be_a_secret) {
  const std::string_view clean =
      R"({"time":"2026-11-24T01:02:12.635Z","level":"info","room":"plugins","message":"it said \"no\"","tenant":"acme",)"
      R"("effect":"acme/0193a5b2-7c1e-7d3a-9f00-5a6b7c8d9e0f/do/0/greet/1",)"
      R"("trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7"})";
  EXPECT_EQ(lines_without_secrets(clean).text, std::string(clean) + "\n");
  EXPECT_EQ(lines_without_secrets("<6>" + std::string(clean)).text, "<6>" + std::string(clean) + "\n");
  for (const char* line : {
           R"({"message":"sent {\"token\": \"x1\"}"})",
           R"({"message":"to\u006ben=x1"})",
           R"({"message":"\u0070assword is x1"})",
           R"({"message":"\u0042earer x1"})",
           R"({"message":"-----BEGIN KEY-----\nabc\n-----END KEY-----"})",
           R"({"message":"https:\/\/ada:x1@example.com\/"})",
           R"({"message":"key 9f86d081884c7d65\u0039a2feaa0c55ad015"})",
           R"({"message":"ok","token":"x1"})",
           R"({"message":"ok","deep":{"to\u006ben":7}})",
           R"({"message":"ok","list":["AKIAIOSFODNN7EXAMPLE"]})",
           R"({"message":"ok","trace_id":"9f86d081884c7d659a2feaa0c55ad015aa"})",
           R"({"message":"ok","id":"4bf92f3577b34da6a3ce929d0e0e4736"})",
           R"({"message":"cut off)",
           R"(<3>{"message":"to\u006ben=x1"})",
           R"({"message":"ok"} token=x1)",
       }) {
    EXPECT_EQ(lines_without_secrets(line).text, "") << line;
  }
}

TEST(Redaction, strings_of_a_value_go_and_its_shape_stays) {
  const json::Value value = {{"name", "forge"},
                             {"token", "short"},
                             {"list", {{"deep", "Bearer x"}, {"number", 7}}},
                             {"password_file", "/etc/travertine/password"}};
  const RedactedValue redacted = strings_without_secrets(value);
  EXPECT_EQ(json::serialize(redacted.value),
            R"({"name":"forge","token":"[left out]","list":{"deep":"[left out]","number":7},)"
            R"("password_file":"/etc/travertine/password"})");
  EXPECT_EQ(redacted.left_out, 2U);
}

}  // namespace
}  // namespace trv::cli
