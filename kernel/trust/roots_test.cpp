#include "kernel/trust/roots.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace trv::trust {
namespace {

note::VerifierKey key_of(std::string_view name, std::uint8_t first = 1) {
  note::SigningKey::Seed seed{};
  seed[0] = first;
  return note::SigningKey::from_seed(name, seed)->verifier();
}

TEST(Roots, a_key_may_do_what_its_line_says_and_no_more) {
  const auto roots =
      Roots::parse(fmt::format("# who\n\n{}  publisher\r\n  {}\tcore certified\n{} revocations dev",
                               key_of("acme").format(), key_of("certifier").format(), key_of("operations").format()));
  ASSERT_TRUE(roots) << roots.error().message();
  const Root* acme = roots->find(key_of("acme"));
  ASSERT_NE(acme, nullptr);
  EXPECT_TRUE(acme->publishes);
  EXPECT_FALSE(acme->revokes);
  EXPECT_FALSE(acme->may_give(Level::community));
  const Root* certifier = roots->find(key_of("certifier"));
  EXPECT_FALSE(certifier->publishes);
  EXPECT_TRUE(certifier->may_give(Level::core) && certifier->may_give(Level::certified));
  EXPECT_FALSE(certifier->may_give(Level::private_));
  EXPECT_TRUE(roots->find(key_of("operations"))->revokes);
  EXPECT_EQ(roots->find(key_of("acme", 2)), nullptr) << "another key of that name";
  EXPECT_TRUE(Roots::parse("")->all().empty());
}

TEST(Roots, what_is_wrong_is_named_with_its_line) {
  const std::string key = key_of("acme").format();
  const auto message_of = [](const std::string& text) {
    const auto roots = Roots::parse(text);
    return roots ? std::string("accepted") : roots.error().message();
  };
  EXPECT_EQ(message_of("\n" + key + " publsher\n"),
            "line 2: `publsher` is not one of publisher, core, certified, community, private, dev, revocations");
  EXPECT_NE(message_of(key).find("line 1: what the key may do is missing"), std::string::npos);
  EXPECT_NE(message_of("acme publisher").find("line 1: verifier key: "), std::string::npos);
  EXPECT_NE(message_of(key + " publisher\n" + key + " dev\n").find("line 2: the key acme+"), std::string::npos);
}

TEST(Roots, a_file_that_is_missing_is_named) {
  EXPECT_NE(Roots::load("/nowhere/trust.keys").error().message().find("/nowhere/trust.keys"), std::string::npos);
}

}  // namespace
}  // namespace trv::trust
