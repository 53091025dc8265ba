#pragma once
// Effects are data: work that a decision asks the world to do, and what came back.

#include <string>

#include "kernel/shard/decision.hpp"

namespace trv::shard {

inline constexpr std::string_view effect_requested_type = "trv.effect.requested";
inline constexpr std::string_view effect_succeeded_type = "trv.effect.succeeded";
inline constexpr std::string_view effect_failed_type = "trv.effect.failed";

struct Effect {
  base::TenantId tenant;
  std::string key;    ///< idempotency key; the same over every retry and restart
  std::string owner;  ///< stream id of whoever waits, for example the instance's id
  std::string task;   ///< JSON pointer of the task
  std::uint32_t attempt = 1;
  std::string kind;  ///< "plugin" or "http"
  std::string plugin;
  std::string version;
  std::string operation;
  std::string connection;
  std::string input;  ///< JSON
  base::Duration timeout{};
  std::string traceparent;
  base::Timestamp requested;
};

/// What came back. Exactly one of the two halves is meant, told by `ok`.
struct Outcome {
  bool ok = false;
  std::string output;  ///< JSON
  std::string code;    ///< as base::to_string(ErrorCode)
  std::uint32_t status = 0;
  std::string message;
  std::string detail;  ///< JSON object, or empty
  std::uint32_t tries = 1;
  base::Duration duration{};
};

/// The event that puts the effect into the outbox. `stream_kind` and effect.owner name the stream.
[[nodiscard]] record::Draft effect_requested(const DecisionContext& context, std::string_view stream_kind,
                                             const Effect& effect);
/// The event that takes it out.
[[nodiscard]] record::Draft effect_settled(const DecisionContext& context, std::string_view stream_kind,
                                           std::string_view stream_id, std::string_view key, const Outcome& outcome);

}  // namespace trv::shard
