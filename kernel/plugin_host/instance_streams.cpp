// trv.stream/1: what plugins answer in parts.

#include "kernel/plugin_host/instance_core.hpp"

namespace trv::plugin_host {

void InstanceCore::respond_in_parts(CallId id, std::uint64_t, base::Result<WebResponse>) noexcept {
  answer_failed(id, {.code = base::ErrorCode::internal, .message = "this host offers no answers in parts yet"});
}
void InstanceCore::write(CallId, std::uint64_t, std::string_view) noexcept {}
void InstanceCore::end_stream(CallId, std::uint64_t) noexcept {}
void InstanceCore::take(CallId, std::uint64_t, std::uint64_t) noexcept {}
void InstanceCore::drop(CallId, std::uint64_t) noexcept {}

}  // namespace trv::plugin_host
