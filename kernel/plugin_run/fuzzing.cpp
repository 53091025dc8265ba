#include "kernel/plugin_run/fuzzing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <set>
#include <tuple>

#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/plugin_run/fuzz_answers.hpp"
#include "kernel/plugin_run/fuzz_input.hpp"
#include "kernel/plugin_run/local_host.hpp"
#include "kernel/plugin_run/plugin_run.hpp"
#include "sdk/base/contract.hpp"

namespace trv::plugin_run {
namespace {

using base::Result;

constexpr base::Duration grace = std::chrono::seconds(2);
/// Inputs that are made for one call until one matches the schema.
constexpr int tries_max = 30;

struct Target {
  std::string operation;
  json::Value input;  ///< schema
};

Result<std::vector<Target>> targets_of(const package::Manifest& manifest, const std::vector<std::string>& wanted) {
  std::vector<Target> targets;
  for (const std::string& name : wanted) {
    if (manifest.find_operation(name) == nullptr) {
      return base::fail(base::ErrorCode::not_found,
                        fmt::format("plugin '{}' {} has no operation '{}'; it has {}", manifest.id, manifest.version,
                                    name, operation_names(manifest)));
    }
  }
  for (const package::Operation& operation : manifest.operations) {
    if (!wanted.empty() && std::ranges::find(wanted, operation.name) == wanted.end()) continue;
    TRV_TRY_ASSIGN(auto schema, json::parse(operation.input, {.depth_max = 512}));
    targets.push_back({operation.name, std::move(schema)});
  }
  return targets;
}

/// Of one run: near ones have nothing in common.
std::uint64_t seed_of(std::uint64_t seed, std::uint64_t run) {
  base::SimulatedRandom whole(seed);
  base::SimulatedRandom one(whole.next() ^ (run * 0xd1342543de82ef95ULL));
  return one.next();
}

/// An output that only hands on what a service should not have answered is the service's, and the kernel refuses it.
bool is_of_the_service(const plugin_host::OperationError& error, const std::vector<Exchange>& exchanges) {
  return !exchanges.empty() && error.message.starts_with("the output of '");
}

std::optional<Finding::Kind> kind_of(const plugin_host::CallOutcome& outcome, const std::vector<Exchange>& exchanges) {
  if (outcome) return std::nullopt;
  if (outcome.error().code == base::ErrorCode::timeout) return Finding::Kind::hang;
  if (outcome.error().has_died) return Finding::Kind::crash;
  if (outcome.error().code != base::ErrorCode::internal) return std::nullopt;
  return is_of_the_service(outcome.error(), exchanges) ? std::nullopt : std::optional(Finding::Kind::defect);
}

class Fuzzer {
 public:
  Fuzzer(LocalPackage& package, const FuzzSetup& setup, const base::Clock& clock)
      : package_(package), setup_(setup), clock_(clock), answers_(answer_names(package.manifest())) {}

  Result<FuzzOutcome> run(const std::vector<Target>& targets) {
    TRV_EXPECTS(!targets.empty());
    const base::Duration end = clock_.monotonic() + setup_.time_max;
    TRV_TRY(begin_host());
    outcome_.remarks = host_->remarks();
    for (std::uint64_t run = 0; setup_.runs_max == 0 || run < setup_.runs_max; ++run) {
      if (clock_.monotonic() >= end) break;
      TRV_TRY(one(targets, run));
    }
    if (const auto stopped = host_->host().stop(grace); !stopped) outcome_.remarks.push_back(stopped.error().message());
    return std::move(outcome_);
  }

 private:
  base::Status begin_host() {
    host_.reset();
    const LocalWiring wiring{
        .program = setup_.program,
        .http = answers_,
        .serve = [this](const plugin_host::ServiceCall& call, plugin_host::ServiceDone done) { done(serve(call)); },
        .log = {}};
    TRV_TRY_ASSIGN(host_, LocalHost::start(package_, wiring, setup_.configuration, Walls::needed, clock_));
    const package::Manifest& manifest = package_.manifest();
    return host_->host().check_configuration(manifest.id, manifest.version, setup_.configuration.value_or("{}"));
  }

  Result<plugin_host::ServiceAnswer> serve(const plugin_host::ServiceCall& call) {
    std::shared_ptr<LocalServices> services;
    {
      const std::lock_guard lock(mutex_);
      services = services_;
    }
    return services->answer(call);
  }

