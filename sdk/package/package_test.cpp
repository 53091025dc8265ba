#include "sdk/package/package.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>

#include "sdk/base/random.hpp"

namespace trv::package {
namespace {

namespace filesystem = std::filesystem;
using base::Bytes;
using base::BytesView;
using base::ErrorCode;

constexpr const char* source_manifest = R"({
  "manifest": 1, "id": "hello", "version": "1.2.3-rc.1+build.5", "title": "Hello", "summary": "Says hello.",
  "license": "Apache-2.0", "abi": {"major": 1, "minor": 0},
  "libraries": {"linux-x86_64": {"path": "lib/linux-x86_64/plugin.so"}},
  "isolation": "sandboxed",
  "connections": [{"name": "api", "title": "API", "base_url": "https://example.com", "auth": ["bearer", "none"]}],
  "operations": [{"name": "greet", "title": "Greet", "idempotent": true, "input": {"type": "object"}, "output": true}],
  "webhooks": [{"name": "in", "title": "In",
    "verification": {"scheme": "hmac-sha256", "header": "X-Signature", "prefix": "v1=", "encoding": "base64"},
    "required_headers": ["X-Event"],
    "delivery_id": ".headers.id", "event": {"type": "\"t\"", "source": "\"s\""}}]
})";

/// The first bytes of a 64-bit little-endian shared object for x86-64, and some more.
Bytes library() {
  Bytes bytes(64, 0);
  const std::uint8_t head[] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
  std::copy(std::begin(head), std::end(head), bytes.begin());
  bytes[16] = 3;
  bytes[18] = 62;
  return bytes;
}

Bytes good_package() {
  auto packed = assemble(source_manifest,
                         {{"lib/linux-x86_64/plugin.so", library()}, {"README.md", base::to_bytes("# Hello\n")}});
  EXPECT_TRUE(packed) << (packed ? "" : packed.error().message());
  return packed.value_or(Bytes());
}

/// Writes ustar by hand, to make what no packer makes.
class RawArchive {
 public:
  RawArchive& add(const std::string& path, std::string_view content, char type = '0', const char* link = "") {
    std::array<char, 512> header = {};
    std::memcpy(header.data(), path.data(), std::min<std::size_t>(path.size(), 100));
    std::snprintf(&header[100], 8, "%07o", 0644);
    std::snprintf(&header[108], 8, "%07o", 0);
    std::snprintf(&header[116], 8, "%07o", 0);
    std::snprintf(&header[124], 12, "%011o", static_cast<unsigned>(content.size()));
    std::snprintf(&header[136], 12, "%011o", 0);
    header[156] = type;
    std::memcpy(&header[157], link, std::strlen(link));
    std::memcpy(&header[257], "ustar\00000", 8);
    std::memset(&header[148], ' ', 8);
    unsigned sum = 0;
    for (const char c : header) sum += static_cast<unsigned char>(c);
    std::snprintf(&header[148], 8, "%06o", sum);
    bytes_.insert(bytes_.end(), header.begin(), header.end());
    bytes_.insert(bytes_.end(), content.begin(), content.end());
    bytes_.resize((bytes_.size() + 511) / 512 * 512);
    return *this;
  }
  Bytes end() const {
    Bytes all = bytes_;
    all.resize(all.size() + 1024);
    return all;
  }

 private:
  Bytes bytes_;
};

std::string packed_manifest() {
  const auto package = read(BytesView(good_package()));
  return package ? package->manifest.text : "";
}

/// The good package, with `extra` between manifest and the rest.
Bytes with(const std::function<void(RawArchive&)>& extra) {
  const Bytes content = library();
  RawArchive archive;
  archive.add("manifest.json", packed_manifest());
  extra(archive);
  archive.add("README.md", "# Hello\n").add("lib/linux-x86_64/plugin.so", base::as_text(content));
  return archive.end();
}

