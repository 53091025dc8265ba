// A support bundle has what was asked for, without secrets, and proves what it has.

#include <fmt/format.h>

#include <filesystem>

#include "audit/note/note.hpp"
#include "kernel/cli/commands/command_line_fixture.hpp"
#include "kernel/json/parse.hpp"
#include "kernel/mirror/archive.hpp"
#include "kernel/trust/key_file.hpp"
#include "sdk/base/digest.hpp"

namespace trv::cli {
namespace {

constexpr std::string_view canary = "Zx9Qw3Er5Ty7Ui1Op0As2Df4Gh6Jk8Lz";

class Support : public CommandLine {
 protected:
  Support() {
    answers("/v1/version", R"({"name":"travd","version":"0.1.0"})");
    answers("/readyz", R"({"status":"ok"})");
    answers("/health", fmt::format(R"({{"status":"fail","output":"https://ada:{}@host is away"}})", canary), 503);
    answers("/status.json", R"({"series":{}})");
    answers("/metrics", "travertine_applied_lsn{shard=\"0\"} 7\n");
    environment_["TRAV_DATA_FOLDER"] = (folder_ / "data").string();
    write("data/secrets/one", canary);
    write("data/log/data.mdb", std::string(1000, 'x'));
  }
  void answers(const std::string& path, std::string body, int status = 200) {
    server_.script("GET " + path, {.status = status, .body = std::move(body)});
  }
  std::map<std::string, std::string> unpacked(const std::filesystem::path& file) {
    std::map<std::string, std::string> files;
    auto archive = mirror::ArchiveReader::open(file);
    EXPECT_TRUE(archive);
    while (true) {
      auto one = archive->next();
      EXPECT_TRUE(one);
      if (!one || !*one) return files;
      files[(*one)->path] = std::string(base::as_text((*one)->bytes));
    }
  }
};

TEST_F(Support, the_file_is_signed_and_has_no_secret) {
  const auto log = write("travd.log", fmt::format("started\nAuthorization: Bearer {}\nended\n", canary));
  const auto bundle = folder_ / "support.tar";
  ASSERT_EQ(trav({"support", "collect", "--log", log.string(), "--to", bundle.string()}), ExitCode::ok) << err_;
  const auto files = unpacked(bundle);
  for (const char* name : {"host.json", "data.json", "configuration.json", "version.json", "ready.json", "health.json",
                           "status.json", "metrics.txt", "log.txt"}) {
    EXPECT_TRUE(files.contains(name)) << name;
  }
  EXPECT_EQ(read(bundle).find(canary), std::string::npos);
  EXPECT_EQ(read(bundle).find("trv_1_secret"), std::string::npos);
  EXPECT_EQ(files.at("log.txt"), "started\nended\n");
  EXPECT_EQ(files.at("health.json"), "{\"status\":\"fail\",\"output\":\"[left out]\"}\n");
  EXPECT_NE(files.at("data.json").find(R"("secrets":{"files":1,"bytes":32})"), std::string::npos)
      << files.at("data.json");

  const auto key = trust::read_key_file(folder_ / "config" / "support.key");
  ASSERT_TRUE(key) << key.error().message();
  const std::vector<note::VerifierKey> verifiers = {key->verifier()};
  const auto opened = note::open(files.at("manifest.note"), verifiers);
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_EQ(opened->text, files.at("manifest.json"));
  const auto manifest = json::parse(files.at("manifest.json"), {.bytes_max = 100'000, .depth_max = 10});
  ASSERT_TRUE(manifest);
  for (const json::Value& one : manifest->find("files")->items()) {
    const std::string name(one.find("name")->as_string());
    EXPECT_EQ(one.find("sha256")->as_string(), base::to_hex(base::sha256(base::as_bytes(files.at(name))))) << name;
  }
}

TEST_F(Support, what_is_not_as_it_was_signed_is_found_without_a_server) {
  const auto bundle = folder_ / "support.tar";
  ASSERT_EQ(trav({"support", "collect", "--to", bundle.string(), "--output", "json"}), ExitCode::ok) << err_;
  const std::string key(json::parse(out_)->find("key")->as_string());
  ASSERT_EQ(trav({"support", "verify", bundle.string(), "--key", key}), ExitCode::ok) << err_;
  EXPECT_NE(out_.find("every file is as it was signed"), std::string::npos) << out_;
  const auto files = unpacked(bundle);
  const auto verified = [&](std::map<std::string, std::string> changed) {
    const auto other = folder_ / "other.tar";
    auto archive = mirror::ArchiveWriter::create(other);
    for (const auto& [name, text] : changed) EXPECT_TRUE(archive->add(name, base::as_bytes(text)));
    EXPECT_TRUE(archive->finish());
    return trav({"support", "verify", other.string(), "--key", key});
  };
  EXPECT_EQ(verified(files), ExitCode::ok) << err_;
  for (const auto& [name, text] : files) {
    auto changed = files;
    changed[name] = text + " ";
    EXPECT_NE(verified(changed), ExitCode::ok) << name;
    changed.erase(name);
    EXPECT_NE(verified(changed), ExitCode::ok) << name;
    EXPECT_NE(err_.find(name), std::string::npos) << err_;
  }
  auto more = files;
  more["more.txt"] = "x";
  EXPECT_EQ(verified(more), ExitCode::verification_failed);
  base::SystemRandom random;
  const auto other = note::SigningKey::generate("support", random);
  EXPECT_EQ(trav({"support", "verify", bundle.string(), "--key", other->verifier().format()}),
            ExitCode::verification_failed);
  EXPECT_NE(err_.find("not signed by support"), std::string::npos) << err_;
  EXPECT_EQ(trav({"support", "verify", bundle.string()}), ExitCode::usage);
  EXPECT_NE(trav({"support", "verify", (folder_ / "missing").string(), "--key", key}), ExitCode::ok);
}

TEST_F(Support, a_preview_shows_what_goes_out_and_writes_nothing) {
  ASSERT_EQ(trav({"support", "collect", "--preview"}), ExitCode::ok) << err_;
  EXPECT_NE(out_.find("==== health.json: the checks; 1 left out"), std::string::npos) << out_;
  EXPECT_NE(out_.find("travertine_applied_lsn"), std::string::npos);
  EXPECT_EQ(out_.find(canary), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "config" / "support.key"));
}

TEST_F(Support, a_server_that_is_away_is_a_part_of_the_answer) {
  environment_["TRAV_URL"] = "http://127.0.0.1:1";
  const auto bundle = folder_ / "support.tar";
  ASSERT_EQ(trav({"support", "collect", "--to", bundle.string()}), ExitCode::ok) << err_;
  EXPECT_NE(unpacked(bundle).at("health.json").find("not there: "), std::string::npos);
}

TEST_F(Support, what_cannot_be_read_or_written_is_said) {
  EXPECT_EQ(trav({"support", "collect", "--log", "/none/log"}), ExitCode::usage);
  EXPECT_NE(err_.find("/none/log"), std::string::npos) << err_;
  EXPECT_NE(trav({"support", "collect", "--to", "/none/x.tar"}), ExitCode::ok);
  EXPECT_NE(err_.find("/none/x.tar"), std::string::npos) << err_;
  EXPECT_NE(trav({"support", "collect", "--key", write("bad.key", "x").string()}), ExitCode::ok);
}

}  // namespace
}  // namespace trv::cli
