#include "kernel/http/router.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "sdk/base/contract.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::http {
namespace {

using base::ErrorCode;

bool is_method(std::string_view text) noexcept {
  return !text.empty() && text.size() <= 32 && std::ranges::all_of(text, [](char c) { return c >= 'A' && c <= 'Z'; });
}

bool is_name(std::string_view text) noexcept {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
}

bool is_literal(std::string_view text) noexcept {
  return base::is_utf8(text) && text != "." && text != ".." && std::ranges::all_of(text, [](char c) {
           return static_cast<unsigned char>(c) > 0x20 && c != 0x7f &&
                  std::string_view("{}%?#").find(c) == std::string::npos;
         });
}

/// An encoded '/' does not hide a way up.
bool has_dot_part(std::string_view segment) noexcept {
  for (;;) {
    const std::string_view part = segment.substr(0, segment.find('/'));
    if (part == "." || part == "..") return true;
    if (part.size() == segment.size()) return false;
    segment.remove_prefix(part.size() + 1);
  }
}

}  // namespace

/// One segment of the known patterns. Parameters are found by place, so each place has one name.
struct Router::Node {
  std::map<std::string, std::unique_ptr<Node>, std::less<>> literals;
  std::string parameter_name;
  std::unique_ptr<Node> parameter;
  std::string rest_name;
  std::unique_ptr<Node> rest;
  std::vector<std::unique_ptr<Route>> routes;
  std::string allow;

  void collect(std::vector<const Route*>& into) const {
    for (const auto& route : routes) into.push_back(route.get());
    for (const auto& [text, node] : literals) node->collect(into);
    if (parameter) parameter->collect(into);
    if (rest) rest->collect(into);
  }

  const Route* find_method(std::string_view method) const noexcept {
    for (const auto& route : routes) {
      if (route->method == method) return route.get();
    }
    return nullptr;
  }

  base::Status add_route(Route route) {
    if (find_method(route.method) != nullptr) {
      return base::fail(ErrorCode::conflict, fmt::format("{} {} is routed already", route.method, route.pattern));
    }
    routes.push_back(std::make_unique<Route>(std::move(route)));
    std::vector<std::string_view> methods;
    for (const auto& known : routes) methods.push_back(known->method);
    if (find_method("GET") != nullptr && find_method("HEAD") == nullptr) methods.push_back("HEAD");
    if (find_method("OPTIONS") == nullptr) methods.push_back("OPTIONS");
    std::ranges::sort(methods);
    allow = fmt::format("{}", fmt::join(methods, ", "));
    return {};
  }

  /// The parameters are stored on the way back from a route that was found. Visits each node at most once.
  const Route* find(Request& request, std::string_view method, std::size_t index, std::string_view& known) const {
    const Target& target = request.target();
    if (index == target.segment_count()) return find_here(method, known);
    const std::string_view segment = target.segment(index);
    if (const auto literal = literals.find(segment); literal != literals.end()) {
      if (const Route* route = literal->second->find(request, method, index + 1, known)) return route;
    }
    if (segment.empty()) return nullptr;
    if (parameter) {
      if (const Route* route = parameter->find(request, method, index + 1, known)) {
        request.add_parameter(parameter_name, segment);
        return route;
      }
    }
    return rest ? find_rest(request, method, index, known) : nullptr;
  }

  const Route* find_here(std::string_view method, std::string_view& known) const noexcept {
    if (routes.empty()) return nullptr;
    if (known.empty()) known = allow;
    const Route* route = find_method(method);
    return route == nullptr && method == "HEAD" ? find_method("GET") : route;
  }

  const Route* find_rest(Request& request, std::string_view method, std::size_t index, std::string_view& known) const {
    const Target& target = request.target();
    std::string joined;
    bool has_slash = false;
    for (std::size_t i = index; i < target.segment_count(); ++i) {
      const std::string_view segment = target.segment(i);
      if (segment.empty() || has_dot_part(segment)) return nullptr;
      has_slash = has_slash || segment.find('/') != std::string_view::npos;
      if (i > index) joined.push_back('/');
      joined.append(segment);
    }
    // A decoded '/' inside a segment could not be distinguished from a separator.
    if (has_slash) {
      std::string_view not_known;
      const Route* route = rest->find_here(method, not_known);
      if (route == nullptr || !route->options.takes_encoded_slash) return nullptr;
    }
    const Route* route = rest->find_here(method, known);
    if (route != nullptr) request.add_parameter(rest_name, joined);
    return route;
  }
};

