#pragma once
// Where a piece of work is within a distributed trace: W3C Trace Context, version 00.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace trv::trace {

struct Context {
  std::array<std::uint8_t, 16> trace{};  ///< never all 0
  std::array<std::uint8_t, 8> span{};    ///< never all 0
  bool is_sampled = false;               ///< the one who began the trace wants to see it

  /// Of a `traceparent`: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01". nullopt: the text is none of
  /// version 00.
  [[nodiscard]] static std::optional<Context> parse(std::string_view traceparent) noexcept;
  /// A trace of its own that begins with this piece of work. `name` is of it alone: the same gives the same ids.
  [[nodiscard]] static Context begin(std::string_view name, bool is_sampled);
  /// A part of this piece of work. `name` is unique within the trace: the same gives the same id, so that nobody has to
  /// keep ids.
  [[nodiscard]] Context child(std::string_view name) const;

  [[nodiscard]] std::string to_traceparent() const;
  [[nodiscard]] std::string trace_text() const;  ///< 32 hexadecimal digits
  [[nodiscard]] std::string span_text() const;   ///< 16 hexadecimal digits

  friend bool operator==(const Context&, const Context&) = default;
};

}  // namespace trv::trace
