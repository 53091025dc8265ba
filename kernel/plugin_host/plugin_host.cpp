#include "kernel/plugin_host/plugin_host.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <set>
#include <utility>

#include "kernel/plugin_host/in_process_instances.hpp"
#include "kernel/plugin_host/library_plugin.hpp"
#include "kernel/plugin_host/library_trial.hpp"
#include "kernel/plugin_host/manifest_schemas.hpp"
#include "kernel/plugin_host/operation_names.hpp"
#include "kernel/plugin_host/plugin_library.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/utf8.hpp"
#include "sdk/base/version.hpp"
#include "sdk/package/pages.hpp"

namespace trv::plugin_host {

using base::ErrorCode;

namespace {

constexpr std::size_t configurations_kept_max = 1'000;
constexpr std::string_view nothing_set = "{}";

}  // namespace

/// One version of a plugin that runs.
struct PluginHost::Loaded {
  std::shared_ptr<const package::Manifest> manifest;
  base::Digest package_digest{};
  std::shared_ptr<PluginInstances> instances;
  std::shared_ptr<IsolatedInstances> isolated;  ///< the same, where it is isolated
  std::vector<std::shared_ptr<const WebhookDeclaration>> webhooks;
  ManifestSchemas schemas;
  std::shared_ptr<const Permissions> permissions;
  std::shared_ptr<MetricTable> numbers = std::make_shared<MetricTable>();
  std::mutex mutex;
  std::set<std::string, std::less<>> matching;  ///< configurations that the schema takes, so that each is checked once

  /// `configuration` is JSON text.
  [[nodiscard]] base::Status check(std::string_view configuration) {
    if (!schemas.configuration) return {};
    {
      const std::lock_guard lock(mutex);
      if (matching.contains(configuration)) return {};
    }
    TRV_TRY(check_against(schemas.configuration, configuration,
                          fmt::format("the configuration of plugin '{}' {}", manifest->id, manifest->version),
                          Quoting::none));
    const std::lock_guard lock(mutex);
    if (matching.size() >= configurations_kept_max) matching.clear();
    matching.emplace(configuration);
    return {};
  }

