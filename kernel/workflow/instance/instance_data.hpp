#pragma once
// What a decision reads of an instance. Its implementation is opened.hpp. One thread, for the time of one decision.

#include <cstdint>
#include <string_view>

#include "kernel/json/value.hpp"
#include "kernel/workflow/instance/definition_cache.hpp"
#include "kernel/workflow/instance/state.hpp"

namespace trv::instance {

/// What an decision reads of its instance and does not carry in its state; each only when it is needed.
class InstanceData {
 public:
  virtual ~InstanceData() = default;
  [[nodiscard]] virtual std::int64_t started_ns() const = 0;
  [[nodiscard]] virtual std::string_view trigger() const = 0;
  /// Error: not_found; unavailable while it is compiled.
  [[nodiscard]] virtual base::Result<DefinitionPointer> definition(const definition::Name& name) const = 0;
  [[nodiscard]] virtual base::Result<json::Value> input() const = 0;  ///< as given to the instance
  /// The context that a branch has exported; {} where the root has not.
  [[nodiscard]] virtual base::Result<json::Value> context(BranchId branch) const = 0;
  /// What the next task of a branch gets, or its output.
  [[nodiscard]] virtual base::Result<json::Value> branch_data(BranchId branch) const = 0;
  /// The input of the frame at this depth of a branch, and a row of items of the loop there.
  [[nodiscard]] virtual base::Result<json::Value> frame_input(BranchId branch, std::size_t depth) const = 0;
  [[nodiscard]] virtual base::Result<json::Value> loop_items(BranchId branch, std::size_t depth,
                                                             std::size_t row) const = 0;
  /// A completed task that can be undone; they are numbered in the order of their ends.
  [[nodiscard]] virtual base::Result<Completed> completed(std::uint32_t number) const = 0;
};

}  // namespace trv::instance