TEST(Package, what_was_packed_is_read_back_whole) {
  const Bytes bytes = good_package();
  const auto package = read(BytesView(bytes));
  ASSERT_TRUE(package) << package.error().message();
  EXPECT_EQ(package->digest, base::sha256(bytes));
  EXPECT_EQ(package->manifest.id, "hello");
  ASSERT_EQ(package->files.size(), 2U);
  EXPECT_EQ(*package->find_file("lib/linux-x86_64/plugin.so"), library());
  EXPECT_EQ(package->find_file("lib"), nullptr);
  EXPECT_EQ(package->manifest.find_library("linux-x86_64")->sha256, base::sha256(library()));
  EXPECT_EQ(package->manifest.files.at("README.md"), base::sha256(base::as_bytes("# Hello\n")));
}

TEST(Package, the_same_files_give_the_same_bytes_in_any_order) {
  const auto reversed = assemble(
      source_manifest, {{"README.md", base::to_bytes("# Hello\n")}, {"lib/linux-x86_64/plugin.so", library()}});
  EXPECT_EQ(*reversed, good_package());
  EXPECT_EQ(good_package().size() % 512, 0U);
}

TEST(Package, the_hand_made_archive_of_these_tests_is_good_by_itself) {
  const auto package = read(BytesView(with([](RawArchive&) {})));
  EXPECT_TRUE(package) << package.error().message();
}

TEST(Package, an_entry_against_the_rules_is_refused_by_name) {
  const auto refused = [](const std::function<void(RawArchive&)>& extra, std::string_view word) {
    const auto package = read(BytesView(with(extra)));
    ASSERT_FALSE(package) << word;
    EXPECT_NE(package.error().message().find(word), std::string::npos) << package.error().message();
  };
  for (const char* path : {"/etc/passwd", "../up", "a/../b", "./a", "a//b", "a/", "a b", "caf\xc3\xa9", "a\\b", "a\nb"})
    refused([&](RawArchive& archive) { archive.add(path, "x"); }, "path");
  refused([](RawArchive& archive) { archive.add("link", "", '2', "/etc/passwd"); }, "\"link\"");
  refused([](RawArchive& archive) { archive.add("hard", "", '1', "manifest.json"); }, "\"hard\"");
  refused([](RawArchive& archive) { archive.add("device", "", '3'); }, "\"device\"");
  refused([](RawArchive& archive) { archive.add("pipe", "", '6'); }, "\"pipe\"");
  refused([](RawArchive& archive) { archive.add("folder", "", '5'); }, "\"folder");
  refused([](RawArchive& archive) { archive.add("README.md", "other"); }, "\"README.md\": occurs twice");
  refused([](RawArchive& archive) { archive.add("manifest.json", "{}"); }, "\"manifest.json\": occurs twice");
  refused([](RawArchive& archive) { archive.add("extra", "x"); }, "\"extra\": is not in the manifest");
  refused([](RawArchive& archive) { archive.add("pax", "18 path=../../up\n", 'x'); }, "package");
  refused([](RawArchive& archive) { archive.add("././@LongLink", std::string(200, 'a'), 'L'); }, "package");
}

TEST(Package, a_file_that_is_missing_or_changed_is_named) {
  const auto missing =
      read(BytesView(RawArchive().add("manifest.json", packed_manifest()).add("README.md", "# Hello\n").end()));
  EXPECT_EQ(missing.error().code(), ErrorCode::invalid);
  EXPECT_NE(missing.error().message().find("lib/linux-x86_64/plugin.so"), std::string::npos);
  const Bytes content = library();
  const auto changed = read(BytesView(RawArchive()
                                          .add("manifest.json", packed_manifest())
                                          .add("README.md", "# Hullo\n")
                                          .add("lib/linux-x86_64/plugin.so", base::as_text(content))
                                          .end()));
  EXPECT_EQ(changed.error().code(), ErrorCode::corrupt);
  EXPECT_NE(changed.error().message().find("README.md"), std::string::npos);
}

