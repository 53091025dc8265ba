#pragma once
// What the records of an instance say of it. Pure; any thread.

#include <optional>
#include <string>

#include "events/record/record.hpp"
#include "kernel/workflow/instance/store.hpp"

namespace trv::instance {

/// A step of its timeline; nullopt for a record that is not one: an outcome that trv.task.faulted follows, a cancelled
/// effect. Error: corrupt.
[[nodiscard]] base::Result<std::optional<InstanceStep>> step_in(const record::RecordView& event);
/// The input in trv.instance.started. Error: corrupt.
[[nodiscard]] base::Result<std::string> input_in(const record::RecordView& event);
/// The context that a completed task exports, or an instance is restored with. Error: corrupt.
[[nodiscard]] base::Result<std::string> context_in(const record::RecordView& event);

}  // namespace trv::instance