  /// `operation` is one of the manifest's.
  [[nodiscard]] const OperationSchemas& schemas_of(const package::Operation& operation) const {
    const auto place = static_cast<std::size_t>(&operation - manifest->operations.data());
    TRV_EXPECTS(place < schemas.operations.size());
    return schemas.operations[place];
  }
};

namespace {

// An interpreter starts some threads before the program does.
constexpr std::uint32_t program_threads = 64;
constexpr std::uint32_t program_open_files = 256;

std::vector<std::string> operation_names(const package::Manifest& manifest) {
  std::vector<std::string> names;
  for (const package::Operation& one : manifest.operations) names.push_back(one.name);
  return names;
}

base::Error no_operation(std::string_view plugin, std::string_view version, std::string_view operation) {
  return {ErrorCode::not_found,
          fmt::format("plugin '{}' {} has no operation '{}'", plugin, version, operation.substr(0, 80))};
}

/// Of a call that does not begin.
CallHandle refused(auto& completion, const base::Error& error) {
  completion(std::unexpected(OperationError{.code = error.code(), .message = error.message(), .detail = {}}));
  return {};
}

/// Holds what the plugin answers against the operation's schema. The effect has happened: a call whose answer is wrong
/// is not made again.
CallCompletion checked(CallCompletion completion, const json_schema::Schema& output, std::string operation) {
  return [completion = std::move(completion), output = std::optional(output),
          operation = std::move(operation)](CallOutcome outcome) mutable {
    if (outcome) {
      const auto matches = check_against(output, *outcome, fmt::format("the output of '{}'", operation));
      if (!matches) {
        outcome = std::unexpected(
            OperationError{.code = ErrorCode::internal, .message = matches.error().message(), .detail = {}});
      }
    }
    completion(std::move(outcome));
  };
}

}  // namespace

base::Result<std::unique_ptr<PluginHost>> PluginHost::start(HostConfiguration configuration, PluginStore& store,
                                                            egress::HttpSender& http, const base::Clock& clock,
                                                            LogSink log) {
  if (configuration.worker_threads == 0 || configuration.worker_threads > PluginThreads::workers_max) {
    return base::fail(ErrorCode::invalid, fmt::format("worker_threads must be 1 to {}, not {}",
                                                      PluginThreads::workers_max, configuration.worker_threads));
  }
  TRV_TRY_ASSIGN(std::unique_ptr<PluginThreads> threads, PluginThreads::start(configuration.worker_threads, clock));
  return std::unique_ptr<PluginHost>(
      new PluginHost(std::move(configuration), store, http, clock, std::move(log), std::move(threads)));
}

PluginHost::PluginHost(HostConfiguration configuration, PluginStore& store, egress::HttpSender& http,
                       const base::Clock& clock, LogSink log, std::unique_ptr<PluginThreads> threads)
    : configuration_(std::move(configuration)),
      operator_allows_(std::make_shared<Permissions::Ceiling>(configuration_.permissions)),
      store_(store),
      http_(http),
      clock_(clock),
      log_(std::move(log)),
      threads_(std::move(threads)),
      gate_(*threads_, clock) {}

PluginHost::~PluginHost() {
  static_cast<void>(stop(base::Duration::zero()));
}

base::Result<Stored> PluginHost::examine(const base::Digest& package_digest, const std::stop_token& stop) {
  TRV_TRY_ASSIGN(Stored package, store_.open(package_digest));
  if (configuration_.isolation == nullptr && !may_run_here(package.manifest)) {
    const std::string why = configuration_.no_isolation.empty()
                                ? "it asks for isolation (\"isolation\": \"sandboxed\"), which is off here"
                                : configuration_.no_isolation;
    return base::fail(ErrorCode::invalid,
                      fmt::format("plugin '{}' {}: {}", package.manifest.id, package.manifest.version, why));
  }
  if (runs_here(package.manifest) && !configuration_.trial_program.empty() && !runs(package_digest)) {
    TRV_TRY(try_library(configuration_.trial_program, package.library, package.manifest.id, package.manifest.version,
                        stop));
  }
  return package;
}

bool PluginHost::runs_here(const package::Manifest& manifest) const {
  return configuration_.isolation == nullptr || may_run_here(manifest);
}

bool PluginHost::may_run_here(const package::Manifest& manifest) const {
  if (manifest.isolation == package::Isolation::sandboxed) return false;
  if (configuration_.isolation == nullptr && configuration_.no_isolation.empty()) return true;
  return std::ranges::find(configuration_.in_process, manifest.id) != configuration_.in_process.end();
}

InstanceServices PluginHost::services_for(const Loaded& loaded, bool run_on_caller) const {
  return {.threads = *threads_,
          .http = http_,
          .clock = clock_,
          .log = log_,
          .permissions = loaded.permissions,
          .serve = configuration_.serve,
          .metrics = loaded.numbers,
          .progress = &progress_,
          .spans = &spans_,
          .streams = configuration_.streams,
          .run_on_caller = run_on_caller};
}

base::Status PluginHost::start_here(const Stored& package, const std::string& configuration, Loaded& loaded,
                                    Known known) {
  TRV_TRY_ASSIGN(std::shared_ptr<PluginLibrary> library,
                 PluginLibrary::load(package.library, package.manifest.id, package.manifest.version));
  if (known == Known::from_now) {
    auto names = LibraryPlugin::operations_of(*library);
    const package::Manifest& manifest = package.manifest;
    if (names) {
      TRV_TRY(compare_operations(manifest.id, manifest.version, operation_names(manifest), *std::move(names)));
    }
  }
  auto instances =
      std::make_shared<InProcessInstances>(std::move(library), services_for(loaded, configuration_.run_on_caller));
  if (!configuration.empty()) TRV_TRY(instances->start(configuration));
  loaded.instances = std::move(instances);
  return {};
}

base::Status PluginHost::start_isolated(const Stored& package, const std::string& configuration, Loaded& loaded,
                                        const std::stop_token& stop, Known known) {
  ProcessPurpose purpose{.plugin = package.manifest.id,
                         .version = package.manifest.version,
                         .folder = base::to_hex(package.package_digest)};
  if (const auto& program = package.manifest.program) {
    purpose.interpreter = program->interpreter;
    purpose.file = program->file;
    purpose.threads = program_threads;
    purpose.open_files = program_open_files;
  }
  loaded.isolated = std::make_shared<IsolatedInstances>(std::move(purpose), services_for(loaded, true),
                                                        *configuration_.isolation, configuration_.crashed);
  loaded.instances = loaded.isolated;
  return loaded.isolated->try_start(
      configuration, stop, known == Known::from_now ? std::optional(operation_names(package.manifest)) : std::nullopt);
}

base::Status PluginHost::load(const Stored& package, const std::optional<std::string>& configuration,
                              const std::stop_token& stop, Known known) {
  // One at a time: mapping a library runs its constructors.
  const std::lock_guard load_lock(load_mutex_);
  auto loaded = std::make_shared<Loaded>();
  loaded->manifest = std::make_shared<const package::Manifest>(package.manifest);
  loaded->package_digest = package.package_digest;
  const package::Manifest& manifest = *loaded->manifest;
  const std::shared_ptr<Loaded> running = find(manifest.id, manifest.version);
  if (running != nullptr && running->package_digest == package.package_digest) return {};
  if (running != nullptr && !base::is_development(manifest.version)) {
    return base::fail(ErrorCode::conflict, fmt::format("plugin '{}' {} runs already, from package {}", manifest.id,
                                                       manifest.version, base::to_hex(running->package_digest)));
  }
  for (std::size_t index = 0; index < manifest.webhooks.size(); ++index) {
    TRV_TRY_ASSIGN(WebhookDeclaration webhook, compile_webhook(manifest, index));
    loaded->webhooks.push_back(std::make_shared<const WebhookDeclaration>(std::move(webhook)));
  }
  loaded->schemas = schemas_that_compile(manifest);
  loaded->permissions = std::make_shared<const Permissions>(manifest, operator_allows_, configuration_.consents);
  const base::Status matches = loaded->check(configuration ? std::string_view(*configuration) : nothing_set);
  if (!matches && configuration) return matches;
  // A plugin is never given what its schema refuses: this one waits for its tenants' configurations.
  const std::string given = configuration ? *configuration : std::string(matches ? nothing_set : std::string_view());
  TRV_TRY(runs_here(manifest) ? start_here(package, given, *loaded, known)
                              : start_isolated(package, given, *loaded, stop, known));
  const std::unique_lock lock(mutex_);
  plugins_[manifest.id][manifest.version] = std::move(loaded);
  if (running != nullptr) keep_until_over(running);
  failures_.erase({manifest.id, manifest.version});
  return {};
}

void PluginHost::note_failure(const std::string& plugin, const std::string& version, const std::string& why) {
  TRV_EXPECTS(!why.empty() && find(plugin, version) == nullptr);
  const std::unique_lock lock(mutex_);
  failures_[{plugin, version}] = why;
}

std::optional<std::string> PluginHost::failure(std::string_view plugin, std::string_view version) const {
  const std::shared_lock lock(mutex_);
  const auto noted = failures_.find({std::string(plugin), std::string(version)});
  return noted == failures_.end() ? std::nullopt : std::optional(noted->second);
}

bool PluginHost::runs(const base::Digest& package_digest) const {
  const std::shared_lock lock(mutex_);
  return std::ranges::any_of(plugins_, [&](const auto& versions) {
    return std::ranges::any_of(versions.second,
                               [&](const auto& one) { return one.second->package_digest == package_digest; });
  });
}

std::shared_ptr<PluginHost::Loaded> PluginHost::find(std::string_view plugin, std::string_view version) const {
  const std::shared_lock lock(mutex_);
  const auto versions = plugins_.find(plugin);
  if (versions == plugins_.end()) return nullptr;
  const auto loaded = versions->second.find(version);
  return loaded == versions->second.end() ? nullptr : loaded->second;
}

base::Error PluginHost::not_loaded(std::string_view plugin, std::string_view version) const {
  const std::string why = failure(plugin, version).value_or("");
  return {ErrorCode::not_found, fmt::format("plugin '{}' {} is not loaded{}{}", plugin.substr(0, 80),
                                            version.substr(0, 80), why.empty() ? "" : ": ", why)};
}

bool PluginHost::release(std::string_view plugin, const base::TenantId& tenant) {
  const std::shared_lock lock(mutex_);
  const auto versions = plugins_.find(plugin);
  if (versions == plugins_.end()) return false;
  bool was_there = false;
  for (const auto& [version, loaded] : versions->second) {
    if (loaded->isolated != nullptr) was_there |= loaded->isolated->release(tenant);
  }
  return was_there;
}

// Calls that are open go on in it.
void PluginHost::keep_until_over(std::shared_ptr<Loaded> retired) {
  retired->instances->retire();
  std::erase_if(retired_, [](const std::shared_ptr<Loaded>& one) { return one->instances->is_over(); });
  retired_.push_back(std::move(retired));
}

bool PluginHost::retire(std::string_view plugin, std::string_view version) {
  const std::unique_lock lock(mutex_);
  const auto versions = plugins_.find(plugin);
  if (versions == plugins_.end()) return false;
  const auto loaded = versions->second.find(version);
  if (loaded == versions->second.end()) return false;
  keep_until_over(std::move(loaded->second));
  versions->second.erase(loaded);
  if (versions->second.empty()) plugins_.erase(versions);
  return true;
}

std::map<std::pair<std::string, std::string>, base::Digest> PluginHost::running() const {
  std::map<std::pair<std::string, std::string>, base::Digest> all;
  const std::shared_lock lock(mutex_);
  for (const auto& [plugin, versions] : plugins_) {
    for (const auto& [version, loaded] : versions) all[{plugin, version}] = loaded->package_digest;
  }
  return all;
}

base::Status PluginHost::check_configuration(std::string_view plugin, std::string_view version,
                                             std::string_view configuration) const {
  const std::shared_ptr<Loaded> loaded = find(plugin, version);
  if (loaded == nullptr) return base::fail(not_loaded(plugin, version));
  return loaded->check(configuration);
}

base::Status PluginHost::check_permission(std::string_view plugin, std::string_view version,
                                          const base::TenantId& tenant, const package::Permission& wanted) const {
  const std::shared_ptr<Loaded> loaded = find(plugin, version);
  if (loaded == nullptr) return base::fail(not_loaded(plugin, version));
  return loaded->permissions->check(tenant, wanted);
}

base::Result<bool> PluginHost::check_start(std::string_view plugin, std::string_view version,
                                           const std::optional<std::string>& configuration,
                                           const std::stop_token& stop) {
  const std::shared_ptr<Loaded> loaded = find(plugin, version);
  if (loaded == nullptr) return base::fail(not_loaded(plugin, version));
  const std::string given = configuration.value_or(std::string(nothing_set));
  TRV_TRY(loaded->check(given));
  return loaded->instances->try_health(given, stop);
}

base::Result<std::unique_ptr<Handover>> PluginHost::hand_over(const VersionSwitch& asked, const std::stop_token& stop) {
  TRV_EXPECTS(asked.from != asked.to);
  TRV_TRY_ASSIGN(const bool takes_state, check_start(asked.plugin, asked.to, asked.configuration, stop));
  const std::shared_ptr<Loaded> from = find(asked.plugin, asked.from);
  const std::shared_ptr<Loaded> to = find(asked.plugin, asked.to);
  if (!takes_state || from == nullptr || to == nullptr) return nullptr;
  TRV_TRY(gate_.close(asked.tenant, asked.plugin, asked.grace));
  auto handover = std::make_unique<Handover>(gate_, asked.tenant, asked.plugin);
  // Looked for behind the gate: else a first call could begin it now, and its memory would be left behind.
  const std::shared_ptr<PluginInstance> running = from->instances->running(asked.tenant);
  if (running == nullptr) return handover;
  if (!running->keeps_state()) return nullptr;
  TRV_TRY_ASSIGN(std::string bytes, running->save(asked.grace));
  const std::size_t size = bytes.size();
  const std::string given = asked.configuration.value_or(std::string(nothing_set));
  TRV_TRY_ASSIGN(auto instance, to->instances->begin_with(asked.tenant, given,
                                                          {.version = asked.from, .bytes = std::move(bytes)}, stop));
  handover->prepare(to->instances, given, std::move(instance));
  if (log_) {
    log_({.level = LogLevel::info,
          .plugin = asked.plugin,
          .version = asked.to,
          .message =
              fmt::format("has the state of {}, {} bytes, for tenant {}", asked.from, size, asked.tenant.value())});
  }
  return handover;
}

base::Status PluginHost::unload(std::string_view plugin, std::string_view version, base::Duration grace) {
  const std::shared_ptr<Loaded> loaded = find(plugin, version);
  if (loaded == nullptr) return base::fail(not_loaded(plugin, version));
  {
    const std::unique_lock lock(mutex_);
    const auto versions = plugins_.find(plugin);
    const bool is_there = versions != plugins_.end() && versions->second.contains(version);
    if (is_there && versions->second.find(version)->second == loaded) versions->second.erase(loaded->manifest->version);
    if (is_there && versions->second.empty()) plugins_.erase(versions);
  }
  return loaded->instances->stop(grace);
}

base::Result<std::shared_ptr<const package::Manifest>> PluginHost::manifest(std::string_view plugin,
                                                                            std::string_view version) const {
  const std::shared_ptr<Loaded> loaded = find(plugin, version);
  if (loaded == nullptr) return base::fail(not_loaded(plugin, version));
  return loaded->manifest;
}

base::Status PluginHost::check_input(std::string_view plugin, std::string_view version, std::string_view operation,
                                     std::string_view input_json) const {
  const std::shared_ptr<Loaded> loaded = find(plugin, version);
  if (loaded == nullptr) return base::fail(not_loaded(plugin, version));
  const package::Operation* found = loaded->manifest->find_operation(operation);
  if (found == nullptr) return base::fail(no_operation(plugin, version, operation));
  return check_against(loaded->schemas_of(*found).input, input_json, fmt::format("the input of '{}'", operation));
}

PluginHost::InstanceFor PluginHost::instance_for(Loaded& loaded, const base::TenantId& tenant,
                                                 const std::optional<std::string>& given) {
  const std::string configuration = given.value_or(std::string(nothing_set));
  const package::Manifest& manifest = *loaded.manifest;
  if (const base::Status matches = loaded.check(configuration); !matches) {
    return std::unexpected(OperationError{
        .code = ErrorCode::invalid,
        .message = fmt::format("plugin '{}' {} {} for tenant '{}'; set it with `trav plugin configure {} --set "
                               "KEY=VALUE`. {}",
                               manifest.id, manifest.version,
                               given ? "is configured otherwise than it needs" : "is not configured", tenant.value(),
                               manifest.id, matches.error().message()),
        .detail = {}});
  }
  return loaded.instances->of(tenant, configuration);
}

CallHandle PluginHost::invoke(OperationCall call, CallCompletion completion) {
  TRV_EXPECTS(completion);
  const auto refuse = [&](const base::Error& error) { return refused(completion, error); };
  const std::shared_ptr<Loaded> loaded = find(call.plugin, call.version);
  if (loaded == nullptr) return refuse(not_loaded(call.plugin, call.version));
  const package::Operation* operation = loaded->manifest->find_operation(call.operation);
  if (operation == nullptr) return refuse(no_operation(call.plugin, call.version, call.operation));
  if (call.input_json.size() > input_bytes_max) {
    return refuse({ErrorCode::too_large, fmt::format("the input of '{}' has {} bytes, at most {} are taken",
                                                     call.operation, call.input_json.size(), input_bytes_max)});
  }
  const OperationSchemas& schemas = loaded->schemas_of(*operation);
  if (schemas.input) {
    const auto matches =
        check_against(schemas.input, call.input_json, fmt::format("the input of '{}'", call.operation));
    if (!matches) return refuse(matches.error());
  }
  if (schemas.output) completion = checked(std::move(completion), *schemas.output, call.operation);
  const std::uint64_t timeout_ms = call.timeout_ms == 0 ? configuration_.call_timeout_ms_default : call.timeout_ms;
  auto instance = instance_for(*loaded, call.tenant, call.configuration);
  if (!instance) {
    completion(std::unexpected(std::move(instance).error()));
    return {};
  }
  const CallId id = (*instance)->invoke({.tenant = std::move(call.tenant),
                                         .operation = std::move(call.operation),
                                         .connection = std::move(call.connection),
                                         .idempotency_key = std::move(call.idempotency_key),
                                         .traceparent = std::move(call.traceparent),
                                         .attempt = call.attempt,
                                         .timeout_ms = std::min(timeout_ms, configuration_.call_timeout_ms_max),
                                         .idempotent = operation->idempotent,
                                         .input = std::move(call.input_json)},
                                        std::move(completion));
  return {.instance = *instance, .call = id};
}

CallHandle PluginHost::serve(WebCall call, WebCompletion completion) {
  TRV_EXPECTS(completion);
  const auto refuse = [&](const base::Error& error) { return refused(completion, error); };
  const std::shared_ptr<Loaded> loaded = find(call.plugin, call.version);
  if (loaded == nullptr) return refuse(not_loaded(call.plugin, call.version));
  const package::Permission wanted{.kind = package::Permission::Kind::serve};
  if (!package::covers(loaded->manifest->requested(), wanted)) {
    return refuse({ErrorCode::not_found, fmt::format("plugin '{}' {} serves nothing: its manifest does not ask for the "
                                                     "permission \"serve\"",
                                                     call.plugin, call.version)});
  }
  if (const base::Status may = loaded->permissions->check(call.tenant, wanted); !may) return refuse(may.error());
  auto instance = instance_for(*loaded, call.tenant, call.configuration);
  if (!instance) {
    completion(std::unexpected(std::move(instance).error()));
    return {};
  }
  const WebSlots::Of of(call.tenant, call.plugin);
  if (!web_slots_->take(of)) {
    return refuse({ErrorCode::exhausted, fmt::format("plugin '{}' has {} requests of tenant '{}' that it has not "
                                                     "answered; ask again in a moment",
                                                     call.plugin, web_open_max, call.tenant.value())});
  }
  const auto web = std::make_shared<WebExchange>(WebExchange{.request = std::move(call.request),
                                                             .response = {},
                                                             .receiver = std::move(call.receiver),
                                                             .body = std::move(call.body)});
  const bool is_safe = web->request.method == "GET" || web->request.method == "HEAD";
  const CallId id = (*instance)->invoke(
      {.tenant = std::move(call.tenant),
       .operation = {},
       .connection = {},
       .idempotency_key = std::move(call.idempotency_key),
       .traceparent = std::move(call.traceparent),
       .attempt = 1,
       .timeout_ms = std::min(call.timeout_ms, configuration_.call_timeout_ms_max),
       .idempotent = is_safe,
       .input = {},
       .web = web},
      [web, of, slots = web_slots_, completion = std::move(completion)](CallOutcome outcome) mutable {
        slots->give_back(of);
        completion(outcome ? WebOutcome(std::move(web->response)) : std::unexpected(std::move(outcome).error()));
      });
  return {.instance = *instance, .call = id};
}

base::Result<Page> PluginHost::page(std::string_view plugin, std::string_view version, const base::TenantId& tenant,
                                    std::string_view path) const {
  const std::shared_ptr<Loaded> loaded = find(plugin, version);
  if (loaded == nullptr) return base::fail(not_loaded(plugin, version));
  const package::Manifest& manifest = *loaded->manifest;
  if (manifest.pages.empty()) {
    return base::fail(ErrorCode::not_found, fmt::format("plugin '{}' {} brings no pages", plugin, version));
  }
  TRV_TRY(loaded->permissions->check(tenant, {.kind = package::Permission::Kind::serve}));
  const std::string file = fmt::format("{}{}", manifest.pages, path.empty() ? "index.html" : path);
  // What the manifest does not list is not there, whatever the path would mean to a file system.
  const auto listed = manifest.files.find(file);
  if (listed == manifest.files.end()) {
    return base::fail(ErrorCode::not_found,
                      fmt::format("plugin '{}' {} has no page '{}'", plugin, version, base::utf8_prefix(path, 200)));
  }
  TRV_TRY_ASSIGN(base::Bytes bytes, store_.read_page(loaded->package_digest, file, listed->second));
  return Page{.bytes = std::move(bytes), .sha256 = listed->second, .type = package::type_of_page(file)};
}

void PluginHost::cancel(const CallHandle& handle) {
  if (const std::shared_ptr<PluginInstance> instance = handle.instance.lock()) instance->cancel(handle.call);
}

base::Result<std::shared_ptr<const WebhookDeclaration>> PluginHost::webhook(std::string_view plugin,
                                                                            std::string_view version,
                                                                            std::string_view name) const {
  const std::shared_ptr<Loaded> loaded = find(plugin, version);
  if (loaded == nullptr) return base::fail(not_loaded(plugin, version));
  for (const auto& webhook : loaded->webhooks) {
    if (webhook->manifest.name == name) return webhook;
  }
  return base::fail(ErrorCode::not_found,
                    fmt::format("plugin '{}' {} has no webhook '{}'", plugin, version, name.substr(0, 80)));
}

std::vector<PluginMetrics> PluginHost::metrics() const {
  std::vector<PluginMetrics> all;
  const std::shared_lock lock(mutex_);
  for (const auto& [plugin, versions] : plugins_) {
    for (const auto& [version, loaded] : versions) {
      all.push_back({plugin, version, loaded->instances->metrics(), loaded->numbers->all()});
    }
  }
  return all;
}

base::Status PluginHost::stop(base::Duration grace) {
  std::vector<std::pair<std::string, std::string>> names;
  std::vector<std::shared_ptr<Loaded>> retired;
  {
    const std::unique_lock lock(mutex_);
    retired.swap(retired_);
    for (const auto& [plugin, versions] : plugins_) {
      for (const auto& [version, loaded] : versions) names.emplace_back(plugin, version);
    }
  }
  const base::Duration end = clock_.monotonic() + grace;
  base::Status worst;
  for (const std::shared_ptr<Loaded>& one : retired) {
    const base::Duration left = std::max(base::Duration::zero(), end - clock_.monotonic());
    if (base::Status stopped = one->instances->stop(left); !stopped && worst) worst = std::move(stopped);
  }
  for (const auto& [plugin, version] : names) {
    const base::Duration left = std::max(base::Duration::zero(), end - clock_.monotonic());
    base::Status stopped = unload(plugin, version, left);
    if (!stopped && stopped.error().code() != ErrorCode::not_found && worst) worst = std::move(stopped);
  }
  return worst;
}

}  // namespace trv::plugin_host