TEST(Package, the_manifest_comes_first) {
  const auto package =
      read(BytesView(RawArchive().add("README.md", "# Hello\n").add("manifest.json", packed_manifest()).end()));
  EXPECT_EQ(package.error().message(), "package: the first file must be manifest.json");
  EXPECT_FALSE(read(BytesView()));
  EXPECT_FALSE(read(base::as_bytes("not an archive at all")));
}

TEST(Package, too_much_is_refused) {
  RawArchive many;
  many.add("manifest.json", packed_manifest());
  for (std::size_t i = 0; i < entries_max; ++i) many.add(fmt::format("docs/{}", i), "");
  EXPECT_EQ(read(BytesView(many.end())).error().code(), ErrorCode::too_large);
  EXPECT_EQ(read(BytesView(Bytes(package_bytes_max + 1))).error().code(), ErrorCode::too_large);
}

TEST(Package, a_package_cut_off_anywhere_is_refused_as_damaged_and_never_as_too_large) {
  const Bytes bytes = good_package();
  for (std::size_t size = 0; size + 1024 < bytes.size(); ++size) {
    const auto package = read(BytesView(bytes).first(size));
    ASSERT_FALSE(package) << size;
    EXPECT_EQ(package.error().code(), ErrorCode::invalid) << size << ": " << package.error().message();
  }
  const auto cut = read(BytesView(bytes).first(bytes.size() - 1024 - 512 + 10));
  EXPECT_EQ(
      cut.error().message(),
      fmt::format("package: truncated at byte {}, within file \"lib/linux-x86_64/plugin.so\" of 64 bytes; send it "
                  "whole",
                  bytes.size() - 1024 - 512 + 10));
}

TEST(Package, a_file_that_claims_more_than_a_package_may_have_is_too_large) {
  const auto read_claim = [](unsigned claimed) {
    Bytes bytes = with([](RawArchive& archive) { archive.add("claim", "x"); });
    // The header of "claim" is the first after the manifest's blocks.
    const std::size_t at = 512 + (packed_manifest().size() + 511) / 512 * 512;
    EXPECT_EQ(base::as_text(BytesView(bytes).subspan(at, 5)), "claim");
    char* header = reinterpret_cast<char*>(&bytes[at]);
    std::snprintf(&header[124], 12, "%011o", claimed);
    std::memset(&header[148], ' ', 8);
    unsigned sum = 0;
    for (std::size_t i = 0; i < 512; ++i) sum += static_cast<unsigned char>(header[i]);
    std::snprintf(&header[148], 8, "%06o", sum);
    return read(BytesView(bytes));
  };
  EXPECT_EQ(read_claim(package_bytes_max + 1).error().code(), ErrorCode::too_large);
  const auto within = read_claim(package_bytes_max / 2);
  EXPECT_EQ(within.error().code(), ErrorCode::invalid);
  EXPECT_NE(within.error().message().find("truncated at byte"), std::string::npos) << within.error().message();
}

TEST(Package, flipped_bits_never_change_what_a_file_holds) {
  const Bytes bytes = good_package();
  const auto original = read(BytesView(bytes));
  base::SimulatedRandom random(11);
  for (int i = 0; i < 3'000; ++i) {
    Bytes damaged = bytes;
    damaged[random.below(damaged.size())] ^= static_cast<std::uint8_t>(1U << random.below(8));
    const auto package = read(BytesView(damaged));
    if (!package) continue;
    ASSERT_EQ(package->files.size(), original->files.size());
    for (std::size_t n = 0; n < package->files.size(); ++n)
      ASSERT_EQ(package->files[n].bytes, original->files[n].bytes);
  }
}

