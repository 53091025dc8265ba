#pragma once
// What the handlers about instances share. Any thread.

#include <string>
#include <string_view>

#include "kernel/gateway/access.hpp"
#include "kernel/gateway/body.hpp"
#include "kernel/workflow/instance/store.hpp"

namespace trv::gateway {

[[nodiscard]] base::Error no_instance(std::string_view id);
/// The id in the path. Error: not_found where it is none.
[[nodiscard]] base::Result<instance::InstanceId> instance_of(const http::Request& request);
/// What instances leave in the log and not in the projection.
[[nodiscard]] base::Result<instance::RecordAt> records_of(const Call& call, const lmdb::Txn& txn);

/// Of why an operator does something: records keep it. Error: too_large.
[[nodiscard]] base::Status check_reason(std::string_view reason);
/// The body's member `reason`; empty where it is missing. Error: too_large.
[[nodiscard]] base::Result<std::string> reason_of(const Body& body);

/// What started an instance, for readers: a line of a batch is recorded by its key and number on two lines.
[[nodiscard]] std::string shown_trigger(std::string_view trigger);

}  // namespace trv::gateway
