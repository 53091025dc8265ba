#include "kernel/workflow/definition/problems.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "sdk/base/contract.hpp"
#include "sdk/base/nearest.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::definition {

namespace {

bool before(const Position& one, const Position& other) {
  return one.line < other.line || (one.line == other.line && one.column < other.column);
}

bool same_place(const Position& one, const Position& other) {
  return one.line == other.line && one.column == other.column;
}

/// Of a hostile text's thousands of names, the first are enough.
std::string listed(const std::vector<std::string_view>& names) {
  constexpr std::size_t listed_max = 40;
  const std::size_t count = std::min(names.size(), listed_max);
  std::string text =
      fmt::format("{}", fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(count), ", "));
  if (count < names.size()) text += ", …";
  return text;
}

std::string missing_message(std::string_view what, std::string_view property) {
  return fmt::format("{} needs the property '{}'", what, property);
}

}  // namespace

std::string readable(std::string message) {
  constexpr std::size_t bytes_max = 2'000;
  constexpr std::size_t end_bytes = 600;
  if (message.size() <= bytes_max) return message;
  std::size_t end = message.size() - end_bytes;
  while (end < message.size() && (static_cast<unsigned char>(message[end]) & 0xC0U) == 0x80U) ++end;
  constexpr std::string_view gap = " … ";
  std::string kept(base::utf8_prefix(message, bytes_max - end_bytes - gap.size()));
  kept += gap;
  kept += std::string_view(message).substr(end);
  TRV_ENSURES(kept.size() <= bytes_max);
  return kept;
}

void Problems::insert(Kept& into, Problem problem) {
  TRV_EXPECTS(problem.position.line >= 1 && problem.position.column >= 1);
  std::vector<Problem>& problems = into.problems;
  const auto after = std::ranges::upper_bound(problems, problem.position, before, &Problem::position);
  for (auto other = after; other != problems.begin() && same_place((other - 1)->position, problem.position); --other) {
    const Problem& there = *(other - 1);
    if (there.message == problem.message || (!there.is_missing && !problem.is_missing)) return;
  }
  problem.message = readable(std::move(problem.message));
  problem.expected = readable(std::move(problem.expected));
  problem.suggestion = readable(std::move(problem.suggestion));
  problems.insert(after, std::move(problem));
  if (problems.size() <= kept_max) return;
  problems.pop_back();
  ++into.left_out;
}

void Problems::add(const Position& at, std::string message, Hint hint) {
  ++reported_;
  insert(errors_, {.position = at,
                   .message = std::move(message),
                   .expected = std::move(hint.expected),
                   .suggestion = std::move(hint.suggestion),
                   .length = hint.length});
  TRV_ENSURES(!empty());
}

void Problems::unknown(const Position& at, std::string message, std::string_view name,
                       const std::vector<std::string_view>& known, std::string_view otherwise) {
  Hint hint = hint_for(message, name, known, otherwise);
  add(at, std::move(message), std::move(hint));
}

Hint Problems::hint_for(std::string& message, std::string_view name, const std::vector<std::string_view>& known,
                        std::string_view otherwise) {
  const std::string_view meant = suggest(name, known);
  message += meant.empty() ? std::string(otherwise) : fmt::format("; did you mean '{}'?", meant);
  return {.expected = listed(known), .suggestion = std::string(meant)};
}

void Problems::missing(const Position& at, std::string_view what, std::string_view property) {
  ++reported_;
  insert(errors_, {.position = at,
                   .message = missing_message(what, property),
                   .is_missing = true,
                   .expected = std::string(property)});
  TRV_ENSURES(!empty());
}

void Problems::not_missing(const Position& at, std::string_view what, std::string_view property) {
  const std::string message = missing_message(what, property);
  std::erase_if(errors_.problems,
                [&](const Problem& problem) { return same_place(problem.position, at) && problem.message == message; });
  TRV_ENSURES(!empty());
}

void Problems::warn(const Position& at, std::string message, Hint hint) {
  insert(warnings_, {.position = at,
                     .message = std::move(message),
                     .is_warning = true,
                     .expected = std::move(hint.expected),
                     .suggestion = std::move(hint.suggestion),
                     .length = hint.length});
}

void Problems::warn_unknown(const Position& at, std::string message, std::string_view name,
                            const std::vector<std::string_view>& known, std::string_view otherwise) {
  Hint hint = hint_for(message, name, known, otherwise);
  warn(at, std::move(message), std::move(hint));
}

std::vector<Problem> Problems::kept() const {
  std::vector<Problem> all = errors_.problems;
  const std::size_t room = std::min(kept_max - all.size(), warnings_.problems.size());
  all.insert(all.end(), warnings_.problems.begin(), warnings_.problems.begin() + static_cast<std::ptrdiff_t>(room));
  std::ranges::stable_sort(all, before, &Problem::position);
  TRV_ENSURES(all.size() <= kept_max);
  return all;
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
  TRV_EXPECTS(!empty());
  const Problem& problem = errors_.problems.front();
  return base::Error(base::ErrorCode::invalid, problem.message).at(problem.position.line, problem.position.column);
}

Fields::Fields(Problems& problems, const Node& node, std::string what)
    : problems_(problems), node_(node), what_(std::move(what)) {
  if (!node.is_mapping()) {
    problems_.add(node.position, fmt::format("{} must be a mapping, not {}", what_, describe(node.kind)),
                  {.expected = "a mapping"});
  }
}

const Node* Fields::get(std::string_view name) {
  TRV_EXPECTS(!finished_);
  if (std::ranges::find(known_, name) == known_.end()) known_.push_back(name);
  return node_.find(name);
}

Position Fields::place_of(std::string_view name) const noexcept {
  for (const Entry& entry : node_.entries) {
    if (entry.key == name) return entry.position;
  }
  return node_.position;
}

const Node* Fields::require(std::string_view name) {
  const Node* node = get(name);
  if (node == nullptr && node_.is_mapping()) {
    problems_.missing(node_.position, what_, name);
    missing_.push_back(name);
  }
  return node;
}

const Node* Fields::of_kind(std::string_view name, const Node* node, Node::Kind kind) {
  if (node == nullptr || node->kind == kind) return node;
  problems_.add(node->position,
                fmt::format("'{}' of {} must be {}, not {}", name, what_, describe(kind), describe(node->kind)),
                {.expected = std::string(describe(kind))});
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

const Node* Fields::belongs(std::string_view name, std::string_view where) {
  TRV_EXPECTS(!finished_);
  const Node* found = node_.find(name);
  if (found == nullptr) return nullptr;
  misplaced_.push_back(name);
  problems_.add(place_of(name), fmt::format("'{}' does not belong in {}; write it {}", name, what_, where));
  return found;
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
    if (std::ranges::find(known_, entry.key) != known_.end()) continue;
    if (std::ranges::find(misplaced_, entry.key) != misplaced_.end()) continue;
    const std::string_view meant = problems_.suggest(entry.key, known_);
    problems_.add(entry.position,
                  meant.empty()
                      ? fmt::format("{} has no property '{}'; it knows {}", what_, entry.key, fmt::join(known_, ", "))
                      : fmt::format("{} has no property '{}'; did you mean '{}'?", what_, entry.key, meant),
                  {.expected = listed(known_), .suggestion = std::string(meant)});
    if (std::ranges::find(missing_, meant) != missing_.end()) problems_.not_missing(node_.position, what_, meant);
  }
}

}  // namespace trv::definition
