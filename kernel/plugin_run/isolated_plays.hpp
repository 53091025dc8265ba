#pragma once
// The plays of the conformance suite (sdk/conformance/suite/play.hpp), made of a plugin in the process that travd would
// run it in, behind the same walls. One thread.

#include <atomic>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "kernel/plugin_run/local_host.hpp"
#include "kernel/plugin_run/local_sender.hpp"
#include "kernel/plugin_run/local_services.hpp"
#include "sdk/conformance/suite/play.hpp"

namespace trv::plugin_run {

/// Ends each request alike, and keeps it. One that the plugin may not send is refused, as the broker of travd does, and
/// is not kept. Any thread.
class PlayAnswers final : public LocalSender {
 public:
  /// `manifest` outlives this.
  explicit PlayAnswers(const package::Manifest& manifest);

  /// From here on. Gives what was sent since the last time.
  std::vector<conformance::SentRequest> begin(conformance::HttpStep step);
  /// Hears of each request before it is answered, on the caller's thread; must not call this.
  void on_asked(std::function<void()> asked) { asked_ = std::move(asked); }

 protected:
  [[nodiscard]] base::Result<egress::Response> answer_to(const egress::Request& request) override;

 private:
  /// Which host a request is for is not known here; one that is permitted for some hosts is taken to be for one of
  /// them.
  const bool asks_permission_;
  conformance::HttpStep step_ = conformance::HttpAnswer{};
  std::vector<conformance::SentRequest> sent_;
  std::function<void()> asked_ = [] {};
};

struct IsolatedSetup {
  std::filesystem::path program = {};  ///< trav-plugin-host
  std::optional<std::string> configuration = std::nullopt;
  std::uint64_t call_timeout_ms = 10'000;
};

/// What came of one play.
struct IsolatedPlay {
  enum class End { answered, crashed, hung, defect };
  End end = End::answered;
  std::string message = {};  ///< of all but `answered`: what the caller is given
  conformance::suite::Played played = {};
  std::string text = {};                  ///< conformance::suite::to_text
  std::size_t asked = 0;                  ///< how often it asked for HTTP, its store, signatures and events
  bool was_killed = false;                ///< as PlayedHow::kill_at says
  std::vector<std::string> refused = {};  ///< names of system calls, since the play before
};

/// How a play is made otherwise than the ones before it.
struct PlayedHow {
  std::string key;            ///< the call's idempotency key
  std::uint32_t attempt = 1;  ///< from 1
  std::size_t kill_at = 0;    ///< the process is killed when it asks for this, counted from 1; 0: it is not
};

class IsolatedPlays {
 public:
  /// Starts the plugin and asks it whether it is well. Errors: as LocalHost::start and PluginHost::check_start.
  [[nodiscard]] static base::Result<std::unique_ptr<IsolatedPlays>> start(LocalPackage& package, IsolatedSetup setup,
                                                                          const base::Clock& clock);

  /// After a crash, a hang or a kill the plugin is started again. Errors: as start.
  [[nodiscard]] base::Result<IsolatedPlay> make(const conformance::suite::Play& play, const PlayedHow& how);
  /// From here on the plugin's store is empty.
  void empty_store() { services_.emplace(LocalOffer{}); }
  /// Of system calls that were refused since the last play.
  [[nodiscard]] std::vector<std::string> take_refused_calls() { return host_->take_refused_calls(); }
  /// Whether an input is one that the kernel lets pass. Error: invalid.
  [[nodiscard]] base::Status check_input(const conformance::suite::Play& play) const;
  /// What is otherwise than with travd.
  [[nodiscard]] const std::vector<std::string>& remarks() const noexcept { return host_->remarks(); }
  [[nodiscard]] const sandbox::Walls& walls() const { return host_->walls(); }
  /// Ends the plugin. Error: timeout.
  [[nodiscard]] base::Status stop();

 private:
  IsolatedPlays(LocalPackage& package, IsolatedSetup setup, const base::Clock& clock)
      : package_(package), setup_(std::move(setup)), clock_(clock), http_(package.manifest()) {
    http_.on_asked([this] { note_asked(); });
  }
  [[nodiscard]] base::Status begin_host();
  void note_asked();
  [[nodiscard]] base::Result<plugin_host::ServiceAnswer> serve(const plugin_host::ServiceCall& call);

  LocalPackage& package_;
  const IsolatedSetup setup_;
  const base::Clock& clock_;
  PlayAnswers http_;
  std::optional<LocalServices> services_{std::in_place, LocalOffer{}};
  std::atomic<std::size_t> asked_ = 0;
  std::atomic<std::size_t> kill_at_ = 0;
  std::mutex mutex_;
  std::vector<conformance::SignAsked> signatures_;
  std::unique_ptr<LocalHost> host_;
};

}  // namespace trv::plugin_run
