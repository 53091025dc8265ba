#pragma once
// The zygote: a process of one thread, started before travd has read a secret, that starts the processes of plugins and
// is a copy of none of travd's memory. It keeps some ready, each behind its walls, where nothing has run yet.

#include "kernel/sandbox/walls.hpp"

namespace trv::sandbox {

/// Where a process of the zygote finds itself.
struct Room {
  int socket = 3;              ///< SEQPACKET, to travd
  int folder = -1;             ///< open folder of the libraries, where the file tree does not show it
  bool has_namespaces = true;  ///< and a file tree of its own, with shown_folder
  // The system calls left to a process that is its library. They live as long as the process.
  const SystemCallFilter* while_loading = nullptr;
  const SystemCallFilter* once_loaded = nullptr;
  /// Where the names of calls that were refused go, one a line; -1: nobody looks.
  int refused = -1;
};

struct ZygoteOptions {
  const char* folder = nullptr;  ///< of the libraries, absolute
  unsigned ready_count = 4;      ///< processes that wait for work
  bool needs_namespaces = true;  ///< else a host without them gets processes without them
  bool hears_refused = false;    ///< refused_file is open
};

/// Serves control_file until travd closes it. In each process that it starts it calls `live`, which does not return.
/// All of them are killed when it ends.
[[noreturn]] void run_zygote(const ZygoteOptions& options, void (*live)(const Room& room));

}  // namespace trv::sandbox
