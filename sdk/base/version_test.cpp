#include "sdk/base/version.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace trv::base {
namespace {

TEST(Version, precedence_follows_semver) {
  const std::vector<std::string> ordered = {"0.9.0",      "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta",
                                            "1.0.0-rc.2", "1.0.0-rc.11", "1.0.0",         "1.0.1",
                                            "1.2.0",      "10.0.0"};
  for (std::size_t i = 0; i + 1 < ordered.size(); ++i) {
    EXPECT_LT(*Version::parse(ordered[i]), *Version::parse(ordered[i + 1])) << ordered[i];
  }
}

TEST(Version, only_semantic_versions_are_taken) {
  for (const char* good :
       {"0.0.0", "1.0.0", "10.20.30", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-0.3.7", "1.0.0+001", "1.0.0--"}) {
    EXPECT_TRUE(Version::parse(good)) << good;
  }
  for (const char* bad : {"", "1", "1.0", "01.0.0", "1.0.0-", "1.0.0-01", "1.0.0+", "1.0.0.0", "v1.0.0", "1.0.0-a..b",
                          "1.0.0 ", "1.0.99999999999"}) {
    EXPECT_FALSE(Version::parse(bad)) << bad;
  }
}

TEST(Version, one_in_the_making_says_so) {
  for (const char* version : {"1.2.0-dev", "1.2.0-dev.3", "1.2.0-dev+7"})
    EXPECT_TRUE(is_development(version)) << version;
  for (const char* version : {"1.2.0", "1.2.0-device", "1.2.0-rc.dev", "1.2.0+dev", "dev"}) {
    EXPECT_FALSE(is_development(version)) << version;
  }
}

TEST(VersionLine, a_line_is_a_major_version_or_a_minor_version_of_it) {
  const auto contains = [](std::string_view line, std::string_view version) {
    return VersionLine::parse(line).value().contains(Version::parse(version).value());
  };
  EXPECT_TRUE(contains("1", "1.0.0"));
  EXPECT_TRUE(contains("1", "1.9.3-dev"));
  EXPECT_FALSE(contains("1", "10.0.0"));
  EXPECT_TRUE(contains("1.2", "1.2.9"));
  EXPECT_FALSE(contains("1.2", "1.20.0"));
  for (const char* other : {"", "1.", ".1", "01", "1.02", "1.2.3", "1.x", "^1", "v1", "-1", "4294967296"}) {
    EXPECT_FALSE(VersionLine::parse(other)) << other;
  }
}

}  // namespace
}  // namespace trv::base
