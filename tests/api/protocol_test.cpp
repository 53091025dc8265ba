// `call: mcp` and `call: a2a` are there where their plugin is.

#include <gmock/gmock.h>

#include <thread>

#include "tests/support/api/api_fixture.hpp"

namespace trv::api {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class ProtocolTest : public ApiTest {
 protected:
  static Answer apply(const std::string& name, const std::string& task) {
    return apply_workflow(
        acme(), "acme",
        "document: {dsl: '1.0.3', namespace: demo, name: " + name + ", version: '1.0.0'}\ndo:\n  - ask:\n" + task);
  }
  static std::string first_error(const Answer& answer) {
    EXPECT_EQ(answer.status, 400) << answer.body;
    const json::value body = answer.value();
    const json::value& error = body.at("errors").at(0);
    return std::to_string(error.at("line").as_int64()) + ": " + std::string(error.at("detail").as_string());
  }
};

TEST_F(ProtocolTest, a_protocol_is_refused_where_its_plugin_is_not_and_done_where_it_is) {
  const std::string mcp =
      "      call: mcp\n      with:\n        method: tools/call\n        parameters: {name: '${ .tool }'}\n"
      "        transport: {http: {endpoint: 'https://tools.example/{tool}'}}\n";
  const std::string a2a = "      call: a2a\n      with: {method: tasks/list, server: 'https://agent.example'}\n";
  EXPECT_EQ(first_error(apply("m1", mcp)),
            "4: task 'ask' is a 'call: mcp', which the plugin 'mcp' does, and that is not installed; install it with "
            "`trav plugin install mcp-VERSION.trvp --tenant acme`");
  EXPECT_THAT(first_error(apply("a1", a2a)), HasSubstr("'a2a' does, and that is not installed"));

  const base::Bytes package = mcp_package();
  ASSERT_EQ(call(daemon().operator_token(), "POST", "/v1/plugins", std::string(package.begin(), package.end())).status,
            201);
  EXPECT_EQ(first_error(apply("m1", mcp)),
            "4: task 'ask' is a 'call: mcp', which the plugin 'mcp' does, and that is not enabled for tenant 'acme'; "
            "enable it with `trav plugin enable mcp`");
  ASSERT_EQ(call(acme(), "PUT", "/v1/tenants/acme/plugins/mcp", R"({"version":"1.2.3"})").status, 200);
  const Answer applied = apply("m1", mcp);
  ASSERT_EQ(applied.status, 201) << applied.body;
  EXPECT_TRUE(applied.value().at("warnings").as_array().empty()) << applied.body;

  const Answer started = call(acme(), "POST", "/v1/tenants/acme/workflows/demo/m1/instances", R"({"tool":"add"})");
  ASSERT_EQ(started.status, 201) << started.body;
  json::value shown;
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  do {
    shown = call(acme(), "GET", "/v1/tenants/acme/instances/" + started.text("id")).value();
    if (shown.at("status") != "running") break;
    std::this_thread::sleep_for(10ms);
  } while (std::chrono::steady_clock::now() < deadline);
  EXPECT_EQ(shown.at("status"), "completed") << json::serialize(shown);
  EXPECT_EQ(
      json::serialize(shown.at("output")),
      R"({"method":"tools/call","parameters":{"name":"add"},"transport":{"http":{"endpoint":"https://tools.example/add"}}})");
}

}  // namespace
}  // namespace trv::api
