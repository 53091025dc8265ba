#pragma once
// A backup target in a folder, for example of another disk or a mounted share.

#include <filesystem>

#include "kernel/recovery/target.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/random.hpp"

namespace trv::recovery {

///   <folder>/segments/0000000001       manifests, by number
///   <folder>/objects/ab/cdef…          objects, by their SHA-256
///   <folder>/objects/.part-…           what is being written
class FolderTarget final : public Target {
 public:
  /// Nothing is made before the first object is put. `random` outlives the target.
  FolderTarget(std::filesystem::path folder, base::Random& random);

  [[nodiscard]] const std::string& name() const noexcept override { return name_; }
  [[nodiscard]] std::string place_of(const base::Digest& object) const override;
  [[nodiscard]] std::string place_of(std::uint64_t segment) const override;
  [[nodiscard]] base::Result<std::vector<std::uint64_t>> segments() override;
  [[nodiscard]] base::Result<base::Bytes> manifest(std::uint64_t segment) override;
  [[nodiscard]] base::Result<bool> add_manifest(std::uint64_t segment, base::BytesView bytes) override;
  [[nodiscard]] base::Result<base::Bytes> get(const Object& object) override;
  [[nodiscard]] base::Result<bool> put(const Object& object, base::BytesView bytes) override;

  /// Removes what writers that ended left a day ago. Error: unavailable.
  [[nodiscard]] base::Status remove_left_over(const base::Clock& clock);

 private:
  [[nodiscard]] base::Status make_folder(const std::filesystem::path& folder, bool is_synced) const;
  [[nodiscard]] std::string new_part();

  const std::filesystem::path folder_;
  const std::string name_;
  base::Random& random_;
  std::size_t puts_ = 0;      ///< since the last manifest
  bool is_unsynced_ = false;  ///< some of them are not durable
};

}  // namespace trv::recovery
