#pragma once
// A disk without room, for tests.

#include <sys/resource.h>

#include <csignal>

#include "sdk/base/contract.hpp"

namespace trv::lmdb {

/// While it lives, this process writes no file behind its first 8 KiB: a commit of LMDB fails. One at a time.
class FilesAreFull {
 public:
  FilesAreFull() : before_handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    TRV_ASSERT(::getrlimit(RLIMIT_FSIZE, &before_) == 0);
    rlimit limit = before_;
    limit.rlim_cur = 8192;
    TRV_ASSERT(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
  }
  ~FilesAreFull() {
    TRV_ASSERT(::setrlimit(RLIMIT_FSIZE, &before_) == 0);
    (void)std::signal(SIGXFSZ, before_handler_);
  }
  FilesAreFull(const FilesAreFull&) = delete;
  FilesAreFull& operator=(const FilesAreFull&) = delete;

 private:
  void (*before_handler_)(int);
  rlimit before_{};
};

}  // namespace trv::lmdb
