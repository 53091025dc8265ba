#pragma once
// Every plugin that this process runs: by id, then version, side by side.
//
// The daemon decides what is loaded (from the log) and who may call what; the host loads, routes, watches and stops.
// Any thread.

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernel/egress/http_sender.hpp"
#include "kernel/plugin_host/call_gate.hpp"
#include "kernel/plugin_host/handover.hpp"
#include "kernel/plugin_host/isolated_instances.hpp"
#include "kernel/plugin_host/permissions.hpp"
#include "kernel/plugin_host/plugin_instances.hpp"
#include "kernel/plugin_host/plugin_store.hpp"
#include "kernel/plugin_host/plugin_threads.hpp"
#include "kernel/plugin_host/web_slots.hpp"
#include "kernel/plugin_host/webhook.hpp"
#include "sdk/base/clock.hpp"

namespace trv::plugin_host {

struct HostConfiguration {
  std::size_t worker_threads = 2;
  /// Whether invoke may run the plugin on the caller's thread where the plugin is idle: the fast path. A plugin that
  /// hangs then holds that thread; the call itself is still answered at its deadline.
  bool run_on_caller = true;
  /// Where plugins run that may not run in this process; outlives the host. nullptr: each runs in this process.
  Isolation* isolation = nullptr;
  /// Why there is no isolation although plugins are to be isolated: none runs but those of in_process. Empty: they may.
  std::string no_isolation = {};
  /// The ids of plugins that run in this process where there is isolation: by the operator's choice.
  std::vector<std::string> in_process = {};
  /// Hears of each process that ended unasked.
  CrashSink crashed = {};
  /// What plugins ask for beyond HTTP and time; what it needs outlives the host. Empty: they get none of it.
  ServeRequest serve = {};
  /// trav-plugin-host, which loads each library before this process does. Empty: none, for libraries that are known to
  /// load.
  std::filesystem::path trial_program = {};
  /// What plugins may have here at most: `plugins.permissions`.
  std::vector<package::Permission> permissions = package::permissions_there_are();
  /// What tenants have granted; outlives the host. nullptr: they grant all that is asked for.
  const ConsentSource* consents = nullptr;
  StreamLimits streams = {};
  std::uint64_t call_timeout_ms_default = 60'000;  ///< for calls that state none
  std::uint64_t call_timeout_ms_max = 3'600'000;
};

struct OperationCall {
  base::TenantId tenant;
  std::string plugin;
  std::string version;
  std::string operation;
  std::string connection;
  std::string idempotency_key;
  std::uint32_t attempt = 1;
  std::string traceparent;
  std::uint64_t timeout_ms = 0;                             ///< 0 = the default
  std::optional<std::string> configuration = std::nullopt;  ///< a JSON object that the tenant has set
  std::string input_json;
};

/// A request over HTTP for a plugin.
struct WebCall {
  base::TenantId tenant;
  std::string plugin;
  std::string version;
  std::string idempotency_key;
  std::string traceparent;
  std::uint64_t timeout_ms = 30'000;
  std::optional<std::string> configuration = std::nullopt;  ///< a JSON object that the tenant has set
  WebRequest request;
  std::shared_ptr<PartReceiver> receiver = nullptr;  ///< of an answer in parts; nullptr: such an answer is a failure
  std::shared_ptr<BodySource> body = nullptr;        ///< of a body in parts; nullptr: it is that of the request
};
/// A page of a plugin, with what a browser learns about it.
struct Page {
  base::Bytes bytes;
  base::Digest sha256{};
  std::string_view type;  ///< of media; for ever
};
/// Where the answer came in parts, an empty response: all of them have come.
using WebOutcome = std::expected<WebResponse, OperationError>;
/// As CallCompletion.
using WebCompletion = std::move_only_function<void(WebOutcome)>;

/// Names an open call for cancel. Empty where the call was refused.
struct CallHandle {
  std::weak_ptr<PluginInstance> instance;
  CallId call = 0;
};

/// A tenant's switch from one version to another one.
struct VersionSwitch {
  base::TenantId tenant;
  std::string plugin;
  std::string from;
  std::string to;
  std::optional<std::string> configuration = std::nullopt;  ///< of `to`: a JSON object that the tenant has set
  base::Duration grace = std::chrono::seconds(10);          ///< for open calls to end
};

struct PluginMetrics {
  std::string plugin;
  std::string version;
  InstanceMetrics instance;
  std::vector<MetricSeries> own;  ///< that the plugin records
};

class PluginHost {
 public:
  /// Store, HTTP and clock outlive the host. Error: unavailable (no thread).
  [[nodiscard]] static base::Result<std::unique_ptr<PluginHost>> start(HostConfiguration configuration,
                                                                       PluginStore& store, egress::HttpSender& http,
                                                                       const base::Clock& clock, LogSink log);
  /// Stops every plugin without grace.
  ~PluginHost();
  PluginHost(const PluginHost&) = delete;
  PluginHost& operator=(const PluginHost&) = delete;

