#pragma once
// The few sockets of an installer: the one that travd is given, and two questions. Any thread; they wait.

#include <cstdint>
#include <string>
#include <string_view>

#include "sdk/base/open_file.hpp"
#include "sdk/base/result.hpp"
#include "sdk/base/timestamp.hpp"

namespace trv::steps {

/// `address`: IPv4 or IPv6. Errors: invalid, unavailable (taken).
[[nodiscard]] base::Result<base::OpenFile> listening_socket(const std::string& address, std::uint16_t port);
/// Whether something takes connections at "host:port". Error: unavailable.
[[nodiscard]] base::Status reach(std::string_view place, base::Duration patience);
enum class Transport { plain, tls };
/// The status of `GET path` at that port of this host; whose certificate is shown there is not looked at. The process
/// ignores SIGPIPE. Error: unavailable.
[[nodiscard]] base::Result<int> status_of(const std::string& address, std::uint16_t port, Transport transport,
                                          std::string_view path, base::Duration patience);
/// Lets `time` pass.
void wait_a_while(base::Duration time);

}  // namespace trv::steps
