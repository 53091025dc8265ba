#pragma once
// A tenant's event stream that survives a server that restarts: it goes on behind the last event that came. One thread.

#include <optional>
#include <string>
#include <vector>

#include "kernel/cli/client/sse.hpp"
#include "kernel/cli/commands/session.hpp"

namespace trv::cli {

class EventFollower {
 public:
  /// From behind position `after`; empty: from now on. The session must outlive this.
  EventFollower(Session& session, std::string after, bool lifecycle = false)
      : session_(session), after_(std::move(after)), lifecycle_(lifecycle) {}

  /// Opens the stream: what happens from here on will be seen. Error: as Session::call.
  [[nodiscard]] base::Status connect();
  /// What came, after at most `timeout`; perhaps nothing. connect() must have succeeded once.
  /// Error: unavailable where the server stays away (ask_patiently), denied where it refuses.
  [[nodiscard]] base::Result<std::vector<ServerSentEvent>> next(base::Duration timeout);

 private:
  /// The stream's head; of a status other than 2xx no stream.
  [[nodiscard]] base::Result<HttpResponse> open();
  [[nodiscard]] base::Status reconnect();

  Session& session_;
  std::string after_;
  bool lifecycle_;  ///< the events of the workflow language, not the records
  std::optional<HttpStream> stream_;
  SseParser parser_;
};

}  // namespace trv::cli