  /// Takes a package from the store and, where it is to run in this process, tries its library in another one, unless
  /// it runs already. Errors: as PluginStore::open and try_library; invalid (it must be isolated and cannot be).
  [[nodiscard]] base::Result<Stored> examine(const base::Digest& package_digest, const std::stop_token& stop = {});

  /// Whether code of the package runs in this process once it is loaded.
  [[nodiscard]] bool runs_here(const package::Manifest& manifest) const;

  /// Maps and activates an examined package, or shows in a process of its own that this can be done; one that runs
  /// already is left alone, and another package of a version in the making (base::is_development) is replaced: its
  /// open calls end first. `configuration`, a JSON object, is what the plugin is tried with; without it, with an empty
  /// object where that matches the manifest's schema, else it is loaded and not activated.
  /// Errors: invalid (the library breaks the ABI; the configuration does not match the manifest's schema), conflict
  /// (another package with this id and version runs), or why the plugin refused to start.
  /// Of one that is installed now its operations are asked for, too: invalid where they are not those of the manifest.
  enum class Known : std::uint8_t { before, from_now };
  [[nodiscard]] base::Status load(const Stored& package, const std::optional<std::string>& configuration = std::nullopt,
                                  const std::stop_token& stop = {}, Known known = Known::before);

  /// Whether a version that runs would take this configuration, a JSON object. Errors: not_found; invalid, with all
  /// that is wrong with it and nothing of it.
  [[nodiscard]] base::Status check_configuration(std::string_view plugin, std::string_view version,
                                                 std::string_view configuration) const;

  /// Whether a version that runs starts with what a tenant has set and says that it is well, shown by an instance that
  /// is ended again; waits for that. Whether it has trv.state/1. Errors: as load; not_found.
  [[nodiscard]] base::Result<bool> check_start(std::string_view plugin, std::string_view version,
                                               const std::optional<std::string>& configuration,
                                               const std::stop_token& stop = {});

  /// check_start of `to`, and where both versions have trv.state/1: holds the tenant's calls of the plugin back, waits
  /// until none is open, has the running instance of `from` saved and begins one of `to` with that. The caller records
  /// the switch, says so to the result (Handover::succeed) and lets it go. nullptr: a version has no trv.state/1.
  /// Errors: as check_start; conflict (calls do not end in time, or another switch is under way); why the state is not
  /// saved or not taken. After an error all is as it was.
  [[nodiscard]] base::Result<std::unique_ptr<Handover>> hand_over(const VersionSwitch& asked,
                                                                  const std::stop_token& stop = {});

  /// The last word of the call that is open under this idempotency key.
  [[nodiscard]] std::optional<Progress> progress(const base::TenantId& tenant, const std::string& key) const {
    return progress_.of(tenant, key);
  }

  /// The parts of the call that is open under this idempotency key, in the order in which they began.
  [[nodiscard]] std::vector<Span> spans(const base::TenantId& tenant, const std::string& key) const {
    return spans_.of(tenant, key);
  }

  /// Who begins calls passes here first.
  [[nodiscard]] CallGate& gate() noexcept { return gate_; }

  /// What plugins may have here at most.
  [[nodiscard]] std::shared_ptr<const std::vector<package::Permission>> operator_allows() const noexcept {
    return operator_allows_->get();
  }
  /// Instead of what the configuration says, for what plugins do from now on. Any thread.
  void replace_operator_allows(std::vector<package::Permission> permissions) {
    operator_allows_->replace(std::move(permissions));
  }
  /// Permissions::check of a version that runs. Error: not_found too.
  [[nodiscard]] base::Status check_permission(std::string_view plugin, std::string_view version,
                                              const base::TenantId& tenant, const package::Permission& wanted) const;

  /// Notes why a plugin that should run does not: its calls fail with that. Running it ends the note.
  void note_failure(const std::string& plugin, const std::string& version, const std::string& why);
  /// nullopt where it runs, or nothing was noted.
  [[nodiscard]] std::optional<std::string> failure(std::string_view plugin, std::string_view version) const;
  [[nodiscard]] bool runs(const base::Digest& package_digest) const;

  /// Ends the quarantine of every version of a plugin for a tenant, and forgets the crashes before it. False where
  /// there was none.
  bool release(std::string_view plugin, const base::TenantId& tenant);

