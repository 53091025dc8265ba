#pragma once
// A daemon with two tenants that know nothing of each other, and short ways to talk with it.

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sdk/base/bytes.hpp"
#include "tests/support/api/daemon.hpp"
#include "tests/support/processes/http_client.hpp"

namespace trv::api {

namespace json = boost::json;
using Headers = std::vector<std::pair<std::string, std::string>>;

struct Answer {
  long status = 0;
  std::string body;
  long retry_after_s = 0;     ///< 0: it says nothing
  std::string position = {};  ///< of a change, as the header Travertine-Position says it
  /// Null where the body is not JSON.
  [[nodiscard]] json::value value() const;
  /// A text member of the body; empty where there is none.
  [[nodiscard]] std::string text(std::string_view name) const;
};

/// A request with the token (none where it is empty). Without an answer the test fails and the status is 0.
[[nodiscard]] Answer ask(const Daemon& daemon, const std::string& token, const std::string& method,
                         const std::string& path, std::string body = {}, Headers headers = {});
/// Creates a tenant and gives its owner token.
[[nodiscard]] std::string create_tenant(const Daemon& daemon, const std::string& id);

/// Whether it holds within a minute; asked again and again until then.
[[nodiscard]] bool eventually(const std::function<bool()>& holds);
/// Applies demo/<name>:<version> with this text behind its document and starts it. Gives the instance's id; empty, and
/// the test fails, where that is refused.
[[nodiscard]] std::string begin_workflow(const Daemon& daemon, const std::string& owner, const std::string& name,
                                         const std::string& rest, const std::string& input = "{}",
                                         const std::string& version = "1.0.0");
/// The instance, shown once it does not run any more; the test fails where it still does.
[[nodiscard]] json::object ended_instance(const Daemon& daemon, const std::string& owner, const std::string& id);

/// One daemon for all tests of a program run. Tests change what they need in tenants "acme" and "beta".
class ApiTest : public testing::Test {
 protected:
  static void SetUpTestSuite();
  static void TearDownTestSuite();

  [[nodiscard]] static Daemon& daemon() { return *daemon_; }
  [[nodiscard]] static const std::string& acme() { return acme_; }
  [[nodiscard]] static const std::string& beta() { return beta_; }

  /// A request with the token (none where it is empty). Without an answer the test fails and the status is 0.
  static Answer call(const std::string& token, const std::string& method, const std::string& path,
                     std::string body = {}, Headers headers = {});
  /// Creates a tenant and gives its owner token.
  static std::string create_tenant(const std::string& id);
  /// Issues a token of that role and gives its id and text.
  static std::pair<std::string, std::string> issue(const std::string& owner, const std::string& tenant,
                                                   const std::string& role, int expires_in_seconds = 3600);
  static Answer apply_workflow(const std::string& owner, const std::string& tenant, const std::string& text);
  /// Every event of the tenant.
  static std::vector<json::value> events(const std::string& token, const std::string& tenant);
  static std::size_t count_events(const std::string& token, const std::string& tenant, std::string_view type);
  static std::size_t count_instances(const std::string& token, const std::string& tenant);

 private:
  static std::unique_ptr<ScratchFolder> scratch_;
  static std::unique_ptr<Daemon> daemon_;
  static std::string acme_;
  static std::string beta_;
};

inline constexpr std::string_view hello_workflow =
    "document:\n  dsl: '1.0.3'\n  namespace: demo\n  name: hello\n  version: '1.0.0'\n"
    "do:\n  - greet:\n      set:\n        text: Hello\n";

/// A package of the test plugin "tracker" with this library (of kernel/plugin_host/test_plugins), `more` in its
/// manifest, and a webhook "push", signed with X-Signature: sha256=<hex>,
/// "command", a form that is signed with its time, and "hook", whose header X-Token is the secret.
[[nodiscard]] base::Bytes tracker_package(const std::string& library, int abi_major = 1,
                                          std::size_t library_bytes_max = std::string::npos,
                                          const std::string& version = "1.2.3", const std::string& more = "");
/// A package of the plugin "tracker" that counts in memory: 4.1.0 or 4.2.0, whose count each hands over.
[[nodiscard]] base::Bytes counter_package(const std::string& version);
/// A package of the plugin "mcp" 1.2.3, whose operation "call" gives its input back.
[[nodiscard]] base::Bytes mcp_package();
[[nodiscard]] std::string signature_of(std::string_view body, std::string_view secret);

}  // namespace trv::api