TEST(Package, signatures_change_the_package_and_not_its_content) {
  const Bytes plain = good_package();
  const auto signed_once = with_signatures(plain, {.publisher = "by p\n", .certifier = ""});
  ASSERT_TRUE(signed_once) << signed_once.error().message();
  const auto package = read(BytesView(*signed_once));
  ASSERT_TRUE(package) << package.error().message();
  EXPECT_EQ(package->signatures, (Signatures{"by p\n", ""}));
  EXPECT_EQ(package->content, base::sha256(plain));
  EXPECT_EQ(package->digest, base::sha256(*signed_once));
  EXPECT_EQ(package->files.size(), 2U) << "a signature is not a file of the package";
  EXPECT_EQ(package->find_file("signatures/publisher.note"), nullptr);
  const auto signed_twice = with_signatures(*signed_once, {.publisher = "by p\n", .certifier = "by c\n"});
  ASSERT_TRUE(signed_twice) << signed_twice.error().message();
  EXPECT_EQ(read(BytesView(*signed_twice))->content, base::sha256(plain));
  EXPECT_EQ(*with_signatures(*signed_twice, {}), plain) << "what was signed is there again, byte for byte";
  // A prefix of the archive, so other tools can check it as well.
  EXPECT_TRUE(std::equal(plain.begin(), plain.end() - 1024, signed_twice->begin()));
}

TEST(Package, nothing_but_the_two_signatures_is_below_their_folder) {
  const auto message_of = [](const std::function<void(RawArchive&)>& extra) {
    const auto package = read(BytesView(with(extra)));
    return package ? std::string("accepted") : package.error().message();
  };
  const auto has = [](const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; };
  EXPECT_TRUE(has(message_of([](RawArchive& archive) { archive.add("signatures/other.note", "x"); }), "nothing else"));
  EXPECT_TRUE(has(message_of([](RawArchive& archive) { archive.add("signatures/publisher.note", ""); }), "is empty"));
  EXPECT_TRUE(has(message_of([](RawArchive& archive) {
                    archive.add("signatures/publisher.note", "a").add("signatures/publisher.note", "b");
                  }),
                  "occurs twice"));
  EXPECT_TRUE(has(message_of([](RawArchive& archive) { archive.add("signatures/certifier.note", "a"); }),
                  "a certifier signs what a publisher has signed"));
  EXPECT_TRUE(has(message_of([](RawArchive& archive) {
                    archive.add("signatures/publisher.note", std::string(signature_bytes_max + 1, 'a'));
                  }),
                  "more than 4096"));
  EXPECT_TRUE(has(message_of([](RawArchive& archive) { archive.add("signatures/publisher.note", "a"); }),
                  "is not as a packer writes it"))
      << "the hand-made archive has it before other files";
  EXPECT_FALSE(assemble(source_manifest, {{"lib/linux-x86_64/plugin.so", library()},
                                          {"signatures/publisher.note", base::to_bytes("a")}}));
}

TEST(Package, a_byte_changed_outside_the_signatures_changes_the_content_or_is_refused) {
  const Bytes good = *with_signatures(good_package(), {.publisher = "p\n", .certifier = "c\n"});
  const auto original = read(BytesView(good));
  for (std::size_t at = 0; at < good.size(); ++at) {
    Bytes damaged = good;
    damaged[at] ^= 0x01;
    const auto package = read(BytesView(damaged));
    if (!package) continue;
    ASSERT_TRUE(package->content != original->content || package->signatures != original->signatures) << at;
  }
  Bytes longer = good;
  longer.resize(longer.size() + 512);
  EXPECT_FALSE(read(BytesView(longer)));
}

class PackFolder : public testing::Test {
 protected:
  PackFolder() : folder(filesystem::temp_directory_path() / fmt::format("package_test_{}", ::getpid())) {
    filesystem::create_directories(folder / "docs" / "deep");
    write("manifest.json", source_manifest);
    write("README.md", "# Hello\n");
    write("hello.cpp", "int source;");
    write("docs/deep/a.md", "A");
    const Bytes content = library();
    write("plugin.so", base::as_text(content));
  }
  ~PackFolder() override { filesystem::remove_all(folder); }
  void write(const std::string& name, std::string_view text) { std::ofstream(folder / name, std::ios::binary) << text; }
  base::Result<Package> pack_it() { return pack(folder, folder / "plugin.so", folder / "out.trvp"); }
  filesystem::path folder;
};

