// What a user is asked and shown when a plugin is enabled that asks for permissions.

#include "kernel/cli/commands/command_line_fixture.hpp"

namespace trv::cli {
namespace {

constexpr std::string_view refusal =
    R"({"type":"about:blank","title":"Conflict","status":409,"detail":"plugin 'forge' 1.0.0 asks for http, kv",)"
    R"("asked":["http","kv"],"missing":["http","kv"]})";
constexpr std::string_view enabled = R"({"id":"forge","version":"1.0.0","current":true})";

class PluginConsent : public CommandLine {
 protected:
  PluginConsent() {
    server_.script("POST /v1/plugins", {.status = 201, .body = R"({"id":"forge","version":"1.0.0","operations":[]})"});
    server_.script("GET /v1/tenants/acme/plugins/forge/permissions",
                   {.body = R"({"id":"forge","granted":["http"],"versions":[)"
                            R"({"version":"0.9.0","asked":["kv"],"allowed_here":["kv"],"missing":["kv"]},)"
                            R"({"version":"1.0.0","asked":["http","kv"],"allowed_here":["http","kv"],)"
                            R"("missing":["kv"]}]})"});
  }
  void answers(const std::string& line, std::vector<Answer> all) {
    for (Answer& one : all) server_.script(line, std::move(one));
  }
};

TEST_F(PluginConsent, an_install_whose_enabling_is_refused_says_what_is_there_and_what_to_type) {
  const std::string package = write("forge.trvp", "package").string();
  answers("PUT /v1/tenants/acme/plugins/forge", {{.status = 409, .body = std::string(refusal)}});
  EXPECT_EQ(trav({"plugin", "install", package}), ExitCode::refused);
  EXPECT_NE(err_.find("plugin forge 1.0.0 is installed, but not enabled for tenant acme: "), std::string::npos) << err_;
  EXPECT_NE(err_.find("asks for http, kv"), std::string::npos) << err_;
  EXPECT_NE(err_.find("To enable it: trav plugin enable forge 1.0.0 --tenant acme"), std::string::npos) << err_;
}

TEST_F(PluginConsent, everything_is_granted_by_one_word) {
  answers("PUT /v1/tenants/acme/plugins/forge",
          {{.status = 409, .body = std::string(refusal)}, {.body = std::string(enabled)}});
  EXPECT_EQ(trav({"plugin", "enable", "forge", "1.0.0", "--yes"}), ExitCode::ok) << err_;
  EXPECT_EQ(server_.received().back().body, R"({"version":"1.0.0","permissions":["http","kv"]})");
  EXPECT_EQ(out_.find("also asks"), std::string::npos) << out_;
}

TEST_F(PluginConsent, what_a_part_leaves_out_is_said_of_the_version_that_was_enabled) {
  answers("PUT /v1/tenants/acme/plugins/forge", {{.body = std::string(enabled)}});
  EXPECT_EQ(trav({"plugin", "enable", "forge", "1.0.0", "--grant", "http"}), ExitCode::ok) << err_;
  EXPECT_NE(out_.find("It also asks for kv, which is not granted"), std::string::npos) << out_;
  EXPECT_NE(out_.find("trav plugin grant forge PERMISSION"), std::string::npos) << out_;
  answers("POST /v1/tenants/acme/plugins/forge/upgrade", {{.body = std::string(enabled)}});
  EXPECT_EQ(trav({"plugin", "upgrade", "forge", "--to", "1.0.0", "--grant", "http"}), ExitCode::ok) << err_;
  EXPECT_NE(out_.find("It also asks for kv"), std::string::npos) << out_;
  const std::string package = write("forge.trvp", "package").string();
  EXPECT_EQ(trav({"plugin", "install", package, "--grant", "http"}), ExitCode::ok) << err_;
  EXPECT_NE(out_.find("It also asks for kv"), std::string::npos) << out_;
  EXPECT_EQ(trav({"plugin", "enable", "forge", "1.0.0", "--grant", "http", "--output", "json"}), ExitCode::ok) << err_;
  EXPECT_EQ(out_.find("also asks"), std::string::npos) << "JSON alone: " << out_;
}

TEST_F(PluginConsent, a_grant_or_withdrawal_of_nothing_is_a_mistake_and_nothing_is_sent) {
  for (const std::string verb : {"grant", "withdraw"}) {
    EXPECT_EQ(trav({"plugin", verb, "forge"}), ExitCode::usage) << verb;
    EXPECT_NE(err_.find("which permission? `trav plugin " + verb + " forge PERMISSION`"), std::string::npos) << err_;
  }
  EXPECT_TRUE(server_.received().empty());
}

TEST_F(PluginConsent, on_a_terminal_it_is_asked_for) {
  err_terminal_ = true;
  answers("PUT /v1/tenants/acme/plugins/forge",
          {{.status = 409, .body = std::string(refusal)}, {.body = std::string(enabled)}});
  EXPECT_EQ(trav({"plugin", "enable", "forge", "1.0.0"}, "yes\n"), ExitCode::ok) << err_;
  EXPECT_NE(err_.find("It asks for:\n  http\n  kv\nGrant all of it?"), std::string::npos) << err_;
}

TEST_F(PluginConsent, what_was_granted_is_not_asked_for_again) {
  err_terminal_ = true;
  answers("PUT /v1/tenants/acme/plugins/forge",
          {{.status = 409, .body = R"({"detail":"asks for more","asked":["http","kv"],"missing":["kv"]})"},
           {.body = std::string(enabled)}});
  EXPECT_EQ(trav({"plugin", "enable", "forge", "1.0.0"}, "yes\n"), ExitCode::ok) << err_;
  EXPECT_NE(err_.find("It asks for more than it may do now:\n  kv\nGrant all of it?"), std::string::npos) << err_;
}

TEST_F(PluginConsent, any_answer_but_yes_grants_nothing) {
  err_terminal_ = true;
  answers("PUT /v1/tenants/acme/plugins/forge", {{.status = 409, .body = std::string(refusal)}});
  EXPECT_EQ(trav({"plugin", "enable", "forge", "1.0.0"}, "y\n"), ExitCode::refused);
  EXPECT_NE(err_.find("nothing was granted, so nothing was enabled"), std::string::npos) << err_;
  EXPECT_EQ(server_.received().size(), 1U);
}

}  // namespace
}  // namespace trv::cli
