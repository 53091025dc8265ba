#pragma once
// What the answer of a service is to a task. Pure; any thread.

#include <string>
#include <vector>

#include "kernel/effects/effect_dispatcher.hpp"
#include "kernel/egress/request.hpp"

namespace trv::effects {

/// What is kept of a request until it is answered.
struct SentRequest {
  std::string method;
  std::string uri;
  std::vector<egress::Header> headers;  ///< without credentials
};

// No result asks for another try: whether a request is made again is for the workflow to say.

/// `output`: content, raw or response.
[[nodiscard]] TryResult result_of(const SentRequest& sent, std::string_view output, const egress::Response& response);
/// No answer came.
[[nodiscard]] TryResult result_of(const base::Error& error);
/// Whether it does no harm to make the request twice (RFC 9110, 9.2.2).
[[nodiscard]] bool is_idempotent(std::string_view method);

}  // namespace trv::effects
