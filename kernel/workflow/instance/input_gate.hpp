#pragma once
// Holds inputs against the schema of a workflow before instances are started with them. One thread at a time.

#include <cstdint>
#include <string>

#include "kernel/json/value.hpp"
#include "kernel/workflow/definition/definition.hpp"

namespace trv::instance {

class InputGate {
 public:
  /// `definition` must outlive it.
  explicit InputGate(const definition::Definition& definition) : definition_(definition) {}

  /// What is wrong with the input, in words; empty: nothing is, or too much was looked at before. What is let through
  /// so is held against the schema by its instance.
  [[nodiscard]] std::string problems_of(const json::Value& input);

 private:
  const definition::Definition& definition_;
  std::uint64_t spent_ = 0;
};

}  // namespace trv::instance
