#pragma once
// The target that a name means.

#include <memory>
#include <string>

#include "kernel/recovery/target.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/random.hpp"

namespace trv::recovery {

/// A folder, without what a killed backup left in it a day ago. `random` and `clock` outlive the target. Errors:
/// invalid, with what to do.
[[nodiscard]] base::Result<std::unique_ptr<Target>> open_target(const std::string& name, const base::Clock& clock,
                                                                base::Random& random);

}  // namespace trv::recovery
