#pragma once
// What a decision reads of an instance that goes on from its past. Private to the decisions of this room.

#include <string>
#include <string_view>

#include "kernel/workflow/instance/history.hpp"
#include "kernel/workflow/instance/opened.hpp"

namespace trv::instance {

/// Of a reason that an operator gives, as records keep it.
inline constexpr std::size_t reason_bytes_max = 1'000;

/// Everything but the input is in the state.
class PastData final : public InstanceData {
 public:
  PastData(const lmdb::Txn& txn, const shard::DecisionContext& context, Workflows workflows, const Past& past,
           std::int64_t started_ns, std::string_view trigger)
      : starts_(txn, context, workflows, trigger), past_(past), started_ns_(started_ns), trigger_(trigger) {}
  [[nodiscard]] std::int64_t started_ns() const override { return started_ns_; }
  [[nodiscard]] std::string_view trigger() const override { return trigger_; }
  [[nodiscard]] base::Result<DefinitionPointer> definition(const definition::Name& name) const override {
    return starts_.definition(name);
  }
  [[nodiscard]] base::Result<json::Value> input() const override { return starts_.whole_input(past_.input); }
  [[nodiscard]] base::Result<json::Value> context(BranchId branch) const override { return starts_.context(branch); }
  [[nodiscard]] base::Result<json::Value> branch_data(BranchId branch) const override {
    return starts_.branch_data(branch);
  }
  [[nodiscard]] base::Result<json::Value> frame_input(BranchId branch, std::size_t depth) const override {
    return starts_.frame_input(branch, depth);
  }
  [[nodiscard]] base::Result<json::Value> loop_items(BranchId branch, std::size_t depth,
                                                     std::size_t row) const override {
    return starts_.loop_items(branch, depth, row);
  }
  [[nodiscard]] base::Result<Completed> completed(std::uint32_t number) const override {
    return starts_.completed(number);
  }

 private:
  NewData starts_;
  const Past& past_;
  std::int64_t started_ns_;
  std::string trigger_;
};

}  // namespace trv::instance
