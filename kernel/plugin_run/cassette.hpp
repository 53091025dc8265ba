#pragma once
// HTTP that was sent once, in a file, and answered from there again. docs/formats/cassette.md.

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/egress/http_sender.hpp"
#include "kernel/plugin_run/local_sender.hpp"
#include "kernel/plugin_run/local_services.hpp"

namespace trv::plugin_run {

inline constexpr std::size_t cassette_bytes_max = 64 * 1024 * 1024;

/// A request of a plugin, and what came of it. Of the request: connection, method, path, headers and body.
struct Exchange {
  egress::Request request;
  base::Result<egress::Response> answer = egress::Response{};
};

/// With that of the request which is kept.
[[nodiscard]] Exchange exchange_of(const egress::Request& request, base::Result<egress::Response> answer);

/// In the order in which the answers came.
struct Cassette {
  std::string idempotency_key = {};  ///< of the call; empty in a recording of before
  StoreValues store = {};            ///< of the plugin, when the call began
  std::vector<Exchange> exchanges = {};
};

/// Errors: invalid (names the line), too_large.
[[nodiscard]] base::Result<Cassette> read_cassette(std::string_view text);

/// The values of headers that may be secrets are not in it.
[[nodiscard]] std::string to_text(const Cassette& cassette);

/// Passes on to another sender, and keeps what was sent and came.
class CassetteRecorder final : public egress::HttpSender {
 public:
  /// `network` outlives this; whatever was sent is answered before this ends.
  explicit CassetteRecorder(egress::HttpSender& network) : network_(network) {}

  egress::RequestId send(egress::Request request, egress::Completion completion) override;
  /// Is kept as one body; of one that was cancelled, what came of it.
  egress::RequestId send_in_parts(egress::Request request, std::shared_ptr<egress::PartReceiver> receiver) override;
  void take(egress::RequestId id, std::uint64_t byte_count) override { network_.take(id, byte_count); }
  void cancel(egress::RequestId id) override { network_.cancel(id); }

  /// Any thread. What was answered until now.
  [[nodiscard]] Cassette recorded() const;

 private:
  class Parts;
  void keep(Exchange exchange);

  egress::HttpSender& network_;
  mutable std::mutex mutex_;
  Cassette cassette_;
};

/// Answers from a cassette; nothing is sent. A recording answers the request of the same connection, method, path and
/// body, once; several of one request in their order.
class CassettePlayer final : public LocalSender {
 public:
  explicit CassettePlayer(Cassette cassette);

  /// Any thread. Requests that no recording answered, as sentences.
  [[nodiscard]] std::vector<std::string> missing() const;
  /// Any thread. How many recordings answered nothing.
  [[nodiscard]] std::size_t unused() const;

 protected:
  [[nodiscard]] base::Result<egress::Response> answer_to(const egress::Request& request) override;

 private:
  Cassette cassette_;
  std::vector<bool> used_;
  std::vector<std::string> missing_;
};

}  // namespace trv::plugin_run
