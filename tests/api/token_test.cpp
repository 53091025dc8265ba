// Tokens: what ends them, what cannot end, and what of them is shown.

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "sdk/base/digest.hpp"
#include "tests/support/api/api_fixture.hpp"

namespace trv::api {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

class TokenTest : public ApiTest {
 protected:
  /// A client that follows acme's events on a thread of its own.
  class Follower {
   public:
    explicit Follower(const std::string& token)
        : thread_([this, token] {
            processes::HttpClient client;
            const auto go_on = [this](std::string_view body) {
              connected_ = true;
              return !body.ends_with("never");
            };
            const auto answer = client.send({.url = daemon().url() + "/v1/tenants/acme/events/stream",
                                             .headers = {{"Authorization", "Bearer " + token}},
                                             .timeout = 120s,
                                             .go_on = go_on});
            if (answer) text_ = answer->body;
            ended_ = true;
          }) {
      wait_for(connected_, 60s);
    }
    ~Follower() { thread_.join(); }
    bool ends_within(std::chrono::milliseconds timeout) { return wait_for(ended_, timeout); }
    /// What came; only after the end.
    [[nodiscard]] const std::string& text() const { return text_; }

   private:
    static bool wait_for(const std::atomic<bool>& flag, std::chrono::milliseconds timeout) {
      const auto until = Clock::now() + timeout;
      while (!flag && Clock::now() < until) std::this_thread::sleep_for(10ms);
      return flag;
    }

    std::atomic<bool> connected_ = false;
    std::atomic<bool> ended_ = false;
    std::string text_;
    std::thread thread_;
  };

  static Answer revoke(const std::string& token, const std::string& tenant, const std::string& id) {
    return call(token, "DELETE", "/v1/tenants/" + tenant + "/tokens/" + id);
  }
  static std::string id_of(const std::string& token) { return call(token, "GET", "/v1/whoami").text("token_id"); }
};

TEST_F(TokenTest, revoking_a_token_ends_its_streams_and_nothing_more_reaches_them) {
  const auto [id, token] = issue(acme(), "acme", "viewer");
  const std::string other = issue(acme(), "acme", "viewer", 12).second;
  Follower stays(other);
  Follower goes(token);
  ASSERT_EQ(revoke(acme(), "acme", id).status, 204);
  ASSERT_EQ(call(acme(), "POST", "/v1/tenants/acme/members", R"({"user":"after","role":"viewer"})").status, 201);
  ASSERT_TRUE(goes.ends_within(60s));
  EXPECT_EQ(goes.text().find("trv.member.added"), std::string::npos) << goes.text();
  EXPECT_NE(goes.text().find(": the token was revoked or has expired"), std::string::npos) << goes.text();
  EXPECT_FALSE(stays.ends_within(500ms));
}

TEST_F(TokenTest, a_token_that_expires_ends_its_streams) {
  Follower follower(issue(acme(), "acme", "viewer", 2).second);
  EXPECT_FALSE(follower.ends_within(500ms));
  ASSERT_TRUE(follower.ends_within(60s));
  EXPECT_NE(follower.text().find("the token was revoked or has expired"), std::string::npos) << follower.text();
}

TEST_F(TokenTest, the_last_owner_token_that_can_be_used_cannot_be_revoked) {
  const std::string owner = create_tenant("gamma");
  const std::string id = id_of(owner);
  issue(owner, "gamma", "viewer");
  issue(owner, "gamma", "owner", 1);
  std::this_thread::sleep_for(1100ms);
  const Answer refused = revoke(owner, "gamma", id);
  EXPECT_EQ(refused.status, 409) << refused.body;
  EXPECT_NE(refused.text("detail").find("issue another owner token first"), std::string::npos) << refused.body;
  const auto [second_id, second] = issue(owner, "gamma", "owner");
  EXPECT_EQ(revoke(second, "gamma", id).status, 204);
  EXPECT_EQ(revoke(second, "gamma", second_id).status, 409);
  const std::string& op = daemon().operator_token();
  EXPECT_EQ(revoke(op, "system", id_of(op)).status, 409);
}

TEST_F(TokenTest, the_operator_opens_the_door_of_a_tenant_that_lost_its_key_and_nothing_else) {
  const std::string lost = create_tenant("delta");
  const std::string& op = daemon().operator_token();
  const std::string tokens = "/v1/tenants/delta/tokens";
  const Answer issued = call(op, "POST", tokens, R"({"name":"back in","role":"owner"})");
  ASSERT_EQ(issued.status, 201) << issued.body;
  const std::string token = issued.text("token");
  EXPECT_EQ(call(token, "GET", "/v1/whoami").text("tenant"), "delta");
  // It is in the tenant's own trail, by the operator.
  const json::value event = events(token, "delta").back();
  EXPECT_EQ(event.at("type").as_string(), "trv.token.issued");
  EXPECT_EQ(event.at("actor").as_string(), "token:" + id_of(op));
  EXPECT_EQ(event.at("data").at("token_id").as_string(), issued.text("id"));

  EXPECT_EQ(call(op, "POST", tokens, R"({"name":"n","role":"viewer"})").status, 400);
  EXPECT_EQ(call(op, "GET", tokens).status, 404);
  EXPECT_EQ(revoke(op, "delta", issued.text("id")).status, 404);
  EXPECT_EQ(call(op, "POST", "/v1/tenants/delta/members", R"({"user":"u","role":"owner"})").status, 404);
  const Answer nobody = call(op, "POST", "/v1/tenants/nobody/tokens", R"({"name":"n","role":"owner"})");
  EXPECT_EQ(nobody.status, 404) << nobody.body;
  EXPECT_EQ(call(op, "POST", "/v1/tenants/Not%20One/tokens", R"({"name":"n","role":"owner"})").status, 404);
  // Only an owner of the system tenant is the operator.
  const std::string viewer = issue(op, "system", "viewer").second;
  EXPECT_EQ(call(viewer, "POST", tokens, R"({"name":"n","role":"owner"})").status, 404);
  EXPECT_EQ(call(acme(), "POST", tokens, R"({"name":"n","role":"owner"})").status, 404);
}

TEST_F(TokenTest, the_hash_of_a_token_is_in_no_view) {
  const auto [id, token] = issue(acme(), "acme", "viewer");
  std::string seen = call(token, "GET", "/v1/tenants/acme/events?limit=500").body;
  processes::HttpClient client;
  const auto go_on = [&seen, id = id](std::string_view body) {
    if (body.find("\"" + id + "\"") == std::string_view::npos) return true;
    seen += body;
    return false;
  };
  (void)client.send({.url = daemon().url() + "/v1/tenants/acme/events/stream?after=0",
                     .headers = {{"Authorization", "Bearer " + token}},
                     .timeout = 5s,
                     .go_on = go_on});
  EXPECT_NE(seen.find("trv.token.issued"), std::string::npos);
  EXPECT_EQ(seen.find("\"hash\""), std::string::npos) << seen;
  const std::string hash = base::to_hex(base::sha256(base::as_bytes(token)));
  EXPECT_EQ(seen.find(hash), std::string::npos);
}

}  // namespace
}  // namespace trv::api
