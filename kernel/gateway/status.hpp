#pragma once
// How the node is, for machines that watch it and for people who look at it. What a function is given must outlive the
// router.

#include <functional>

#include "kernel/http/router.hpp"
#include "kernel/json/value.hpp"
#include "kernel/telemetry/past.hpp"

namespace trv::gateway {

struct Health {
  bool is_failing = false;
  json::Value document;  ///< application/health+json
};

/// Any thread.
struct Watching {
  std::function<telemetry::Sample()> now;
  std::function<telemetry::Exemplars()> exemplars;  ///< of the requests' durations
  std::function<Health()> health;
  std::function<json::Value()> status;
};

/// `GET /health`, and the page `/status` with its parts: of the node, without names of tenants, as `/metrics`.
void add_status_routes(http::Router& router, const Watching& watching);

}  // namespace trv::gateway
