#include "kernel/plugin_run/isolated_plays.hpp"

#include <algorithm>
#include <future>
#include <utility>

#include "kernel/plugin_host/payload.hpp"
#include "kernel/plugin_run/plugin_run.hpp"
#include "sdk/base/contract.hpp"

namespace trv::plugin_run {
namespace {

using base::Result;

constexpr base::Duration grace = std::chrono::seconds(10);

conformance::SentRequest sent_of(const egress::Request& request) {
  conformance::SentRequest sent{.connection = request.connection,
                                .method = request.method,
                                .path = request.path,
                                .body = request.body,
                                .idempotency_key = request.idempotency_key};
  for (const egress::Header& header : request.headers) sent.headers.emplace_back(header.name, header.value);
  return sent;
}

conformance::CallOutcome outcome_of(const plugin_host::CallOutcome& outcome) {
  if (outcome) return {.output = *outcome};
  const plugin_host::OperationError& error = outcome.error();
  return {.error = conformance::CallError{.code = plugin_host::to_abi(error.code),
                                          .message = error.message,
                                          .retry = error.may_retry ? TRV_RETRY_SAFE : TRV_RETRY_NEVER,
                                          .retry_after_ms = error.retry_after_ms,
                                          .status = static_cast<std::int32_t>(error.status),
                                          .detail = error.detail}};
}

IsolatedPlay::End end_of(const plugin_host::CallOutcome& outcome) {
  using enum IsolatedPlay::End;
  if (outcome) return answered;
  if (outcome.error().has_died) return crashed;
  if (outcome.error().code == base::ErrorCode::timeout && outcome.error().message.contains(" did not answer within ")) {
    return hung;
  }
  return outcome.error().code == base::ErrorCode::internal ? defect : answered;
}

}  // namespace

PlayAnswers::PlayAnswers(const package::Manifest& manifest)
    : asks_permission_(std::ranges::all_of(manifest.requested(),
                                           [](const package::Permission& one) { return one.scope.empty(); })) {}

std::vector<conformance::SentRequest> PlayAnswers::begin(conformance::HttpStep step) {
  const std::lock_guard lock(mutex());
  step_ = std::move(step);
  return std::exchange(sent_, {});
}

Result<egress::Response> PlayAnswers::answer_to(const egress::Request& request) {
  asked_();
  if (asks_permission_ && request.permits) {
    TRV_TRY(request.permits(request.method, "service.invalid", request.path));
  }
  sent_.push_back(sent_of(request));
  if (const auto* error = std::get_if<conformance::CallError>(&step_)) {
    return base::fail(plugin_host::from_abi(error->code), error->message);
  }
  const auto& answer = std::get<conformance::HttpAnswer>(step_);
  egress::Response response{.status = static_cast<std::uint32_t>(answer.status), .headers = {}, .body = answer.body};
  for (const auto& [name, value] : answer.headers) response.headers.push_back({name, value});
  return response;
}

Result<std::unique_ptr<IsolatedPlays>> IsolatedPlays::start(LocalPackage& package, IsolatedSetup setup,
                                                            const base::Clock& clock) {
  TRV_EXPECTS(setup.program.is_absolute() && setup.call_timeout_ms > 0);
  std::unique_ptr<IsolatedPlays> plays(new IsolatedPlays(package, std::move(setup), clock));
  TRV_TRY(plays->begin_host());
  const package::Manifest& manifest = package.manifest();
  TRV_TRY(plays->host_->host().check_start(manifest.id, manifest.version, plays->setup_.configuration));
  return plays;
}

base::Status IsolatedPlays::begin_host() {
  host_.reset();
  const LocalWiring wiring{
      .program = setup_.program,
      .http = http_,
      .serve = [this](const plugin_host::ServiceCall& call, plugin_host::ServiceDone done) { done(serve(call)); },
      .log = {},
      .hears_refused = true};
  TRV_TRY_ASSIGN(host_, LocalHost::start(package_, wiring, setup_.configuration, Walls::needed, clock_));
  return {};
}

// What it asked for reaches a process that is no longer there.
void IsolatedPlays::note_asked() {
  if (++asked_ == kill_at_) host_->kill_processes();
}

// As the fake host: it signs with a text.
Result<plugin_host::ServiceAnswer> IsolatedPlays::serve(const plugin_host::ServiceCall& call) {
  note_asked();
  const auto* sign = std::get_if<plugin_host::SignData>(&call.request);
  if (sign == nullptr) return services_->answer(call);
  const std::lock_guard lock(mutex_);
  signatures_.push_back({.secret = sign->secret, .kind = static_cast<std::int32_t>(sign->kind), .data = sign->data});
  return plugin_host::Signature{std::string(conformance::suite::play_signature)};
}

base::Status IsolatedPlays::check_input(const conformance::suite::Play& play) const {
  const package::Manifest& manifest = package_.manifest();
  return host_->host().check_input(manifest.id, manifest.version, play.operation, play.input);
}

Result<IsolatedPlay> IsolatedPlays::make(const conformance::suite::Play& play, const PlayedHow& how) {
  asked_ = 0;
  kill_at_ = how.kill_at;
  (void)http_.begin(play.answer);
  const std::size_t events_before = services_->events().size();
  const package::Manifest& manifest = package_.manifest();
  std::promise<plugin_host::CallOutcome> ended;
  host_->host().invoke({.tenant = base::TenantId(std::string(conformance::suite::play_tenant)),
                        .plugin = manifest.id,
                        .version = manifest.version,
                        .operation = play.operation,
                        .connection = std::string(conformance::suite::play_connection),
                        .idempotency_key = how.key,
                        .attempt = how.attempt,
                        .traceparent = std::string(conformance::suite::play_traceparent),
                        .timeout_ms = setup_.call_timeout_ms,
                        .configuration = setup_.configuration,
                        .input_json = play.input},
                       [&ended](plugin_host::CallOutcome answer) { ended.set_value(std::move(answer)); });
  const plugin_host::CallOutcome outcome = ended.get_future().get();

  conformance::suite::Played played{.requests = http_.begin(play.answer), .outcome = outcome_of(outcome)};
  {
    const std::lock_guard lock(mutex_);
    played.signatures = std::exchange(signatures_, {});
  }
  const std::vector<LocalEvent> events = services_->events();
  for (std::size_t i = events_before; i < events.size(); ++i) {
    played.events.push_back(
        {.id = events[i].id, .type = events[i].type, .subject = events[i].subject, .data = events[i].data});
  }
  IsolatedPlay result{.end = end_of(outcome),
                      .played = std::move(played),
                      .text = {},
                      .asked = asked_,
                      .was_killed = how.kill_at != 0 && asked_ >= how.kill_at,
                      .refused = host_->take_refused_calls()};
  result.text = conformance::suite::to_text(result.played);
  if (result.end != IsolatedPlay::End::answered) result.message = outcome.error().message;
  if (result.end == IsolatedPlay::End::crashed || result.end == IsolatedPlay::End::hung) TRV_TRY(begin_host());
  return result;
}

base::Status IsolatedPlays::stop() {
  return host_->host().stop(grace);
}

}  // namespace trv::plugin_run