  /// Refuses new calls; the plugin ends once the open ones have. Nothing waits for it. False: it did not run.
  bool retire(std::string_view plugin, std::string_view version);

  /// What runs: by plugin and version, the digest of the package.
  [[nodiscard]] std::map<std::pair<std::string, std::string>, base::Digest> running() const;

  /// Refuses new calls, drains for `grace`, ends the plugin. Errors: not_found, timeout (it hangs; given up).
  [[nodiscard]] base::Status unload(std::string_view plugin, std::string_view version, base::Duration grace);

  /// Error: not_found.
  [[nodiscard]] base::Result<std::shared_ptr<const package::Manifest>> manifest(std::string_view plugin,
                                                                                std::string_view version) const;

  /// Whether an input, JSON text, matches the operation's schema. Errors: not_found, invalid.
  [[nodiscard]] base::Status check_input(std::string_view plugin, std::string_view version, std::string_view operation,
                                         std::string_view input_json) const;

  /// Begins a call. Refusals (no such plugin, version or operation: not_found; input too large; input that does not
  /// match the operation's schema, or a configuration that does not match the plugin's: invalid) come through the
  /// completion too, before invoke returns. An output that does not match its schema is a failure of the call
  /// (internal). See CallCompletion for its threads.
  CallHandle invoke(OperationCall call, CallCompletion completion);
  /// Begins a request over HTTP. Refusals come as in invoke: not_found (also of a plugin that does not serve), denied,
  /// invalid, exhausted (web_open_max). A response is one that check_response lets pass.
  CallHandle serve(WebCall call, WebCompletion completion);
  /// A page by its path within the plugin's pages; an empty one is index.html. Reads a
  /// file. Errors: not_found (also of a plugin without pages), denied, as PluginStore::read_page.
  [[nodiscard]] base::Result<Page> page(std::string_view plugin, std::string_view version, const base::TenantId& tenant,
                                        std::string_view path) const;
  static void cancel(const CallHandle& handle);

  /// Error: not_found.
  [[nodiscard]] base::Result<std::shared_ptr<const WebhookDeclaration>> webhook(std::string_view plugin,
                                                                                std::string_view version,
                                                                                std::string_view name) const;

  [[nodiscard]] std::vector<PluginMetrics> metrics() const;

  /// unload of everything, one after the other, within `grace` in all. Error: timeout, names who hangs.
  [[nodiscard]] base::Status stop(base::Duration grace);

 private:
  struct Loaded;
  using Versions = std::map<std::string, std::shared_ptr<Loaded>, std::less<>>;

  PluginHost(HostConfiguration configuration, PluginStore& store, egress::HttpSender& http, const base::Clock& clock,
             LogSink log, std::unique_ptr<PluginThreads> threads);
  [[nodiscard]] bool may_run_here(const package::Manifest& manifest) const;
  [[nodiscard]] InstanceServices services_for(const Loaded& loaded, bool run_on_caller) const;
  [[nodiscard]] base::Status start_here(const Stored& package, const std::string& configuration, Loaded& loaded,
                                        Known known);
  [[nodiscard]] base::Status start_isolated(const Stored& package, const std::string& configuration, Loaded& loaded,
                                            const std::stop_token& stop, Known known);
  /// The lock is held.
  void keep_until_over(std::shared_ptr<Loaded> retired);
  [[nodiscard]] std::shared_ptr<Loaded> find(std::string_view plugin, std::string_view version) const;
  using InstanceFor = std::expected<std::shared_ptr<PluginInstance>, OperationError>;
  [[nodiscard]] static InstanceFor instance_for(Loaded& loaded, const base::TenantId& tenant,
                                                const std::optional<std::string>& configuration);
  [[nodiscard]] base::Error not_loaded(std::string_view plugin, std::string_view version) const;

  const HostConfiguration configuration_;
  const std::shared_ptr<Permissions::Ceiling> operator_allows_;
  PluginStore& store_;
  egress::HttpSender& http_;
  const base::Clock& clock_;
  const LogSink log_;
  mutable ProgressBoard progress_;
  mutable SpanBoard spans_;
  std::unique_ptr<PluginThreads> threads_;
  CallGate gate_;
  std::mutex load_mutex_;
  mutable std::shared_mutex mutex_;
  std::map<std::string, Versions, std::less<>> plugins_;
  std::vector<std::shared_ptr<Loaded>> retired_;
  std::shared_ptr<WebSlots> web_slots_ = std::make_shared<WebSlots>();   ///< of completions, too
  std::map<std::pair<std::string, std::string>, std::string> failures_;  ///< by plugin and version
};

}  // namespace trv::plugin_host
