#include "sdk/conformance/suite/suite.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <thread>
#include <utility>

#include "sdk/abi/ext/health.h"
#include "sdk/abi/ext/state.h"
#include "sdk/base/contract.hpp"
#include "sdk/conformance/fake_host.hpp"
#include "sdk/conformance/suite/bench.hpp"
#include "sdk/conformance/suite/play.hpp"

namespace trv::conformance::suite {
namespace {

std::vector<HttpStep> bad_answers() {
  std::vector<HttpStep> steps;
  for (const int status : {400, 401, 403, 404, 409, 413, 422, 429, 500, 502, 503, 304})
    for (const char* body : {"", "{}", "[]", "<html>"}) steps.push_back(HttpAnswer{status, body});
  steps.push_back(HttpAnswer{429, "", {{"Retry-After", "soon"}}});
  steps.push_back(HttpAnswer{503, "", {{"Retry-After", "99999999999999999999"}}});
  for (const std::string& body : {std::string(), std::string("{"), std::string("[]"), std::string("null"),
                                  std::string("\xff\xfe\0x", 4), std::string(5'000, '['), std::string(1'000'000, 'a')})
    for (const int status : {200, 201}) steps.push_back(HttpAnswer{status, body});
  for (const auto& [code, message] :
       {std::pair(TRV_ERROR_UNAVAILABLE, "connection refused"), std::pair(TRV_ERROR_TIMEOUT, "no answer in time"),
        std::pair(TRV_ERROR_DENIED, "no grant for this connection"),
        std::pair(TRV_ERROR_NOT_FOUND, "no such connection"), std::pair(TRV_ERROR_EXHAUSTED, "rate limit"),
        std::pair(TRV_ERROR_TOO_LARGE, "response over the limit")})
    steps.push_back(CallError{.code = code, .message = message});
  return steps;
}

void describes_itself_as_the_manifest_says(Bench& bench) {
  bench.expect(bench.entry.struct_size >= TRV_ENTRY_SIZE_V1, "trv_entry is too short");
  bench.expect(bench.entry.abi_major == bench.manifest.abi_major && bench.entry.abi_minor == bench.manifest.abi_minor,
               fmt::format("the library is of ABI {}.{}, the manifest says {}.{}", bench.entry.abi_major,
                           bench.entry.abi_minor, bench.manifest.abi_major, bench.manifest.abi_minor));
  bench.doing("init, and what the library says of itself");
  if (bench.entry.init() != 0) return bench.expect(false, "init did not return 0");
  bench.expect(bench.entry.get_factory("trv.conformance.unknown/1") == nullptr, "an unknown factory is not NULL");
  const auto* factory = static_cast<const trv_factory*>(bench.entry.get_factory(TRV_FACTORY_ID));
  if (factory == nullptr) {
    bench.expect(false, "there is no trv.factory/1");
  } else {
    bool found = false;
    for (std::uint32_t i = 0; i < factory->count(); ++i) {
      const trv_descriptor* descriptor = factory->describe(i);
      if (descriptor == nullptr) {
        bench.expect(false, fmt::format("describe({}) is NULL below count()", i));
        continue;
      }
      const std::string_view id(descriptor->id.data, descriptor->id.size);
      const std::string_view version(descriptor->version.data, descriptor->version.size);
      if (id != bench.manifest.id) continue;
      found = true;
      bench.expect(version == bench.manifest.version,
                   fmt::format("the library says version {}, the manifest {}", version, bench.manifest.version));
    }
    bench.expect(found, fmt::format("no plugin of the library has the manifest's id \"{}\"", bench.manifest.id));
    bench.expect(factory->describe(factory->count()) == nullptr, "describe(count()) is not NULL");
  }
  bench.entry.deinit();
  FakeHost stranger(bench.entry, bench.manifest.id + "-unknown");
  bench.expect(stranger.plugin() == nullptr, "create makes a plugin of an unknown id");
}

void init_and_deinit_are_counted(Bench& bench) {
  bench.doing("init and deinit, several times");
  bench.expect(bench.entry.init() == 0, "the first init failed");
  bench.expect(bench.entry.init() == 0, "the second init failed");
  bench.entry.deinit();
  bench.with_host([](FakeHost&) {});
  bench.entry.deinit();
  bench.with_host([](FakeHost&) {});
}

void two_instances_live_side_by_side(Bench& bench) {
  bench.with_host([&](FakeHost& first) {
    bench.with_host(
        [&](FakeHost& second) { bench.expect(first.plugin() != second.plugin(), "two instances are the same"); });
    bench.expect(first.call({.operation = "conformance-unknown"}).code() == TRV_ERROR_NOT_FOUND,
                 "an instance does not outlive its neighbour");
  });
}

void garbage_configuration_is_refused_with_a_reason_or_ignored(Bench& bench) {
  for (const std::string& text : {std::string(), std::string("{"), std::string("null"), std::string("\xff"),
                                  std::string(100'000, '['), std::string(R"({"conformance":{"unknown":[1]}})")}) {
    bench.doing(fmt::format("activate with garbage of {} bytes", text.size()));
    FakeHost host(bench.entry, bench.manifest.id);
    if (!host.activate(text) && host.activation_error())
      bench.expect(host.activation_error()->code != TRV_ERROR_INTERNAL,
                   "refused garbage as internal: " + host.activation_error()->message);
    host.deactivate();
    host.destroy();
    for (const std::string& fault : host.faults()) bench.expect(false, fault);
  }
}

void an_unknown_operation_is_not_found(Bench& bench) {
  bench.with_host([&](FakeHost& host) {
    for (const char* name : {"conformance-unknown", "", "\xff"}) {
      bench.doing("a call of an unknown operation");
      const CallOutcome outcome = host.call({.operation = name});
      bench.expect(outcome.code() == TRV_ERROR_NOT_FOUND, fmt::format("operation \"{}\" gave code {}, not not_found",
                                                                      is_json(name) ? name : "?", outcome.code()));
    }
  });
}

void every_operation_of_the_manifest_is_known(Bench& bench) {
  bench.with_host([&](FakeHost& host) {
    for (const package::Operation& operation : bench.manifest.operations) {
      const auto call = bench.begin(host, CallFacts{.operation = operation.name}, "operation " + operation.name);
      const auto outcome = host.outcome(call);
      bench.expect(!outcome || outcome->code() != TRV_ERROR_NOT_FOUND,
                   fmt::format("operation {} is in the manifest but not in the library", operation.name));
      host.cancel(call);
    }
  });
}

void garbage_input_is_invalid(Bench& bench) {
  const std::vector<std::string> garbage = {
      "", "{", "nul", "\xff\xfe", std::string("\0{}", 3), std::string(100'000, '['), "{\"a\":1e999999}", "{} {}"};
  const std::vector<std::string> strange = {"[]", "null", "42", "\"\"", "{}", "{\"\":null}"};
  for (const package::Operation& operation : bench.manifest.operations) {
    bench.with_host([&](FakeHost& host) {
      const auto try_input = [&](const std::string& input, bool must_fail) {
        const std::string where = fmt::format("operation {}, garbage input of {} bytes", operation.name, input.size());
        const auto call = bench.begin(host, Example{operation.name, input}, where);
        (void)bench.answer_good(host, call, {operation.name, input}, requests_max);
        bench.expect_ended(host, call, where);
        const CallOutcome outcome = host.outcome(call).value_or(CallOutcome{});
        if (must_fail) bench.expect(outcome.code() == TRV_ERROR_INVALID, where + ": did not fail as invalid");
      };
      for (const std::string& input : garbage) try_input(input, input != "{\"a\":1e999999}");
      for (const std::string& input : strange) try_input(input, false);
    });
  }
}

void examples_are_answered(Bench& bench) {
  for (const Example& example : bench.examples()) {
    bench.with_host([&](FakeHost& host) {
      const std::string where = "operation " + example.operation;
      const auto call = bench.begin(host, example, where);
      (void)bench.answer_good(host, call, example, requests_max);
      bench.expect_ended(host, call, where);
      const CallOutcome outcome = host.outcome(call).value_or(CallOutcome{});
      if (bench.options.answers.contains(example.operation))
        bench.expect(outcome.succeeded(), fmt::format("operation {} failed with its own answers: {}", example.operation,
                                                      outcome.error ? outcome.error->message : "not answered"));
      bench.expect(outcome.code() != TRV_ERROR_INVALID || !host.requests().empty(),
                   fmt::format("operation {} takes its own example for invalid: {}", example.operation,
                               outcome.error ? outcome.error->message : ""));
    });
  }
}

void what_it_asks_for_is_in_its_manifest(Bench& bench) {
  using enum package::Permission::Kind;
  const auto& requested = bench.manifest.requested();
  const auto asks_for = [&](package::Permission::Kind kind) {
    return std::ranges::any_of(requested, [&](const package::Permission& one) { return one.kind == kind; });
  };
  for (const Example& example : bench.examples()) {
    bench.with_host([&](FakeHost& host) {
      const std::string where = "operation " + example.operation;
      (void)bench.answer_good(host, bench.begin(host, example, where), example, requests_max);
      for (const SentRequest& request : host.requests()) {
        const bool reads = request.method == "GET" || request.method == "HEAD" || request.method == "OPTIONS";
        bench.expect(asks_for(http) || (reads && asks_for(http_read)),
                     fmt::format("{}: sends {}, and the manifest does not ask for the permission {}", where,
                                 request.method, reads ? "http-read" : "http"));
      }
      bench.expect(host.store().asked() == 0 || asks_for(kv),
                   where + ": uses its store, and the manifest does not ask for the permission kv");
      bench.expect(host.signatures().empty() || asks_for(secrets),
                   where + ": has something signed, and the manifest does not ask for the permission secrets");
      for (const EmittedEvent& event : host.events())
        bench.expect(package::covers(requested, {events, event.type}),
                     fmt::format("{}: emits {}, and no permission of the manifest covers events:{}", where, event.type,
                                 event.type));
    });
  }
}

void a_call_can_be_cancelled_at_every_await(Bench& bench) {
  for (const Example& example : bench.examples()) {
    for (std::size_t awaits = 0; awaits < requests_max; ++awaits) {
      bool open = false;
      bench.with_host([&](FakeHost& host) {
        const std::string where = fmt::format("operation {}, cancelled at await {}", example.operation, awaits + 1);
        const auto call = bench.begin(host, example, where);
        open = bench.answer_good(host, call, example, awaits);
        host.cancel(call);
        host.cancel(call);
        if (!host.outcome(call))
          while (const auto request = host.first_open_request(call))
            host.fail(*request, {.code = TRV_ERROR_CANCELLED, .message = "cancelled", .retry = TRV_RETRY_NEVER});
        bench.expect_ended(host, call, where);
        const auto other = host.call({.operation = "conformance-unknown"});
        bench.expect(other.code() == TRV_ERROR_NOT_FOUND, "after a cancelled call the plugin does not answer others");
        host.cancel(call);
        host.cancel(0xffff'ffff);
      });
      if (!open) break;
    }
  }
}

void cancel_may_come_from_another_thread(Bench& bench) {
  for (const Example& example : bench.examples()) {
    bench.with_host([&](FakeHost& host) {
      for (int i = 0; i < 50; ++i) {
        const std::string where = fmt::format("operation {}, cancelled from another thread", example.operation);
        const auto call = bench.begin(host, example, where);
        std::thread canceller([&] { host.cancel(call); });
        (void)bench.answer_good(host, call, example, requests_max);
        canceller.join();
        host.settle();
        bench.expect_ended(host, call, where);
      }
    });
  }
}

void a_deadline_ends_the_call(Bench& bench) {
  for (const Example& example : bench.examples()) {
    bench.with_host([&](FakeHost& host) {
      const std::string where = fmt::format("operation {}, at its deadline", example.operation);
      const auto call =
          bench.begin(host, CallFacts{.operation = example.operation, .input = example.input, .timeout_ms = 1}, where);
      for (std::size_t i = 0; i < requests_max && !host.outcome(call); ++i)
        if (const auto request = host.first_open_request(call))
          host.fail(*request, {.code = TRV_ERROR_TIMEOUT, .message = "the call's time is up"});
      bench.expect_ended(host, call, where);
    });
  }
}

void a_bad_answer_at_every_request_ends_the_call(Bench& bench) {
  for (const Example& example : bench.examples()) {
    for (std::size_t good = 0; good < requests_max; ++good) {
      bool reached = false;
      for (const HttpStep& step : bad_answers()) {
        bench.with_host([&](FakeHost& host) {
          const std::string where =
              fmt::format("operation {}, request {}, {}", example.operation, good + 1, describe(step));
          const auto call = bench.begin(host, example, where);
          if (!bench.answer_good(host, call, example, good)) return;
          const auto request = host.first_open_request(call);
          if (!request) return;
          reached = true;
          bench.doing(where);
          host.answer(*request, step);
          (void)bench.answer_good(host, call, example, requests_max);
          bench.expect_ended(host, call, where);
        });
      }
      if (!reached) break;
    }
  }
}

void services_that_refuse_end_the_call(Bench& bench) {
  for (const Example& example : bench.examples()) {
    for (const int code : {TRV_ERROR_CONFLICT, TRV_ERROR_EXHAUSTED, TRV_ERROR_DENIED, TRV_ERROR_UNAVAILABLE}) {
      bench.with_host([&](FakeHost& host) {
        host.refuse_services(CallError{.code = code, .message = "the host refuses", .retry = TRV_RETRY_NEVER});
        const std::string where = fmt::format(
            "operation {}, where store, signatures and events are refused with error {}", example.operation, code);
        const auto call = bench.begin(host, example, where);
        (void)bench.answer_good(host, call, example, requests_max);
        bench.expect_ended(host, call, where);
      });
    }
  }
}

void requests_over_http_end_with_what_may_be_sent(Bench& bench) {
  const bool asks = package::covers(bench.manifest.requested(), {.kind = package::Permission::Kind::serve});
  bench.with_host([&](FakeHost& host) {
    bench.expect(!asks || host.serves(), "the manifest asks for the permission serve, the library has no trv.serve/1");
    bench.expect(asks || !host.serves(),
                 "the library has trv.serve/1, the manifest does not ask for the permission serve");
    if (!host.serves()) return;
    const std::vector<WebFacts> requests = {
        {},
        {.path = "/%ff%00%2f..%2f", .query = "%&=&&a=%zz"},
        {.method = "HEAD", .path = "/" + std::string(8'000, 'a')},
        {.method = "POST", .headers = {{"content-type", "application/json"}}, .body = "{"},
        {.method = "PUT", .body = std::string("\xff\0\xfe", 3)},
        {.method = "PATCH", .headers = {{"content-type", "\x80"}, {"accept", ""}}, .body = std::string(100'000, '[')},
        {.method = "DELETE", .query = std::string(8'000, '&'), .principal_name = "", .role = "viewer"},
        {.method = "POST", .path = "/a/b/c", .body = std::string(1'000'000, 'x')}};
    for (const WebFacts& facts : requests) {
      const std::string where =
          fmt::format("{} {} with {} bytes", facts.method, facts.path.substr(0, 40), facts.body.size());
      bench.doing("the request " + where);
      const auto call = host.begin_request(facts);
      for (std::size_t i = 0; i < requests_max && !host.outcome(call); ++i) {
        const auto open = host.first_open_request(call);
        if (!open) break;
        host.answer(*open, HttpAnswer{});
      }
      host.cancel(call);  // one that waits for time, or for ever
      bench.expect_ended(host, call, where);
    }
  });
}

void many_open_calls_do_not_mix(Bench& bench) {
  for (const Example& example : bench.examples()) {
    bench.with_host([&](FakeHost& host) {
      const std::string where = fmt::format("operation {}, one of 100 open calls", example.operation);
      std::vector<std::uint64_t> calls;
      for (int i = 0; i < 100; ++i) calls.push_back(bench.begin(host, example, where));
      for (auto call = calls.rbegin(); call != calls.rend(); ++call) {
        (void)bench.answer_good(host, *call, example, requests_max);
        bench.expect_ended(host, *call, where);
      }
    });
  }
}

void an_instance_with_open_calls_can_be_destroyed(Bench& bench) {
  for (const Example& example : bench.examples()) {
    FakeHost host(bench.entry, bench.manifest.id);
    if (!host.activate(bench.options.configuration)) continue;
    for (int i = 0; i < 10; ++i)
      (void)bench.begin(host, example, fmt::format("operation {}, one of 10 open calls", example.operation));
    bench.doing_after("then destroy");
    host.destroy();
    for (const std::string& fault : host.faults()) bench.expect(false, fault);
  }
}

void a_host_without_optional_services_is_coped_with(Bench& bench) {
  FakeHost host(bench.entry, bench.manifest.id,
                {.offers_http = false,
                 .offers_log = false,
                 .offers_timer = false,
                 .offers_kv = false,
                 .offers_blob = false,
                 .offers_secret = false,
                 .offers_event = false,
                 .offers_stream = false,
                 .offers_trace = false});
  if (!host.activate(bench.options.configuration)) return;
  for (const Example& example : bench.examples()) {
    const std::string where = fmt::format("operation {}, without trv.http/1", example.operation);
    bench.expect_ended(host, bench.begin(host, example, where), where);
  }
  host.deactivate();
  host.destroy();
  for (const std::string& fault : host.faults()) bench.expect(false, fault);
}

void a_host_of_a_later_minor_version_is_coped_with(Bench& bench) {
  FakeHost host(bench.entry, bench.manifest.id, {.is_of_later_minor = true});
  bench.expect(host.activate(bench.options.configuration), "a host whose structs are larger was refused");
  if (host.plugin() == nullptr) return;
  for (const Example& example : bench.examples()) {
    const std::string where = fmt::format("operation {}, with larger structs", example.operation);
    const auto call = bench.begin(host, example, where);
    (void)bench.answer_good(host, call, example, requests_max);
    bench.expect_ended(host, call, where);
    const CallOutcome outcome = host.outcome(call).value_or(CallOutcome{});
    bench.expect(outcome.succeeded() || !bench.options.answers.contains(example.operation),
                 fmt::format("operation {} failed where the host's structs are larger", example.operation));
  }
  host.deactivate();
  host.destroy();
  for (const std::string& fault : host.faults()) bench.expect(false, fault);
}

template <typename T>
const T* extension_of(FakeHost& host, const char* id) {
  return static_cast<const T*>(host.plugin()->get_extension(host.plugin(), id));
}

/// Gives the state to an active instance, which hears nothing else of it. Its sentence; empty: it is taken.
std::string restore(FakeHost& host, std::string_view version, std::string_view state) {
  LentBytes lent;
  const auto* extension = extension_of<trv_plugin_state>(host, TRV_EXT_STATE);
  std::string problem = text_of(extension->restore(host.plugin(), lent.text(version), lent.bytes(state)));
  lent.withdraw();
  return problem;
}

void what_is_kept_in_memory_goes_to_another_instance(Bench& bench) {
  bench.with_host([&](FakeHost& host) {
    const auto* extension = extension_of<trv_plugin_state>(host, TRV_EXT_STATE);
    if (extension == nullptr) return;
    bench.expect(extension->struct_size >= TRV_PLUGIN_STATE_SIZE_V1, "trv_plugin_state is too short");
    for (const Example& example : bench.examples()) {
      const auto call = bench.begin(host, example, "operation " + example.operation);
      (void)bench.answer_good(host, call, example, requests_max);
    }
    bench.doing_after("then save its state");
    trv_bytes bytes = {};
    const std::string problem = text_of(extension->save(host.plugin(), &bytes));
    const std::string state = text_of(bytes);
    bench.expect(problem.empty(), "it cannot save its state after its examples: " + problem);
    bench.expect(state.size() <= TRV_STATE_BYTES_MAX, fmt::format("its state has {} bytes", state.size()));
    bench.with_host([&](FakeHost& next) {
      bench.doing("take the state that it saved");
      const std::string refusal = restore(next, bench.manifest.version, state);
      bench.expect(refusal.empty(), "it does not take what it saved itself: " + refusal);
      trv_bytes again = {};
      const auto* saves = extension_of<trv_plugin_state>(next, TRV_EXT_STATE);
      const std::string unsaved = text_of(saves->save(next.plugin(), &again));
      bench.expect(unsaved.empty(), "it cannot save the state that it has just taken: " + unsaved);
      bench.expect(next.call({.operation = "conformance-unknown"}).code() == TRV_ERROR_NOT_FOUND,
                   "after it has taken a state it does not answer calls");
    });
  });
}

void a_state_that_is_garbage_is_refused_or_taken(Bench& bench) {
  for (const std::string& state :
       {std::string(), std::string("{"), std::string("\xff\0x", 3), std::string(100'000, '[')}) {
    bench.with_host([&](FakeHost& host) {
      if (extension_of<trv_plugin_state>(host, TRV_EXT_STATE) == nullptr) return;
      bench.doing(fmt::format("take a state that is garbage of {} bytes", state.size()));
      bench.expect(restore(host, "0.0.0-conformance", state).size() < 100'000,
                   fmt::format("what it says of a state of {} bytes is not a sentence", state.size()));
    });
  }
}

void it_is_well_with_the_configuration_that_it_is_checked_with(Bench& bench) {
  bench.with_host([&](FakeHost& host) {
    const auto* extension = extension_of<trv_plugin_health>(host, TRV_EXT_HEALTH);
    if (extension == nullptr) return;
    bench.expect(extension->struct_size >= TRV_PLUGIN_HEALTH_SIZE_V1, "trv_plugin_health is too short");
    bench.doing("say whether it is well");
    const std::string problem = text_of(extension->check(host.plugin()));
    bench.expect(problem.empty(), "it is not well: " + problem);
  });
}

void a_host_that_is_smaller_than_version_1_is_refused(Bench& bench) {
  bench.doing("create with a host that is smaller than version 1");
  FakeHost host(bench.entry, bench.manifest.id, {.too_small = HostShape::Struct::host});
  bench.expect(host.plugin() == nullptr, "create made an instance for a trv_host that is smaller than version 1");
}

using CheckFunction = void (*)(Bench&);
#define TRV_CHECK(name) {#name, &name}
constexpr std::pair<std::string_view, CheckFunction> all_checks[] = {
    TRV_CHECK(describes_itself_as_the_manifest_says),
    TRV_CHECK(init_and_deinit_are_counted),
    TRV_CHECK(two_instances_live_side_by_side),
    TRV_CHECK(garbage_configuration_is_refused_with_a_reason_or_ignored),
    TRV_CHECK(an_unknown_operation_is_not_found),
    TRV_CHECK(every_operation_of_the_manifest_is_known),
    TRV_CHECK(garbage_input_is_invalid),
    TRV_CHECK(examples_are_answered),
    TRV_CHECK(what_it_asks_for_is_in_its_manifest),
    TRV_CHECK(a_call_can_be_cancelled_at_every_await),
    TRV_CHECK(cancel_may_come_from_another_thread),
    TRV_CHECK(a_deadline_ends_the_call),
    TRV_CHECK(a_bad_answer_at_every_request_ends_the_call),
    TRV_CHECK(services_that_refuse_end_the_call),
    TRV_CHECK(requests_over_http_end_with_what_may_be_sent),
    TRV_CHECK(many_open_calls_do_not_mix),
    TRV_CHECK(an_instance_with_open_calls_can_be_destroyed),
    TRV_CHECK(a_host_without_optional_services_is_coped_with),
    TRV_CHECK(a_host_of_a_later_minor_version_is_coped_with),
    TRV_CHECK(a_host_that_is_smaller_than_version_1_is_refused),
    TRV_CHECK(what_is_kept_in_memory_goes_to_another_instance),
    TRV_CHECK(a_state_that_is_garbage_is_refused_or_taken),
    TRV_CHECK(it_is_well_with_the_configuration_that_it_is_checked_with),
};
#undef TRV_CHECK

}  // namespace

std::vector<std::string_view> checks() {
  std::vector<std::string_view> names;
  for (const auto& [name, function] : all_checks) names.push_back(name);
  return names;
}

std::vector<std::string> run_check(std::string_view name, const trv_entry& entry, const package::Manifest& manifest,
                                   const Options& options) {
  const auto* found = std::find_if(std::begin(all_checks), std::end(all_checks),
                                   [&](const auto& check) { return check.first == name; });
  TRV_EXPECTS(found != std::end(all_checks));
  Bench bench = {entry, manifest, options};
  found->second(bench);
  return std::move(bench.findings);
}

std::vector<std::string> run_conformance(const trv_entry& entry, const package::Manifest& manifest,
                                         const Options& options) {
  std::vector<std::string> all;
  for (const std::string_view name : checks())
    for (const std::string& finding : run_check(name, entry, manifest, options))
      all.push_back(fmt::format("{}: {}", name, finding));
  return all;
}

}  // namespace trv::conformance::suite
