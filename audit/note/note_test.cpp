#include <gtest/gtest.h>

#include "audit/note/checkpoint.hpp"
#include "audit/note/text.hpp"

namespace trv::note {
namespace {

using base::ErrorCode;

SigningKey key_of(std::string_view name, std::uint8_t first = 1) {
  SigningKey::Seed seed{};
  seed[0] = first;
  return SigningKey::from_seed(name, seed).value();
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

ErrorCode refusal(std::string_view note, const VerifierKey& key) {
  const auto opened = open(note, std::span(&key, 1));
  EXPECT_FALSE(opened) << note;
  return opened ? ErrorCode::internal : opened.error().code();
}

TEST(Keys, ed25519_of_rfc8032_section_7_1_test_2) {
  SigningKey::Seed seed;
  const auto seed_bytes = base::from_hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
  std::ranges::copy(*seed_bytes, seed.begin());
  const auto key = SigningKey::from_seed("a", seed);
  ASSERT_TRUE(key);
  EXPECT_EQ(base::to_hex(key->verifier().public_key()),
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
  EXPECT_EQ(
      base::to_hex(key->sign("\x72")),
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb430"
      "2aeeb00d291612bb0c00");
}

TEST(Keys, a_verifier_key_round_trips_through_its_text) {
  const SigningKey key = key_of("audit.acme.example/t/acme");
  const std::string text = key.verifier().format();
  const auto parsed = VerifierKey::parse(text);
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_EQ(*parsed, key.verifier());
  EXPECT_EQ(parsed->id(), key.id());
}

// The example key of golang.org/x/mod/sumdb/note.
TEST(Keys, a_verifier_key_of_another_implementation_is_read) {
  const auto key = VerifierKey::parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
  ASSERT_TRUE(key) << key.error().message();
  EXPECT_EQ(key->name(), "PeterNeumann");
  EXPECT_EQ(key->id(), 0xc74f20a3u);
}

TEST(Keys, a_malformed_verifier_key_is_refused_with_the_reason) {
  const std::string good = key_of("n").verifier().format();
  for (const std::string& bad :
       {std::string(), std::string("n"), std::string("n+00000000"), "m" + good, replaced(good, "n+", "+"),
        replaced(good, "n+", "n n+"), good + "A", good + "\n", replaced(good, "+A", "+B"),
        std::string("n+zzzzzzzz+AQ=="), std::string(100'000, '+')}) {
    const auto key = VerifierKey::parse(bad);
    ASSERT_FALSE(key) << bad;
    EXPECT_EQ(key.error().code(), ErrorCode::invalid);
  }
}

TEST(Keys, a_key_survives_pem_and_other_pem_is_refused) {
  const SigningKey key = key_of("n");
  const std::string pem = key.to_pem();
  EXPECT_TRUE(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
  const auto again = SigningKey::from_pem("n", pem);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->verifier(), key.verifier());
  EXPECT_FALSE(SigningKey::from_pem("n", ""));
  EXPECT_FALSE(SigningKey::from_pem("n", replaced(pem, "PRIVATE", "PUBLIC")));
  EXPECT_FALSE(SigningKey::from_pem("n", pem.substr(0, pem.size() / 2)));
  EXPECT_EQ(SigningKey::from_pem("n", std::string(20'000, 'A')).error().code(), ErrorCode::too_large);
}

TEST(Keys, one_secret_under_two_names_signs_for_each_and_not_for_the_other) {
  const SigningKey node = key_of("node.example");
  const auto tenant = node.named("node.example/t/acme");
  ASSERT_TRUE(tenant);
  EXPECT_EQ(tenant->verifier().public_key(), node.verifier().public_key());
  EXPECT_NE(tenant->id(), node.id());
  const std::string note = *sign("t\n", *tenant);
  EXPECT_TRUE(open(note, std::span(&tenant->verifier(), 1)));
  EXPECT_EQ(refusal(note, node.verifier()), ErrorCode::unauthenticated);
  EXPECT_FALSE(node.named("two words"));
}

TEST(Notes, a_signed_text_opens_with_its_key) {
  const SigningKey key = key_of("quarry.example/ledger");
  const std::string text = "first line\n\nthird line, behind an empty one\n";
  const auto note = sign(text, key);
  ASSERT_TRUE(note);
  EXPECT_TRUE(note->starts_with(text + "\n\xE2\x80\x94 quarry.example/ledger "));
  const auto opened = open(*note, std::span(&key.verifier(), 1));
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_EQ(opened->text, text);
  EXPECT_EQ(opened->verified, std::vector<std::string>{"quarry.example/ledger"});
}

TEST(Notes, unknown_signatures_are_ignored_also_with_a_known_name_or_id) {
  const SigningKey ours = key_of("ours");
  const SigningKey rotated = key_of("ours", 2);
  const std::string text = "t\n";
  const std::string foreign_line = sign(text, rotated)->substr(text.size() + 1);
  const std::string witness_line = sign(text, key_of("witness.example"))->substr(text.size() + 1);
  const std::string note = text + "\n" + foreign_line + witness_line + sign(text, ours)->substr(text.size() + 1);
  EXPECT_TRUE(open(note, std::span(&ours.verifier(), 1)));
  EXPECT_EQ(refusal(text + "\n" + foreign_line + witness_line, ours.verifier()), ErrorCode::unauthenticated);
}

TEST(Notes, several_known_keys_are_named_once_each) {
  const SigningKey a = key_of("a");
  const SigningKey b = key_of("b");
  const std::string text = "t\n";
  const std::string line_a = sign(text, a)->substr(3);
  const std::string line_b = sign(text, b)->substr(3);
  const std::vector known{b.verifier(), a.verifier(), a.verifier()};
  const auto opened = open(text + "\n" + line_a + line_b + line_a, known);
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_EQ(opened->verified, (std::vector<std::string>{"a", "b"}));
}

TEST(Notes, any_flipped_byte_of_the_text_or_its_signature_is_refused) {
  const SigningKey key = key_of("n");
  const std::string note = *sign("origin\n42\nroot\n", key);
  for (std::size_t i = 0; i < note.size(); ++i) {
    std::string flipped = note;
    flipped[i] = static_cast<char>(flipped[i] ^ 0x01);
    EXPECT_FALSE(open(flipped, std::span(&key.verifier(), 1))) << i;
  }
}

TEST(Notes, a_wrong_signature_of_a_known_key_spoils_the_note) {
  const SigningKey a = key_of("a");
  const SigningKey b = key_of("b");
  const std::string wrong_b = sign("other\n", b)->substr(7);
  const std::string note = *sign("t\n", a) + wrong_b;
  const std::vector known{a.verifier(), b.verifier()};
  const auto opened = open(note, known);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), ErrorCode::unauthenticated);
  EXPECT_NE(opened.error().message().find("b+"), std::string::npos);
}

TEST(Notes, what_is_no_note_is_refused) {
  const SigningKey key = key_of("n");
  const std::string note = *sign("t\n", key);
  for (const std::string& bad :
       {std::string(), std::string("t\n"), std::string("\n\n"), note.substr(0, note.size() - 1), note + "x",
        note + "\n", replaced(note, "\xE2\x80\x94", "-"), replaced(note, "\xE2\x80\x94 n", "\xE2\x80\x94 "),
        replaced(note, "\xE2\x80\x94 n", "\xE2\x80\x94  n"), replaced(note, "t\n", "t\r\n"),
        replaced(note, "t\n", "t\t\n"), replaced(note, "t\n", "\xff\n"), replaced(note, "t\n", std::string("\0\n", 2)),
        replaced(note, "t\n", "\xED\xA0\x80\n"), note + "\xE2\x80\x94 n AAAA\n", note + "\xE2\x80\x94 n+ AAAAAAAA\n",
        note + "\xE2\x80\x94 n\xC2\xA0m AAAAAAAA\n"}) {
    EXPECT_EQ(refusal(bad, key.verifier()), ErrorCode::invalid);
  }
}

TEST(Notes, size_and_number_of_signatures_are_bounded) {
  const SigningKey key = key_of("n");
  std::string note = *sign("t\n", key);
  for (std::size_t i = 1; i < signatures_max; ++i) {
    note += "\xE2\x80\x94 witness AAAAAAAA\n";
  }
  EXPECT_TRUE(open(note, std::span(&key.verifier(), 1)));
  EXPECT_EQ(refusal(note + "\xE2\x80\x94 witness AAAAAAAA\n", key.verifier()), ErrorCode::too_large);
  EXPECT_EQ(refusal(std::string(note_bytes_max, '\n') + note, key.verifier()), ErrorCode::too_large);
  EXPECT_EQ(sign(std::string(note_bytes_max, 'a') + "\n", key).error().code(), ErrorCode::too_large);
}

TEST(Notes, a_text_that_no_note_may_hold_is_not_signed) {
  const SigningKey key = key_of("n");
  for (const char* bad : {"", "no line feed", "tab\t\n", "\xff\n"}) {
    EXPECT_FALSE(sign(bad, key)) << bad;
  }
}

TEST(Checkpoints, round_trip_and_have_the_specified_text) {
  const SigningKey key = key_of("audit.acme.example/t/acme");
  const Checkpoint checkpoint{.origin = key.name(), .size = 20852163, .root = base::sha256(base::as_bytes("r"))};
  EXPECT_EQ(checkpoint.format(), "audit.acme.example/t/acme\n20852163\n" + base::to_base64(checkpoint.root) + "\n");
  const auto note = sign_checkpoint(checkpoint, key);
  ASSERT_TRUE(note);
  const auto opened = open_checkpoint(*note, std::span(&key.verifier(), 1));
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_EQ(*opened, checkpoint);
}

TEST(Checkpoints, extension_lines_are_ignored_and_malformed_texts_refused) {
  const std::string good = Checkpoint{.origin = "o", .size = 0, .root = {}}.format();
  EXPECT_TRUE(Checkpoint::parse(good));
  EXPECT_TRUE(Checkpoint::parse(good + "extension\n"));
  for (const std::string& bad : {std::string(), std::string("o\n"), std::string("o\n1\n"), "\n" + good, good + "\n",
                                 good + "x", replaced(good, "\n0\n", "\n00\n"), replaced(good, "\n0\n", "\n-1\n"),
                                 replaced(good, "\n0\n", "\n+1\n"), replaced(good, "\n0\n", "\n18446744073709551616\n"),
                                 replaced(good, "A=\n", "A\n"), replaced(good, "AAA=", "AAB=")}) {
    const auto parsed = Checkpoint::parse(bad);
    ASSERT_FALSE(parsed) << bad;
    EXPECT_EQ(parsed.error().code(), ErrorCode::invalid);
  }
}

TEST(Checkpoints, a_trusted_key_cannot_speak_for_another_origin) {
  const SigningKey key = key_of("other");
  const Checkpoint checkpoint{.origin = "log", .size = 1, .root = {}};
  EXPECT_FALSE(sign_checkpoint(checkpoint, key));
  const auto opened = open_checkpoint(*sign(checkpoint.format(), key), std::span(&key.verifier(), 1));
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), ErrorCode::unauthenticated);
}

}  // namespace
}  // namespace trv::note