TEST_F(PackFolder, a_folder_is_packed_with_its_documents_and_without_its_sources) {
  const auto packed = pack_it();
  ASSERT_TRUE(packed) << packed.error().message();
  const auto package = read(folder / "out.trvp");
  ASSERT_TRUE(package) << package.error().message();
  EXPECT_EQ(package->digest, packed->digest);
  std::vector<std::string> paths;
  for (const File& file : package->files) paths.push_back(file.path);
  EXPECT_EQ(paths, (std::vector<std::string>{"README.md", "docs/deep/a.md", "lib/linux-x86_64/plugin.so"}));
  EXPECT_FALSE(filesystem::exists(folder / "out.trvp.part"));
}

TEST_F(PackFolder, what_is_missing_or_wrong_is_named) {
  filesystem::remove(folder / "plugin.so");
  EXPECT_EQ(pack_it().error().code(), ErrorCode::not_found);
  write("plugin.so", "#!/bin/sh");
  EXPECT_NE(pack_it().error().message().find("not a 64-bit ELF shared object"), std::string::npos);
  EXPECT_FALSE(filesystem::exists(folder / "out.trvp"));
  filesystem::remove(folder / "manifest.json");
  EXPECT_NE(pack_it().error().message().find("manifest.json"), std::string::npos);
}

TEST_F(PackFolder, a_library_without_a_place_in_the_manifest_gets_the_usual_one) {
  std::string text = source_manifest;
  const std::string libraries = R"(  "libraries": {"linux-x86_64": {"path": "lib/linux-x86_64/plugin.so"}},)";
  text.erase(text.find(libraries), libraries.size());
  write("manifest.json", text);
  const auto packed = pack_it();
  ASSERT_TRUE(packed) << packed.error().message();
  EXPECT_EQ(packed->manifest.libraries.at(0).path, "lib/linux-x86_64/plugin.so");
}

TEST(Manifest, every_member_is_read) {
  const auto manifest = parse_manifest(source_manifest, ManifestForm::source);
  ASSERT_TRUE(manifest) << manifest.error().message();
  EXPECT_EQ(manifest->version, "1.2.3-rc.1+build.5");
  EXPECT_EQ(manifest->abi_major, 1);
  EXPECT_EQ(manifest->isolation, Isolation::sandboxed);
  EXPECT_EQ(manifest->configuration, R"({"type":"object"})");
  const Connection* connection = manifest->find_connection("api");
  ASSERT_NE(connection, nullptr);
  EXPECT_EQ(connection->auth, (std::vector<AuthScheme>{AuthScheme::bearer, AuthScheme::none}));
  const Operation* operation = manifest->find_operation("greet");
  ASSERT_NE(operation, nullptr);
  EXPECT_TRUE(operation->idempotent);
  EXPECT_EQ(operation->output, "true");
  const Webhook* webhook = manifest->find_webhook("in");
  ASSERT_NE(webhook, nullptr);
  EXPECT_EQ(webhook->verification.signature.header, "x-signature");
  EXPECT_EQ(webhook->verification.signature.prefix, "v1=");
  EXPECT_EQ(webhook->required_headers, std::vector<std::string>{"x-event"});
  EXPECT_EQ(webhook->verification.signature.encoding, base::SignatureEncoding::base64);
  EXPECT_EQ(webhook->event_type, "\"t\"");
  EXPECT_EQ(webhook->event_subject, "");
  EXPECT_EQ(manifest->find_operation("other"), nullptr);
}

