#pragma once
// A blob store in memory, for tests.
//
// Fault model: a put, get, remove or list after fail_next() fails once and changes nothing; damage() changes one byte
// of a stored blob, so that get() finds it corrupt until the same bytes are put again. What was put is there until it
// is removed or the store ends.

#include <map>
#include <mutex>

#include "events/blob/blob_store.hpp"

namespace trv::blob {

class InMemoryBlobStore final : public BlobStore {
 public:
  explicit InMemoryBlobStore(std::size_t bytes_max = std::size_t{64} << 20) noexcept : bytes_max_(bytes_max) {}

  [[nodiscard]] base::Result<base::Digest> put(base::BytesView bytes) override;
  [[nodiscard]] base::Result<std::unique_ptr<BlobWriter>> begin() override;
  [[nodiscard]] base::Result<base::Bytes> read(const base::Digest& digest, std::uint64_t offset,
                                               std::size_t length) override;
  [[nodiscard]] base::Result<base::Bytes> get(const base::Digest& digest) override;
  [[nodiscard]] base::Status remove(const base::Digest& digest) override;
  [[nodiscard]] base::Result<std::vector<base::Digest>> list(const std::optional<base::Digest>& after,
                                                             std::size_t count) override;
  [[nodiscard]] std::size_t bytes_max() const noexcept override { return bytes_max_; }

  void fail_next(base::Error error);
  /// The blob is stored.
  void damage(const base::Digest& digest);

 private:
  [[nodiscard]] base::Status take_fault();

  const std::size_t bytes_max_;
  std::mutex mutex_;
  std::map<base::Digest, base::Bytes> blobs_;
  std::optional<base::Error> fault_;
};

}  // namespace trv::blob
