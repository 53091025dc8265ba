#include "kernel/plugin_run/plugin_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <future>

#include "events/blob/folder_blob_store.hpp"
#include "kernel/egress/broker.hpp"
#include "kernel/json/parse.hpp"
#include "kernel/plugin_host/isolation.hpp"
#include "kernel/plugin_host/manifest_schemas.hpp"
#include "kernel/plugin_host/named_secrets.hpp"
#include "kernel/plugin_host/plugin_host.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/random.hpp"
#include "sdk/base/uuid.hpp"

namespace trv::plugin_run {
namespace {

using base::ErrorCode;
using base::Result;

constexpr base::Duration grace = std::chrono::seconds(2);

/// What was offered on the command line, and no other.
class OfferedConnections final : public egress::ConnectionSource, public egress::SecretSource {
 public:
  OfferedConnections(std::vector<OfferedConnection> offered, std::string plugin)
      : offered_(std::move(offered)), plugin_(std::move(plugin)) {}

  Result<egress::Connection> find(const base::TenantId& asked_for, std::string_view name) override {
    const auto found = std::ranges::find(offered_, name, &OfferedConnection::name);
    if (found == offered_.end()) {
      return base::fail(ErrorCode::not_found,
                        fmt::format("no connection '{}' was given: --connection {}=URL", name, name));
    }
    egress::Connection connection{.tenant = asked_for,
                                  .name = found->name,
                                  .plugin = plugin_,
                                  .base_url = found->base_url,
                                  .authentication = {},
                                  .limits = {},
                                  .allow_private_network = true};
    if (!found->secret.empty()) {
      connection.authentication = {
          .scheme = egress::AuthenticationScheme::bearer, .user = {}, .header = {}, .secret_reference = found->name};
    }
    return connection;
  }
  Result<std::string> reveal(const base::TenantId&, std::string_view reference) override {
    const auto found = std::ranges::find(offered_, reference, &OfferedConnection::name);
    TRV_ASSERT(found != offered_.end());
    return found->secret;
  }

 private:
  const std::vector<OfferedConnection> offered_;
  const std::string plugin_;
};

/// Everything between the plugin and the network.
struct Senders {
  std::unique_ptr<egress::Broker> network;
  std::unique_ptr<CassetteRecorder> recorder;
  std::unique_ptr<CassettePlayer> player;

