#include "kernel/gateway/query.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "kernel/gateway/openapi.hpp"
#include "kernel/json/parse.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/nearest.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::gateway {
namespace {

using base::ErrorCode;

constexpr std::size_t shown_bytes_max = 80;

/// By method and pattern: "get /v1/tenants".
using Parameters = std::map<std::string, std::vector<std::string>, std::less<>>;

const json::Value& member(const json::Value& of, std::string_view name) {
  const json::Value* const found = of.find(name);
  TRV_ASSERT(found != nullptr);
  return *found;
}

json::Value resolved(const json::Value& document, const json::Value& parameter) {
  const json::Value* const reference = parameter.find("$ref");
  if (reference == nullptr) return parameter;
  const std::string_view text = reference->as_string();
  return member(member(member(document, "components"), "parameters"), text.substr(text.rfind('/') + 1));
}

Parameters declared() {
  const std::string_view text = openapi_document();
  const auto document = json::parse(text, {.bytes_max = text.size()});
  TRV_ASSERT(document.has_value());
  Parameters all;
  for (const json::Entry& path : member(*document, "paths").entries()) {
    for (const json::Entry& operation : path.value.entries()) {
      std::vector<std::string>& names = all[fmt::format("{} {}", operation.name(), path.name())];
      const json::Value* const parameters = operation.value.find("parameters");
      if (parameters == nullptr) continue;
      for (const json::Value& one : parameters->items()) {
        const json::Value parameter = resolved(*document, one);
        if (member(parameter, "in").as_string() == "query") names.emplace_back(member(parameter, "name").as_string());
      }
    }
  }
  TRV_ENSURES(!all.empty());
  return all;
}

base::Error unknown(std::string_view name, const std::vector<std::string>& known) {
  const std::vector<std::string_view> views(known.begin(), known.end());
  const std::string_view meant = base::nearest(name, views);
  const std::string hint = !meant.empty()  ? fmt::format("; did you mean '{}'?", meant)
                           : known.empty() ? "; this path takes none"
                                           : fmt::format("; this path takes {}", fmt::join(known, ", "));
  return {ErrorCode::invalid,
          fmt::format("the query parameter '{}' is unknown{}", base::utf8_prefix(name, shown_bytes_max), hint)};
}

}  // namespace

base::Status check_query(const http::Request& request) {
  const std::vector<std::string_view> names = request.target().query_names();
  if (names.empty()) return {};
  static const Parameters all = declared();
  const std::string_view method = request.method() == "HEAD" ? "GET" : request.method();
  std::string operation(method);
  std::ranges::transform(operation, operation.begin(), [](char c) { return static_cast<char>(c - 'A' + 'a'); });
  const auto known = all.find(operation + " " + std::string(request.route()));
  TRV_ASSERT(known != all.end());
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (std::ranges::find(known->second, names[i]) == known->second.end())
      return base::fail(unknown(names[i], known->second));
    if (std::ranges::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(i), names[i]) !=
        names.begin() + static_cast<std::ptrdiff_t>(i))
      return base::fail(ErrorCode::invalid, fmt::format("the query parameter '{}' comes twice", names[i]));
  }
  return {};
}

}  // namespace trv::gateway
