#include "kernel/plugin_host/packet.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "kernel/plugin_host/frame.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/open_file.hpp"

namespace trv::plugin_host {
namespace {

using base::OpenFile;

constexpr int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
constexpr std::size_t one_file = CMSG_SPACE(sizeof(int));

OpenFile sealed(base::BytesView frame) {
  OpenFile file(::memfd_create("frame", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  for (std::size_t done = 0; file.is_open() && done < frame.size();) {
    const ssize_t size = ::write(file.number(), frame.data() + done, frame.size() - done);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return {};
    done += static_cast<std::size_t>(size);
  }
  if (file.is_open() && ::fcntl(file.number(), F_ADD_SEALS, seals) != 0) return {};
  return file;
}

std::optional<base::Bytes> unsealed(const OpenFile& file) {
  struct stat about{};
  if (::fcntl(file.number(), F_GET_SEALS) != seals || ::fstat(file.number(), &about) != 0 || about.st_size <= 0 ||
      static_cast<std::size_t>(about.st_size) > frame_bytes_max) {
    return std::nullopt;
  }
  base::Bytes bytes(static_cast<std::size_t>(about.st_size));
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t size = ::pread(file.number(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return std::nullopt;
    done += static_cast<std::size_t>(size);
  }
  return bytes;
}

// The file that came with a packet, if one did; others that came too are closed.
OpenFile file_of(msghdr& message) {
  OpenFile first;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(header) + i * sizeof(int), sizeof number);
      OpenFile file(number);
      if (!first.is_open()) first = std::move(file);
    }
  }
  return first;
}

}  // namespace

Sent send_packet(int socket, base::BytesView frame, Waits waits) {
  TRV_EXPECTS(!frame.empty() && frame.size() <= frame_bytes_max);
  unsigned char only_a_file = 0;
  iovec part{.iov_base = const_cast<unsigned char*>(frame.data()), .iov_len = frame.size()};
  alignas(cmsghdr) std::array<char, one_file> space{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  OpenFile file;
  if (frame.size() > packet_bytes_max) {
    file = sealed(frame);
    if (!file.is_open()) return Sent::gone;
    part = {.iov_base = &only_a_file, .iov_len = 1};
    message.msg_control = space.data();
    message.msg_controllen = space.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    const int number = file.number();
    std::memcpy(CMSG_DATA(header), &number, sizeof number);
  }
  for (;;) {
    if (::sendmsg(socket, &message, MSG_NOSIGNAL | (waits == Waits::no ? MSG_DONTWAIT : 0)) >= 0) return Sent::done;
    if (errno == EINTR) continue;
    return errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS ? Sent::later : Sent::gone;
  }
}

PacketReader::PacketReader() : places_(std::make_unique_for_overwrite<std::array<Place, packets_at_once>>()) {}

Received PacketReader::receive(int socket, Waits waits) {
  packets_.clear();
  long_ones_.clear();
  std::array<mmsghdr, packets_at_once> messages{};
  std::array<iovec, packets_at_once> parts{};
  struct Space {
    alignas(cmsghdr) std::array<char, one_file> bytes;
  };
  std::array<Space, packets_at_once> spaces;
  for (std::size_t i = 0; i < packets_at_once; ++i) {
    parts[i] = {.iov_base = (*places_)[i].bytes.data(), .iov_len = packet_bytes_max};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
    messages[i].msg_hdr.msg_control = spaces[i].bytes.data();
    messages[i].msg_hdr.msg_controllen = one_file;
  }
  int count = 0;
  do {
    count = ::recvmmsg(socket, messages.data(), packets_at_once,
                       MSG_CMSG_CLOEXEC | (waits == Waits::no ? MSG_DONTWAIT : MSG_WAITFORONE), nullptr);
    // One that ended with something unread has reset the connection; what it said before is behind that error.
  } while (count < 0 && (errno == EINTR || errno == ECONNRESET));
  if (count < 0) return errno == EAGAIN ? Received::none : Received::gone;
  bool is_whole = true;
  bool is_open = true;
  for (int i = 0; i < count; ++i) {
    mmsghdr& one = messages[static_cast<std::size_t>(i)];
    const OpenFile file = file_of(one.msg_hdr);  // of each, so that all are closed
    if (one.msg_len == 0) is_open = false;
    if (!is_open || !is_whole) continue;
    is_whole = (one.msg_hdr.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0;
    if (file.is_open()) {
      std::optional<base::Bytes> bytes = unsealed(file);
      is_whole = is_whole && bytes.has_value();
      if (!bytes) continue;
      long_ones_.push_back(*std::move(bytes));
      packets_.emplace_back(long_ones_.back());
    } else {
      packets_.emplace_back((*places_)[static_cast<std::size_t>(i)].bytes.data(), one.msg_len);
    }
  }
  if (!is_whole) return Received::broken;
  return packets_.empty() ? Received::gone : Received::some;
}

}  // namespace trv::plugin_host