  [[nodiscard]] egress::HttpSender& first() const {
    if (player != nullptr) return *player;
    if (recorder != nullptr) return *recorder;
    return *network;
  }
};

base::Status check_run(const plugin_host::PluginHost& host, const package::Manifest& manifest,
                       const OperationRun& run) {
  if (auto input = json::parse(run.input); !input) return base::fail(std::move(input).error().in("the input"));
  TRV_TRY(host.check_input(manifest.id, manifest.version, run.operation, run.input));
  const base::Status matches =
      host.check_configuration(manifest.id, manifest.version, run.configuration.value_or("{}"));
  if (matches || run.configuration) return matches;
  return base::fail(matches.error().code(),
                    fmt::format("{}; give it with --configuration FILE", matches.error().message()));
}

/// What the configuration names of secrets.
std::vector<std::string> named_in(const package::Manifest& manifest, const std::optional<std::string>& configuration) {
  std::vector<std::string> names;
  const auto schema = json::parse(manifest.configuration, {.depth_max = 512});
  const auto value = json::parse(configuration.value_or("{}"));
  if (!schema || !value) return names;
  for (auto& one : plugin_host::named_secrets(*schema, *value)) names.push_back(std::move(one.name));
  return names;
}

std::string operation_names(const package::Manifest& manifest) {
  std::string names;
  for (const package::Operation& one : manifest.operations) names += (names.empty() ? "" : ", ") + one.name;
  return names;
}

}  // namespace

Result<RunOutcome> run_operation(base::BytesView package, const OperationRun& run, RunSetup setup,
                                 const base::Clock& clock) {
  TRV_EXPECTS(setup.program.is_absolute() && setup.scratch.is_absolute());
  base::SystemRandom random;
  TRV_TRY_ASSIGN(const auto archives,
                 blob::FolderBlobStore::open(setup.scratch / "packages", {.bytes_max = package::package_bytes_max},
                                             clock, random));
  TRV_TRY_ASSIGN(const auto store, plugin_host::PluginStore::open_folder(setup.scratch / "plugins", *archives));
  TRV_TRY_ASSIGN(const auto stored, store->put(package));
  const package::Manifest& manifest = stored->manifest;
  if (manifest.find_operation(run.operation) == nullptr) {
    return base::fail(ErrorCode::not_found, fmt::format("plugin '{}' {} has no operation '{}'; it has {}", manifest.id,
                                                        manifest.version, run.operation, operation_names(manifest)));
  }

  RunOutcome outcome{.call = {}, .recorded = {}, .missing = {}, .unused = 0, .store = {}, .events = {}, .remarks = {}};
  LocalServices services({.store = setup.replay ? setup.replay->store : std::move(setup.store),
                          .secrets = std::move(setup.secrets),
                          .named = named_in(manifest, run.configuration)});
  std::string key = setup.replay ? setup.replay->idempotency_key : std::string();
  if (key.empty()) key = "local/" + base::Uuid::v7(clock.now(), random).to_string();
  const StoreValues store_before = services.stored();
  plugin_host::HostConfiguration configuration{
      .run_on_caller = false,
      .serve = [&services](const plugin_host::ServiceCall& call,
                           plugin_host::ServiceDone done) { done(services.answer(call)); },
      .trial_program = setup.program};
  std::unique_ptr<plugin_host::Isolation> isolation;
  auto isolated = plugin_host::Isolation::start(
      {.program = setup.program, .folder = setup.scratch / "plugins", .ready_count = 1, .needs_namespaces = false}, {},
      clock);
  if (isolated) {
    isolation = *std::move(isolated);
    configuration.isolation = isolation.get();
    if (const std::string& without = isolation->walls().no_namespaces; !without.empty()) {
      outcome.remarks.push_back("the plugin shares the namespaces of this machine: " + without);
    }
  } else if (manifest.isolation == package::Isolation::sandboxed) {
    return base::fail(isolated.error());
  } else {
    outcome.remarks.push_back("the plugin runs without isolation: " + isolated.error().message());
  }

  OfferedConnections connections(std::move(setup.connections), manifest.id);
  Senders senders;
  if (setup.replay) {
    senders.player = std::make_unique<CassettePlayer>(*std::move(setup.replay));
  } else {
    TRV_TRY_ASSIGN(senders.network, egress::Broker::start({}, connections, connections, clock));
    if (setup.record) senders.recorder = std::make_unique<CassetteRecorder>(*senders.network);
  }
  TRV_TRY_ASSIGN(const auto host, plugin_host::PluginHost::start(std::move(configuration), *store, senders.first(),
                                                                 clock, std::move(setup.log)));
  TRV_TRY_ASSIGN(const plugin_host::Stored examined, host->examine(stored->package_digest));
  TRV_TRY(host->load(examined, run.configuration, {}, plugin_host::PluginHost::Known::from_now));
  TRV_TRY(check_run(*host, manifest, run));

  std::promise<plugin_host::CallOutcome> ended;
  host->invoke({.tenant = base::TenantId(std::string(tenant)),
                .plugin = manifest.id,
                .version = manifest.version,
                .operation = run.operation,
                .connection = run.connection,
                .idempotency_key = key,
                .traceparent = {},
                .timeout_ms = run.timeout_ms,
                .configuration = run.configuration,
                .input_json = run.input},
               [&ended](plugin_host::CallOutcome answer) { ended.set_value(std::move(answer)); });
  outcome.call = ended.get_future().get();
  // Nothing is written to the log after this, and no answer is under way.
  if (const base::Status stopped = host->stop(grace); !stopped) outcome.remarks.push_back(stopped.error().message());
  if (senders.network != nullptr) senders.network->stop();
  if (senders.recorder != nullptr) {
    outcome.recorded = senders.recorder->recorded();
    outcome.recorded.idempotency_key = key;
    outcome.recorded.store = store_before;
  }
  outcome.store = services.stored();
  outcome.events = services.events();
  if (senders.player != nullptr) {
    outcome.missing = senders.player->missing();
    outcome.unused = senders.player->unused();
  }
  return outcome;
}

}  // namespace trv::plugin_run
