#pragma once
// What each error of librdkafka means to us: the one place where its codes are read.

#include <string_view>

#include "sdk/base/result.hpp"

namespace trv::kafka {

enum class Reaction {
  retry,      ///< nothing was changed; the same call may succeed later
  claim,      ///< it is not known whether records were stored: destroy the producer, claim again
  step_down,  ///< this node may not or cannot serve the shard; an operator is needed, another node may
  stop,       ///< the setup is wrong: no retry will help
};

/// `code` is an rd_kafka_resp_err_t. Codes that librdkafka gains later are `claim`: the one that is never wrong.
[[nodiscard]] Reaction reaction_to(int code) noexcept;

/// An error whose code follows from the reaction (retry and claim: unavailable; step_down: denied or unavailable; stop:
/// invalid), and whose message names what was done, to which brokers' topic, and Kafka's own name of the error.
[[nodiscard]] base::Error failure(int code, std::string_view what);

}  // namespace trv::kafka
