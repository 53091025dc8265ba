#pragma once
// Rows of projections as bytes: numbers in base 128, length-prefixed texts and digests, in a fixed order. A projection
// is rebuilt from the log at will, so this is not a format for others. The reader checks every length. Pure; any
// thread.

#include <concepts>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>

#include "events/record/varint.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/result.hpp"

namespace trv::record {

class RowWriter {
 public:
  /// Empties `out`, which must outlive the writer.
  explicit RowWriter(std::string& out) : out_(out) { out_.clear(); }
  template <std::integral T>
  RowWriter& operator<<(T number) {
    append_varint(out_, static_cast<std::make_unsigned_t<T>>(number));
    return *this;
  }
  RowWriter& operator<<(std::string_view text) {
    *this << text.size();
    out_ += text;
    return *this;
  }
  RowWriter& operator<<(const base::Digest& digest) {
    out_.append(reinterpret_cast<const char*>(digest.data()), digest.size());
    return *this;
  }

 private:
  std::string& out_;
};

/// After something that cannot be read, nothing more is read and finish() fails.
class RowReader {
 public:
  explicit RowReader(base::BytesView bytes) : rest_(bytes) {}
  template <std::integral T>
  RowReader& operator>>(T& number) {
    const auto stored = good_ ? take_varint(rest_) : std::nullopt;
    good_ = stored && *stored <= std::numeric_limits<std::make_unsigned_t<T>>::max();
    if (good_) number = static_cast<T>(*stored);
    return *this;
  }
  /// Borrowed from the bytes.
  RowReader& operator>>(std::string_view& text) {
    std::size_t size = 0;
    *this >> size;
    text = take(size);
    return *this;
  }
  RowReader& operator>>(std::string& text) {
    std::string_view borrowed;
    *this >> borrowed;
    text = borrowed;
    return *this;
  }
  RowReader& operator>>(base::Digest& digest) {
    if (const std::string_view bytes = take(digest.size()); bytes.size() == digest.size()) {
      std::memcpy(digest.data(), bytes.data(), digest.size());
    }
    return *this;
  }
  /// How many elements follow, each of at least `element_bytes`.
  std::size_t count(std::size_t element_bytes) {
    TRV_EXPECTS(element_bytes > 0);
    std::size_t number = 0;
    *this >> number;
    if (number > rest_.size() / element_bytes) {
      good_ = false;
      return 0;
    }
    return number;
  }
  /// What is left, where all before it was read.
  [[nodiscard]] base::BytesView rest() const noexcept { return good_ ? rest_ : base::BytesView(); }
  /// Error: corrupt, unless everything was read and nothing is left.
  [[nodiscard]] base::Status finish(std::string_view what) const {
    if (good_ && rest_.empty()) return {};
    return base::fail(base::ErrorCode::corrupt, std::string(what) + " cannot be read; rebuild the projection");
  }

 private:
  std::string_view take(std::size_t size) {
    if (!good_ || size > rest_.size()) {
      good_ = false;
      return {};
    }
    const std::string_view bytes = base::as_text(rest_.first(size));
    rest_ = rest_.subspan(size);
    return bytes;
  }

  base::BytesView rest_;
  bool good_ = true;
};

}  // namespace trv::record
