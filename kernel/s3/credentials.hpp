#pragma once
// The access key of a storage, out of a file as the tools of S3 write it.

#include <string_view>

#include "kernel/s3/signature.hpp"
#include "sdk/base/result.hpp"

namespace trv::s3 {

/// Reads `aws_access_key_id = …`, `aws_secret_access_key = …` and, where it is there, `aws_session_token = …`: from the
/// section [default], or from lines before any section. Other lines and sections are passed over. Error: invalid, says
/// which is missing; never with anything of the text.
[[nodiscard]] base::Result<Credentials> parse_credentials(std::string_view text);

}  // namespace trv::s3
