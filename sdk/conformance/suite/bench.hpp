#pragma once
// What a check of the suite works with. Of the suite alone.

#include <boost/json.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sdk/conformance/fake_host.hpp"
#include "sdk/conformance/suite/play.hpp"
#include "sdk/conformance/suite/suite.hpp"

namespace trv::conformance::suite {

inline constexpr std::size_t requests_max = 32;  // of one call; more is taken for a call that never ends

inline bool is_json(std::string_view text) {
  boost::system::error_code failure;
  (void)boost::json::parse(text, failure);
  return !failure;
}

/// An operation with one of its examples.
struct Example {
  std::string operation;
  std::string input;
};

/// What a check works with, and where it puts what it found.
struct Bench {
  const trv_entry& entry;
  const package::Manifest& manifest;
  const Options& options;
  std::vector<std::string> findings = {};
  std::string last = {};  ///< the call that began last

  void expect(bool holds, std::string finding) {
    if (!holds && std::find(findings.begin(), findings.end(), finding) == findings.end())
      findings.push_back(std::move(finding));
  }

  /// What the plugin is asked to do next.
  void doing(std::string_view what) const {
    if (options.doing) options.doing(what);
  }
  /// The same, of the last call.
  void doing_after(std::string_view what) const {
    if (options.doing) options.doing(last.empty() ? std::string(what) : fmt::format("{}, {}", last, what));
  }

  /// Runs `use` with an activated instance, ends the instance, and takes over what the host noted.
  void with_host(const std::function<void(FakeHost&)>& use) {
    last.clear();
    doing("create and activate");
    FakeHost host(entry, manifest.id);
    if (host.activate(options.configuration)) {
      use(host);
    } else {
      expect(false, fmt::format("cannot be activated with {}: {}", options.configuration,
                                host.activation_error() ? host.activation_error()->message : "no reason given"));
    }
    doing_after("then deactivate and destroy");
    host.deactivate();
    host.destroy();
    for (const std::string& fault : host.faults()) expect(false, fault);
  }

  std::vector<Example> examples() const {
    std::vector<Example> all;
    for (Play& play : plays_of(manifest, {HttpAnswer{}}))
      all.push_back({std::move(play.operation), std::move(play.input)});
    return all;
  }

  /// The answer to request `index` of an example that shall go well.
  HttpStep good_answer(const Example& example, std::size_t index) const {
    const auto known = options.answers.find(example.operation);
    if (known != options.answers.end() && index < known->second.size()) return known->second[index];
    return HttpAnswer{};
  }

  /// Begins a call; `where` names it in findings.
  std::uint64_t begin(FakeHost& host, const CallFacts& facts, std::string where) {
    doing(where);
    last = std::move(where);
    return host.begin(facts);
  }
  std::uint64_t begin(FakeHost& host, const Example& example, std::string where) {
    return begin(host, CallFacts{.operation = example.operation, .input = example.input}, std::move(where));
  }

  /// Answers up to `count` requests of an open call as in the good case; whether the call is still open.
  bool answer_good(FakeHost& host, std::uint64_t call, const Example& example, std::size_t count) const {
    for (std::size_t i = 0; i < count; ++i) {
      if (host.outcome(call)) return false;
      const auto request = host.first_open_request(call);
      if (!request) break;
      doing_after(fmt::format("the answer to request {}", i + 1));
      host.answer(*request, good_answer(example, i));
    }
    return !host.outcome(call);
  }

  void expect_ended(const FakeHost& host, std::uint64_t call, const std::string& where) {
    const auto outcome = host.outcome(call);
    if (!outcome) return expect(false, where + ": the call was not answered");
    expect(outcome->code() != TRV_ERROR_INTERNAL,
           fmt::format("{}: failed as internal, which means a defect of the plugin: {}", where,
                       outcome->error ? outcome->error->message : ""));
    if (outcome->output) expect(is_json(*outcome->output), where + ": the output is not JSON");
  }
};

}  // namespace trv::conformance::suite
