// The suite must find what it promises to find: a plugin written by hand against the bare ABI, with one defect at a
// time.

#include "sdk/conformance/suite/suite.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

#include "sdk/abi/ext/call.h"
#include "sdk/abi/ext/health.h"
#include "sdk/abi/ext/http.h"
#include "sdk/abi/ext/state.h"
#include "sdk/abi/plugin.h"
#include "sdk/conformance/suite/apart.hpp"

namespace trv::conformance::suite {
namespace {

enum class Defect {
  none,
  answers_twice,
  ignores_cancel,
  ignores_errors,
  keeps_borrowed_bytes,
  uses_host_in_create,
  wrong_version,
  accepts_garbage,
  unknown_operation_is_invalid,
  requests_after_the_end,
  fails_silently,
  accepts_a_small_host,
  refuses_a_large_host,
  refuses_its_own_state,
  cannot_save,
  is_unwell,
  crashes_in_its_second_request,
  hangs_when_cancelled,
  exits,
};

Defect defect = Defect::none;

/// Holds one call at a time; forwards it as one GET and answers with {}.
struct Instance {
  trv_plugin plugin;
  const trv_host* host;
  const trv_host_call* call = nullptr;
  const trv_host_http* http = nullptr;
  std::map<std::uint64_t, std::uint64_t> open;  // request → call
  std::uint64_t last_request = 0;
  trv_string borrowed = {};
};

Instance& of(const trv_plugin* plugin) {
  return *static_cast<Instance*>(plugin->instance);
}

void fail(Instance& self, std::uint64_t call, std::int32_t code, std::string message = "no") {
  if (defect == Defect::fails_silently) message.clear();
  const trv_error error = {.struct_size = sizeof(trv_error),
                           .code = code,
                           .retry = TRV_RETRY_NEVER,
                           .status = 0,
                           .retry_after_ms = 0,
                           .message = {message.data(), message.size()},
                           .detail = {}};
  self.call->fail(self.host, call, &error);
}

void succeed(Instance& self, std::uint64_t call) {
  const std::string output = defect == Defect::keeps_borrowed_bytes
                                 ? "\"" + std::string(self.borrowed.data, self.borrowed.size) + "\""
                                 : std::string("{}");
  self.call->complete(self.host, call, {reinterpret_cast<const std::uint8_t*>(output.data()), output.size()});
  if (defect == Defect::answers_twice) fail(self, call, TRV_ERROR_INVALID);
}

void send(Instance& self, std::uint64_t call) {
  const trv_http_request request = {.struct_size = sizeof(trv_http_request),
                                    .header_count = 0,
                                    .headers = nullptr,
                                    .connection = {"main", 4},
                                    .method = {"GET", 3},
                                    .path = {"/", 1},
                                    .body = {},
                                    .timeout_ms = 0};
  self.open[++self.last_request] = call;
  self.http->send(self.host, call, self.last_request, &request);
}

void invoke(const trv_plugin* plugin, const trv_call* call) {
  Instance& self = of(plugin);
  const std::string operation(call->operation.data, call->operation.size);
  if (defect == Defect::exits) std::exit(0);
  if (operation != "work")
    return fail(self, call->call_id,
                defect == Defect::unknown_operation_is_invalid ? TRV_ERROR_INVALID : TRV_ERROR_NOT_FOUND);
  const std::string input(reinterpret_cast<const char*>(call->input.data), call->input.size);
  if (input != R"({"go":true})" && defect != Defect::accepts_garbage)
    return fail(self, call->call_id, TRV_ERROR_INVALID);
  self.borrowed = call->operation;
  if (self.http == nullptr) return fail(self, call->call_id, TRV_ERROR_DENIED);
  send(self, call->call_id);
}

void on_response(const trv_plugin* plugin, std::uint64_t request, const trv_http_response* response) {
  Instance& self = of(plugin);
  const auto found = self.open.find(request);
  if (found == self.open.end()) return;
  const std::uint64_t call = found->second;
  self.open.erase(found);
  if (defect == Defect::crashes_in_its_second_request && request == 2) std::abort();
  if (response->status >= 300) return fail(self, call, TRV_ERROR_UNAVAILABLE);
  succeed(self, call);
  if (defect == Defect::requests_after_the_end) send(self, call);
}

void on_error(const trv_plugin* plugin, std::uint64_t request, const trv_error* error) {
  Instance& self = of(plugin);
  const auto found = self.open.find(request);
  if (found == self.open.end() || defect == Defect::ignores_errors) return;
  const std::uint64_t call = found->second;
  self.open.erase(found);
  fail(self, call, error->code);
}

void cancel(const trv_plugin* plugin, std::uint64_t call) {
  Instance& self = of(plugin);
  while (defect == Defect::hangs_when_cancelled) ::pause();
  if (defect == Defect::ignores_cancel || defect == Defect::ignores_errors) return;
  for (auto i = self.open.begin(); i != self.open.end(); ++i)
    if (i->second == call) {
      self.open.erase(i);
      return fail(self, call, TRV_ERROR_CANCELLED);
    }
}

trv_string said(const char* text) {
  return {text, std::strlen(text)};
}

trv_string save(const trv_plugin*, trv_bytes* state) {
  static constexpr std::uint8_t kept[] = {'k'};
  *state = {kept, sizeof kept};
  return said(defect == Defect::cannot_save ? "it is not to be had" : "");
}

trv_string restore(const trv_plugin*, trv_string, trv_bytes state) {
  const bool is_own = state.size == 1 && *state.data == 'k';
  return said(!is_own || defect == Defect::refuses_its_own_state ? "what is this" : "");
}

const trv_plugin* create(const trv_host* host, trv_string id) {
  if (std::string_view(id.data, id.size) != "sample") return nullptr;
  if (host->struct_size < TRV_HOST_SIZE_V1 && defect != Defect::accepts_a_small_host) return nullptr;
  if (host->struct_size != sizeof(trv_host) && defect == Defect::refuses_a_large_host) return nullptr;
  if (defect == Defect::uses_host_in_create) (void)host->get_extension(host, TRV_EXT_CALL);
  static constexpr trv_plugin_http http = {
      .struct_size = sizeof(trv_plugin_http), .on_response = &on_response, .on_error = &on_error};
  auto* self = new Instance{.plugin = {}, .host = host, .open = {}};
  self->plugin = {.struct_size = sizeof(trv_plugin),
                  .instance = self,
                  .activate =
                      [](const trv_plugin* p, trv_bytes) {
                        Instance& s = of(p);
                        s.call = static_cast<const trv_host_call*>(s.host->get_extension(s.host, TRV_EXT_CALL));
                        s.http = static_cast<const trv_host_http*>(s.host->get_extension(s.host, TRV_EXT_HTTP));
                        return 0;
                      },
                  .invoke = &invoke,
                  .cancel = &cancel,
                  .deactivate = [](const trv_plugin*) {},
                  .destroy = [](const trv_plugin* p) { delete &of(p); },
                  .get_extension = [](const trv_plugin*, const char* name) -> const void* {
                    static constexpr trv_plugin_state state = {
                        .struct_size = sizeof(trv_plugin_state), .save = &save, .restore = &restore};
                    static constexpr trv_plugin_health health = {
                        .struct_size = sizeof(trv_plugin_health),
                        .check = [](const trv_plugin*) { return said(defect == Defect::is_unwell ? "a cold" : ""); }};
                    if (std::strcmp(name, TRV_EXT_STATE) == 0) return &state;
                    if (std::strcmp(name, TRV_EXT_HEALTH) == 0) return &health;
                    return std::strcmp(name, TRV_EXT_HTTP) == 0 ? &http : nullptr;
                  }};
  return &self->plugin;
}

const trv_descriptor descriptors[] = {
    {.struct_size = sizeof(trv_descriptor), .id = {"sample", 6}, .version = {"1.0.0", 5}},
    {.struct_size = sizeof(trv_descriptor), .id = {"sample", 6}, .version = {"1.0.1", 5}}};

const trv_factory factory = {.struct_size = sizeof(trv_factory),
                             .count = [] { return std::uint32_t{1}; },
                             .describe = [](std::uint32_t index) -> const trv_descriptor* {
                               if (index != 0) return nullptr;
                               return &descriptors[defect == Defect::wrong_version ? 1 : 0];
                             },
                             .create = &create};

const trv_entry entry = {.struct_size = sizeof(trv_entry),
                         .abi_major = TRV_ABI_MAJOR,
                         .abi_minor = TRV_ABI_MINOR,
                         .init = [] { return 0; },
                         .deinit = [] {},
                         .get_factory = [](const char* id) -> const void* {
                           return std::strcmp(id, TRV_FACTORY_ID) == 0 ? &factory : nullptr;
                         }};

package::Manifest manifest(const std::string& permissions = R"("http")") {
  const auto parsed = package::parse_manifest(R"({"permissions": [)" + permissions + R"(],
    "manifest": 1, "id": "sample", "version": "1.0.0", "title": "Sample", "summary": "", "license": "Apache-2.0",
    "abi": {"major": 1, "minor": 0}, "isolation": "in-process",
    "operations": [{"name": "work", "title": "Work", "idempotent": true, "output": true,
                    "input": {"examples": [{"go": true}]}}]})",
                                              package::ManifestForm::source);
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().message());
  return parsed.value_or(package::Manifest());
}

