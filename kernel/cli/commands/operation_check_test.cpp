// `trav workflow check` of calls of operations: against packages in a folder, or what a tenant has enabled.

#include "kernel/cli/commands/command_line_fixture.hpp"
#include "sdk/package/package.hpp"

namespace trv::cli {
namespace {

class OperationCheck : public CommandLine {
 protected:
  OperationCheck() {
    const auto packed = package::assemble(
        R"({"manifest":1,"id":"chat","version":"2.0.0","title":"Chat","summary":"S","license":"Apache-2.0",)"
        R"("abi":{"major":1,"minor":0},"isolation":"sandboxed","configuration":{"type":"object"},"connections":[],)"
        R"("operations":[{"name":"post","title":"Post","idempotent":true,"input":{"type":"object",)"
        R"("properties":{"text":{"type":"string"}},"required":["text"]},"output":{"type":"object"}}],"webhooks":[],)"
        R"("libraries":{"linux-x86_64":{"path":"lib/linux-x86_64/plugin.so"}}})",
        {{.path = "lib/linux-x86_64/plugin.so", .bytes = {1, 2, 3}}});
    EXPECT_TRUE(packed);
    if (packed) write("packages/chat.trvp", std::string(packed->begin(), packed->end()));
  }
  /// A definition whose only task has this call.
  static std::string calling(const std::string& call) {
    return "document: {dsl: '1.0.3', namespace: demo, name: w, version: '1.0.0'}\ndo:\n- a: {" + call + "}\n";
  }
  ExitCode check(const std::string& call) {
    return trav({"workflow", "check", "-", "--packages", (folder_ / "packages").string()}, calling(call));
  }
  bool says(std::string_view words) const { return out_.find(words) != std::string::npos; }
};

TEST_F(OperationCheck, unknown_operations_and_wrong_inputs_are_found_in_packages_without_a_server) {
  EXPECT_EQ(check("call: 'chat.post:2.0.0@default', with: {text: hello}"), ExitCode::ok);
  EXPECT_TRUE(says("0 warnings") || !says("warning")) << out_;
  EXPECT_EQ(check("call: 'chat.pots:2.0.0@default', with: {text: hello}"), ExitCode::ok);
  EXPECT_TRUE(
      says("standard input:3:13: warning: task 'a' calls chat.pots:2.0.0@default, which is not an operation of the "
           "packages"))
      << out_;
  EXPECT_TRUE(says("did you mean 'chat.post:2.0.0@default'?")) << out_;
  EXPECT_EQ(check("call: 'chat.post:2.0.0@default', with: {text: 7}"), ExitCode::ok);
  EXPECT_TRUE(says("with an input that its schema refuses: /text")) << out_;
  EXPECT_EQ(check("call: 'chat.post:2.0.0@default', with: {text: '${ .n }'}"), ExitCode::ok);
  EXPECT_FALSE(says("refuses")) << "what an expression gives is not known: " << out_;
  EXPECT_EQ(check("call: 'chat.post:2@default', with: {text: 7}"), ExitCode::ok);
  EXPECT_FALSE(says("is not an operation")) << "2 is a line of versions: " << out_;
  EXPECT_TRUE(says("with an input that its schema refuses: /text")) << out_;
  EXPECT_TRUE(server_.received().empty());
  EXPECT_EQ(trav({"workflow", "check", "-", "--packages", (folder_ / "none").string()},
                 calling("call: 'chat.post:2.0.0@default'")),
            ExitCode::refused);
  EXPECT_NE(err_.find("folder of packages"), std::string::npos) << err_;
}

TEST_F(OperationCheck, a_damaged_package_is_named_and_the_others_are_used) {
  const auto damaged = write("packages/a-broken.trvp", "half a download");
  EXPECT_EQ(check("call: 'chat.pots:2.0.0@default', with: {text: hello}"), ExitCode::refused);
  EXPECT_NE(err_.find(damaged.string()), std::string::npos) << err_;
  EXPECT_TRUE(says("did you mean 'chat.post:2.0.0@default'?")) << out_;
}

TEST_F(OperationCheck, without_packages_the_tenants_plugins_are_asked_for_once_and_only_where_there_is_a_call) {
  EXPECT_EQ(trav({"workflow", "check", "-"}, calling("set: {x: 1}")), ExitCode::ok);
  EXPECT_TRUE(server_.received().empty());
  server_.script("GET /v1/tenants/acme/plugins?limit=500",
                 {.body = R"({"items":[{"id":"chat","version":"2.0.0"}],"next_cursor":null})"});
  server_.script("GET /v1/plugins/chat/2.0.0", {.body = R"({"manifest":{"operations":[{"name":"post"}]}})"});
  const std::string one = write("one.yaml", calling("call: 'chat.send:2.0.0@default'")).string();
  EXPECT_EQ(trav({"workflow", "check", one, one}), ExitCode::ok);
  EXPECT_TRUE(says("is not an operation of the plugins that the tenant has enabled")) << out_;
  EXPECT_EQ(server_.received().size(), 2U);
}

TEST_F(OperationCheck, where_neither_is_there_it_says_what_was_not_checked) {
  environment_.erase("TRAV_TOKEN");
  EXPECT_EQ(trav({"workflow", "check", "-"}, calling("call: 'chat.send:2.0.0@default'")), ExitCode::ok);
  EXPECT_NE(err_.find("calls of operations were not held against the plugins; name a folder of packages with "
                      "--packages FOLDER"),
            std::string::npos)
      << err_;
  environment_["TRAV_TOKEN"] = "trv_1_secret";
  EXPECT_EQ(trav({"workflow", "check", "-"}, calling("call: 'chat.send:2.0.0@default'")), ExitCode::ok);
  EXPECT_NE(err_.find("were not held against the plugins: "), std::string::npos) << err_;
}

}  // namespace
}  // namespace trv::cli
