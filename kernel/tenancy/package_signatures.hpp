#pragma once
// What the signatures of a package said when it was requested: as its event says it. Functions of values; any thread.

#include "kernel/tenancy/model.hpp"
#include "kernel/trust/policy.hpp"

namespace trv::schema::plugin {
struct PluginRequested;
}

namespace trv::tenancy {

[[nodiscard]] PackageSignatures signatures_of(const trust::Applicant& applicant, base::Timestamp now);
[[nodiscard]] PackageSignatures signatures_of(const schema::plugin::PluginRequested& event);

/// The payload of trv.plugin.requested.
[[nodiscard]] base::Bytes requested_payload(const Package& package);

}  // namespace trv::tenancy
