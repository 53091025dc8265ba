#pragma once
// Random small definitions that compile and whose every flow ends.

#include <cstdint>
#include <string>

#include "sdk/base/random.hpp"

namespace trv::simulation {

/// The same numbers from `random` give the same definition.
class Author {
 public:
  explicit Author(base::Random& random) : random_(random) {}

  /// namespace sim; started by events of type `trigger` where that is not empty.
  [[nodiscard]] std::string write(const std::string& name, const std::string& version, const std::string& trigger);

 private:
  std::string list(int depth);
  std::string common();
  std::string body(int depth);

  base::Random& random_;
  int lists_ = 0;
};

}  // namespace trv::simulation
