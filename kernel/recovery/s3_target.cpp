#include "kernel/recovery/s3_target.hpp"

#include <fmt/format.h>

#include <charconv>

namespace trv::recovery {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;
using base::Status;

std::string below_objects(const base::Digest& digest) {
  const std::string hex = base::to_hex(digest);
  return fmt::format("objects/{}/{}", hex.substr(0, 2), hex.substr(2));
}

std::string below_segments(std::uint64_t segment) {
  return fmt::format("segments/{:010}", segment);
}

}  // namespace

S3Target::S3Target(s3::Settings settings, std::string prefix, const base::Clock& clock, base::Random& random,
                   std::stop_token stop)
    : client_(std::move(settings), clock, random, std::move(stop)),
      prefix_(std::move(prefix)),
      name_(fmt::format("s3://{}{}{}", client_.settings().bucket, prefix_.empty() ? "" : "/", prefix_)) {}

std::string S3Target::key_of(std::string_view name) const {
  return prefix_.empty() ? std::string(name) : fmt::format("{}/{}", prefix_, name);
}

std::string S3Target::place_of(const base::Digest& object) const {
  return fmt::format("{}/{}", name_, below_objects(object));
}

std::string S3Target::place_of(std::uint64_t segment) const {
  return fmt::format("{}/{}", name_, below_segments(segment));
}

Result<std::vector<std::uint64_t>> S3Target::segments() {
  const std::string folder = key_of("segments/");
  TRV_TRY_ASSIGN(const std::vector<std::string> keys, client_.list(folder));
  std::vector<std::uint64_t> numbers;
  for (const std::string& key : keys) {
    const std::string_view text = std::string_view(key).substr(folder.size());
    std::uint64_t number = 0;
    const auto [last, bad] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (bad == std::errc() && last == text.data() + text.size() && number > 0) numbers.push_back(number);
  }
  return numbers;
}

Result<base::Bytes> S3Target::manifest(std::uint64_t segment) {
  return client_.get(key_of(below_segments(segment)), manifest_bytes_max);
}

/// A storage that does not know the condition would have one of two creators replace what the other one added.
Status S3Target::check_conditions() {
  constexpr std::string_view text = "Whether a put with If-None-Match is refused where there is an object.\n";
  const base::BytesView bytes = base::as_bytes(text);
  const std::string key = key_of("conditions");
  for (int tries = 0; tries < 2 && !keeps_conditions_; ++tries) {
    TRV_TRY_ASSIGN(const bool is_new, client_.put(key, bytes, base::sha256(bytes), s3::Put::only_new));
    keeps_conditions_ = !is_new;
  }
  if (keeps_conditions_) return {};
  return fail(ErrorCode::denied,
              fmt::format("{} replaces objects in spite of If-None-Match, so that two backups at once could harm each "
                          "other; use a storage that knows conditional writes",
                          client_.settings().endpoint.url()));
}

Result<bool> S3Target::add_manifest(std::uint64_t segment, base::BytesView bytes) {
  TRV_TRY(check_conditions());
  const std::string key = key_of(below_segments(segment));
  TRV_TRY_ASSIGN(const bool is_added, client_.put(key, bytes, base::sha256(bytes), s3::Put::only_new));
  if (is_added) return true;
  // It may be ours: of a try whose answer was lost.
  TRV_TRY_ASSIGN(const base::Bytes there, manifest(segment));
  return base::as_text(there) == base::as_text(bytes);
}

Result<base::Bytes> S3Target::get(const Object& object) {
  return client_.get(key_of(below_objects(object.sha256)), object.bytes);
}

Result<bool> S3Target::put(const Object& object, base::BytesView bytes) {
  const auto there = get(object);
  if (there && object_of(*there) == object) return false;
  const bool is_missing = !there && there.error().code() == ErrorCode::not_found;
  const bool is_damaged = there.has_value() || there.error().code() == ErrorCode::too_large;
  if (!is_missing && !is_damaged) return fail(there.error());
  TRV_TRY(client_.put(key_of(below_objects(object.sha256)), bytes, object.sha256, s3::Put::replace));
  return true;
}

}  // namespace trv::recovery
