#pragma once
// travd as a process for tests of its API.

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/base/result.hpp"

namespace trv::api {

/// Where they say nothing of shards, travd runs with as many as TRV_TEST_SHARDS says (default 1).
using Variables = std::map<std::string, std::string>;

/// What travd finds around it.
struct Surroundings {
  Variables variables = {};  ///< besides HOME
  std::string limits = {};   ///< arguments of the shell's `ulimit`, for example "-n 512"; empty: those of the test
  std::string program = {};  ///< another than travd
};

/// A folder under the system's folder for temporary files, removed with everything in it at the end.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

/// How a daemon that should not start ended.
struct Ended {
  int code = -1;  ///< -1: it did not end within ten seconds, or by a signal
  std::string out;
  std::string err;
};
/// Runs travd with these arguments and, besides HOME, only these variables, and waits for its end.
[[nodiscard]] Ended run_daemon(const ScratchFolder& scratch, const std::vector<std::string>& arguments,
                               const Variables& variables = {});

/// A running travd on a free port and `<scratch>/data`. The destructor stops it where stop() was not
/// called.
class Daemon {
 public:
  /// Error: unavailable with what it wrote, when it is not ready within twenty seconds.
  [[nodiscard]] static base::Result<std::unique_ptr<Daemon>> start(const ScratchFolder& scratch,
                                                                   const std::vector<std::string>& more_arguments = {},
                                                                   const Surroundings& surroundings = {});
  /// The same, but returns when the port is open, which is before it is ready; then there is no operator_token().
  [[nodiscard]] static base::Result<std::unique_ptr<Daemon>> launch(const ScratchFolder& scratch,
                                                                    Surroundings surroundings = {});
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  [[nodiscard]] const std::string& url() const noexcept { return url_; }
  /// Empty where the data folder was not new.
  [[nodiscard]] const std::string& operator_token() const noexcept { return operator_token_; }
  [[nodiscard]] const std::filesystem::path& data() const noexcept { return data_; }
  [[nodiscard]] pid_t id() const noexcept { return id_; }
  /// What it has written to its standard output so far.
  [[nodiscard]] std::string output() const;
  /// What it has written to its standard error so far.
  [[nodiscard]] std::string complaints() const;
  [[nodiscard]] bool running() const;
  /// SIGTERM; its exit code, -1 where it did not end within fifteen seconds or a signal ended it.
  [[nodiscard]] int stop();

 private:
  Daemon() = default;
  static std::unique_ptr<Daemon> spawned(const ScratchFolder& scratch, const std::vector<std::string>& more_arguments,
                                         const Surroundings& surroundings);
  /// Waits until it has written `text`. Error: unavailable with what it wrote.
  [[nodiscard]] base::Status wait_for_text(const std::filesystem::path& file, std::string_view text) const;

  pid_t id_ = -1;
  std::string url_;
  std::string operator_token_;
  std::filesystem::path data_;
  std::filesystem::path output_;
  std::filesystem::path complaints_;
};

/// The bytes of a file; empty where it cannot be read.
[[nodiscard]] std::string contents_of(const std::filesystem::path& file);

}  // namespace trv::api
