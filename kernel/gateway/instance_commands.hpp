#pragma once
// What bodies say of commands for instances, for one of them and for many. Any thread.

#include <string>
#include <vector>

#include "kernel/gateway/body.hpp"
#include "kernel/workflow/instance/actions.hpp"

namespace trv::gateway {

/// A CloudEvent for an instance: `type` and `data`, and `id`, `source`, `subject`, which are empty where they are
/// missing. Error: invalid.
[[nodiscard]] base::Result<instance::ReceivedEvent> signal_of(const Body& body);
/// The source of a signal that names none.
[[nodiscard]] std::string source_of_signal(const instance::InstanceId& instance);

/// `map`: {"task of the version so far": "task of the other", …}, names or references. Error: invalid.
[[nodiscard]] base::Result<std::vector<instance::TaskMapping>> mapping_of(const Body& body);

}  // namespace trv::gateway
