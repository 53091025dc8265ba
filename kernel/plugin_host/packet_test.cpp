#include "kernel/plugin_host/packet.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <string_view>

#include "sdk/base/open_file.hpp"

namespace trv::plugin_host {
namespace {

base::BytesView bytes_of(std::string_view text) {
  return {reinterpret_cast<const unsigned char*>(text.data()), text.size()};
}

TEST(PacketTest, what_a_process_said_last_is_read_though_it_ended_with_something_unread) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  const base::OpenFile ours(ends[0]);
  base::OpenFile theirs(ends[1]);
  ASSERT_EQ(send_packet(ours.number(), bytes_of("a call"), Waits::no), Sent::done);
  ASSERT_EQ(send_packet(theirs.number(), bytes_of("refused"), Waits::no), Sent::done);
  theirs.close();
  PacketReader reader;
  ASSERT_EQ(reader.receive(ours.number(), Waits::no), Received::some);
  ASSERT_EQ(reader.packets().size(), 1U);
  EXPECT_EQ(reader.packets().front().size(), 7U);
  EXPECT_EQ(reader.receive(ours.number(), Waits::no), Received::gone);
}

}  // namespace
}  // namespace trv::plugin_host
