#pragma once
// How the brokers are reached.

#include <string>

#include "sdk/base/timestamp.hpp"

namespace trv::kafka {

enum class Mechanism { none, plain, scram_sha_256, scram_sha_512 };

struct Settings {
  std::string brokers;  ///< host:port, separated by commas
  std::string topic = "travertine.events";
  std::string client_id = "travertine";
  bool tls = false;
  std::string ca_file;           ///< PEM; empty: what the system trusts
  std::string certificate_file;  ///< PEM of the client; empty: none
  std::string key_file;          ///< PEM; goes with certificate_file
  Mechanism mechanism = Mechanism::none;
  std::string user;
  std::string password;
  /// How long a record may wait for its acknowledgement before its fate is unknown.
  base::Duration acknowledged_within = std::chrono::seconds(20);
};

}  // namespace trv::kafka
