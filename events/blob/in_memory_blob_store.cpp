#include "events/blob/in_memory_blob_store.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sdk/base/contract.hpp"

namespace trv::blob {

using base::Digest;
using base::ErrorCode;

namespace {

/// Its store is asked once, at the end.
class InMemoryBlobWriter final : public BlobWriter {
 public:
  explicit InMemoryBlobWriter(InMemoryBlobStore& store) noexcept : store_(store) {}

  base::Status add(base::BytesView part) override {
    if (bytes_.size() + part.size() > store_.bytes_max()) {
      return base::fail(ErrorCode::too_large, fmt::format("a blob of {} bytes was given, at most {} are taken",
                                                          bytes_.size() + part.size(), store_.bytes_max()));
    }
    bytes_.insert(bytes_.end(), part.begin(), part.end());
    return {};
  }
  base::Result<Digest> finish() override { return store_.put(bytes_); }
  Digest digest() const override { return base::sha256(bytes_); }
  std::uint64_t byte_count() const noexcept override { return bytes_.size(); }

 private:
  InMemoryBlobStore& store_;
  base::Bytes bytes_;
};

}  // namespace

base::Status InMemoryBlobStore::take_fault() {
  if (!fault_) return {};
  return base::fail(*std::exchange(fault_, std::nullopt));
}

base::Result<Digest> InMemoryBlobStore::put(base::BytesView bytes) {
  if (bytes.size() > bytes_max_) {
    return base::fail(ErrorCode::too_large,
                      fmt::format("a blob of {} bytes was given, at most {} are taken", bytes.size(), bytes_max_));
  }
  const Digest digest = base::sha256(bytes);
  const std::lock_guard lock(mutex_);
  TRV_TRY(take_fault());
  blobs_.insert_or_assign(digest, base::Bytes(bytes.begin(), bytes.end()));
  return digest;
}

base::Result<std::unique_ptr<BlobWriter>> InMemoryBlobStore::begin() {
  return std::make_unique<InMemoryBlobWriter>(*this);
}

base::Result<base::Bytes> InMemoryBlobStore::read(const Digest& digest, std::uint64_t offset, std::size_t length) {
  TRV_TRY_ASSIGN(const base::Bytes bytes, get(digest));
  const auto rest = base::BytesView(bytes).subspan(std::min<std::uint64_t>(offset, bytes.size()));
  const auto part = rest.first(std::min(length, rest.size()));
  return base::Bytes(part.begin(), part.end());
}

base::Result<base::Bytes> InMemoryBlobStore::get(const Digest& digest) {
  const std::lock_guard lock(mutex_);
  TRV_TRY(take_fault());
  const auto found = blobs_.find(digest);
  if (found == blobs_.end()) {
    return base::fail(ErrorCode::not_found, fmt::format("blob {} is not stored", base::to_hex(digest)));
  }
  if (base::sha256(found->second) != digest) {
    return base::fail(ErrorCode::corrupt, fmt::format("blob {} is damaged", base::to_hex(digest)));
  }
  return found->second;
}

base::Status InMemoryBlobStore::remove(const Digest& digest) {
  const std::lock_guard lock(mutex_);
  TRV_TRY(take_fault());
  blobs_.erase(digest);
  return {};
}

base::Result<std::vector<Digest>> InMemoryBlobStore::list(const std::optional<Digest>& after, std::size_t count) {
  TRV_EXPECTS(count > 0);
  const std::lock_guard lock(mutex_);
  TRV_TRY(take_fault());
  std::vector<Digest> found;
  for (auto at = after ? blobs_.upper_bound(*after) : blobs_.begin(); at != blobs_.end() && found.size() < count; ++at)
    found.push_back(at->first);
  return found;
}

void InMemoryBlobStore::fail_next(base::Error error) {
  const std::lock_guard lock(mutex_);
  fault_ = std::move(error);
}

void InMemoryBlobStore::damage(const Digest& digest) {
  const std::lock_guard lock(mutex_);
  const auto found = blobs_.find(digest);
  TRV_EXPECTS(found != blobs_.end());
  if (found->second.empty()) {
    found->second.push_back(0);
  } else {
    found->second.front() ^= 1;
  }
}

}  // namespace trv::blob
