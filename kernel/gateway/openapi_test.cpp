#include "kernel/gateway/openapi.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>

#include "kernel/gateway/routes.hpp"

namespace trv::gateway {
namespace {

namespace json = boost::json;

const json::value& document() {
  static const json::value parsed = json::parse(std::string(openapi_document()));
  return parsed;
}

/// Registering takes the addresses of what handlers use and reads nothing of it, so nothing has to be there.
struct alignas(std::max_align_t) Nothing {
  std::array<std::byte, 64> bytes{};
  template <typename Port>
  operator Port&() {
    return reinterpret_cast<Port&>(*this);
  }
};

/// "GET /v1/tenants/{tenant}" for every route of the daemon; the document writes {path...} as {path}.
std::set<std::string> routes() {
  static Nothing nothing;
  const http::Router router = make_router({nothing,
                                           {nothing, nothing, nothing, nothing},
                                           {nothing, nothing},
                                           nothing,
                                           nothing,
                                           {},
                                           nothing,
                                           nothing,
                                           nothing,
                                           nothing,
                                           nothing,
                                           nothing,
                                           nothing,
                                           {}});
  std::set<std::string> all;
  for (const http::Route* route : router.routes()) {
    std::string pattern = route->pattern;
    if (const std::size_t dots = pattern.find("...}"); dots != std::string::npos) pattern.erase(dots, 3);
    all.insert(route->method + " " + pattern);
  }
  return all;
}

/// Calls `visit` with method and path in the form of routes(), and the operation.
template <typename Visit>
void each_operation(Visit visit) {
  for (const auto& [path, methods] : document().at("paths").as_object()) {
    for (const auto& [method, operation] : methods.as_object()) {
      std::string name(method);
      std::ranges::transform(name, name.begin(), [](char c) { return static_cast<char>(c - 'a' + 'A'); });
      visit(name + " " + std::string(path), operation.as_object());
    }
  }
}

/// The value that a "#/…" reference means, or nullptr.
const json::value* resolve(std::string_view reference) {
  if (!reference.starts_with("#/")) return nullptr;
  boost::system::error_code error;
  return document().find_pointer(reference.substr(1), error);
}

const json::value& resolved(const json::value& value) {
  const auto* reference = value.as_object().if_contains("$ref");
  return reference == nullptr ? value : *resolve(reference->as_string());
}

template <typename Visit>
void each_reference(const json::value& value, Visit visit) {
  if (const auto* array = value.if_array()) {
    for (const auto& one : *array) each_reference(one, visit);
  } else if (const auto* object = value.if_object()) {
    for (const auto& [key, one] : *object) {
      if (key == "$ref") visit(std::string(one.as_string()));
      each_reference(one, visit);
    }
  }
}

TEST(OpenApi, every_route_is_described_and_nothing_else) {
  std::set<std::string> described;
  each_operation([&](const std::string& name, const json::object&) { described.insert(name); });
  EXPECT_EQ(described, routes());
}

TEST(OpenApi, every_reference_resolves_and_every_component_is_used) {
  std::set<std::string> used;
  each_reference(document(), [&](const std::string& reference) {
    EXPECT_NE(resolve(reference), nullptr) << reference;
    used.insert(reference);
  });
  for (const char* kind : {"schemas", "parameters", "responses"}) {
    for (const auto& [name, component] : document().at("components").at(kind).as_object()) {
      EXPECT_TRUE(used.contains(std::string("#/components/") + kind + "/" + std::string(name))) << name;
    }
  }
}

TEST(OpenApi, every_operation_has_its_own_id_a_summary_and_a_problem_answer) {
  std::set<std::string> ids;
  each_operation([&](const std::string& name, const json::object& operation) {
    ASSERT_TRUE(operation.contains("operationId")) << name;
    EXPECT_TRUE(ids.insert(std::string(operation.at("operationId").as_string())).second) << name;
    EXPECT_TRUE(operation.contains("summary")) << name;
    bool success = false;
    bool problem = false;
    for (const auto& [status, answer] : operation.at("responses").as_object()) {
      success = success || status.starts_with("2");
      const auto& content = resolved(answer).as_object();
      const auto* body = content.if_contains("content");
      problem = problem ||
                (status.starts_with("4") && body != nullptr && body->as_object().contains("application/problem+json"));
    }
    EXPECT_TRUE(success) << name;
    EXPECT_TRUE(problem) << name;
  });
}

TEST(OpenApi, every_parameter_of_a_path_is_declared_and_no_other) {
  each_operation([&](const std::string& name, const json::object& operation) {
    std::set<std::string> in_path;
    for (std::size_t at = name.find('{'); at != std::string::npos; at = name.find('{', at + 1)) {
      in_path.insert(name.substr(at + 1, name.find('}', at) - at - 1));
    }
    std::set<std::string> declared;
    if (const auto* parameters = operation.if_contains("parameters")) {
      for (const json::value& parameter : parameters->as_array()) {
        const json::value& one = resolved(parameter);
        if (one.at("in").as_string() == "path") declared.insert(std::string(one.at("name").as_string()));
      }
    }
    EXPECT_EQ(declared, in_path) << name;
  });
}

TEST(OpenApi, whatever_is_in_a_tenant_needs_a_token_but_webhooks) {
  EXPECT_EQ(document().at("security"), json::value({{{"token", json::array()}}}));
  each_operation([&](const std::string& name, const json::object& operation) {
    const bool open = operation.contains("security") && operation.at("security").as_array().empty();
    const bool is_delivery = name.starts_with("POST ") && name.find("/hooks/") != std::string::npos;
    const bool webhook = is_delivery || name.find("/webhooks/") != std::string::npos;
    if (name.find("{tenant}") != std::string::npos) {
      EXPECT_EQ(open, webhook) << name;
    }
    EXPECT_EQ(!open || webhook, operation.at("responses").as_object().contains("401")) << name;
  });
}

TEST(OpenApi, it_says_the_version_that_was_built) {
  EXPECT_EQ(document().at("openapi").as_string(), "3.1.0");
  EXPECT_EQ(document().at("info").at("version").as_string(), TRV_VERSION);
}

}  // namespace
}  // namespace trv::gateway
