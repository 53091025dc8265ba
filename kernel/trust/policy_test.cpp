#include "kernel/trust/policy.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace trv::trust {
namespace {

note::VerifierKey key_of(std::string_view name) {
  return note::SigningKey::from_seed(name, {1})->verifier();
}

const base::Timestamp expiry = *base::Timestamp::from_rfc3339("2027-11-30T00:00:00Z");
const base::Timestamp before{expiry.ns() - 1};

class Admission : public testing::Test {
 protected:
  void trust(const std::string& name, const std::string& roles) {
    file_ += fmt::format("{} {}\n", key_of(name).format(), roles);
    applicant_.roots = Roots::parse(file_).value();
  }
  void require(Require require) { applicant_.policy.require = require; }
  void publish(const std::string& name) { applicant_.signers.publisher = key_of(name); }
  void certify(const std::string& name, Level level) {
    applicant_.signers.certificate = Certificate{key_of(name), {.level = level, .report = {}, .expires = expiry}};
  }
  /// Empty: admitted.
  std::string refusal(base::Timestamp now = before) const {
    const base::Status admitted = admit(applicant_, now);
    if (admitted) return {};
    EXPECT_EQ(admitted.error().code(), base::ErrorCode::denied);
    return admitted.error().message();
  }
  bool refused_with(std::string_view part, base::Timestamp now = before) const {
    return refusal(now).find(part) != std::string::npos;
  }

  std::string file_;
  Applicant applicant_{.plugin = "hello",
                       .version = "1.0.0",
                       .content = {},
                       .signers = {},
                       .roots = {},
                       .policy = {.require = Require::signed_, .trust_file = "/etc/trust.keys"}};
};

TEST_F(Admission, nothing_is_asked_where_nothing_is_required) {
  require(Require::none);
  EXPECT_EQ(refusal(), "");
  applicant_.version = "1.0.0-dev.1";
  EXPECT_EQ(refusal(), "");
}

TEST_F(Admission, an_unsigned_package_is_refused_with_what_to_type) {
  EXPECT_EQ(refusal(),
            "plugin hello 1.0.0 has no publisher's signature: `trav plugin sign FILE --key KEY` makes one, with a key "
            "that the trust file names as publisher; plugins.require is \"signed\"");
  require(Require::certified);
  EXPECT_TRUE(refused_with("has no certifier's signature: `trav plugin countersign FILE")) << refusal();
}

TEST_F(Admission, a_publisher_counts_once_the_trust_file_names_it_as_such) {
  publish("acme");
  EXPECT_EQ(refusal(), fmt::format("plugin hello 1.0.0 is signed by acme, which /etc/trust.keys does not name as "
                                   "publisher: where you trust it, add the line `{} publisher` to /etc/trust.keys; "
                                   "plugins.require is \"signed\"",
                                   key_of("acme").format()));
  trust("acme", "community");
  EXPECT_TRUE(refused_with("does not name as publisher")) << "a certifier's key publishes nothing";
  file_.clear();
  trust("acme", "publisher");
  EXPECT_EQ(refusal(), "");
  EXPECT_TRUE(standing_of(applicant_, before).publisher_trusted);
  require(Require::certified);
  EXPECT_TRUE(refused_with("has no certifier's signature")) << refusal();
}

TEST_F(Admission, a_certifier_gives_the_levels_that_its_line_names) {
  require(Require::certified);
  publish("acme");
  certify("certifier", Level::certified);
  EXPECT_TRUE(refused_with(fmt::format("add the line `{} certified`", key_of("certifier").format()))) << refusal();
  certify("certifier", Level::community);
  EXPECT_TRUE(refused_with("has level community: core, certified or private is needed"))
      << "no line of the trust file changes that: " << refusal();
  certify("certifier", Level::certified);
  trust("certifier", "core community");
  EXPECT_TRUE(refused_with("does not let give it: where you trust it, add `certified` to its line")) << refusal();
  file_.clear();
  trust("certifier", "certified community");
  EXPECT_EQ(refusal(), "");
  certify("certifier", Level::community);
  EXPECT_TRUE(refused_with("has level community: core, certified or private is needed")) << refusal();
  require(Require::signed_);
  EXPECT_EQ(refusal(), "") << "a certifier's word for what an unknown publisher signed";
}

TEST_F(Admission, a_certifiers_word_ends_at_its_expiry) {
  require(Require::certified);
  publish("acme");
  trust("certifier", "private");
  certify("certifier", Level::private_);
  EXPECT_EQ(refusal(before), "");
  EXPECT_TRUE(standing_of(applicant_, before).certifier_trusted);
  EXPECT_TRUE(refused_with("expired at 2027-11-30T00:00:00Z: have it countersigned again", expiry)) << refusal(expiry);
  EXPECT_FALSE(standing_of(applicant_, expiry).certifier_trusted);
  applicant_.signers.certificate->finding.expires.reset();
  EXPECT_EQ(refusal(expiry), "");
  certify("certifier", Level::private_);
  require(Require::signed_);
  EXPECT_TRUE(refused_with("expired at", expiry)) << refusal(expiry);
  trust("acme", "publisher");
  EXPECT_EQ(refusal(expiry), "") << "the publisher's signature does not expire";
}

TEST_F(Admission, a_version_for_development_needs_a_key_for_it) {
  publish("acme");
  trust("acme", "publisher");
  applicant_.version = "1.0.0-dev.2+build";
  EXPECT_TRUE(refused_with("is a -dev version, which can be replaced by other content, and none of its signatures"));
  file_.clear();
  trust("acme", "publisher dev");
  EXPECT_EQ(refusal(), "");
  applicant_.version = "1.0.0-development";
  EXPECT_EQ(refusal(), "") << "not that word";
  file_.clear();
  trust("acme", "publisher");
  EXPECT_EQ(refusal(), "");
  applicant_.version = "1.0.0-dev";
  trust("certifier", "dev core");
  certify("certifier", Level::dev);
  EXPECT_EQ(refusal(), "");
  certify("certifier", Level::core);
  require(Require::certified);
  EXPECT_TRUE(refused_with("install a release")) << refusal();
}

TEST_F(Admission, dev_is_no_word_for_a_release) {
  publish("acme");
  trust("certifier", "dev");
  certify("certifier", Level::dev);
  EXPECT_TRUE(refused_with("has level dev")) << refusal();
}

}  // namespace
}  // namespace trv::trust
