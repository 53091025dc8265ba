#pragma once
// The target that a name means.

#include <memory>
#include <stop_token>
#include <string>

#include "kernel/config/config.hpp"
#include "kernel/recovery/target.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/random.hpp"

namespace trv::recovery {

/// A folder, without what a killed backup left in it a day ago; or s3://bucket/prefix, reached as the keys of [backup]
/// in `config` say. `random` and `clock` outlive the target; `stop` ends what it waits for. Errors: invalid or denied,
/// with what to do.
[[nodiscard]] base::Result<std::unique_ptr<Target>> open_target(const std::string& name, const config::Config& config,
                                                                const base::Clock& clock, base::Random& random,
                                                                const std::stop_token& stop = {});

}  // namespace trv::recovery
