#include <gtest/gtest.h>

#include <set>

#include "sdk/base/bytes.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/identity.hpp"
#include "sdk/base/result.hpp"
#include "sdk/base/utf8.hpp"
#include "sdk/base/uuid.hpp"

namespace trv::base {
namespace {

TEST(Bytes, base64_of_rfc4648_vectors_round_trips) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : vectors) {
    EXPECT_EQ(to_base64(as_bytes(plain)), encoded);
    const auto decoded = from_base64(encoded);
    ASSERT_TRUE(decoded);
    EXPECT_EQ(as_text(*decoded), plain);
  }
}

TEST(Bytes, base64_with_stray_bits_characters_or_padding_is_refused) {
  for (const char* bad : {"Zg=", "Zh==", "Z===", "Zm9=", "Zm9v\n", "====", "Zg==Zg=="})
    EXPECT_FALSE(from_base64(bad)) << bad;
}

TEST(Bytes, percent_encoding_leaves_nothing_that_a_url_would_read) {
  EXPECT_EQ(percent_encoded("a/b?c=d e~ü"), "a%2Fb%3Fc%3Dd%20e~%C3%BC");
  EXPECT_EQ(percent_encoded("AZaz09-._~"), "AZaz09-._~");
  EXPECT_EQ(percent_encoded("100%"), "100%25");
  EXPECT_EQ(percent_encoded(std::string_view("\0\xff", 2)), "%00%FF");
}

TEST(Bytes, hex_refuses_odd_length_and_foreign_characters) {
  EXPECT_EQ(to_hex(as_bytes("\x01\xff")), "01ff");
  EXPECT_EQ(from_hex("01FF"), (Bytes{0x01, 0xff}));
  EXPECT_FALSE(from_hex("0"));
  EXPECT_FALSE(from_hex("0g"));
}

