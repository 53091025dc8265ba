#pragma once
// Answers to a plugin's HTTP that no service gave: any status, any JSON, none at all. Nothing is sent. Any thread.

#include <cstdint>
#include <string>
#include <vector>

#include "kernel/json/value.hpp"
#include "kernel/plugin_run/cassette.hpp"
#include "kernel/plugin_run/local_sender.hpp"
#include "sdk/base/random.hpp"
#include "sdk/package/manifest.hpp"

namespace trv::plugin_run {

/// Members that answers to a plugin may have: common ones, and those that its outputs have.
[[nodiscard]] std::vector<std::string> answer_names(const package::Manifest& manifest);

class FuzzAnswers final : public LocalSender {
 public:
  /// `names` are used for members of the answers, so that some of them are those that a plugin looks for.
  explicit FuzzAnswers(std::vector<std::string> names) : names_(std::move(names)) {}

  /// From here on the answers are those of this seed, whatever was asked before. Gives what was asked since the last
  /// time, with its answers.
  std::vector<Exchange> begin(std::uint64_t seed);

  /// The first one of a seed, which becomes the seed of what follows.
  [[nodiscard]] base::Result<egress::Response> first_of(std::uint64_t seed);

 protected:
  [[nodiscard]] base::Result<egress::Response> answer_to(const egress::Request& request) override;

 private:
  [[nodiscard]] json::Value odd_object();
  [[nodiscard]] base::Result<egress::Response> make_answer();

  const std::vector<std::string> names_;
  base::SimulatedRandom random_{0};
  std::vector<Exchange> asked_;
};

}  // namespace trv::plugin_run
