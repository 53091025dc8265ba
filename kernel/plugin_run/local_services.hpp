#pragma once
// Store, blobs, secrets and events of a plugin that runs without a server (trv.kv/1, trv.blob/1, trv.secret/1,
// trv.event/1): within the limits that travd has. Blobs are in memory, and gone with the run. Any thread.

#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "events/blob/in_memory_blob_store.hpp"
#include "kernel/plugin_host/service_request.hpp"
#include "sdk/base/result.hpp"

namespace trv::plugin_run {

inline constexpr std::size_t store_text_bytes_max = 16 * 1024 * 1024;
inline constexpr std::size_t secrets_text_bytes_max = 1'000'000;

/// Key → value as JSON text.
using StoreValues = std::map<std::string, std::string, std::less<>>;
/// Name → secret.
using Secrets = std::map<std::string, std::string, std::less<>>;

/// Of a JSON object: each member is a key with its value. Errors: invalid, too_large.
[[nodiscard]] base::Result<StoreValues> read_store(std::string_view text);
/// The same, sorted, one key to a line.
[[nodiscard]] std::string to_text(const StoreValues& values);
/// Of a JSON object of texts. Error: invalid, with nothing of a secret.
[[nodiscard]] base::Result<Secrets> read_secrets(std::string_view text);

/// An event that the plugin emitted.
struct LocalEvent {
  std::string id;
  std::string type;
  std::string subject;
  std::string data;  ///< JSON; empty: none
};

struct LocalOffer {
  StoreValues store = {};
  Secrets secrets = {};
  std::vector<std::string> named = {};  ///< secrets that the configuration names: the others are refused
};

/// Answers at once, on the caller's thread. The revisions of what was there before begin at 1, in the order of the
/// keys.
class LocalServices {
 public:
  explicit LocalServices(LocalOffer offer);

  [[nodiscard]] base::Result<plugin_host::ServiceAnswer> answer(const plugin_host::ServiceCall& call);

  /// What the store has now.
  [[nodiscard]] StoreValues stored() const;
  /// In the order in which they were emitted.
  [[nodiscard]] std::vector<LocalEvent> events() const;

 private:
  struct Kept {
    std::string value;
    std::uint64_t revision = 0;
  };
  struct Visitor;
  [[nodiscard]] base::Status check_revision(const std::string& key, std::uint64_t expected) const;

  const Secrets secrets_;
  const std::vector<std::string> named_;
  mutable std::mutex mutex_;
  std::map<std::string, Kept, std::less<>> store_;
  std::size_t store_bytes_ = 0;
  std::uint64_t last_revision_ = 0;
  std::vector<LocalEvent> events_;
  blob::InMemoryBlobStore blobs_{plugin_host::blob_bytes_max};
  std::map<std::string, plugin_host::KeptBlob> kept_blobs_;  ///< by digest
  std::uint64_t blob_bytes_ = 0;
};

}  // namespace trv::plugin_run
