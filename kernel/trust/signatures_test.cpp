#include "kernel/trust/signatures.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "audit/note/note.hpp"
#include "kernel/trust/key_file.hpp"
#include "kernel/trust/statement.hpp"
#include "sdk/base/scratch_folder.hpp"

namespace trv::trust {
namespace {

using base::Bytes;
using base::BytesView;
using base::ErrorCode;

note::SigningKey key_of(std::string_view name, std::uint8_t first = 1) {
  note::SigningKey::Seed seed{};
  seed[0] = first;
  return note::SigningKey::from_seed(name, seed).value();
}

Bytes package_of(const std::string& version = "1.0.0") {
  Bytes library(64, 0);
  const std::uint8_t head[] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
  std::ranges::copy(head, library.begin());
  library[16] = 3;
  library[18] = 62;
  const std::string manifest = R"({"manifest": 1, "id": "hello", "version": ")" + version +
                               R"(", "title": "Hello", "summary": "Says hello.", "license": "Apache-2.0",
    "abi": {"major": 1, "minor": 0}, "isolation": "sandboxed",
    "libraries": {"linux-x86_64": {"path": "lib/linux-x86_64/plugin.so"}}})";
  return package::assemble(manifest, {{"lib/linux-x86_64/plugin.so", library}}).value();
}

const Finding certified{.level = Level::certified,
                        .report = base::sha256(base::as_bytes("report")),
                        .expires = base::Timestamp::from_rfc3339("2027-11-30T00:00:00Z")};

base::Result<Signers> signers_of(BytesView archive) {
  TRV_TRY_ASSIGN(const package::Package package, package::read(archive));
  return verify(package);
}

/// The archive with other notes, whatever they are.
Bytes with(BytesView archive, const std::string& publisher, const std::string& certifier = "") {
  return package::with_signatures(archive, {.publisher = publisher, .certifier = certifier}).value();
}

