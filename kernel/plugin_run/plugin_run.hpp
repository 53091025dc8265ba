#pragma once
// One operation of one package, without a server: in the process that travd would run it in, with the same checks.

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernel/egress/connection.hpp"
#include "kernel/plugin_host/plugin_instance.hpp"
#include "kernel/plugin_run/cassette.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/clock.hpp"

namespace trv::plugin_run {

/// The tenant that calls are made for.
inline constexpr std::string_view tenant = "local";

/// Where requests over a connection of this name go, and nowhere else.
struct OfferedConnection {
  std::string name;
  std::string base_url;
  std::string secret;  ///< sent as a bearer token; empty: none
};

struct RunSetup {
  std::filesystem::path program = {};  ///< trav-plugin-host
  std::filesystem::path scratch = {};  ///< a folder for this run alone
  std::vector<OfferedConnection> connections = {};
  std::optional<Cassette> replay = std::nullopt;  ///< answers in place of the network
  bool record = false;
  StoreValues store = {};         ///< what the plugin has kept; a replay begins with that of the recording
  Secrets secrets = {};           ///< by which it may have something signed, where its configuration names them
  plugin_host::LogSink log = {};  ///< what the plugin writes
};

struct OperationRun {
  std::string operation;
  std::string input;                                        ///< JSON
  std::optional<std::string> configuration = std::nullopt;  ///< a JSON object; missing: an empty one
  std::string connection = {};                              ///< as a workflow's task would name it; may be empty
  std::uint64_t timeout_ms = 60'000;
};

struct RunOutcome {
  plugin_host::CallOutcome call;
  Cassette recorded;                 ///< where it was asked for
  std::vector<std::string> missing;  ///< requests that the replay has no recording of
  std::size_t unused = 0;            ///< recordings of the replay that were not asked for
  StoreValues store;                 ///< what the plugin keeps now
  std::vector<LocalEvent> events;    ///< what it emitted
  std::vector<std::string> remarks;  ///< what is otherwise than with travd
};

/// Blocks until the operation has ended. Errors: what keeps it from being called: those of PluginStore::put and
/// PluginHost::load; not_found (no such operation), invalid (input or configuration against the manifest), unavailable.
[[nodiscard]] base::Result<RunOutcome> run_operation(base::BytesView package, const OperationRun& run, RunSetup setup,
                                                     const base::Clock& clock);

}  // namespace trv::plugin_run
