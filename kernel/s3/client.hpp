#pragma once
// Objects of one bucket, over HTTP with libcurl. Every request is signed; no redirect is followed. What may pass (500
// to 504, SlowDown, a connection that breaks, an answer that is cut off) is tried again, later each time.
//
// One thread at a time. Errors of every function: unavailable (no answer, or none that helps, after all tries); denied
// (the storage refuses: credentials, clock, bucket, region; says which and what to do); invalid (ca_file does not hold
// certificates); cancelled (`stop`).

#include <cstddef>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/s3/place.hpp"
#include "kernel/s3/signature.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/random.hpp"
#include "sdk/base/result.hpp"

namespace trv::s3 {

/// How often something is tried, and how long is waited in between: twice as long each time, less up to a half of it by
/// chance.
struct Tries {
  unsigned count = 6;
  base::Duration first_pause = std::chrono::milliseconds(300);
  base::Duration pause_max = std::chrono::seconds(10);
};

struct Settings {
  Endpoint endpoint;
  std::string region;
  std::string bucket;
  bool is_path_style = true;  ///< the bucket is in the path, and not in the name of the host
  std::string ca_file;        ///< PEM; empty: the authorities that the system trusts
  Credentials credentials;
  std::string credentials_from;  ///< where those come from, for messages
  Tries tries = {};
};

enum class Put {
  replace,   ///< an object that is there is replaced
  only_new,  ///< an object that is there stays
};

class Client {
 public:
  /// The ports outlive the client.
  Client(Settings settings, const base::Clock& clock, base::Random& random, std::stop_token stop = {});
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// Errors: not_found; too_large where there are more than `bytes_max`.
  [[nodiscard]] base::Result<base::Bytes> get(const std::string& key, std::size_t bytes_max);
  /// Durable on return, and atomic: no reader finds half of it. `sha256` is of `bytes`; the storage compares. False,
  /// with Put::only_new: there is one.
  [[nodiscard]] base::Result<bool> put(const std::string& key, base::BytesView bytes, const base::Digest& sha256,
                                       Put how);
  /// An object that is not there is as good.
  [[nodiscard]] base::Status remove(const std::string& key);
  /// The keys that begin with `prefix`, in order. Error: corrupt where the answer is not a list.
  [[nodiscard]] base::Result<std::vector<std::string>> list(const std::string& prefix);

  [[nodiscard]] const Settings& settings() const noexcept { return settings_; }

 private:
  struct Request;
  struct Answer;
  struct Connection;

  [[nodiscard]] base::Result<Answer> send(const Request& request);
  [[nodiscard]] base::Result<Answer> try_once(const Request& request);
  [[nodiscard]] base::Error refusal(const Request& request, const Answer& answer) const;
  [[nodiscard]] std::string host() const;
  [[nodiscard]] std::string path_of(std::string_view key) const;
  [[nodiscard]] std::string object_text(std::string_view key) const;

  const Settings settings_;
  const base::Clock& clock_;
  base::Random& random_;
  const std::stop_token stop_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace trv::s3
