#include "kernel/telemetry/health.hpp"

#include <algorithm>

namespace trv::telemetry {

std::string_view to_string(Condition condition) noexcept {
  if (condition == Condition::pass) return "pass";
  return condition == Condition::warn ? "warn" : "fail";
}

Condition worst_of(const std::vector<Check>& checks) noexcept {
  const auto worst = std::ranges::max_element(checks, {}, &Check::condition);
  return worst == checks.end() ? Condition::pass : worst->condition;
}

json::Value to_document(const std::vector<Check>& checks, std::string_view release, std::string_view node) {
  json::Value by_name = json::Value::object();
  std::string output;
  for (const Check& check : checks) {
    json::Value one = {{"status", to_string(check.condition)}};
    if (!check.component.empty()) one.set("componentId", check.component);
    if (check.value) one.set("observedValue", *check.value);
    if (!check.unit.empty()) one.set("observedUnit", check.unit);
    if (!check.output.empty()) one.set("output", check.output);
    const json::Value* before = by_name.find(check.name);
    json::Value all = before == nullptr ? json::Value::array() : *before;
    all.push_back(std::move(one));
    by_name.set(check.name, std::move(all));
    if (check.condition == Condition::pass) continue;
    if (!output.empty()) output += "; ";
    if (!check.component.empty()) output += check.component + ": ";
    output += check.output;
  }
  json::Value document = {
      {"status", to_string(worst_of(checks))}, {"version", "1"}, {"releaseId", release}, {"serviceId", node}};
  if (!output.empty()) document.set("output", output);
  document.set("checks", std::move(by_name));
  return document;
}

}  // namespace trv::telemetry
