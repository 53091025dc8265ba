#include "kernel/trust/revocations.hpp"

#include <gtest/gtest.h>

#include "kernel/trust/statement.hpp"

namespace trv::trust {
namespace {

note::SigningKey key_of(std::string_view name) {
  return note::SigningKey::from_seed(name, {1}).value();
}

const base::Digest content = base::sha256(base::as_bytes("package"));

Revocations list_of_two() {
  return {.counter = 7,
          .contents = {{content, "reads its neighbours' files"}},
          .signers = {{key_of("acme").verifier(), "the key was stolen"}}};
}

TEST(Revocations, a_list_says_what_is_revoked_and_why) {
  const std::string note = sign_revocations(list_of_two(), key_of("operations")).value();
  const auto opened = open_revocations(note);
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_EQ(opened->key, key_of("operations").verifier());
  EXPECT_EQ(opened->list.counter, 7U);
  const std::string acme = key_of("acme").verifier().format();
  const std::string other = key_of("other").verifier().format();
  EXPECT_EQ(opened->list.reason_for(content, "", ""), "its content is revoked: reads its neighbours' files");
  EXPECT_EQ(opened->list.reason_for({}, acme, ""), "the key of its publisher acme is revoked: the key was stolen");
  EXPECT_EQ(opened->list.reason_for({}, other, acme), "the key of its certifier acme is revoked: the key was stolen");
  EXPECT_EQ(opened->list.reason_for({}, other, other), std::nullopt);
  EXPECT_EQ(opened->list.reason_for({}, "", ""), std::nullopt);
}

TEST(Revocations, a_byte_changed_anywhere_is_refused) {
  const std::string note = sign_revocations(list_of_two(), key_of("operations")).value();
  for (std::size_t at = 0; at < note.size(); ++at) {
    std::string damaged = note;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x01);
    ASSERT_FALSE(open_revocations(damaged)) << at;
  }
  for (std::size_t size = 0; size < note.size(); ++size) ASSERT_FALSE(open_revocations(note.substr(0, size)));
}

TEST(Revocations, what_is_no_list_is_refused_with_the_reason) {
  const auto refusal_of = [](const std::vector<Line>& lines) {
    const auto opened = open_revocations(sign_statement("travertine revocations 1", lines, key_of("k")).value());
    return opened ? std::string("accepted") : opened.error().message();
  };
  const Line counter{"counter", "1"};
  const Line one{"content", base::to_hex(content) + " why"};
  EXPECT_EQ(refusal_of({counter}), "accepted");
  EXPECT_EQ(refusal_of({counter, one}), "accepted");
  EXPECT_EQ(refusal_of({one}), "revocation list: the second line is not `counter`");
  EXPECT_EQ(refusal_of({{"counter", "0"}}), "revocation list: counter 0 is not a number from 1 on");
  EXPECT_EQ(refusal_of({{"counter", "01"}}), "revocation list: counter 01 is not a number from 1 on");
  EXPECT_NE(refusal_of({counter, one, one}).find("is in the list twice"), std::string::npos);
  EXPECT_NE(refusal_of({counter, {"content", base::to_hex(content)}}).find("a reason must have"), std::string::npos);
  EXPECT_NE(refusal_of({counter, {"content", "AB why"}}).find("content AB is not 64"), std::string::npos);
  EXPECT_NE(refusal_of({counter, {"plugin", "x why"}}).find("neither `content` nor `signer`"), std::string::npos);
  EXPECT_NE(refusal_of({counter, counter}).find("a reason must have"), std::string::npos);
  EXPECT_EQ(open_revocations(std::string(revocations_bytes_max + 1, 'a')).error().code(), base::ErrorCode::too_large);
  EXPECT_FALSE(sign_revocations({.counter = 1, .contents = {{content, "two\nlines"}}, .signers = {}}, key_of("k")));
}

}  // namespace
}  // namespace trv::trust