TEST(Digest, sha256_and_hmac_match_published_vectors) {
  EXPECT_EQ(to_hex(sha256(as_bytes("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256({as_bytes("a"), as_bytes("bc")}), sha256(as_bytes("abc")));
  EXPECT_EQ(to_hex(hmac_sha256(as_bytes("Jefe"), as_bytes("what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Identity, labels_are_dns_labels) {
  for (const char* good : {"a", "acme", "a-1", "0"}) EXPECT_TRUE(check_label("tenant", good)) << good;
  for (const char* bad : {"", "-a", "a-", "A", "a_b", "a.b", "a b", "\xc3\xa4"})
    EXPECT_FALSE(check_label("tenant", bad)) << bad;
  EXPECT_TRUE(check_label("tenant", std::string(63, 'a')));
  EXPECT_FALSE(check_label("tenant", std::string(64, 'a')));
}

TEST(Timestamp, rfc3339_round_trips_and_obeys_zones) {
  const auto time = Timestamp::from_rfc3339("2026-02-28T23:59:59.123456Z");
  ASSERT_TRUE(time);
  EXPECT_EQ(time->to_rfc3339(), "2026-02-28T23:59:59.123456Z");
  EXPECT_EQ(Timestamp(0).to_rfc3339(), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(Timestamp(INT64_MIN).to_rfc3339(), "1677-09-21T00:12:43.145224Z");
  EXPECT_EQ(Timestamp(INT64_MAX).to_rfc3339(), "2262-04-11T23:47:16.854775Z");
  EXPECT_EQ(Timestamp::from_rfc3339("2026-03-01T01:59:59.123456+02:00"), time);
  for (const char* bad : {"2026-02-29T00:00:00Z", "2026-01-01", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00", "",
                          "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00Zx"}) {
    EXPECT_FALSE(Timestamp::from_rfc3339(bad)) << bad;
  }
}

TEST(Uuid, ids_of_one_source_grow_even_when_the_clock_goes_back) {
  SimulatedRandom random(7);
  UuidSource source(random);
  Uuid last;
  for (int i = 0; i < 20'000; ++i) {
    const Uuid id = source.next(Timestamp((i < 10'000 ? 1000 : 999) * 1'000'000LL));
    ASSERT_LT(last, id);
    last = id;
  }
}

TEST(Uuid, text_form_round_trips_and_says_version_7) {
  SimulatedRandom random(1);
  const Uuid id = Uuid::v7(Timestamp(1'700'000'000'000'000'000), random);
  EXPECT_EQ(Uuid::parse(id.to_string()), id);
  EXPECT_EQ(id.to_string()[14], '7');
  EXPECT_FALSE(Uuid::parse("0188d1f0-0000-7000-8000-00000000000"));
  EXPECT_FALSE(Uuid::parse("0188d1f0x0000-7000-8000-000000000000"));
}

TEST(Random, the_same_seed_gives_the_same_bytes) {
  SimulatedRandom a(42);
  SimulatedRandom b(42);
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 100; ++i) {
    const std::uint64_t value = a.below(1000);
    EXPECT_EQ(value, b.below(1000));
    EXPECT_LT(value, 1000U);
    seen.insert(value);
  }
  EXPECT_GT(seen.size(), 50U);
}

TEST(Result, context_stands_before_the_message) {
  const Error error = Error(ErrorCode::invalid, "name is empty").in("tenant").at(3, 4);
  EXPECT_EQ(error.message(), "tenant: name is empty");
  EXPECT_EQ(error.line(), 3);
  EXPECT_EQ(to_string(error.code()), "invalid");
}

TEST(Result, only_what_the_world_did_may_pass) {
  for (const ErrorCode code : {ErrorCode::exhausted, ErrorCode::lost, ErrorCode::unavailable})
    EXPECT_TRUE(Error(code, "").may_pass()) << to_string(code);
  for (const ErrorCode code : {ErrorCode::invalid, ErrorCode::denied, ErrorCode::conflict, ErrorCode::corrupt,
                               ErrorCode::timeout, ErrorCode::internal})
    EXPECT_FALSE(Error(code, "").may_pass()) << to_string(code);
}

TEST(ContractDeathTest, a_broken_precondition_ends_the_process_with_its_place) {
  EXPECT_DEATH(TRV_EXPECTS(1 == 2), "precondition broken: 1 == 2 at .*base_test.cpp");
}

TEST(Utf8, a_prefix_cuts_no_character) {
  EXPECT_EQ(utf8_prefix("ab", 2), "ab");
  EXPECT_EQ(utf8_prefix("a\xc3\xa9", 2), "a");
  EXPECT_EQ(utf8_prefix("\xf0\x9f\x98\x80", 3), "");
  EXPECT_EQ(utf8_prefix("a\xc3\xa9x", 3), "a\xc3\xa9");
}

TEST(Utf8, only_a_well_formed_character_has_bytes) {
  EXPECT_EQ(character_bytes("a\xff"), 1U);
  EXPECT_EQ(character_bytes("\xc3\xa9x"), 2U);
  EXPECT_EQ(character_bytes("\xe2\x82\xac"), 3U);
  EXPECT_EQ(character_bytes("\xf0\x9f\x98\x80"), 4U);
  for (const std::string_view bad :
       {"\x80", "\xc0\xaf", "\xc3", "\xc3z", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff"}) {
    EXPECT_EQ(character_bytes(bad), 0U);
    for (std::size_t before = 0; before <= 17; ++before) {
      for (std::size_t after = 0; after <= 9; ++after) {
        EXPECT_FALSE(is_utf8(std::string(before, 'a') + std::string(bad) + std::string(after, 'a')));
      }
    }
  }
  for (std::size_t before = 0; before <= 17; ++before) {
    EXPECT_TRUE(is_utf8(std::string(before, 'a') + "\xe2\x82\xac" + std::string(9, 'a')));
  }
}

}  // namespace
}  // namespace trv::base
