#pragma once
// Writes to one partition: idempotent, acks=all, in order.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "events/kafka/client.hpp"
#include "sdk/base/bytes.hpp"

namespace trv::kafka {

struct Message {
  std::string_view key;
  std::vector<std::pair<std::string_view, std::string>> headers;
  base::BytesView value;
};

/// One thread. A producer that failed is destroyed, never used again: what it still had under way may or may not come
/// to be stored, and only a later entry that was read back tells which.
class Producer final : Deliveries {
 public:
  [[nodiscard]] static base::Result<std::unique_ptr<Producer>> open(const Settings& settings, std::int32_t partition);
  ~Producer() override;
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  /// Copies the message and sends it in the background, behind all before it and a millisecond later, so that others
  /// can go with it. Errors: unavailable where its buffer stays full; what the producer failed with.
  [[nodiscard]] base::Status send(const Message& message);
  /// Takes in what the brokers have answered. Waits up to `within` for it. Error: the first failure, from then on.
  [[nodiscard]] base::Status poll(base::Duration within);
  [[nodiscard]] std::uint64_t sent() const noexcept { return sent_; }
  /// How many of the messages, from the first, are acknowledged.
  [[nodiscard]] std::uint64_t acknowledged() const noexcept { return acknowledged_; }

 private:
  Producer(const Settings& settings, std::int32_t partition) : settings_(settings), partition_(partition) {}
  void delivered(const Delivery& delivery) noexcept override;
  [[nodiscard]] base::Error reason_of(int error) const;

  Settings settings_;
  std::int32_t partition_;
  std::uint64_t sent_ = 0;
  std::uint64_t acknowledged_ = 0;
  std::optional<base::Error> failed_;
  Client client_;  // last: its end reports what was under way
};

}  // namespace trv::kafka
