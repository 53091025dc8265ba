#pragma once
// A backup target in an object storage that speaks S3.

#include <string>

#include "kernel/recovery/target.hpp"
#include "kernel/s3/client.hpp"

namespace trv::recovery {

///   <prefix>/segments/0000000001       manifests, by number
///   <prefix>/objects/ab/cdef…          objects, by their SHA-256
///   <prefix>/conditions                shows whether the storage keeps the condition of a put
class S3Target final : public Target {
 public:
  /// Nothing is asked before the first use. `prefix`: without slashes at its ends; empty: the whole bucket. The ports
  /// outlive the target.
  S3Target(s3::Settings settings, std::string prefix, const base::Clock& clock, base::Random& random,
           std::stop_token stop = {});

  [[nodiscard]] const std::string& name() const noexcept override { return name_; }
  [[nodiscard]] std::string place_of(const base::Digest& object) const override;
  [[nodiscard]] std::string place_of(std::uint64_t segment) const override;
  [[nodiscard]] base::Result<std::vector<std::uint64_t>> segments() override;
  [[nodiscard]] base::Result<base::Bytes> manifest(std::uint64_t segment) override;
  /// Error also: denied where the storage replaces what is there in spite of the condition that it is not.
  [[nodiscard]] base::Result<bool> add_manifest(std::uint64_t segment, base::BytesView bytes) override;
  [[nodiscard]] base::Result<base::Bytes> get(const Object& object) override;
  [[nodiscard]] base::Result<bool> put(const Object& object, base::BytesView bytes) override;

 private:
  [[nodiscard]] base::Status check_conditions();
  [[nodiscard]] std::string key_of(std::string_view name) const;

  s3::Client client_;
  const std::string prefix_;
  const std::string name_;
  bool keeps_conditions_ = false;  ///< was seen
};

}  // namespace trv::recovery
