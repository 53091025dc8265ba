#pragma once
// Holds one value against a compiled schema. One thread; lives for one validation.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/json/value.hpp"
#include "kernel/json_schema/node.hpp"
#include "kernel/json_schema/pattern.hpp"
#include "kernel/json_schema/schema.hpp"
#include "kernel/json_schema/sentence.hpp"

namespace trv::json_schema {

/// The way from the validated value to a part of it; each step lives on the stack of the call that took it.
struct Path {
  const Path* parent = nullptr;
  const json::Value* key = nullptr;  ///< null: `index`
  std::size_t index = 0;
};

/// Which entries or items of one value some schema has taken care of (2020-12 §11).
class Evaluated {
 public:
  void mark_all() noexcept { all_ = true; }
  void mark(std::size_t index) {
    if (all_) return;
    if (marks_.size() <= index) marks_.resize(index + 1);
    marks_[index] = true;
  }
  void add(const Evaluated& other) {
    if (other.all_) all_ = true;
    for (std::size_t i = 0; i < other.marks_.size() && !all_; ++i) {
      if (other.marks_[i]) mark(i);
    }
  }
  [[nodiscard]] bool has(std::size_t index) const { return all_ || (index < marks_.size() && marks_[index]); }
  [[nodiscard]] std::size_t size() const noexcept { return marks_.size(); }

 private:
  bool all_ = false;
  std::vector<bool> marks_;
};

enum class Stop : std::uint8_t { none, steps, depth, pattern };

class Evaluation {
 public:
  /// `problems` may be null: the first failure ends the evaluation then.
  Evaluation(const ValidateLimits& limits, std::uint64_t& steps, std::vector<Problem>* problems) noexcept
      : limits_(limits), steps_(steps), problems_(problems) {}

  [[nodiscard]] bool run(const Node& root, const json::Value& instance) { return holds(root, instance, {}, nullptr); }
  /// Why there is no answer.
  [[nodiscard]] Stop stop() const noexcept { return stop_; }
  /// Of the schema and the value where it stopped.
  [[nodiscard]] const std::string& stopped_at() const noexcept { return stopped_at_; }

 private:
  bool holds(const Node& node, const json::Value& instance, const Path& path, Evaluated* evaluated);
  bool rules_hold(const Node& node, const json::Value& instance, const Path& path, Evaluated* evaluated);
  bool scalar_rules_hold(const Node& node, const json::Value& instance, const Path& path);
  bool type_holds(const Node& node, const json::Value& instance, const Path& path);
  bool enum_holds(const Node& node, const json::Value& instance, const Path& path);
  bool number_holds(const Node& node, const json::Value& instance, const Path& path);
  bool string_holds(const Node& node, const json::Value& instance, const Path& path);
  bool array_holds(const Node& node, const json::Value& instance, const Path& path, Evaluated* evaluated);
  bool contains_holds(const Node& node, const json::Value& instance, const Path& path, Evaluated* evaluated);
  bool items_are_unique(const Node& node, const json::Value& instance, const Path& path);
  bool object_holds(const Node& node, const json::Value& instance, const Path& path, Evaluated* evaluated);
  bool entry_holds(const Node& node, const json::Entry& entry, std::size_t index, const Path& path,
                   Evaluated* evaluated);
  bool names_are_there(const Node& node, const json::Value& instance, const Path& path);
  bool dependencies_hold(const Node& node, const json::Value& instance, const Path& path, Evaluated* evaluated);
  bool combination_holds(const Node& node, const json::Value& instance, const Path& path, Evaluated* evaluated);
  bool any_of_holds(const Node& node, const json::Value& instance, const Path& path, Evaluated* evaluated);
  bool one_of_holds(const Node& node, const json::Value& instance, const Path& path, Evaluated* evaluated);
  bool condition_holds(const Node& node, const json::Value& instance, const Path& path, Evaluated* evaluated);
  bool unevaluated_hold(const Node& node, const json::Value& instance, const Path& path, Evaluated& evaluated);
  bool is_meta_schema_valid(const Node& node, const json::Value& instance, const Path& path);

  /// As holds, without problems: an answer to a question.
  bool would_hold(const Node& node, const json::Value& instance, const Path& path, Evaluated* evaluated);
  [[nodiscard]] const Node* target_of(const DynamicReference& reference);
  bool spend(const Node& node, std::uint64_t steps);
  bool halt(const Node& node, Stop why);
  bool equal(const Node& node, const json::Value& a, const json::Value& b);
  /// Whether the evaluation goes on behind a failure, to find more of them.
  [[nodiscard]] bool goes_on() const noexcept {
    return problems_ != nullptr && problems_->size() < limits_.problems_max && stop_ == Stop::none;
  }
  [[nodiscard]] std::string shown(const json::Value& value) const {
    return limits_.shows_values ? quoted(value) : "the value";
  }

  /// Reports a failure, if anybody wants to know. Always false. `sentence` makes the text.
  template <typename Sentence>
  bool fail(const Node& node, std::string_view keyword, const Path& path, Sentence sentence) {
    if (goes_on()) add_problem(node, keyword, path, sentence());
    return false;
  }
  void add_problem(const Node& node, std::string_view keyword, const Path& path, std::string sentence);
  /// Of several alternatives that do not match, the one that was probably meant.
  struct Nearest {
    std::size_t branch = 0;
    std::size_t distance = ~std::size_t{0};  ///< this: none was looked at
    std::vector<Problem> problems;
    TypeSet types = 0;  ///< of those that fail by their type
  };
  static void consider(Nearest& nearest, std::size_t branch, const Node& node, const std::string& here,
                       std::vector<Problem> problems);
  void add_branch_problems(const Node& node, std::string_view keyword, const json::Value& instance, const Path& path,
                           Nearest nearest, const std::vector<const Node*>& branches);
  /// "the property … is not known here", with the name that was probably meant.
  [[nodiscard]] std::string unknown_property(const Node& node, const json::Value& name);
  /// As meant(), and nothing once some have been made: each costs as much as thousands of steps.
  template <typename Candidates>
  [[nodiscard]] std::string suggestion(std::string_view word, Candidates candidates) {
    if (suggestions_left_ == 0) return {};
    --suggestions_left_;
    return meant(word, candidates());
  }

  const ValidateLimits& limits_;
  std::uint64_t& steps_;
  std::vector<Problem>* problems_;
  Stop stop_ = Stop::none;
  std::string stopped_at_;
  std::size_t depth_ = 0;
  int suggestions_left_ = 20;
  std::vector<const Resource*> scope_;  ///< resources on the way here, outermost first
  PatternMatcher matcher_;
};

/// JSON Pointer of a path.
[[nodiscard]] std::string to_pointer(const Path& path);
/// The types that a value has; a whole number is an integer and a number.
[[nodiscard]] TypeSet types_of(const json::Value& value);
/// "a string", "an integer".
[[nodiscard]] std::string kind_words(const json::Value& value);

}  // namespace trv::json_schema
