#include "kernel/mirror/mirror.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>

#include "kernel/mirror/archive.hpp"
#include "kernel/trust/revocations.hpp"
#include "kernel/trust/signatures.hpp"
#include "sdk/base/file.hpp"
#include "sdk/base/scratch_folder.hpp"
#include "sdk/package/package.hpp"

namespace trv::mirror {
namespace {

namespace filesystem = std::filesystem;
using base::Bytes;
using base::ErrorCode;

note::SigningKey key_of(std::string_view name) {
  return note::SigningKey::from_seed(name, {1}).value();
}

Bytes package_of(const std::string& id, const std::string& version = "1.0.0", std::size_t library_bytes = 64) {
  Bytes library(library_bytes, 0);
  const std::uint8_t head[] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
  std::ranges::copy(head, library.begin());
  library[16] = 3;
  library[18] = 62;
  const std::string manifest = fmt::format(
      R"({{"manifest": 1, "id": "{}", "version": "{}", "title": "The {}", "summary": "S.", "license": "MIT",
          "abi": {{"major": 1, "minor": 0}}, "isolation": "sandboxed",
          "libraries": {{"linux-x86_64": {{"path": "lib/linux-x86_64/plugin.so"}}}}}})",
      id, version, id);
  return trust::sign(package::assemble(manifest, {{"lib/linux-x86_64/plugin.so", library}}).value(), key_of("acme"))
      .value();
}

Bytes list_of(std::uint64_t counter) {
  return base::to_bytes(
      trust::sign_revocations({.counter = counter, .contents = {}, .signers = {}}, key_of("o")).value());
}

