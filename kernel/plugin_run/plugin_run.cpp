#include "kernel/plugin_run/plugin_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <future>

#include "kernel/egress/broker.hpp"
#include "kernel/json/parse.hpp"
#include "kernel/plugin_host/no_connection.hpp"
#include "kernel/plugin_run/local_host.hpp"
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

/// A plugin's failure may quote the refusal of its request.
void say_which_connection(plugin_host::OperationError& error, const package::Manifest& manifest) {
  const std::size_t at = error.message.find(plugin_host::no_connection_given);
  if (at == std::string::npos) return;
  const std::string name = manifest.connections.empty() ? "NAME" : manifest.connections.front().name;
  error.message.insert(at + plugin_host::no_connection_given.size(), fmt::format(": --connection {}=URL", name));
}

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

}  // namespace

Result<RunOutcome> run_operation(base::BytesView package, const OperationRun& run, RunSetup setup,
                                 const base::Clock& clock) {
  TRV_EXPECTS(setup.program.is_absolute() && setup.scratch.is_absolute());
  TRV_TRY_ASSIGN(const auto local, LocalPackage::open(package, setup.scratch, clock));
  const package::Manifest& manifest = local->manifest();
  if (manifest.find_operation(run.operation) == nullptr) {
    return base::fail(ErrorCode::not_found, fmt::format("plugin '{}' {} has no operation '{}'; it has {}", manifest.id,
                                                        manifest.version, run.operation, operation_names(manifest)));
  }

  RunOutcome outcome{.call = {}, .recorded = {}, .missing = {}, .unused = 0, .store = {}, .events = {}, .remarks = {}};
  LocalServices services({.store = setup.replay ? setup.replay->store : std::move(setup.store),
                          .secrets = std::move(setup.secrets),
                          .named = secrets_named_in(manifest, run.configuration)});
  std::string key = setup.replay ? setup.replay->idempotency_key : std::string();
  base::SystemRandom random;
  if (key.empty()) key = "local/" + base::Uuid::v7(clock.now(), random).to_string();
  const StoreValues store_before = services.stored();
  OfferedConnections connections(std::move(setup.connections), manifest.id);
  Senders senders;
  if (setup.replay) {
    senders.player = std::make_unique<CassettePlayer>(*std::move(setup.replay));
  } else {
    TRV_TRY_ASSIGN(senders.network, egress::Broker::start({}, connections, connections, clock));
    if (setup.record) senders.recorder = std::make_unique<CassetteRecorder>(*senders.network);
  }
  const LocalWiring wiring{.program = setup.program,
                           .http = senders.first(),
                           .serve = [&services](const plugin_host::ServiceCall& call,
                                                plugin_host::ServiceDone done) { done(services.answer(call)); },
                           .log = std::move(setup.log)};
  TRV_TRY_ASSIGN(const auto started, LocalHost::start(*local, wiring, run.configuration, Walls::wanted, clock));
  plugin_host::PluginHost& host = started->host();
  outcome.remarks = started->remarks();
  TRV_TRY(check_run(host, manifest, run));

  std::promise<plugin_host::CallOutcome> ended;
  host.invoke({.tenant = base::TenantId(std::string(tenant)),
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
  if (!outcome.call && run.connection.empty()) say_which_connection(outcome.call.error(), manifest);
  // Nothing is written to the log after this, and no answer is under way.
  if (const base::Status stopped = host.stop(grace); !stopped) outcome.remarks.push_back(stopped.error().message());
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