std::string refusal(BytesView archive) {
  const auto signers = signers_of(archive);
  return signers ? "accepted" : signers.error().message();
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST(Signatures, a_signed_package_says_who_made_it_and_who_examined_it) {
  const Bytes plain = package_of();
  EXPECT_FALSE(signers_of(plain)->publisher);
  const Bytes published = sign(plain, key_of("acme")).value();
  const auto once = signers_of(published);
  ASSERT_TRUE(once) << once.error().message();
  EXPECT_EQ(once->publisher, key_of("acme").verifier());
  EXPECT_FALSE(once->certificate);
  const Bytes both = countersign(published, certified, key_of("certifier", 2)).value();
  const auto twice = signers_of(both);
  ASSERT_TRUE(twice) << twice.error().message();
  EXPECT_EQ(twice->publisher, key_of("acme").verifier());
  EXPECT_EQ(twice->certificate->key, key_of("certifier", 2).verifier());
  EXPECT_EQ(twice->certificate->finding, certified);
}

TEST(Signatures, signing_does_not_change_what_is_signed_and_gives_the_same_bytes_again) {
  const Bytes plain = package_of();
  const Bytes published = sign(plain, key_of("acme")).value();
  const Bytes both = countersign(published, certified, key_of("certifier")).value();
  EXPECT_EQ(package::read(BytesView(both))->content, base::sha256(plain));
  EXPECT_EQ(sign(plain, key_of("acme")).value(), published);
  EXPECT_EQ(sign(both, key_of("acme")).value(), both) << "the certifier's is kept: it is about this very signature";
  EXPECT_EQ(package::with_signatures(both, {}).value(), plain);
}

TEST(Signatures, a_byte_changed_anywhere_in_a_signed_package_is_refused) {
  const Bytes both = countersign(sign(package_of(), key_of("acme")).value(), certified, key_of("certifier")).value();
  ASSERT_TRUE(signers_of(both));
  for (std::size_t at = 0; at < both.size(); ++at) {
    for (const std::uint8_t flip : {0x01, 0x20, 0x80}) {
      Bytes damaged = both;
      damaged[at] ^= flip;
      ASSERT_FALSE(signers_of(damaged)) << "byte " << at << " ^ " << int{flip};
    }
  }
  for (std::size_t size = 0; size < both.size(); ++size) {
    const auto cut = signers_of(BytesView(both).first(size));
    ASSERT_FALSE(cut && cut->publisher) << "a package that has lost its signatures is unsigned, and no more: " << size;
  }
}

TEST(Signatures, a_signature_of_another_package_is_refused) {
  const Bytes one = sign(package_of("1.0.0"), key_of("acme")).value();
  const std::string note = package::read(BytesView(one))->signatures.publisher;
  EXPECT_TRUE(has(refusal(with(package_of("1.0.1"), note)),
                  "package hello 1.0.1: signatures/publisher.note: it is about version 1.0.0, and this package has "
                  "1.0.1; sign it again"))
      << refusal(with(package_of("1.0.1"), note));
}

TEST(Signatures, the_certifiers_is_about_one_publishers_signature) {
  const Bytes ours = countersign(sign(package_of(), key_of("acme")).value(), certified, key_of("certifier")).value();
  const Bytes theirs = sign(package_of(), key_of("thief", 9)).value();
  const std::string moved = package::read(BytesView(ours))->signatures.certifier;
  const std::string thief = package::read(BytesView(theirs))->signatures.publisher;
  EXPECT_TRUE(has(refusal(with(package_of(), thief, moved)), "it is about another publisher's signature"));
  const Bytes signed_anew = sign(ours, key_of("thief", 9)).value();
  EXPECT_FALSE(signers_of(signed_anew)->certificate) << "what does not fit any more is dropped";
  EXPECT_TRUE(
      has(countersign(package_of(), certified, key_of("certifier")).error().message(), "no publisher has signed it"));
}

TEST(Signatures, a_note_that_says_more_or_less_is_refused) {
  const Bytes plain = package_of();
  const package::Package package = package::read(BytesView(plain)).value();
  const std::vector<Line> good = {
      {"plugin", "hello"}, {"version", "1.0.0"}, {"content", base::to_hex(package.content)}};
  const note::SigningKey key = key_of("acme");
  const auto refusal_of = [&](std::vector<Line> lines, std::string_view kind = "travertine package publisher 1") {
    return refusal(with(plain, sign_statement(kind, lines, key).value()));
  };
  EXPECT_EQ(refusal_of(good), "accepted");
  EXPECT_TRUE(has(refusal_of({good[0], good[1]}), "line `content` is missing"));
  EXPECT_TRUE(has(refusal_of({good[0], good[1], good[2], {"level", "core"}}), "expected no further one"));
  EXPECT_TRUE(has(refusal_of({good[1], good[0], good[2]}), "line 2 is `version`, expected `plugin`"));
  EXPECT_TRUE(has(refusal_of(good, "travertine package certifier 1"), "the first line is not"));
  const std::string note = sign_statement("travertine package publisher 1", good, key).value();
  const std::string line = note.substr(note.rfind("\n\n") + 2);
  EXPECT_TRUE(has(refusal(with(plain, note + line)), "not exactly one signature line")) << "the same signature twice";
  const std::string other = key_of("other", 3).verifier().format();
  std::string swapped = note;
  swapped.replace(swapped.find(key.verifier().format()), key.verifier().format().size(), other);
  EXPECT_EQ(signers_of(with(plain, swapped)).error().code(), ErrorCode::unauthenticated)
      << "signed by a key that the text does not name";
}

TEST(Signatures, a_level_report_or_expiry_in_another_form_is_refused) {
  const Bytes published = sign(package_of(), key_of("acme")).value();
  const package::Package package = package::read(BytesView(published)).value();
  const auto refusal_of = [&](const std::string& level, const std::string& report, const std::string& expires) {
    const std::vector<Line> lines = {
        {"plugin", "hello"},
        {"version", "1.0.0"},
        {"content", base::to_hex(package.content)},
        {"publisher", base::to_hex(base::sha256(base::as_bytes(package.signatures.publisher)))},
        {"level", level},
        {"report", report},
        {"expires", expires}};
    const std::string note = sign_statement("travertine package certifier 1", lines, key_of("certifier")).value();
    return refusal(with(published, package.signatures.publisher, note));
  };
  EXPECT_EQ(refusal_of("core", "none", "never"), "accepted");
  EXPECT_TRUE(has(refusal_of("royal", "none", "never"), "level royal is not known"));
  EXPECT_TRUE(has(refusal_of("core", "AB", "never"), "report AB is not 64 hexadecimal digits"));
  EXPECT_TRUE(has(refusal_of("core", std::string(64, 'A'), "never"), "in lower case"));
  EXPECT_TRUE(has(refusal_of("core", "none", "2027-11-30"), "expires 2027-11-30 is not a time"));
  EXPECT_TRUE(has(refusal_of("core", "none", "2027-11-30T00:00:00.5Z"), "is not a time"));
  EXPECT_TRUE(has(refusal_of("core", "none", "2027-11-30T01:00:00+01:00"), "is not a time"));
}

TEST(KeyFile, a_key_survives_its_file_and_is_private) {
  const auto scratch = base::ScratchFolder::make("trust", std::filesystem::temp_directory_path()).value();
  base::SystemRandom random;
  const auto path = scratch.path() / "acme.key";
  const auto made = make_key_file(path, "acme", random);
  ASSERT_TRUE(made) << made.error().message();
  const auto read = read_key_file(path);
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->verifier(), made->verifier());
  EXPECT_EQ(make_key_file(path, "acme", random).error().code(), ErrorCode::conflict);
  EXPECT_EQ(read_key_file(path)->verifier(), made->verifier());
  EXPECT_FALSE(make_key_file(scratch.path() / "bad.key", "two words", random));
  ::chmod(path.c_str(), 0644);
  EXPECT_EQ(read_key_file(path).error().code(), ErrorCode::denied);
}

TEST(KeyFile, a_public_key_that_is_not_that_of_the_secret_is_refused) {
  const auto scratch = base::ScratchFolder::make("trust", std::filesystem::temp_directory_path()).value();
  const auto path = scratch.path() / "mixed.key";
  std::ofstream(path) << key_of("acme").verifier().format() << "\n" << key_of("acme", 2).to_pem();
  ::chmod(path.c_str(), 0600);
  EXPECT_TRUE(has(read_key_file(path).error().message(), "the public key of another one"));
}

}  // namespace
}  // namespace trv::trust
