#pragma once
// Whether a node is well, as application/health+json has it: one check for each thing that can be otherwise. Values;
// any thread. Source: draft-inadarei-api-health-check.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/json/value.hpp"

namespace trv::telemetry {

enum class Condition {
  pass,
  warn,  ///< it serves, and somebody should look
  fail,  ///< it does not do what it is for
};
[[nodiscard]] std::string_view to_string(Condition condition) noexcept;  ///< "pass", "warn", "fail"

struct Check {
  std::string name;       ///< "disk:free": what, and what of it
  std::string component;  ///< which one of several: "shard 2"; empty: there is one
  Condition condition = Condition::pass;
  std::optional<double> value = std::nullopt;
  std::string unit = {};
  std::string output = {};  ///< what is wrong and what to do; empty where it passes
};

/// The worst of them; pass where there are none.
[[nodiscard]] Condition worst_of(const std::vector<Check>& checks) noexcept;

/// {"status", "version", "releaseId", "serviceId", "output", "checks": {<name>: […]}}; `output` has those that do not
/// pass.
[[nodiscard]] json::Value to_document(const std::vector<Check>& checks, std::string_view release,
                                      std::string_view node);

}  // namespace trv::telemetry
