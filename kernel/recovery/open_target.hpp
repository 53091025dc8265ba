#pragma once
// The target that a name means.

#include <filesystem>
#include <memory>
#include <string>

#include "kernel/recovery/target.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/random.hpp"

namespace trv::recovery {

/// How an S3-compatible store is reached.
struct S3Access {
  std::string endpoint;  ///< "https://s3.example.org:9000"; empty: Amazon's of the region
  std::string region = "us-east-1";
  std::filesystem::path credentials_file;  ///< two lines: the access key id, and the secret access key
};

/// `s3://bucket/prefix`, or a folder. `random` and `clock` outlive the target. Errors: invalid, with what to do.
[[nodiscard]] base::Result<std::unique_ptr<Target>> open_target(const std::string& name, const S3Access& access,
                                                                const base::Clock& clock, base::Random& random);

}  // namespace trv::recovery
