#pragma once
// The blob store port: content addressed by its SHA-256, kept beside the log. Records name a blob by digest and size.
//
// A store knows nothing of who refers to a blob. Its owner puts a blob before the record that names it, and removes one
// only when no record names it any more; what a crash leaves between the two is found with list(). Any thread.

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "sdk/base/bytes.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/result.hpp"

namespace trv::blob {

/// A blob that comes in parts. Its end without finish() leaves nothing. One thread at a time; the store outlives it.
class BlobWriter {
 public:
  virtual ~BlobWriter() = default;

  /// After an error nothing more is added. Errors: too_large (over bytes_max), unavailable.
  [[nodiscard]] virtual base::Status add(base::BytesView part) = 0;
  /// As put() of all parts. Once, and last.
  [[nodiscard]] virtual base::Result<base::Digest> finish() = 0;
  /// Both of all parts so far.
  [[nodiscard]] virtual base::Digest digest() const = 0;
  [[nodiscard]] virtual std::uint64_t byte_count() const noexcept = 0;
};

class BlobStore {
 public:
  virtual ~BlobStore() = default;

  /// Stores the bytes under their SHA-256; durable on return. The same bytes again give the same digest, and replace a
  /// copy that was damaged. Errors: too_large (over bytes_max), unavailable (nothing new is stored).
  [[nodiscard]] virtual base::Result<base::Digest> put(base::BytesView bytes) = 0;

  /// A new blob, whose parts are held nowhere but in the store. Error: unavailable.
  [[nodiscard]] virtual base::Result<std::unique_ptr<BlobWriter>> begin() = 0;

  /// The bytes, held against the digest. Errors: not_found, corrupt (the stored bytes have another digest),
  /// unavailable.
  [[nodiscard]] virtual base::Result<base::Bytes> get(const base::Digest& digest) = 0;

  /// At most `length` bytes from `offset` on, fewer at its end. All of the blob was held against the digest since it
  /// was last changed, but not at each read. Errors: as get.
  [[nodiscard]] virtual base::Result<base::Bytes> read(const base::Digest& digest, std::uint64_t offset,
                                                       std::size_t length) = 0;

  /// Durable on return. A digest that is not stored is not an error. Error: unavailable.
  [[nodiscard]] virtual base::Status remove(const base::Digest& digest) = 0;

  /// The next `count` digests behind `after` in the order of their bytes, from the first where `after` is absent. Fewer
  /// than `count`: there are no more. Error: unavailable.
  [[nodiscard]] virtual base::Result<std::vector<base::Digest>> list(const std::optional<base::Digest>& after,
                                                                     std::size_t count) = 0;

  /// The largest blob that is taken.
  [[nodiscard]] virtual std::size_t bytes_max() const noexcept = 0;
};

}  // namespace trv::blob
