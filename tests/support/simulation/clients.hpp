#pragma once
// Clients that send numbered events of one tenant each, the next one when the last was acknowledged, over a network
// that delays, loses, repeats and reorders answers.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "sdk/base/random.hpp"
#include "tests/support/simulation/checks.hpp"
#include "tests/support/simulation/requests.hpp"

namespace trv::simulation {

/// One thread.
class Clients {
 public:
  /// Hands a request to some node; what becomes of it is in the result when its batch is over.
  using Ask = std::function<const Sent&(Request)>;

  Clients(base::Random& dice, const std::vector<std::string>& tenants, Ask ask);

  /// Those who have nothing under way send, and so do those who have waited too long.
  void ask(std::uint64_t step);
  /// The batches of this step are over: their answers are on their way. `are_good`: each arrives once and at once.
  void take_answers(std::uint64_t step, bool are_good);
  /// From here on nobody sends a new one.
  void end() { is_ending_ = true; }
  [[nodiscard]] bool have_ended() const;
  /// What was acknowledged is in the log once, in the order in which it was sent.
  void check(const std::string& tenant, const LogSays& says, const std::function<void(std::string)>& fail) const;

  std::uint64_t answered = 0;
  std::uint64_t asked_again = 0;

 private:
  struct Client {
    std::string tenant;
    std::uint64_t number = 0;  ///< of the event in hand
    bool is_asking = false;
    bool waits = false;
    std::uint64_t asked_at = 0;
    std::uint64_t acknowledged = 0;  ///< how many
  };
  struct Asked {
    std::size_t client;
    std::uint64_t number;
    const Sent* sent;
  };
  struct Answer {
    std::size_t client;
    std::uint64_t number;
    bool is_good;
  };
  void take(const Answer& answer);

  base::Random& dice_;
  const Ask ask_;
  std::vector<Client> clients_;
  std::vector<Asked> asked_;
  std::multimap<std::uint64_t, Answer> answers_;  ///< by the step in which they arrive
  bool is_ending_ = false;
};

}  // namespace trv::simulation
