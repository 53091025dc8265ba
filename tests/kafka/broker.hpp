#pragma once
// The broker of the test program: one, on loopback, ended with it.

#include <string>

namespace trv::kafka {

/// What clients connect to.
[[nodiscard]] const std::string& brokers();
/// Every process of it stops as under SIGSTOP, or goes on.
void pause_brokers(bool paused);

}  // namespace trv::kafka
