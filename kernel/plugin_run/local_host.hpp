#pragma once
// A package in a plugin host of its own, as travd would run it. One thread.

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "events/blob/folder_blob_store.hpp"
#include "kernel/egress/http_sender.hpp"
#include "kernel/plugin_host/isolation.hpp"
#include "kernel/plugin_host/plugin_host.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/open_file.hpp"
#include "sdk/base/random.hpp"

namespace trv::plugin_run {

/// A package in a store of its own. Lives below a folder that outlives it.
class LocalPackage {
 public:
  /// Errors: those of PluginStore::put.
  [[nodiscard]] static base::Result<std::unique_ptr<LocalPackage>> open(base::BytesView package,
                                                                        const std::filesystem::path& scratch,
                                                                        const base::Clock& clock);

  [[nodiscard]] const package::Manifest& manifest() const noexcept { return stored_->manifest; }

 private:
  friend class LocalHost;
  LocalPackage() = default;

  base::SystemRandom random_;
  std::unique_ptr<blob::BlobStore> archives_;
  std::unique_ptr<plugin_host::PluginStore> store_;
  std::shared_ptr<const plugin_host::Stored> stored_;
  std::filesystem::path plugins_;
};

/// What a plugin host is wired to; all of it outlives the host.
struct LocalWiring {
  std::filesystem::path program = {};  ///< trav-plugin-host
  egress::HttpSender& http;
  plugin_host::ServeRequest serve = {};
  plugin_host::LogSink log = {};
  bool hears_refused = false;  ///< LocalHost::take_refused_calls
};

enum class Walls { wanted, needed };

class LocalHost {
 public:
  /// Starts the host and tries the plugin with a configuration; missing: an empty one. Errors: those of
  /// PluginHost::load; unavailable (it has to be isolated, or walls are needed, and cannot be).
  [[nodiscard]] static base::Result<std::unique_ptr<LocalHost>> start(LocalPackage& package, const LocalWiring& wiring,
                                                                      const std::optional<std::string>& configuration,
                                                                      Walls walls, const base::Clock& clock);

  [[nodiscard]] plugin_host::PluginHost& host() noexcept { return *host_; }
  /// What is otherwise than with travd.
  [[nodiscard]] const std::vector<std::string>& remarks() const noexcept { return remarks_; }
  /// Names of system calls that the sandbox refused since the last time: of each process each name once.
  [[nodiscard]] std::vector<std::string> take_refused_calls();
  /// Isolation::kill_processes; only where walls were needed. Any thread.
  void kill_processes() {
    TRV_EXPECTS(isolation_ != nullptr);
    isolation_->kill_processes();
  }
  /// Of the plugin's process; only where walls were needed.
  [[nodiscard]] const sandbox::Walls& walls() const {
    TRV_EXPECTS(isolation_ != nullptr);
    return isolation_->walls();
  }

 private:
  LocalHost() = default;

  std::vector<std::string> remarks_;
  base::OpenFile refused_out_;  ///< where processes write names of refused calls, and where they are read
  base::OpenFile refused_in_;
  std::unique_ptr<plugin_host::Isolation> isolation_;
  std::unique_ptr<plugin_host::PluginHost> host_;
};

/// The secrets that a configuration names, as the manifest marks them.
[[nodiscard]] std::vector<std::string> secrets_named_in(const package::Manifest& manifest,
                                                        const std::optional<std::string>& configuration);

/// Of a manifest, with commas between.
[[nodiscard]] std::string operation_names(const package::Manifest& manifest);

}  // namespace trv::plugin_run
