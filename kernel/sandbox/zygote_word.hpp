#pragma once
// What the zygote and travd say to each other, one packet each over a socket. Both are of the same build.

#include <array>
#include <cstdint>

namespace trv::sandbox {

/// What the zygote finds open beside standard input, output and error.
inline constexpr int control_file = 3;
/// Where its processes write the names of system calls that were refused, where somebody looks.
inline constexpr int refused_file = 4;

/// travd asks for one more process: a packet of one byte.
inline constexpr char ask_for_child = 'c';

struct ZygoteWord {
  enum class Kind : std::int32_t {
    walls,   ///< the first one: `number` is the version of Landlock, `text` why there are no namespaces
    child,   ///< asked for: `pid`; with it come its socket and its pidfd
    failed,  ///< asked for: `text` says why there is none
    ended,   ///< `pid` has ended, `number` is its wait status
  };
  Kind kind = Kind::walls;
  std::int32_t pid = 0;
  std::int32_t number = 0;
  std::array<char, 244> text{};  ///< ends with a zero byte
};
static_assert(sizeof(ZygoteWord) == 256);

}  // namespace trv::sandbox
