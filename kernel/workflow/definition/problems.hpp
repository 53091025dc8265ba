#pragma once
// What is wrong with a definition, collected while it is compiled, and the reading of mappings with known properties.
// One thread, for the time of one compilation.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/workflow/definition/node.hpp"

namespace trv::definition {

struct Problem {
  Position position;  ///< line 0: it concerns the text as a whole
  std::string message;
  bool is_warning = false;      ///< legal, and surely not what was meant
  bool is_missing = false;      ///< a property; the place is that of the mapping without it
  std::string expected = {};    ///< what could be there, in words; empty where the message has all there is to say
  std::string suggestion = {};  ///< the word that was probably meant; empty where none is near
  /// Bytes from the position on, in its line, that are at fault; at least 1 once check() gives the problem.
  int length = 0;
  std::string pointer = {};  ///< RFC 6901, of the value that is at fault or nearest before it; set by check()
};

/// A message without its middle where it is longer than anybody reads: hostile texts have names of 200 KB.
[[nodiscard]] std::string readable(std::string message);

/// What a problem says for machines, beside its message.
struct Hint {
  std::string expected = {};
  std::string suggestion = {};
  int length = 0;  ///< 0: of the word or the quoted text that is there
};

/// One mistake is to be one problem. So a place has only the first that is added there, but for missing properties.
class Problems {
 public:
  /// Of errors, and of warnings: those that come first in the text are kept, the others counted.
  static constexpr std::size_t kept_max = 100;

  void add(const Position& at, std::string message, Hint hint = {});
  /// `name` is not one of `known`: the message goes on with the nearest of them, or else with `otherwise`.
  void unknown(const Position& at, std::string message, std::string_view name,
               const std::vector<std::string_view>& known, std::string_view otherwise = {});
  /// `what` needs a property that it does not have.
  void missing(const Position& at, std::string_view what, std::string_view property);
  /// Takes that back: another problem says why the property is missing. At least one error must have been added since.
  void not_missing(const Position& at, std::string_view what, std::string_view property);
  void warn(const Position& at, std::string message, Hint hint = {});
  void warn_unknown(const Position& at, std::string message, std::string_view name,
                    const std::vector<std::string_view>& known, std::string_view otherwise = {});
  /// For what the specification has and we do not execute yet.
  void unsupported(const Position& at, std::string_view what);
  /// As base::nearest(), and empty once some have been made: a hostile text could ask for millions.
  [[nodiscard]] std::string_view suggest(std::string_view name, const std::vector<std::string_view>& candidates);
  /// Whether there is no error; warnings do not count.
  [[nodiscard]] bool empty() const noexcept { return errors_.problems.empty(); }
  /// Grows with every error. Who asks before and after knows whether there was one in between, and that what follows
  /// from it is not worth a problem of its own.
  [[nodiscard]] std::size_t reported() const noexcept { return reported_; }
  /// The first error in the text; `empty()` must be false.
  [[nodiscard]] base::Error first() const;

  [[nodiscard]] std::size_t errors() const noexcept { return errors_.problems.size() + errors_.left_out; }
  [[nodiscard]] std::size_t warnings() const noexcept { return warnings_.problems.size() + warnings_.left_out; }
  /// In the order of the text; at most kept_max, errors rather than warnings.
  [[nodiscard]] std::vector<Problem> kept() const;

 private:
  struct Kept {
    std::vector<Problem> problems;  ///< in the order of the text
    std::size_t left_out = 0;
  };
  [[nodiscard]] Hint hint_for(std::string& message, std::string_view name, const std::vector<std::string_view>& known,
                              std::string_view otherwise);
  static void insert(Kept& into, Problem problem);

  Kept errors_;
  Kept warnings_;
  std::size_t reported_ = 0;
  int suggestions_left_ = 20;
};

/// Reads the properties of one mapping; every name asked for is a known one.
class Fields {
 public:
  /// `what` names the mapping in messages, for example "task 'greet'". A node that is not a mapping is a problem and
  /// reads as empty. All references must outlive this.
  Fields(Problems& problems, const Node& node, std::string what);

  [[nodiscard]] const Node* get(std::string_view name);
  /// Where the property's name is; the mapping's place where it has none such.
  [[nodiscard]] Position place_of(std::string_view name) const noexcept;
  /// Its absence is a problem.
  [[nodiscard]] const Node* require(std::string_view name);
  /// As get and require, and anything but the kind asked for is a problem and reads as absent.
  [[nodiscard]] const Node* get(std::string_view name, Node::Kind kind);
  [[nodiscard]] const Node* require(std::string_view name, Node::Kind kind);
  /// The text of a string property; empty where there is none.
  [[nodiscard]] std::string text(std::string_view name);
  [[nodiscard]] std::string required_text(std::string_view name);
  /// A property that belongs elsewhere is a problem that says where, for example "beside 'listen'". Gives its value.
  const Node* belongs(std::string_view name, std::string_view where);
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
  std::vector<std::string_view> misplaced_;
  std::vector<std::string_view> missing_;
  bool finished_ = false;
};

}  // namespace trv::definition
