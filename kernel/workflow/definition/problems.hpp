#pragma once
// What is wrong with a definition, collected while it is compiled, and the reading of mappings with known properties.
// One thread, for the time of one compilation.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/workflow/definition/node.hpp"

namespace trv::definition {

class Problems {
 public:
  void add(const Position& at, std::string message);
  /// For what the specification has and we do not execute yet.
  void unsupported(const Position& at, std::string_view what);
  /// As base::nearest(), and empty once some have been made: a hostile text could ask for millions.
  [[nodiscard]] std::string_view suggest(std::string_view name, const std::vector<std::string_view>& candidates);
  [[nodiscard]] bool empty() const noexcept { return !first_.has_value(); }
  /// The first problem in the text; `empty()` must be false.
  [[nodiscard]] base::Error first() const;

 private:
  std::optional<base::Error> first_;
  Position position_;
  int suggestions_left_ = 20;
};

/// Reads the properties of one mapping; every name asked for is a known one.
class Fields {
 public:
  /// `what` names the mapping in messages, for example "task 'greet'". A node that is not a mapping is a problem and
  /// reads as empty. All references must outlive this.
  Fields(Problems& problems, const Node& node, std::string what);

  [[nodiscard]] const Node* get(std::string_view name);
  /// Its absence is a problem.
  [[nodiscard]] const Node* require(std::string_view name);
  /// As get and require, and anything but the kind asked for is a problem and reads as absent.
  [[nodiscard]] const Node* get(std::string_view name, Node::Kind kind);
  [[nodiscard]] const Node* require(std::string_view name, Node::Kind kind);
  /// The text of a string property; empty where there is none.
  [[nodiscard]] std::string text(std::string_view name);
  [[nodiscard]] std::string required_text(std::string_view name);
  /// Makes the presence of a property a problem that names it.
  void unsupported(std::string_view name);
  /// Makes every property that was not asked for a problem. Call last.
  void finish();

  [[nodiscard]] const std::string& what() const noexcept { return what_; }
  [[nodiscard]] Problems& problems() noexcept { return problems_; }

 private:
  [[nodiscard]] const Node* of_kind(std::string_view name, const Node* node, Node::Kind kind);

  Problems& problems_;
  const Node& node_;
  std::string what_;
  std::vector<std::string_view> known_;
  bool finished_ = false;
};

}  // namespace trv::definition