TEST(Manifest, an_error_names_the_member) {
  struct Case {
    const char* from;
    const char* to;
    const char* message;
  };
  const Case cases[] = {
      {R"("manifest": 1)", R"("manifest": 2)", "manifest: version 2 is not known"},
      {R"("id": "hello")", R"("id": "Hello")", "id: \"Hello\" must be a label"},
      {R"("id": "hello", )", "", "id: is missing"},
      {R"("id": "hello")", R"("id": "other", "id": "hello")", "JSON at line 2, column 33: the key \"id\" occurs twice"},
      {R"("id": "hello")", R"("id" "hello")", "manifest: JSON at line 2, column 23: "},
      {R"(1.2.3-rc.1+build.5)", "1.2", "version: \"1.2\" is not a semantic version"},
      {R"("license": "Apache-2.0")", R"("license": 7)", "license: must be a string"},
      {R"("major": 1)", R"("major": -1)", "abi.major: must be an integer from 0 to 65535"},
      {R"("isolation": "sandboxed")", R"("isolation": "none")",
       "isolation: \"none\" is not one of \"in-process\", \"sandboxed\""},
      {R"("isolation")", R"("colour": "red", "isolation")", "colour: is not a member"},
      {R"("isolation")", R"("bodies": "in parts", "isolation")",
       "bodies: \"in parts\" is not one of \"whole\", \"in-parts\""},
      {R"("name": "greet")", R"("name": "greet", "tittle": "")", "operations[0].tittle: is not a member"},
      {R"("idempotent": true)", R"("idempotent": 1)", "operations[0].idempotent: must be true or false"},
      {R"("output": true)", R"("output": "x")", "operations[0].output: must be a JSON Schema"},
      {R"(https://example.com)", "http://example.com", "connections[0].base_url:"},
      {R"(["bearer", "none"])", "[]", "connections[0].auth: must name at least one scheme"},
      {R"("bearer", )", "\"oauth9\", ", "connections[0].auth: \"oauth9\" is not one of"},
      {R"(["X-Event"])", R"([""])", "webhooks[0].required_headers: must hold names of headers"},
      {R"("encoding": "base64")", R"("encoding": "rot13")", "webhooks[0].verification.encoding: \"rot13\""},
      {R"("encoding": "base64")", R"("encoding": "hex", "signed": "{timestamp}")",
       "webhooks[0].verification.signed '{timestamp}' has no {body}"},
      {R"("encoding": "base64")", R"("encoding": "hex", "signed": "{body}{time}")", "a part that is not known"},
      {R"("encoding": "base64")", R"("encoding": "hex", "signed": "{timestamp}.{body}")",
       "webhooks[0].verification.timestamp_header: is missing"},
      {R"("encoding": "base64")",
       R"("encoding": "hex", "signed": "{timestamp}.{body}", "timestamp_header": "T", "tolerance_s": 0)",
       "webhooks[0].verification.tolerance_s: must be 1 to 86400"},
      {R"("encoding": "base64")", R"("encoding": "hex", "tolerance_s": 5)", "tolerance_s: is not a member"},
      {R"("scheme": "hmac-sha256")", R"("scheme": "token")", "webhooks[0].verification.prefix: is not a member"},
      {R"("delivery_id")", R"("body": "xml", "delivery_id")", "webhooks[0].body: \"xml\""},
      {R"("delivery_id")", R"("json_field": "p", "delivery_id")", "webhooks[0].json_field: is not a member"},
      {R"("delivery_id")", R"("answer": "yes", "delivery_id")", "webhooks[0].answer: \"yes\""},
      {R"("event": {"type": "\"t\"", )", R"("event": {)", "webhooks[0].event.type: is missing"},
      {R"("webhooks": [{)", R"("permissions": ["http"], "webhooks": [{)", "must have \"webhooks\", since"},
      {R"("webhooks": [{)", R"("permissions": ["webhooks"], "webhooks": [{)", "must have an \"http\" or"},
      {R"("webhooks": [{)", R"("permissions": ["http", "all"], "webhooks": [{)",
       "permissions[1]: permission \"all\" is"},
      {R"("webhooks": [{)", R"("permissions": ["http", "http"], "webhooks": [{)", "permissions[1]: \"http\" is there"},
      {R"("webhooks": [{)", R"("permissions": [1], "webhooks": [{)", "permissions[0]: must be a string"},
      {R"("webhooks": [{)", R"("subscriptions": [{"operation": "none", "events": ["a.b"]}], "webhooks": [{)",
       "subscriptions[0].operation: \"none\" is not in operations"},
      {R"("webhooks": [{)", R"("subscriptions": [{"operation": "greet", "events": ["a.b"]}], "webhooks": [{)",
       "must have \"subscriptions:a.b\", since the manifest subscribes to it"},
      {R"("webhooks": [{)", R"("subscriptions": [{"operation": "greet", "events": []}], "webhooks": [{)",
       "subscriptions[0].events: must name at least one type"},
      {R"("webhooks": [{)", R"("subscriptions": [{"operation": "greet", "events": ["a.*"]}], "webhooks": [{)",
       "subscriptions[0].events: must hold whole types"},
      {R"("webhooks": [{)",
       R"("subscriptions": [{"operation": "greet", "events": ["trv.workflow.started"]}], "webhooks": [{)",
       "not of \"trv.\""},
      {R"("webhooks": [{)",
       R"("permissions":["http","webhooks","subscriptions"],"subscriptions": [{"operation": "greet", "events": ["a.b"]},
          {"operation": "greet", "events": ["a.c"]}], "webhooks": [{)",
       "subscriptions[1]: \"greet\" is there twice"},
      {R"("linux-x86_64": {)", R"("windows": {)", "libraries.windows: is not a known platform"},
  };
  for (const Case& c : cases) {
    std::string text = source_manifest;
    ASSERT_NE(text.find(c.from), std::string::npos) << c.from;
    text.replace(text.find(c.from), std::strlen(c.from), c.to);
    const auto manifest = parse_manifest(text, ManifestForm::source);
    ASSERT_FALSE(manifest) << c.message;
    EXPECT_NE(manifest.error().message().find(c.message), std::string::npos) << manifest.error().message();
  }
}

TEST(Manifest, what_does_not_say_asks_for_what_plugins_could_do_before) {
  std::string text = source_manifest;
  EXPECT_EQ(texts_of(parse_manifest(text, ManifestForm::source)->requested()),
            (std::vector<std::string>{"http", "webhooks"}));
  text.insert(1, R"("permissions": ["http:example.com", "webhooks", "kv"],)");
  EXPECT_EQ(texts_of(parse_manifest(text, ManifestForm::source)->requested()),
            (std::vector<std::string>{"http:example.com", "webhooks", "kv"}));
}

TEST(Manifest, hostile_text_is_refused) {
  for (const std::string& text : {std::string(), std::string("[]"), std::string(500'000, '['), std::string("{\"a\":"),
                                  std::string("\xff"), std::string("null")})
    EXPECT_FALSE(parse_manifest(text, ManifestForm::source));
  EXPECT_EQ(parse_manifest(std::string(manifest_bytes_max + 1, ' '), ManifestForm::source).error().code(),
            ErrorCode::too_large);
}

TEST(Manifest, a_packed_manifest_needs_its_digests) {
  EXPECT_FALSE(parse_manifest(source_manifest, ManifestForm::packed));
  std::string text = packed_manifest();
  EXPECT_TRUE(parse_manifest(text, ManifestForm::packed));
  EXPECT_FALSE(parse_manifest(text, ManifestForm::source)) << "files are written at packing";
  const std::size_t at = text.find("\"sha256\":\"") + 10;
  text[at] = text[at] == '0' ? '1' : '0';
  EXPECT_NE(parse_manifest(text, ManifestForm::packed).error().message().find("libraries.linux-x86_64"),
            std::string::npos);
}

constexpr const char* program_manifest = R"({
  "manifest": 1, "id": "hello", "version": "1.2.3", "title": "Hello", "summary": "Says hello.", "license": "Apache-2.0",
  "abi": {"major": 1, "minor": 0}, "isolation": "sandboxed",
  "runtime": "process", "program": {"interpreter": "python3", "file": "program/main.py"}})";

TEST(ProgramPackageTest, a_program_is_its_files_and_its_interpreter) {
  const auto packed = assemble(program_manifest, {{"program/main.py", base::to_bytes("print()")},
                                                  {"program/deep/other.py", base::to_bytes("pass")}});
  ASSERT_TRUE(packed) << packed.error().message();
  const auto package = read(BytesView(*packed));
  ASSERT_TRUE(package) << package.error().message();
  ASSERT_TRUE(package->manifest.program);
  EXPECT_EQ(package->manifest.program->interpreter, "python3");
  EXPECT_EQ(package->manifest.program->file, "program/main.py");
  EXPECT_TRUE(package->manifest.libraries.empty());
}

TEST(ProgramPackageTest, what_does_not_fit_a_program_is_refused_by_name) {
  const auto without = [](std::string_view from, std::string_view to) {
    std::string text = program_manifest;
    text.replace(text.find(from), from.size(), to);
    const auto packed = assemble(text, {{"program/main.py", base::to_bytes("print()")}});
    return packed ? "taken" : packed.error().message();
  };
  for (const auto& [from, to, expected] : std::initializer_list<std::array<std::string_view, 3>>{
           {"python3", "perl", "program.interpreter: \"perl\" is not one of"},
           {"program/main.py", "main.py", "program.file: must be a file in the folder program/"},
           {"program/main.py", "program/none.py", "program.file: is not in files"},
           {"\"sandboxed\"", "\"in-process\"", "isolation: must be \"sandboxed\""},
           {"\"process\"", "\"wasm\"", "runtime: \"wasm\" is not one of"},
           {"\"process\"", "\"library\"", "program: is for \"runtime\": \"process\""},
           {"\"runtime\"", "\"libraries\": {}, \"runtime\"", "libraries: are not for"},
           {", \"program\": {\"interpreter\": \"python3\", \"file\": \"program/main.py\"}", "",
            "program: is missing"}}) {
    EXPECT_NE(without(from, to).find(expected), std::string::npos) << without(from, to);
  }
}

TEST(ProgramPackageTest, a_folder_is_packed_without_what_interpreters_leave_and_what_is_hidden) {
  const filesystem::path folder = filesystem::temp_directory_path() / fmt::format("program_test.{}", ::getpid());
  filesystem::create_directories(folder / "program/__pycache__");
  filesystem::create_directories(folder / "program/.venv/bin");
  filesystem::create_symlink("/usr/bin/python3", folder / "program/.venv/bin/python3");
  std::ofstream(folder / "program/.env") << "TOKEN=s3cr3t";
  std::ofstream(folder / "manifest.json") << program_manifest;
  std::ofstream(folder / "program/main.py") << "print()";
  std::ofstream(folder / "program/__pycache__/main.pyc") << "left over";
  const auto packed = pack(folder, "", folder / "out.trvp");
  ASSERT_TRUE(packed) << packed.error().message();
  ASSERT_EQ(packed->files.size(), 1U);
  EXPECT_EQ(packed->files[0].path, "program/main.py");
  EXPECT_EQ(packed->left_out, (std::vector<std::string>{"program/.env", "program/.venv/"}));
  const auto with_library = pack(folder, "/x.so", folder / "out.trvp");
  ASSERT_FALSE(with_library);
  EXPECT_NE(with_library.error().message().find("has no library"), std::string::npos);
  filesystem::remove_all(folder);
}

}  // namespace
}  // namespace trv::package
