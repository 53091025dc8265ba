#pragma once
// The broker of the test program: one, on loopback, ended with it.

#include <filesystem>
#include <string>

namespace trv::kafka {

/// What clients connect to.
[[nodiscard]] const std::string& brokers();
/// The same broker where clients log in: by password over TLS, by certificate. tests/kafka/secure.sh says as whom.
struct SecuredBroker {
  std::string by_password;
  std::string by_certificate;
  std::filesystem::path files;  ///< of the certificates
};
[[nodiscard]] const SecuredBroker& secured_broker();
/// The first of so many neighbouring ports that nobody listens on; 0: none were found.
[[nodiscard]] int free_ports(int count);
/// Further ones, for one test, on `2 * count` ports from there on. What clients connect to; a failure is one of the
/// test.
[[nodiscard]] std::string start_brokers(const std::filesystem::path& folder, int port, int count);
/// And removes their folder.
void stop_brokers(const std::filesystem::path& folder);
/// Every process of it stops as under SIGSTOP, or goes on.
void pause_brokers(bool paused);

}  // namespace trv::kafka
