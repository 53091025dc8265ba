#pragma once
// What a span says besides its name and times: names with values, in one piece of memory, because a span is made for
// each request.

#include <concepts>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace trv::trace {

/// Of one thread at a time. Each name and value is shorter than 2 GiB.
class Attributes {
 public:
  using Field = std::pair<std::string_view, std::string_view>;

  Attributes() = default;
  Attributes(std::initializer_list<Field> all) {
    std::size_t size = bytes_for_more;
    for (const auto& [name, value] : all) size += sizeof(Sizes) + name.size() + value.size();
    text_.reserve(size);
    for (const auto& [name, value] : all) add(name, value);
  }

  void add(std::string_view name, std::string_view value) { add(name, value, false); }
  void add(std::string_view name, std::integral auto number) { add(name, std::to_string(number), true); }

  /// Calls `visit(name, value, is_number)` for each, in the order in which they were added. A number is an integer, in
  /// decimal digits.
  template <typename Visit>
  void for_each(Visit visit) const {
    for (std::string_view left = text_; !left.empty();) {
      Sizes sizes{};
      std::memcpy(&sizes, left.data(), sizeof sizes);
      left.remove_prefix(sizeof sizes);
      visit(left.substr(0, sizes.name), left.substr(sizes.name, sizes.value), sizes.is_number != 0);
      left.remove_prefix(std::size_t{sizes.name} + sizes.value);
    }
  }

 private:
  struct Sizes {
    std::uint32_t name;
    std::uint32_t value : 31;
    std::uint32_t is_number : 1;
  };

  void add(std::string_view name, std::string_view value, bool is_number) {
    const Sizes sizes{static_cast<std::uint32_t>(name.size()), static_cast<std::uint32_t>(value.size()), is_number};
    text_.append(reinterpret_cast<const char*>(&sizes), sizeof sizes).append(name).append(value);
  }

  static constexpr std::size_t bytes_for_more = 64;  ///< what is added when the work has ended

  std::string text_;
};

}  // namespace trv::trace
