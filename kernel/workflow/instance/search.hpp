#pragma once
// What instances are found by: the marks of Tables::marks. Completed instances have no mark of their status, because
// most are completed.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/workflow/instance/row.hpp"
#include "kernel/workflow/instance/store.hpp"

namespace trv::instance {

[[nodiscard]] Status shown_status(const InstanceRow& row);
/// The status that an instance has a mark of.
[[nodiscard]] std::optional<Status> marked_status(const InstanceRow& row);
[[nodiscard]] std::string status_mark(std::string_view tenant, Status status);
/// The marks that an instance has from its start until it is forgotten.
[[nodiscard]] std::vector<std::string> lasting_marks(std::string_view tenant, const InstanceRow& row);

[[nodiscard]] InstanceSummary summary_of(const InstanceId& id, const InstanceRow& row);

/// Whether an error, as JSON, is of this type, given in whole or by its last part, or has this text in its title or
/// detail, in whatever case.
[[nodiscard]] bool is_about(std::string_view error, std::string_view wanted);

}  // namespace trv::instance