std::vector<std::string> run(Defect chosen, std::string_view check) {
  defect = chosen;
  Options options;
  options.answers["work"] = {HttpAnswer{}};
  return run_check(check, entry, manifest(), options);
}

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Suite, a_plugin_without_a_defect_passes_every_check) {
  for (const std::string_view check : checks()) {
    if (check != "cancel_may_come_from_another_thread") {  // the sample has no lock
      EXPECT_THAT(run(Defect::none, check), IsEmpty()) << check;
    }
  }
}

TEST(Suite, every_planted_defect_is_found) {
  EXPECT_THAT(run(Defect::answers_twice, "examples_are_answered"), Contains(HasSubstr("was answered twice")));
  EXPECT_THAT(run(Defect::ignores_errors, "a_call_can_be_cancelled_at_every_await"),
              Contains(HasSubstr("cancelled at await 1: the call was not answered")));
  EXPECT_THAT(run(Defect::ignores_errors, "a_deadline_ends_the_call"), Contains(HasSubstr("was not answered")));
  EXPECT_THAT(run(Defect::ignores_errors, "a_bad_answer_at_every_request_ends_the_call"),
              Contains(HasSubstr("request 1, error 9 (no answer in time): the call was not answered")));
  EXPECT_THAT(run(Defect::keeps_borrowed_bytes, "examples_are_answered"),
              Contains(HasSubstr("the output is not JSON")));
  EXPECT_THAT(run(Defect::uses_host_in_create, "an_unknown_operation_is_not_found"),
              Contains(HasSubstr("before activate")));
  EXPECT_THAT(run(Defect::wrong_version, "describes_itself_as_the_manifest_says"),
              Contains(HasSubstr("version 1.0.1")));
  EXPECT_THAT(run(Defect::accepts_garbage, "garbage_input_is_invalid"), Contains(HasSubstr("did not fail as invalid")));
  EXPECT_THAT(run(Defect::unknown_operation_is_invalid, "an_unknown_operation_is_not_found"),
              Contains(HasSubstr("gave code 1")));
  EXPECT_THAT(run(Defect::requests_after_the_end, "examples_are_answered"), Contains(HasSubstr("which is not open")));
  EXPECT_THAT(run(Defect::fails_silently, "garbage_input_is_invalid"), Contains(HasSubstr("has no message")));
  EXPECT_THAT(run(Defect::accepts_a_small_host, "a_host_that_is_smaller_than_version_1_is_refused"),
              Contains(HasSubstr("smaller than version 1")));
  EXPECT_THAT(run(Defect::refuses_a_large_host, "a_host_of_a_later_minor_version_is_coped_with"),
              Contains(HasSubstr("whose structs are larger was refused")));
  constexpr std::string_view round_trip = "what_is_kept_in_memory_goes_to_another_instance";
  EXPECT_THAT(run(Defect::cannot_save, round_trip), Contains(HasSubstr("after its examples: it is not to be had")));
  EXPECT_THAT(run(Defect::refuses_its_own_state, round_trip),
              Contains(HasSubstr("what it saved itself: what is this")));
  EXPECT_THAT(run(Defect::is_unwell, "it_is_well_with_the_configuration_that_it_is_checked_with"),
              Contains("it is not well: a cold"));
}

