#pragma once
// For tests: a log that hands every call to another one. What is derived from it overrides what it does otherwise.

#include <memory>
#include <utility>

#include "events/log/event_log.hpp"

namespace trv::log {

/// Any thread, as the real log, which outlives it.
class ForwardingLog : public EventLog {
 public:
  explicit ForwardingLog(EventLog& real) noexcept : real_(real) {}

  [[nodiscard]] base::Result<Claim> claim(ShardId shard, std::string_view node, const base::Uuid& nonce,
                                          const EnginePosition& hint = {}) override {
    return real_.claim(shard, node, nonce, hint);
  }
  [[nodiscard]] base::Result<Claim> claim_as(ShardId shard, Epoch epoch, std::string_view node,
                                             const base::Uuid& nonce) override {
    return real_.claim_as(shard, epoch, node, nonce);
  }
  [[nodiscard]] base::Result<Ticket> append(const Claim& claim, Batch batch) override {
    return real_.append(claim, std::move(batch));
  }
  [[nodiscard]] base::Result<Settled> settle(const Ticket& ticket) override { return real_.settle(ticket); }
  [[nodiscard]] base::Result<std::unique_ptr<Reader>> read(ShardId shard, Lsn from,
                                                           const EnginePosition& hint = {}) override {
    return real_.read(shard, from, hint);
  }
  [[nodiscard]] base::Result<Bounds> bounds(ShardId shard) override { return real_.bounds(shard); }
  [[nodiscard]] base::Status trim(ShardId shard, Lsn below) override { return real_.trim(shard, below); }

 private:
  EventLog& real_;
};

}  // namespace trv::log
