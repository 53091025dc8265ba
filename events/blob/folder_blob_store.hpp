#pragma once
// A blob store in a folder of the local disk (docs/formats/blobs.md). The folder belongs to one process. Any thread.

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>

#include "events/blob/blob_store.hpp"
#include "sdk/base/random.hpp"

namespace trv::blob {

class FolderBlobStore final : public BlobStore {
 public:
  /// Whether there is room for so many bytes more. Any thread.
  using HasRoom = std::function<base::Status(std::uint64_t bytes)>;

  /// Makes the folder where it is missing and removes what unfinished puts left. `random` outlives the store and may be
  /// used on any thread. `has_room` may be empty; it is asked before a blob is written, and its error is put's.
  /// Error: unavailable.
  [[nodiscard]] static base::Result<std::unique_ptr<FolderBlobStore>> open(const std::filesystem::path& folder,
                                                                           std::size_t bytes_max, base::Random& random,
                                                                           HasRoom has_room = {});

  [[nodiscard]] base::Result<base::Digest> put(base::BytesView bytes) override;
  [[nodiscard]] base::Result<base::Bytes> get(const base::Digest& digest) override;
  [[nodiscard]] base::Status remove(const base::Digest& digest) override;
  [[nodiscard]] base::Result<std::vector<base::Digest>> list(const std::optional<base::Digest>& after,
                                                             std::size_t count) override;
  [[nodiscard]] std::size_t bytes_max() const noexcept override { return bytes_max_; }

  /// Removes what an earlier process left: what `is_named` does not know. What was put since open() stays, because its
  /// record may not be written yet; so others may put meanwhile. Once in the life of a store. Errors: unavailable; what
  /// `is_named` reports.
  [[nodiscard]] base::Status remove_left_over(const std::function<base::Result<bool>(const base::Digest&)>& is_named);

 private:
  FolderBlobStore(std::filesystem::path folder, std::size_t bytes_max, base::Random& random, HasRoom has_room);
  [[nodiscard]] base::Error too_large(std::uint64_t bytes) const;
  [[nodiscard]] std::filesystem::path path_of(const base::Digest& digest) const;
  [[nodiscard]] base::Status unlink(const base::Digest& digest);

  const std::filesystem::path folder_;
  const std::size_t bytes_max_;
  base::Random& random_;
  const HasRoom has_room_;
  std::shared_mutex removal_;  ///< shared by put, so that what put has found stored is not removed before it returns
  std::mutex put_mutex_;
  std::optional<std::set<base::Digest>> put_{std::in_place};  ///< since open(), until remove_left_over()
};

}  // namespace trv::blob