Router::Router() : root_(std::make_unique<Node>()) {}
Router::Router(Router&&) noexcept = default;
Router& Router::operator=(Router&&) noexcept = default;
Router::~Router() = default;

base::Status Router::add(std::string_view method, std::string_view pattern, Handler handler, RouteOptions options) {
  if (!is_method(method)) {
    return base::fail(ErrorCode::invalid, fmt::format("method \"{}\" is not 1 to 32 letters A-Z", method));
  }
  if (!pattern.starts_with('/')) {
    return base::fail(ErrorCode::invalid, fmt::format("route pattern \"{}\" does not begin with '/'", pattern));
  }
  if (static_cast<std::size_t>(std::ranges::count(pattern, '/')) > segments_max) {
    return base::fail(ErrorCode::invalid,
                      fmt::format("route pattern \"{}\" has more than {} segments", pattern, segments_max));
  }
  const auto take_place = [&](std::string& taken, std::unique_ptr<Node>& node, std::string_view name) -> base::Status {
    if (!is_name(name)) {
      return base::fail(
          ErrorCode::invalid,
          fmt::format("route pattern \"{}\": parameter \"{}\" is not of letters a-z and _", pattern, name));
    }
    if (node && taken != name) {
      return base::fail(ErrorCode::conflict, fmt::format("route pattern \"{}\": the place of {{{}}} is named {{{}}} in "
                                                         "another route; use one name",
                                                         pattern, name, taken));
    }
    if (!node) {
      node = std::make_unique<Node>();
      taken = name;
    }
    return {};
  };

  Node* node = root_.get();
  std::string_view left = pattern;
  while (!left.empty()) {
    left.remove_prefix(1);
    const std::string_view segment = left.substr(0, left.find('/'));
    left.remove_prefix(segment.size());
    if (segment.size() >= 2 && segment.starts_with('{') && segment.ends_with('}')) {
      std::string_view name = segment.substr(1, segment.size() - 2);
      if (!name.ends_with("...")) {
        TRV_TRY(take_place(node->parameter_name, node->parameter, name));
        node = node->parameter.get();
      } else if (left.empty()) {
        name.remove_suffix(3);
        TRV_TRY(take_place(node->rest_name, node->rest, name));
        node = node->rest.get();
      } else {
        return base::fail(ErrorCode::invalid,
                          fmt::format("route pattern \"{}\": {} must be the last segment", pattern, segment));
      }
    } else if (is_literal(segment)) {
      std::unique_ptr<Node>& child = node->literals[std::string(segment)];
      if (!child) child = std::make_unique<Node>();
      node = child.get();
    } else {
      return base::fail(ErrorCode::invalid, fmt::format("route pattern \"{}\": segment \"{}\" is neither {{name}} nor "
                                                        "plain text",
                                                        pattern, segment));
    }
  }
  return node->add_route({std::string(method), std::string(pattern), std::move(handler), std::move(options)});
}

Router& Router::route(std::string_view method, std::string_view pattern, Handler handler, RouteOptions options) {
  const base::Status added = add(method, pattern, std::move(handler), std::move(options));
  TRV_EXPECTS(added.has_value());
  return *this;
}

Router::Match Router::match(Request& request) const {
  Match match;
  if (request.target().segment_count() == 0) return match;
  match.route = root_->find(request, request.method(), 0, match.allow);
  if (match.route != nullptr) request.set_route(match.route->pattern);
  return match;
}

std::vector<const Route*> Router::routes() const {
  std::vector<const Route*> all;
  root_->collect(all);
  std::ranges::sort(all, {}, [](const Route* route) { return std::tie(route->pattern, route->method); });
  return all;
}

}  // namespace trv::http
