#pragma once
// The one door to the network: HTTP for plugins and workflows.
//
// The broker looks the connection up, checks that the asker may use it, adds base URL and credentials, and refuses what
// could escape: headers of the host, paths above the base URL, private addresses. The address checked is the one that
// the socket connects to, so a name that resolves differently later gains nothing. Redirects are returned, not
// followed. Connections are kept alive and shared; each (tenant, connection) has a limit on requests at once, the rest
// wait in line. No secret is in an error, a counter or a response made here.
//
// Owns one thread, which runs every transfer and every completion. Nothing is durable.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "kernel/egress/connection.hpp"
#include "kernel/egress/http_sender.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/result.hpp"

namespace trv::egress {

struct BrokerConfiguration {
  bool allow_private_network = false;  ///< for every connection and for absolute URLs
  std::string certificate_file = {};   ///< PEM bundle of trusted roots; empty = the system's
  std::string user_agent = "travertine";
  ConnectionLimits url_limits = {};          ///< for absolute URLs, per (tenant, origin)
  std::uint32_t waiting_max = 1'000;         ///< requests in line per connection; more are refused as exhausted
  std::uint32_t idle_connections_max = 128;  ///< kept alive at once
  std::uint32_t response_headers_max = 256;
  std::uint64_t response_header_bytes_max = 65'536;
};

/// Counters since the start, but for `in_flight` and `waiting`, which are now.
struct BrokerMetrics {
  std::uint64_t succeeded = 0;  ///< a response came, whatever its status
  std::uint64_t invalid = 0;
  std::uint64_t denied = 0;
  std::uint64_t not_found = 0;
  std::uint64_t too_large = 0;
  std::uint64_t exhausted = 0;
  std::uint64_t unavailable = 0;
  std::uint64_t timeout = 0;
  std::uint64_t cancelled = 0;
  std::uint64_t other = 0;  ///< a secret that could not be read, or a defect of ours
  std::uint64_t in_flight = 0;
  std::uint64_t waiting = 0;
  std::uint64_t bytes_sent = 0;      ///< bodies
  std::uint64_t bytes_received = 0;  ///< bodies
  std::uint64_t connections_opened = 0;
};

class Broker final : public HttpSender {
 public:
  /// The sources and the clock outlive the broker. Errors: invalid (configuration), unavailable (no thread, no memory).
  [[nodiscard]] static base::Result<std::unique_ptr<Broker>> start(BrokerConfiguration configuration,
                                                                   ConnectionSource& connections, SecretSource& secrets,
                                                                   const base::Clock& clock);
  /// Stops first.
  ~Broker() override;

  RequestId send(Request request, Completion completion) override;
  RequestId send_in_parts(Request request, std::shared_ptr<PartReceiver> receiver) override;
  void take(RequestId id, std::uint64_t byte_count) override;
  void cancel(RequestId id) override;

  /// Any thread but the broker's. Ends every request with cancelled and joins the thread. May be called again.
  void stop();

  /// Instead of what the configuration says, for requests that are sent from now on. Any thread.
  void allow_private_network(bool is_allowed) noexcept;

  /// Any thread.
  [[nodiscard]] BrokerMetrics metrics() const;

 private:
  class Loop;
  explicit Broker(std::unique_ptr<Loop> loop);
  std::unique_ptr<Loop> loop_;
};

}  // namespace trv::egress
