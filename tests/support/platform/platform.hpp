#pragma once
// travd and the stand-ins for GitHub, Jira and Slack as processes, with a tenant that uses them: the whole platform on
// one machine, to be killed and started again.

#include <boost/json/value.hpp>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/base/result.hpp"
#include "tests/support/processes/child_process.hpp"
#include "tests/support/processes/http_client.hpp"

namespace trv::platform {

struct PlatformOptions {
  std::filesystem::path build;   ///< has bin/travd, bin/trv_stand_ins and packages/*.trvp
  std::filesystem::path folder;  ///< everything that is written; emptied at the start
  std::uint32_t service_delay_ms = 5;
};

/// One thread, but for base_url() and signed_webhook().
class Platform {
 public:
  static constexpr std::string_view tenant = "acme";

  explicit Platform(PlatformOptions options);

  /// Starts both, makes the tenant, installs and enables the plugins, and connects them to the stand-ins.
  [[nodiscard]] base::Status set_up();

  /// On the port of its first start and the same journal. Error: unavailable.
  [[nodiscard]] base::Status start_services();
  void kill_services();
  /// Waits until travd says that it is ready; on the port of its first start. Error: unavailable with what it said.
  [[nodiscard]] base::Status start();
  void kill();
  /// SIGTERM; its exit code, or nullopt (and it is killed) when it did not end in time.
  [[nodiscard]] std::optional<int> stop(std::chrono::milliseconds timeout);

  /// A request as the tenant's owner, or as the operator for paths that are not the tenant's. Error: unavailable
  /// without an answer; invalid with the answer's text where the status is not 2xx.
  [[nodiscard]] base::Result<std::string> ask(std::string_view method, std::string_view path, std::string body = {},
                                              std::string_view content_type = "application/json");
  /// Asks as the operator that the tenant move to that shard, and waits as long as the server does. The status of the
  /// answer; error: unavailable without one. A client of its own: from another thread, too.
  [[nodiscard]] base::Result<long> move_tenant(std::uint32_t shard) const;
  /// Every item of a list, over all its pages. `path` has a query already.
  [[nodiscard]] base::Result<std::vector<boost::json::value>> list(std::string_view path);

  /// A delivery as GitHub would make it: the issue of this number was opened.
  [[nodiscard]] processes::HttpRequest signed_webhook(std::string_view delivery_id, int issue_number) const;

  [[nodiscard]] std::string base_url() const;
  [[nodiscard]] const std::string& owner_token() const noexcept { return owner_token_; }
  [[nodiscard]] std::filesystem::path data_folder() const { return options_.folder / "data"; }
  [[nodiscard]] std::filesystem::path journal() const { return options_.folder / "journal.jsonl"; }

 private:
  [[nodiscard]] base::Status start_once();
  [[nodiscard]] base::Status use_plugin(std::string_view id, std::string_view connection);

  PlatformOptions options_;
  std::optional<processes::ChildProcess> daemon_;
  std::optional<processes::ChildProcess> services_;
  processes::HttpClient client_;
  std::string port_ = "0";
  std::string services_port_ = "0";
  std::string operator_token_;
  std::string owner_token_;
};

}  // namespace trv::platform
