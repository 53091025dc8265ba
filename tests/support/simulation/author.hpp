#pragma once
// Random small definitions that compile and whose every flow ends.

#include <cstdint>
#include <string>

#include "sdk/base/random.hpp"

namespace trv::simulation {

/// The same numbers from `random` give the same definition.
class Author {
 public:
  enum class Kinds : std::uint8_t {
    some,  ///< no forks, no jitter and no schedules: the same seed gives the same history of several nodes
    all
  };
  Author(base::Random& random, Kinds kinds) : random_(random), kinds_(kinds) {}

  /// namespace sim; names of tasks begin with what they are ("set3_0", "http7_2"); `name` ends with a number, and it
  /// runs workflows `wf` of smaller ones; started by events of type `event` where that is not empty.
  [[nodiscard]] std::string write(const std::string& name, const std::string& version, const std::string& event);

 private:
  struct Task {
    std::string kind;
    std::string text;
  };

  std::string trigger(const std::string& event);
  std::string uses();
  std::string list(int depth);
  std::string branches(int depth);
  std::string common();
  std::string undone();
  std::string patience();
  Task leaf();
  Task call();
  Task listening();
  Task body(int depth);
  Task tried(int depth);

  base::Random& random_;
  const Kinds kinds_;
  int lists_ = 0;
  bool can_undo_ = false;     ///< the workflow has functions that undo
  std::uint64_t number_ = 0;  ///< of the workflow
};

}  // namespace trv::simulation
