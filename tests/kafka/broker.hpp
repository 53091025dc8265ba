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
/// Every process of it stops as under SIGSTOP, or goes on.
void pause_brokers(bool paused);

}  // namespace trv::kafka
