#include "kernel/egress/address.hpp"

#include <gtest/gtest.h>

namespace trv::egress {
namespace {

TEST(Address, what_belongs_to_the_internet_is_public) {
  for (const char* address :
       {"1.1.1.1", "140.82.121.3", "172.15.255.255", "172.32.0.0", "100.63.255.255", "2606:4700::1111",
        "2a00:1450:4001::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"}) {
    EXPECT_TRUE(is_public_address(std::string_view(address))) << address;
  }
}

TEST(Address, what_lies_inside_is_not) {
  for (const char* address : {"0.0.0.0",
                              "127.0.0.1",
                              "127.255.255.254",
                              "10.1.2.3",
                              "172.16.0.1",
                              "172.31.255.255",
                              "192.168.1.1",
                              "169.254.169.254",
                              "100.64.0.1",
                              "192.0.0.8",
                              "198.18.0.1",
                              "224.0.0.1",
                              "255.255.255.255",
                              "::",
                              "::1",
                              "fe80::1",
                              "fc00::1",
                              "fd12::1",
                              "ff02::1",
                              "fec0::1",
                              "::ffff:127.0.0.1",
                              "::ffff:10.0.0.1",
                              "::7f00:1",
                              "64:ff9b::7f00:1",
                              "64:ff9b:1::7f00:1",
                              "2002:7f00:1::1",
                              "2001::1",
                              "2001:db8::1",
                              "3fff::1",
                              "",
                              "localhost",
                              "1.1.1.1.1"}) {
    EXPECT_FALSE(is_public_address(std::string_view(address))) << address;
  }
}

}  // namespace
}  // namespace trv::egress
