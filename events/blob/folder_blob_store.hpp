#pragma once
// A blob store in a folder (docs/formats/blobs.md), which several processes of one user may share. Any thread.

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>

#include "events/blob/blob_store.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/random.hpp"

namespace trv::blob {

struct FolderBlobs {
  std::size_t bytes_max;
  /// What was put, or was being put, less than this time ago is not removed: another process may be about to name it.
  /// 0: the folder belongs to one process, which knows what it is about to name.
  base::Duration stays_for{0};
  /// Whether there is room for so many bytes more. Any thread. May be empty; it is asked before a blob is written, and
  /// its error is put's.
  std::function<base::Status(std::uint64_t bytes)> has_room = {};
};

class FolderBlobStore final : public BlobStore {
 public:
  /// Makes the folder where it is missing and removes what unfinished puts left. `clock` and `random` outlive
  /// the store and may be used on any thread. Error: unavailable.
  [[nodiscard]] static base::Result<std::unique_ptr<FolderBlobStore>> open(const std::filesystem::path& folder,
                                                                           FolderBlobs blobs, const base::Clock& clock,
                                                                           base::Random& random);

  [[nodiscard]] base::Result<base::Digest> put(base::BytesView bytes) override;
  /// What is written waits beside the blobs, where remove_unfinished() finds it.
  [[nodiscard]] base::Result<std::unique_ptr<BlobWriter>> begin() override;
  [[nodiscard]] base::Result<base::Bytes> read(const base::Digest& digest, std::uint64_t offset,
                                               std::size_t length) override;
  [[nodiscard]] base::Result<base::Bytes> get(const base::Digest& digest) override;
  [[nodiscard]] base::Status remove(const base::Digest& digest) override;
  [[nodiscard]] base::Result<std::vector<base::Digest>> list(const std::optional<base::Digest>& after,
                                                             std::size_t count) override;
  [[nodiscard]] std::size_t bytes_max() const noexcept override { return blobs_.bytes_max; }

  /// Removes what unfinished puts left, as `stays_for` says. Error: unavailable.
  [[nodiscard]] base::Status remove_unfinished();

 private:
  class Writer;
  /// A file as it was when its bytes had its digest: any write to it, or a change of its time, makes another of it.
  struct Seen {
    std::uint64_t inode = 0;
    std::int64_t size = 0;
    std::int64_t changed_ns = 0;
    friend bool operator==(const Seen&, const Seen&) = default;
  };
  FolderBlobStore(std::filesystem::path folder, FolderBlobs blobs, const base::Clock& clock, base::Random& random);
  [[nodiscard]] base::Error too_large(std::uint64_t bytes) const;
  /// Whether it is stored and whole; from then on it is as young as one that is written now. The lock is shared.
  [[nodiscard]] base::Result<bool> renew(const base::Digest& digest);
  [[nodiscard]] base::Status has_room(std::uint64_t bytes) const;
  [[nodiscard]] std::filesystem::path new_unfinished();
  [[nodiscard]] std::filesystem::path path_of(const base::Digest& digest) const;
  [[nodiscard]] std::filesystem::path aside(const base::Digest& digest) const;
  [[nodiscard]] base::Result<bool> may_go(const std::filesystem::path& path) const;
  /// Removes a blob that was renamed to aside(), or puts it back where somebody has put it meanwhile.
  [[nodiscard]] base::Status finish_removal(const base::Digest& digest);

  const std::filesystem::path folder_;
  const FolderBlobs blobs_;
  const base::Clock& clock_;
  base::Random& random_;
  std::mutex seen_lock_;
  std::map<base::Digest, Seen> seen_;  ///< bounded; of files that read() gave parts of
  std::shared_mutex removal_;  ///< shared by put, so that what it found or is writing is not removed before it returns
};

}  // namespace trv::blob
