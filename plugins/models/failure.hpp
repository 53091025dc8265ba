#pragma once
// Why a provider gave no answer, as a failure that a workflow and, later, a router can act on. C++20; any thread.
//
// Failure::detail is {"kind": …, "provider": …, "model": …} and, where the provider gives them, "type" and "code" in
// its own words. The kinds are frozen; README.md has the table.

#include <cstdint>
#include <string>
#include <string_view>

#include "plugins/models/catalogue.hpp"
#include "sdk/cpp/values.hpp"
#include "sdk/cpp_json/json.hpp"

namespace models {

enum class Kind : std::uint8_t {
  invalid_request,
  unauthenticated,
  denied,
  no_quota,        ///< the account has nothing left; waiting does not help
  not_found,       ///< no such model
  context_length,  ///< the messages are more than the model can take
  rate_limited,
  overloaded,
  unavailable,
  timeout,
  cut,         ///< the answer ended before its end
  refused,     ///< the model or a filter would not answer
  length,      ///< the answer reached max_tokens before it was whole
  unreadable,  ///< an answer that is not what the dialect says
};

/// `message` says what was wrong; the provider and the model are put before it.
[[nodiscard]] trv::sdk::Failure failure_of(Kind kind, const Provider& provider, std::string_view model,
                                           const std::string& message);
/// Of a response whose status is not 2xx.
[[nodiscard]] trv::sdk::Failure refusal(const Provider& provider, std::string_view model,
                                        const trv::sdk::Response& response);
/// Of an error that came within an answer whose status was 2xx; `body` is the object that holds "error".
[[nodiscard]] trv::sdk::Failure error_in_answer(const Provider& provider, std::string_view model,
                                                const json::object& body);

}  // namespace models
