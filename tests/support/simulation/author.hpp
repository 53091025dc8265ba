#pragma once
// Random small definitions that compile and whose every flow ends.

#include <cstdint>
#include <string>

#include "sdk/base/random.hpp"

namespace trv::simulation {

/// The same numbers from `random` give the same definition.
class Author {
 public:
  /// Whether tasks run beside each other.
  enum class Forks : std::uint8_t { none, some };
  Author(base::Random& random, Forks forks) : random_(random), forks_(forks) {}

  /// namespace sim; `name` ends with a number, and it runs workflows `wf` of smaller ones; started by events of type
  /// `trigger` where that is not empty.
  [[nodiscard]] std::string write(const std::string& name, const std::string& version, const std::string& trigger);

 private:
  std::string list(int depth);
  std::string branches(int depth);
  std::string common();
  std::string undone();
  std::string leaf();
  std::string body(int depth);

  base::Random& random_;
  const Forks forks_;
  int lists_ = 0;
  bool can_undo_ = false;     ///< the workflow has functions that undo
  std::uint64_t number_ = 0;  ///< of the workflow
};

}  // namespace trv::simulation
