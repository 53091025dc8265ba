#pragma once
// Requests that wait for a server which restarts. One thread.

#include <functional>

#include "kernel/cli/commands/session.hpp"

namespace trv::cli {

/// How long a server may be silent before what needs it fails.
inline constexpr base::Duration patience = std::chrono::seconds(30);

/// Asks again while no server answers, for `patience`, and for as long as one answers 503: a server that starts says so
/// until it has read its log. Ends early, with what came last, where nobody reads the output any more.
/// `ask` sends one request. Error: as `ask`.
[[nodiscard]] base::Result<HttpResponse> ask_patiently(Session& session,
                                                       const std::function<base::Result<HttpResponse>()>& ask);

}  // namespace trv::cli
