#pragma once
// Frames over a SEQPACKET socket: one packet each, or, where a frame is long, one byte and a sealed file in memory.
//
// Neither end trusts the other: what arrives is bounded, copied once, and only then looked at.

#include <array>
#include <cstddef>
#include <memory>
#include <vector>

#include "sdk/base/bytes.hpp"

namespace trv::plugin_host {

inline constexpr std::size_t packet_bytes_max = 65'536;
inline constexpr std::size_t packets_at_once = 16;

enum class Waits { yes, no };

enum class Sent {
  done,
  later,  ///< the socket is full; nothing was sent
  gone,   ///< the other end is closed, or no file in memory can be made
};

/// Any thread. Contract: `frame` is not empty and at most frame_bytes_max long.
[[nodiscard]] Sent send_packet(int socket, base::BytesView frame, Waits waits);

enum class Received {
  some,
  none,
  gone,    ///< the other end is closed
  broken,  ///< a packet that is not one: too long, or with a file that is not sealed memory
};

/// One thread.
class PacketReader {
 public:
  PacketReader();
  /// Takes what is there, at most packets_at_once.
  [[nodiscard]] Received receive(int socket, Waits waits);
  /// What receive() took, in order; lives until its next call.
  [[nodiscard]] const std::vector<base::BytesView>& packets() const noexcept { return packets_; }

 private:
  struct Place {
    alignas(16) std::array<unsigned char, packet_bytes_max> bytes;
  };
  const std::unique_ptr<std::array<Place, packets_at_once>> places_;
  std::vector<base::Bytes> long_ones_;
  std::vector<base::BytesView> packets_;
};

}  // namespace trv::plugin_host
