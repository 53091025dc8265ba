#pragma once
// Types that keep ids and positions of different kinds apart.
//
//   struct LsnTag; using Lsn = base::StrongNumber<LsnTag>;
//   struct TenantIdTag; using TenantId = base::StrongText<TenantIdTag>;

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace trv::base {

template <typename Tag>
class StrongNumber {
 public:
  constexpr StrongNumber() noexcept = default;
  constexpr explicit StrongNumber(std::uint64_t value) noexcept : value_(value) {}
  [[nodiscard]] constexpr std::uint64_t value() const noexcept { return value_; }
  [[nodiscard]] constexpr StrongNumber next() const noexcept { return StrongNumber(value_ + 1); }
  friend constexpr auto operator<=>(StrongNumber, StrongNumber) noexcept = default;

 private:
  std::uint64_t value_ = 0;
};

template <typename Tag>
class StrongText {
 public:
  StrongText() = default;
  explicit StrongText(std::string value) noexcept : value_(std::move(value)) {}
  explicit StrongText(std::string_view value) : value_(value) {}
  explicit StrongText(const char* value) : value_(value) {}
  [[nodiscard]] const std::string& value() const noexcept { return value_; }
  [[nodiscard]] bool empty() const noexcept { return value_.empty(); }
  friend auto operator<=>(const StrongText&, const StrongText&) noexcept = default;

 private:
  std::string value_;
};

}  // namespace trv::base

template <typename Tag>
struct std::hash<trv::base::StrongNumber<Tag>> {
  std::size_t operator()(trv::base::StrongNumber<Tag> id) const noexcept {
    return std::hash<std::uint64_t>()(id.value());
  }
};
template <typename Tag>
struct std::hash<trv::base::StrongText<Tag>> {
  std::size_t operator()(const trv::base::StrongText<Tag>& id) const noexcept {
    return std::hash<std::string>()(id.value());
  }
};
