#include "kernel/workflow/instance/large_data.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/json/parse.hpp"
#include "sdk/base/contract.hpp"

namespace trv::instance {
namespace {

base::Result<json::Value> value_of(blob::BlobStore& blobs, const base::Digest& sha256, bool is_base64) {
  TRV_TRY_ASSIGN(const base::Bytes bytes, blobs.get(sha256));
  if (is_base64) return json::Value(base::to_base64(bytes));
  return json::parse(base::as_text(bytes), {.bytes_max = bytes.size()});
}

}  // namespace

std::optional<base::Result<json::Value>> LargeData::find(const base::Digest& sha256) {
  const std::scoped_lock lock(mutex_);
  const auto found = std::ranges::find(entries_, sha256, &Entry::sha256);
  if (found == entries_.end()) return std::nullopt;
  if (!found->value) {
    std::optional<base::Result<json::Value>> error(std::move(found->value));
    entries_.erase(found);
    return error;
  }
  entries_.splice(entries_.begin(), entries_, found);
  return found->value;
}

void LargeData::read(const base::Digest& sha256, bool is_base64) {
  {
    const std::scoped_lock lock(mutex_);
    if (std::ranges::find(entries_, sha256, &Entry::sha256) != entries_.end()) return;
  }
  base::Result<json::Value> value = value_of(blobs_, sha256, is_base64);
  if (!value) {
    value = base::fail(base::ErrorCode::unavailable,
                       fmt::format("the event's data, blob {}, cannot be read ({}); put the file back into the folder "
                                   "'blobs' of the data folder",
                                   base::to_hex(sha256), value.error().message()));
  }
  const std::scoped_lock lock(mutex_);
  entries_.push_front({sha256, std::move(value)});
  if (entries_.size() > entries_max) entries_.pop_back();
  TRV_ENSURES(entries_.size() <= entries_max);
}

}  // namespace trv::instance
