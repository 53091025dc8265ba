// What a plugin was not permitted does not happen, wherever it runs: in this process, in one of its own, as a program.

#include "kernel/plugin_host/permissions.hpp"

#include <fmt/format.h>

#include <atomic>

#include "kernel/http/testing/loopback_server.hpp"
#include "kernel/plugin_host/testing/isolated_fixture.hpp"

namespace trv::plugin_host {
namespace {

using package::Permission;
using testing::AllOf;
using testing::HasSubstr;
using namespace std::chrono_literals;

std::string no_content(const std::string&) {
  return "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
}

/// What tenant acme has granted; others nothing.
class GivenConsents final : public ConsentSource {
 public:
  base::Result<std::vector<Permission>> granted(const TenantId& tenant, std::string_view plugin) const override {
    EXPECT_EQ(plugin, "tracker");
    const std::lock_guard lock(mutex_);
    if (fault_) return base::fail(*fault_);
    return tenant == TenantId("acme") ? granted_ : std::vector<Permission>();
  }
  void set(const std::vector<std::string>& texts) {
    const std::lock_guard lock(mutex_);
    granted_ = *package::parse_permissions(texts);
  }
  void break_down() {
    const std::lock_guard lock(mutex_);
    fault_ = base::Error(ErrorCode::unavailable, "the shard is elsewhere");
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Permission> granted_;
  std::optional<base::Error> fault_;
};

enum class Where { here, isolated, program };

constexpr std::string_view program_text = R"(
import json, socket
lines = socket.socket(fileno=3).makefile("rw", newline="\n")
def send(name, **body):
    lines.write(json.dumps({name: body}) + "\n")
    lines.flush()
calls = {}
for line in lines:
    (name, body), = json.loads(line).items()
    if name == "begin":
        send("ready")
    elif name == "ping":
        send("pong", number=body["number"])
    elif name == "end":
        break
    elif name == "http_response":
        send("answer", call=calls[body["request"]], output={"status": body["status"]})
    elif name == "http_error":
        send("failed", call=calls[body["request"]], code=body["code"], message=body["message"])
    elif name == "invoke":
        calls[body["call"]] = body["call"]
        send("http_request", call=body["call"], request=body["call"], connection="api", path="/items?q=1")
)";

class PermissionsTest : public IsolatedFixture, public testing::WithParamInterface<Where> {
 protected:
  void prepare(HostConfiguration& configuration) override {
    if (GetParam() != Where::here) IsolatedFixture::prepare(configuration);
    configuration.consents = &consents_;
    if (operator_allows_) configuration.permissions = *operator_allows_;
  }
  void SetUp() override {
    IsolatedFixture::SetUp();
    if (IsSkipped()) return;
    source_.connection.base_url = server_.url() + "/base";
  }
  /// `permissions` of the manifest, as JSON; empty: it does not say.
  void load_asking(const std::string& permissions) {
    const std::string more = permissions.empty() ? "" : R"(,"permissions":)" + permissions;
    base::Bytes bytes;
    if (GetParam() == Where::program) {
      auto packed = package::assemble(
          R"({"manifest":1,"id":"tracker","version":"1.2.3","title":"T","summary":"S","license":"Apache-2.0",)"
          R"("abi":{"major":1,"minor":0},"isolation":"sandboxed","runtime":"process",)"
          R"("program":{"interpreter":"python3","file":"program/main.py"},)"
          R"("operations":[{"name":"fetch","title":"T","idempotent":true,"input":true,"output":true}])" +
              more + "}",
          {{"program/main.py", base::to_bytes(program_text)}});
      ASSERT_TRUE(packed) << packed.error().message();
      bytes = *std::move(packed);
    } else {
      bytes = package_of("good", more);
    }
    const base::Status loaded = load(install(bytes).package_digest);
    ASSERT_TRUE(loaded) << loaded.error().message();
  }
  std::string fetched() {
    const CallOutcome outcome = run(call("fetch", "{}", 20'000));
    if (outcome) return "done";
    return fmt::format("{}: {}", base::to_string(outcome.error().code), outcome.error().message);
  }

  GivenConsents consents_;
  std::optional<std::vector<Permission>> operator_allows_;
  http::LoopbackServer server_{no_content};
};

INSTANTIATE_TEST_SUITE_P(Everywhere, PermissionsTest, testing::Values(Where::here, Where::isolated, Where::program),
                         [](const auto& one) {
                           return one.param == Where::here       ? "here"
                                  : one.param == Where::isolated ? "isolated"
                                                                 : "program";
                         });

TEST_P(PermissionsTest, what_is_withdrawn_is_refused_from_the_next_request_on_and_granted_again_it_is_done) {
  consents_.set({"http"});
  load_asking(R"(["http:127.0.0.1"])");
  EXPECT_EQ(fetched(), "done");
  consents_.set({});
  EXPECT_THAT(fetched(), AllOf(HasSubstr("denied: "), HasSubstr("may not use 'http-read:127.0.0.1/base/items'"),
                               HasSubstr("tenant 'acme' has not granted it, or has withdrawn it"),
                               HasSubstr("trav plugin grant tracker http:127.0.0.1 --tenant acme")));
  EXPECT_EQ(server_.requests().size(), 1U);
  consents_.set({"http-read:127.0.0.1/base/*"});
  EXPECT_EQ(fetched(), "done");
  EXPECT_EQ(server_.requests().size(), 2U);
}

TEST_P(PermissionsTest, a_plugin_does_no_more_than_its_manifest_asks_for_whatever_is_granted) {
  consents_.set({"http"});
  for (const char* asked : {"[]", R"(["kv"])", R"(["http:example.com"])", R"(["http:127.0.0.1/other/*"])"}) {
    load_asking(asked);
    EXPECT_THAT(fetched(), AllOf(HasSubstr("denied: "), HasSubstr("its manifest does not ask for it"))) << asked;
    ASSERT_TRUE(host_->unload("tracker", "1.2.3", 20s));
  }
  EXPECT_EQ(server_.requests().size(), 0U);
}

TEST_P(PermissionsTest, a_manifest_that_does_not_say_asks_for_requests_and_webhooks) {
  consents_.set({"http", "webhooks"});
  load_asking("");
  EXPECT_EQ(fetched(), "done");
  consents_.set({"webhooks"});
  EXPECT_THAT(fetched(), HasSubstr("trav plugin grant tracker http --tenant acme"));
}

TEST_P(PermissionsTest, what_a_tenant_has_granted_is_not_another_tenants) {
  consents_.set({"http"});
  load_asking(R"(["http"])");
  OperationCall foreign = call("fetch", "{}", 20'000);
  foreign.tenant = TenantId("other");
  EXPECT_FALSE(run(std::move(foreign)));
  EXPECT_EQ(server_.requests().size(), 0U);
}

TEST_P(PermissionsTest, where_consent_cannot_be_known_nothing_is_sent) {
  load_asking(R"(["http"])");
  consents_.break_down();
  EXPECT_THAT(fetched(), AllOf(HasSubstr("unavailable: "), HasSubstr("the shard is elsewhere")));
  EXPECT_EQ(server_.requests().size(), 0U);
}

class StrictOperatorTest : public PermissionsTest {
 protected:
  void SetUp() override {
    operator_allows_ = *package::parse_permissions({"http:example.com", "kv"});
    PermissionsTest::SetUp();
  }
};

INSTANTIATE_TEST_SUITE_P(Everywhere, StrictOperatorTest, testing::Values(Where::here, Where::isolated, Where::program));

TEST_P(StrictOperatorTest, the_operators_word_is_above_manifest_and_consent) {
  consents_.set({"http"});
  load_asking(R"(["http"])");
  EXPECT_THAT(fetched(), AllOf(HasSubstr("denied: "), HasSubstr("its operator sets plugins.permissions")));
  EXPECT_EQ(server_.requests().size(), 0U);
}

}  // namespace
}  // namespace trv::plugin_host