  /// Nothing is left of the call before.
  void forget_everything(std::uint64_t seed) {
    (void)answers_.begin(seed);
    const std::lock_guard lock(mutex_);
    services_ = std::make_shared<LocalServices>(LocalOffer{
        .store = {}, .secrets = setup_.secrets, .named = secrets_named_in(package_.manifest(), setup_.configuration)});
  }

  /// nullopt where none of those that were made matches the schema.
  std::optional<std::string> input_for(const Target& target, base::Random& random) {
    InputMaker maker(target.input, random);
    for (int tries = 0; tries < tries_max; ++tries) {
      std::string input = json::serialize(maker.make());
      const package::Manifest& manifest = package_.manifest();
      if (host_->host().check_input(manifest.id, manifest.version, target.operation, input)) return input;
    }
    return std::nullopt;
  }

  plugin_host::CallOutcome call(const Target& target, const std::string& input, std::uint64_t run) {
    std::promise<plugin_host::CallOutcome> ended;
    const package::Manifest& manifest = package_.manifest();
    host_->host().invoke({.tenant = base::TenantId(std::string(tenant)),
                          .plugin = manifest.id,
                          .version = manifest.version,
                          .operation = target.operation,
                          .connection = setup_.connection,
                          .idempotency_key = fmt::format("fuzz/{}/{}", setup_.seed, run),
                          .traceparent = {},
                          .timeout_ms = setup_.call_timeout_ms,
                          .configuration = setup_.configuration,
                          .input_json = input},
                         [&ended](plugin_host::CallOutcome answer) { ended.set_value(std::move(answer)); });
    return ended.get_future().get();
  }

  base::Status one(const std::vector<Target>& targets, std::uint64_t run) {
    base::SimulatedRandom random(seed_of(setup_.seed, run));
    const Target& target = targets[random.below(targets.size())];
    const auto input = input_for(target, random);
    ++outcome_.runs;
    if (!input) {
      ++outcome_.failed["no input was made that matches the schema"];
      return {};
    }
    forget_everything(random.next());
    const plugin_host::CallOutcome outcome = call(target, *input, run);
    std::vector<Exchange> exchanges = answers_.begin(0);
    const auto kind = kind_of(outcome, exchanges);
    if (outcome) {
      ++outcome_.answered;
    } else {
      ++outcome_.failed[std::string(base::to_string(outcome.error().code))];
    }
    if (!kind) return {};
    ++outcome_.findings[std::string(to_string(*kind))];
    note({.kind = *kind,
          .operation = target.operation,
          .input = *input,
          .message = outcome.error().message,
          .cassette = {.idempotency_key = fmt::format("fuzz/{}/{}", setup_.seed, run),
                       .store = {},
                       .exchanges = std::move(exchanges)},
          .run = run});
    // The next one has nothing to do with this.
    return *kind == Finding::Kind::defect ? base::Status() : begin_host();
  }

  void note(const Finding& finding) {
    if (!known_.insert({finding.kind, finding.operation, finding.message}).second) return;
    if (setup_.found) setup_.found(finding);
  }

  LocalPackage& package_;
  const FuzzSetup& setup_;
  const base::Clock& clock_;
  FuzzOutcome outcome_;
  std::set<std::tuple<Finding::Kind, std::string, std::string>> known_;
  std::mutex mutex_;
  std::shared_ptr<LocalServices> services_ = std::make_shared<LocalServices>(LocalOffer());
  FuzzAnswers answers_;
  std::unique_ptr<LocalHost> host_;
};

}  // namespace

std::string_view to_string(Finding::Kind kind) noexcept {
  switch (kind) {
    case Finding::Kind::crash: return "crash";
    case Finding::Kind::hang: return "hang";
    case Finding::Kind::defect: return "defect";
  }
  return {};
}

Result<FuzzOutcome> fuzz_plugin(base::BytesView package, const FuzzSetup& setup, const base::Clock& clock) {
  TRV_EXPECTS(setup.program.is_absolute() && setup.call_timeout_ms > 0);
  TRV_TRY_ASSIGN(const auto local, LocalPackage::open(package, setup.scratch, clock));
  TRV_TRY_ASSIGN(const auto targets, targets_of(local->manifest(), setup.operations));
  if (targets.empty()) {
    return base::fail(base::ErrorCode::not_found, fmt::format("plugin '{}' has no operations", local->manifest().id));
  }
  return Fuzzer(*local, setup, clock).run(targets);
}

}  // namespace trv::plugin_run
