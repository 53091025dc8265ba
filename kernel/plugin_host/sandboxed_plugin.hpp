#pragma once
// The inside of a plugin's process: takes the first frame, gives up what it does not need, loads the library, and
// carries frames between the socket and the plugin until the end.

#include "kernel/sandbox/zygote_inside.hpp"

namespace trv::plugin_host {

/// Of a process that called abort(): the first one of a process namespace does not die of the signal itself.
inline constexpr int aborted_exit_code = 134;

/// In a process of the zygote, on its only thread.
[[noreturn]] void live_in_sandbox(const sandbox::Room& room);

}  // namespace trv::plugin_host
