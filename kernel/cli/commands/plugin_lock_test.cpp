// Lock files of plugins: what is written, what is refused, and in which order one is made true.

#include "kernel/cli/commands/command_line_fixture.hpp"

namespace trv::cli {
namespace {

const std::string of_forge(64, 'a');
const std::string of_older(64, 'b');
const std::string of_chat(64, 'c');

class PluginLock : public CommandLine {
 protected:
  PluginLock() {
    server_.script("GET /v1/plugins/forge/2.0.0", package(of_forge, R"(,"publisher":{"key":"acme+1+K"})"));
    server_.script("GET /v1/plugins/forge/1.0.0", package(of_older, ""));
    server_.script("GET /v1/plugins/chat/1.0.0", package(of_chat, ""));
  }

  static Answer package(const std::string& content, const std::string& more) {
    return {.body = fmt::format(R"({{"content_sha256":"{}"{}}})", content, more)};
  }
  static std::string one(const std::string& id, const std::string& version, bool current) {
    return fmt::format(R"({{"id":"{}","version":"{}","current":{}}})", id, version, current);
  }
  void enabled(const std::string& items) {
    server_.script("GET /v1/tenants/acme/plugins?limit=500",
                   {.body = fmt::format(R"({{"items":[{}],"next_cursor":null}})", items)});
  }
  std::string lock_of_forge() {
    return write("plugins.lock",
                 fmt::format(R"({{"lock":1,"plugins":[{{"id":"forge","version":"2.0.0","current":true,)"
                             R"("content_sha256":"{}"}},{{"id":"forge","version":"1.0.0","current":false,)"
                             R"("content_sha256":"{}"}}]}})",
                             of_forge, of_older))
        .string();
  }
  std::vector<std::string> changes() {
    std::vector<std::string> found;
    for (const Received& received : server_.received()) {
      if (!received.line.starts_with("GET")) found.push_back(received.line + " " + received.body);
    }
    return found;
  }
};

TEST_F(PluginLock, what_is_enabled_is_written_by_content_sorted_and_one_to_a_line) {
  enabled(one("forge", "2.0.0", true) + "," + one("chat", "1.0.0", true) + "," + one("forge", "1.0.0", false));
  const auto file = write("plugins.lock", "");
  ASSERT_EQ(trav({"plugin", "lock", file.string()}), ExitCode::ok) << err_;
  EXPECT_EQ(read(file), fmt::format(R"({{"lock": 1, "plugins": [
  {{"id":"chat","version":"1.0.0","current":true,"content_sha256":"{}"}},
  {{"id":"forge","version":"1.0.0","current":false,"content_sha256":"{}"}},
  {{"id":"forge","version":"2.0.0","current":true,"content_sha256":"{}","publisher_key":"acme+1+K"}}
]}}
)",
                                    of_chat, of_older, of_forge));
  EXPECT_EQ(trav({"plugin", "lock", file.string(), "--check"}), ExitCode::ok) << err_;
}

TEST_F(PluginLock, a_check_names_each_difference) {
  enabled(one("chat", "1.0.0", true) + "," + one("forge", "2.0.0", false));
  EXPECT_EQ(trav({"plugin", "lock", lock_of_forge(), "--check"}), ExitCode::refused);
  EXPECT_EQ(out_,
            "forge 1.0.0 is not enabled\n"
            "forge 2.0.0 is not the current version\n"
            "chat 1.0.0 is enabled\n");
  EXPECT_NE(err_.find("in 3 places"), std::string::npos) << err_;
  EXPECT_TRUE(changes().empty());
}

TEST_F(PluginLock, a_sync_enables_then_makes_current_and_disables_only_when_asked) {
  enabled(one("chat", "1.0.0", true) + "," + one("forge", "1.0.0", true));
  server_.script("PUT /v1/tenants/acme/plugins/forge", {.body = one("forge", "2.0.0", false)});
  server_.script("POST /v1/tenants/acme/plugins/forge/upgrade", {.body = one("forge", "2.0.0", true)});
  server_.script("DELETE /v1/tenants/acme/plugins/chat?version=1.0.0", {.status = 204, .body = ""});
  const std::string file = lock_of_forge();
  EXPECT_EQ(trav({"plugin", "sync", file, "--dry-run"}), ExitCode::ok) << err_;
  EXPECT_EQ(out_, "would be enabled: forge 2.0.0\nwould be made current: forge 2.0.0\n");
  EXPECT_NE(err_.find("chat 1.0.0 is enabled, too; --prune disables it."), std::string::npos) << err_;
  EXPECT_TRUE(changes().empty());
  EXPECT_EQ(trav({"plugin", "sync", file, "--prune"}), ExitCode::ok) << err_;
  EXPECT_EQ(out_, "enabled: forge 2.0.0\nmade current: forge 2.0.0\ndisabled: chat 1.0.0\n");
  EXPECT_EQ(changes(), (std::vector<std::string>{R"(PUT /v1/tenants/acme/plugins/forge {"version":"2.0.0"})",
                                                 R"(POST /v1/tenants/acme/plugins/forge/upgrade {"version":"2.0.0"})",
                                                 "DELETE /v1/tenants/acme/plugins/chat?version=1.0.0 "}));
}

TEST_F(PluginLock, another_content_is_refused_before_anything_is_changed) {
  const std::string file = write("plugins.lock", fmt::format(R"({{"lock":1,"plugins":[{{"id":"chat","version":"1.0.0",)"
                                                             R"("current":true,"content_sha256":"{}"}}]}})",
                                                             of_forge))
                               .string();
  enabled("");
  EXPECT_EQ(trav({"plugin", "sync", file}), ExitCode::refused);
  EXPECT_NE(err_.find("nothing was changed: the server has chat 1.0.0 with the content ccc"), std::string::npos)
      << err_;
  EXPECT_TRUE(changes().empty());
}

TEST_F(PluginLock, a_file_that_is_none_is_refused_with_what_is_wrong) {
  const auto refusal_of = [&](const std::string& text) {
    EXPECT_NE(trav({"plugin", "sync", write("wrong.lock", text).string()}), ExitCode::ok);
    EXPECT_NE(err_.find("wrong.lock: "), std::string::npos) << err_;
    return err_;
  };
  EXPECT_NE(refusal_of("{").find("JSON at line 1"), std::string::npos) << err_;
  EXPECT_NE(refusal_of("[]").find("expected {\"lock\": 1"), std::string::npos) << err_;
  EXPECT_NE(refusal_of(R"({"lock":2,"plugins":[]})").find("reads version 1, not 2"), std::string::npos) << err_;
  EXPECT_NE(refusal_of(R"({"lock":1,"plugins":[{"id":"a"}]})").find("must have 'id' and 'version'"), std::string::npos)
      << err_;
  EXPECT_NE(refusal_of(R"({"lock":1,"plugins":[{"id":"a","version":"1","pin":"x"}]})").find("no member 'pin'"),
            std::string::npos)
      << err_;
  const std::string twice =
      fmt::format(R"({{"id":"a","version":"1.0.0","current":false,"content_sha256":"{}"}})", of_chat);
  EXPECT_NE(refusal_of(fmt::format(R"({{"lock":1,"plugins":[{},{}]}})", twice, twice)).find("a 1.0.0 is there twice"),
            std::string::npos)
      << err_;
  EXPECT_NE(refusal_of(R"({"lock":1,"plugins":[{"id":"a","version":"1.0.0","current":true,"content_sha256":"zz"}]})")
                .find("64 hexadecimal digits"),
            std::string::npos)
      << err_;
}

}  // namespace
}  // namespace trv::cli