class Mirror : public testing::Test {
 protected:
  filesystem::path path(const std::string& name) const { return scratch_.path() / name; }
  filesystem::path write(const std::string& name, base::BytesView bytes) const {
    std::ofstream(path(name), std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    return path(name);
  }
  Bytes read(const std::string& name) const { return base::read_file(path(name), 100'000'000).value(); }
  /// Every file below a folder with its content.
  std::map<std::string, Bytes> all_of(const std::string& folder) const {
    std::map<std::string, Bytes> all;
    if (!filesystem::exists(path(folder))) return all;
    for (const auto& entry : filesystem::recursive_directory_iterator(path(folder))) {
      if (!entry.is_regular_file()) continue;
      const std::string name = entry.path().lexically_relative(path(folder)).string();
      all[name] = read(folder + "/" + name);
    }
    return all;
  }
  void fill() const {
    const auto added =
        add(path("here"), {write("a", package_of("alpha")), write("b", package_of("beta")), write("l", list_of(3)),
                           write("k", base::to_bytes(key_of("acme").verifier().format() + "\n"))});
    ASSERT_TRUE(added) << added.error().message();
    EXPECT_EQ(added->written, 4U);
    ASSERT_EQ(export_to(path("here"), path("m.trvm")).value(), 4U);
  }

  base::ScratchFolder scratch_ = base::ScratchFolder::make("mirror", filesystem::temp_directory_path()).value();
};

TEST_F(Mirror, what_is_exported_is_imported_elsewhere_and_once) {
  fill();
  const auto imported = import_from(path("m.trvm"), path("there"));
  ASSERT_TRUE(imported) << imported.error().message();
  EXPECT_EQ(imported->written, 4U);
  EXPECT_EQ(all_of("there"), all_of("here"));
  EXPECT_TRUE(all_of("there").contains("packages/alpha-1.0.0.trvp"));
  const auto again = import_from(path("m.trvm"), path("there"));
  EXPECT_EQ(again->written, 0U);
  EXPECT_EQ(again->kept, 4U);
  EXPECT_EQ(export_to(path("there"), path("again.trvm")).value(), 4U);
  EXPECT_EQ(read("again.trvm"), read("m.trvm")) << "the same folder gives the same bytes";
}

TEST_F(Mirror, packages_are_found_by_their_words) {
  fill();
  const auto found = search(path("here"), "THE B");
  ASSERT_TRUE(found) << found.error().message();
  ASSERT_EQ(found->size(), 1U);
  EXPECT_EQ(found->front().id, "beta");
  EXPECT_EQ(found->front().publisher, "acme");
  EXPECT_EQ(search(path("here"), "")->size(), 2U);
  EXPECT_EQ(search(path("none"), "").error().code(), ErrorCode::not_found);
}

TEST_F(Mirror, a_byte_changed_or_cut_off_is_refused_before_anything_is_written) {
  fill();
  const Bytes good = read("m.trvm");
  std::size_t refused = 0;
  for (std::size_t at = 0; at < good.size(); at += 97) {
    Bytes damaged = good;
    damaged[at] ^= 0x01;
    write("damaged", damaged);
    if (import_from(path("damaged"), path("there"))) {
      // Padding between the archive's files, which no file has.
      ASSERT_EQ(all_of("there"), all_of("here")) << at;
      filesystem::remove_all(path("there"));
      continue;
    }
    ++refused;
    ASSERT_TRUE(all_of("there").empty()) << at;
  }
  EXPECT_GT(refused, 20U);
  for (std::size_t size = 0; size + 1024 < good.size(); size += 301) {
    write("cut", base::BytesView(good).first(size));
    ASSERT_FALSE(import_from(path("cut"), path("there"))) << size;
    ASSERT_TRUE(all_of("there").empty()) << size;
  }
}

TEST_F(Mirror, a_version_with_other_content_is_a_conflict_and_nothing_is_written) {
  fill();
  ASSERT_TRUE(add(path("there"), {write("other", package_of("beta", "1.0.0", 128))}));
  const auto before = all_of("there");
  const auto imported = import_from(path("m.trvm"), path("there"));
  EXPECT_EQ(imported.error().code(), ErrorCode::conflict);
  EXPECT_NE(imported.error().message().find("beta-1.0.0.trvp"), std::string::npos) << imported.error().message();
  EXPECT_EQ(all_of("there"), before);
  EXPECT_FALSE(add(path("new"), {path("a"), path("b"), path("other")})) << "two files for one place";
  EXPECT_TRUE(all_of("new").empty());
}

TEST_F(Mirror, of_two_revocation_lists_the_newer_stays) {
  fill();
  ASSERT_TRUE(add(path("there"), {write("new", list_of(9))}));
  const auto imported = import_from(path("m.trvm"), path("there"));
  ASSERT_TRUE(imported) << imported.error().message();
  EXPECT_EQ(imported->kept, 1U);
  ASSERT_TRUE(add(path("here"), {path("new")}));
  EXPECT_EQ(all_of("there"), all_of("here"));
}

TEST_F(Mirror, a_file_in_a_place_that_is_not_its_own_is_refused) {
  const Bytes package = package_of("alpha");
  for (const char* place : {"packages/beta-1.0.0.trvp", "../packages/alpha-1.0.0.trvp", "/tmp/alpha", "keys/alpha"}) {
    ArchiveWriter writer = ArchiveWriter::create(path("evil")).value();
    const std::string index = fmt::format(R"({{"mirror":1,"files":[{{"path":"{}","bytes":{},"sha256":"{}"}}]}})", place,
                                          package.size(), base::to_hex(base::sha256(package))) +
                              "\n";
    ASSERT_TRUE(writer.add("index.json", base::as_bytes(index)));
    ASSERT_TRUE(writer.add(place, package));
    ASSERT_TRUE(writer.finish());
    const auto imported = import_from(path("evil"), path("there"));
    ASSERT_FALSE(imported) << place;
    EXPECT_NE(imported.error().message().find("belongs in packages/alpha-1.0.0.trvp"), std::string::npos)
        << imported.error().message();
  }
  EXPECT_TRUE(all_of("there").empty());
  EXPECT_FALSE(add(path("there"), {write("text", base::to_bytes("nothing of a mirror\n"))}));
}

TEST_F(Mirror, an_import_that_is_killed_anywhere_is_repeated_and_then_whole) {
  std::vector<filesystem::path> files;
  for (int i = 0; i < 12; ++i) {
    const std::string id = fmt::format("plugin-{}", i);
    files.push_back(write(id, package_of(id, "1.0.0", 200'000)));
  }
  ASSERT_TRUE(add(path("here"), files));
  ASSERT_TRUE(export_to(path("here"), path("m.trvm")));
  const auto wanted = all_of("here");
  int cut_off = 0;
  for (int round = 0; round < 20; ++round) {
    filesystem::remove_all(path("there"));
    const pid_t child = ::fork();
    if (child == 0) ::_exit(import_from(path("m.trvm"), path("there")) ? 0 : 1);
    ::usleep(static_cast<useconds_t>(2'000 * round));
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    cut_off += WIFSIGNALED(status) ? 1 : 0;
    for (const auto& [name, bytes] : all_of("there")) {
      if (name.ends_with(".part")) continue;
      ASSERT_EQ(bytes, wanted.at(name)) << "whole or not there";
    }
    const auto repeated = import_from(path("m.trvm"), path("there"));
    ASSERT_TRUE(repeated) << repeated.error().message();
    auto found = all_of("there");
    std::erase_if(found, [](const auto& one) { return one.first.ends_with(".part"); });
    ASSERT_EQ(found, wanted);
  }
  EXPECT_GT(cut_off, 0);
}

TEST_F(Mirror, a_damaged_file_of_the_folder_is_named) {
  ASSERT_TRUE(add(path("here"), {write("hello.trvp", package_of("hello"))}));
  ASSERT_TRUE(export_to(path("here"), path("today.trvm")));
  ASSERT_TRUE(import_from(path("today.trvm"), path("there")));
  const std::string place =
      "there/packages/" + filesystem::directory_iterator(path("there/packages"))->path().filename().string();
  Bytes bytes = read(place);
  bytes[bytes.size() / 2] ^= 1;
  write(place, bytes);
  const auto again = import_from(path("today.trvm"), path("there"));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code(), ErrorCode::corrupt);
  EXPECT_NE(again.error().message().find(path(place).string() + " is damaged; remove it"), std::string::npos)
      << again.error().message();
}

}  // namespace
}  // namespace trv::mirror
