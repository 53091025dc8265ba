#pragma once
// Plays one case on a shard: sends what clients send, answers calls, lets time pass, until nothing is left to happen.

#include <map>
#include <string>
#include <vector>

#include "kernel/workflow/cases/case.hpp"
#include "kernel/workflow/cases/local_shard.hpp"

namespace trv::cases {

/// The world outside the kernel. It outlives the kernel's process: a call that comes again with the same key gets the
/// answer that it had, at the time that it had.
class Services {
 public:
  explicit Services(const std::vector<Answer>& answers) : answers_(answers), given_(answers.size()) {}

  struct Given {
    base::Timestamp ready;
    bool timed_out = false;  ///< the call's own time was over
    shard::Outcome outcome;
  };
  /// Error: not_found where no answer is meant for the call; in a world that takes no new calls: invalid.
  [[nodiscard]] base::Result<const Given*> answer(const shard::Effect& effect);
  /// The calls in the order in which they came, each once.
  [[nodiscard]] const json::Value& calls() const noexcept { return calls_; }
  /// From now on a call with an unknown key is an error.
  void take_no_new_calls() noexcept { takes_new_calls_ = false; }

 private:
  [[nodiscard]] const Reply* reply_to(std::string_view name);

  const std::vector<Answer>& answers_;
  std::vector<std::size_t> given_;  ///< replies of each answer
  std::map<std::string, Given> known_;
  json::Value calls_ = json::Value::array();
  bool takes_new_calls_ = true;
};

/// How the call is named in a case, for example "GET https://example.com" or "tickets.create".
[[nodiscard]] std::string call_name(const shard::Effect& effect, const json::Value& input);

struct Played {
  /// {status, output, error, takes, tasks, calls, emitted, started}, or {refused}.
  json::Value found;
  std::vector<std::string> faults;  ///< of the case: a call that nothing answers, time without end
};

/// `begins`: where time goes on. Called for a shard that has records already, it sends all inputs up to that time
/// again, as a client does that was not answered. After each decision `decided` is called.
[[nodiscard]] base::Result<Played> play(const Case& one, LocalShard& shard, Services& services, base::Timestamp begins,
                                        const std::function<base::Status()>& decided = {});

}  // namespace trv::cases
