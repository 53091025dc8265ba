#pragma once
// Event data that a blob holds, as expressions see it. A decision never waits for a file: what it reads of a blob was
// read before, on another thread.

#include <cstddef>
#include <list>
#include <mutex>
#include <optional>

#include "events/blob/blob_store.hpp"
#include "kernel/json/value.hpp"

namespace trv::instance {

/// Any thread.
class LargeData {
 public:
  /// `blobs` must outlive it.
  explicit LargeData(blob::BlobStore& blobs) : blobs_(blobs) {}

  /// The value from memory. An error is reported once: the value is not there afterwards, so that it is read again.
  [[nodiscard]] std::optional<base::Result<json::Value>> find(const base::Digest& sha256);
  /// Reads the blob, which holds JSON, or octets that expressions see as base64. Reads a file.
  void read(const base::Digest& sha256, bool is_base64);

 private:
  struct Entry {
    base::Digest sha256{};
    base::Result<json::Value> value;
  };
  /// Each may be some hundred MB.
  static constexpr std::size_t entries_max = 4;

  blob::BlobStore& blobs_;
  std::mutex mutex_;          ///< over what follows
  std::list<Entry> entries_;  ///< most recently used first
};

}  // namespace trv::instance