/// Of a check in a process of its own: why that did not end well.
std::string trouble(Defect chosen, std::string_view check, std::chrono::milliseconds limit = std::chrono::seconds(60)) {
  defect = chosen;
  const ApartOutcome outcome = run_apart(
      [&](const Doing& doing) {
        Options options;
        options.doing = doing;
        std::string all;
        for (const std::string& finding : run_check(check, entry, manifest(), options)) all += finding;
        return all;
      },
      limit);
  EXPECT_EQ(outcome.output, "");
  return outcome.trouble;
}

TEST(Suite, a_request_that_the_manifest_does_not_announce_is_found) {
  defect = Defect::none;
  const auto findings = [](const std::string& permissions) {
    return run_check("what_it_asks_for_is_in_its_manifest", entry, manifest(permissions));
  };
  EXPECT_THAT(findings(""), Contains(HasSubstr("operation work: sends GET, and the manifest does not ask for")));
  EXPECT_THAT(findings(R"("http-read")"), IsEmpty());
  EXPECT_THAT(findings(R"("http:api.example.com")"), IsEmpty());
}

TEST(Suite, a_crash_and_a_hang_name_the_call_that_they_were_in) {
  constexpr std::string_view many = "many_open_calls_do_not_mix";
  constexpr std::string_view cancelled = "a_call_can_be_cancelled_at_every_await";
  EXPECT_EQ(trouble(Defect::none, many), "");
  EXPECT_EQ(trouble(Defect::crashes_in_its_second_request, many),
            "operation work, one of 100 open calls, the answer to request 1: crashed with signal 6 (Aborted)");
  EXPECT_EQ(trouble(Defect::hangs_when_cancelled, cancelled, std::chrono::seconds(5)),
            "operation work, cancelled at await 1: did not end within 5 s");
  EXPECT_EQ(trouble(Defect::exits, "examples_are_answered"), "operation work: the process ended before it was done");
}

TEST(Suite, what_a_child_found_arrives_whole_however_much_it_is) {
  const std::string large(1'000'000, 'x');
  const ApartOutcome outcome = run_apart([&](const Doing&) { return large; }, std::chrono::seconds(60));
  EXPECT_EQ(outcome.output, large);
  EXPECT_EQ(outcome.trouble, "");
  const ApartOutcome failed = run_apart([](const Doing&) -> std::string { ::_exit(7); }, std::chrono::seconds(60));
  EXPECT_EQ(failed.trouble, "the process ended with exit code 7");
}

TEST(Suite, a_plugin_may_wait_for_its_request_to_end_before_it_answers_a_cancelled_call) {
  EXPECT_THAT(run(Defect::ignores_cancel, "a_call_can_be_cancelled_at_every_await"), IsEmpty());
}

}  // namespace
}  // namespace trv::conformance::suite
