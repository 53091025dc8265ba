#include "kernel/workflow/definition/problems.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "sdk/base/contract.hpp"
#include "sdk/base/nearest.hpp"

namespace trv::definition {

void Problems::add(const Position& at, std::string message) {
  TRV_EXPECTS(at.line >= 1 && at.column >= 1);
  const bool earlier = at.line < position_.line || (at.line == position_.line && at.column < position_.column);
  if (first_ && !earlier) return;
  first_ = base::Error(base::ErrorCode::invalid, std::move(message)).at(at.line, at.column);
  position_ = at;
}

std::string_view Problems::suggest(std::string_view name, const std::vector<std::string_view>& candidates) {
  if (suggestions_left_ == 0) return {};
  --suggestions_left_;
  return base::nearest(name, candidates);
}

void Problems::unsupported(const Position& at, std::string_view what) {
  add(at, fmt::format("{} is not supported yet", what));
}

base::Error Problems::first() const {
  TRV_EXPECTS(first_.has_value());
  return *first_;
}

Fields::Fields(Problems& problems, const Node& node, std::string what)
    : problems_(problems), node_(node), what_(std::move(what)) {
  if (!node.is_mapping()) {
    problems_.add(node.position, fmt::format("{} must be a mapping, not {}", what_, describe(node.kind)));
  }
}

const Node* Fields::get(std::string_view name) {
  TRV_EXPECTS(!finished_);
  known_.push_back(name);
  return node_.find(name);
}

const Node* Fields::require(std::string_view name) {
  const Node* node = get(name);
  if (node == nullptr && node_.is_mapping()) {
    problems_.add(node_.position, fmt::format("{} needs the property '{}'", what_, name));
  }
  return node;
}

const Node* Fields::of_kind(std::string_view name, const Node* node, Node::Kind kind) {
  if (node == nullptr || node->kind == kind) return node;
  problems_.add(node->position,
                fmt::format("'{}' of {} must be {}, not {}", name, what_, describe(kind), describe(node->kind)));
  return nullptr;
}

const Node* Fields::get(std::string_view name, Node::Kind kind) {
  return of_kind(name, get(name), kind);
}

const Node* Fields::require(std::string_view name, Node::Kind kind) {
  return of_kind(name, require(name), kind);
}

std::string Fields::text(std::string_view name) {
  const Node* node = get(name, Node::Kind::string);
  return node == nullptr ? std::string() : node->text;
}

std::string Fields::required_text(std::string_view name) {
  const Node* node = require(name, Node::Kind::string);
  if (node != nullptr && node->text.empty()) {
    problems_.add(node->position, fmt::format("'{}' of {} must not be empty", name, what_));
  }
  return node == nullptr ? std::string() : node->text;
}

void Fields::unsupported(std::string_view name) {
  TRV_EXPECTS(!finished_);
  known_.push_back(name);
  for (const Entry& entry : node_.entries) {
    if (entry.key == name) problems_.unsupported(entry.position, fmt::format("'{}' of {}", name, what_));
  }
}

void Fields::finish() {
  TRV_EXPECTS(!finished_);
  finished_ = true;
  for (const Entry& entry : node_.entries) {
    if (std::find(known_.begin(), known_.end(), entry.key) != known_.end()) continue;
    const std::string_view meant = problems_.suggest(entry.key, known_);
    problems_.add(entry.position,
                  meant.empty()
                      ? fmt::format("{} has no property '{}'; it knows {}", what_, entry.key, fmt::join(known_, ", "))
                      : fmt::format("{} has no property '{}'; did you mean '{}'?", what_, entry.key, meant));
  }
}

}  // namespace trv::definition
