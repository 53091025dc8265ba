#pragma once
// The same call made twice: with the library in this process, and wherever else a caller can make it. What the plugin
// did is written as text, which is the same where the plugin did the same.

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/abi/plugin.h"
#include "sdk/conformance/exchange.hpp"
#include "sdk/conformance/suite/apart.hpp"
#include "sdk/package/manifest.hpp"

namespace trv::conformance::suite {

/// Of every play; the idempotency key is play_key().
inline constexpr std::string_view play_tenant = "conformance";
inline constexpr std::string_view play_connection = "main";
inline constexpr std::string_view play_traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
inline constexpr std::string_view play_signature = "signed";
/// A call that waits for more time than this is not played.
inline constexpr std::uint64_t play_wait_ms_max = 100;

/// One call of an operation, with how each HTTP request of it is answered.
struct Play {
  std::string operation = {};
  std::size_t example = 1;  ///< which of the operation's examples, from 1
  std::string input = {};
  HttpStep answer = HttpAnswer{};

  /// "operation echo, example 1, requests ended with answer 404 with 2 bytes of body"
  [[nodiscard]] std::string name() const;
};

/// "answer 404 with 2 bytes of body"
[[nodiscard]] std::string describe(const HttpStep& step);

/// Each example of each operation, with each of the answers.
[[nodiscard]] std::vector<Play> plays_of(const package::Manifest& manifest, const std::vector<HttpStep>& answers);
[[nodiscard]] std::string play_key(std::size_t index);

/// What the plugin did in a call.
struct Played {
  std::vector<SentRequest> requests = {};
  std::vector<SignAsked> signatures = {};
  std::vector<EmittedEvent> events = {};
  CallOutcome outcome = {};
};
/// One line for each thing that it asked for, and the outcome. Names of headers are in lower case.
[[nodiscard]] std::string to_text(const Played& played);

struct PlayOptions {
  std::string configuration = "{}";
  Doing doing = [](std::string_view) {};
  /// What becomes of a message between the plugin and its caller.
  std::function<std::string(std::string_view)> shown = [](std::string_view message) { return std::string(message); };
};

/// What came of the plays, in their order. Empty: the instance cannot be activated, and `problem` says why.
struct PlayedHere {
  std::vector<std::optional<std::string>> texts = {};  ///< nullopt: the call waits for longer, or was not answered
  std::string problem = {};
};

/// Makes the calls one after the other, of one instance with one store.
[[nodiscard]] PlayedHere play_here(const trv_entry& entry, std::string_view plugin, const std::vector<Play>& plays,
                                   const PlayOptions& options = {});

}  // namespace trv::conformance::suite
