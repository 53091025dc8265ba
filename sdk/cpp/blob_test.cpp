// Blobs of a plugin, through the layer. Compiled as C++20.

#include "sdk/cpp/blob.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sdk/conformance/fake_host.hpp"
#include "sdk/cpp/plugin.hpp"

namespace trv::sdk {
namespace {

using conformance::CallOutcome;
using conformance::FakeHost;
using testing::HasSubstr;

class Archive : public Plugin {
 public:
  static Operations<Archive> operations() { return {}; }

  Task serve(Call& call) {
    const std::string& path = call.request().path;
    const std::string digest = call.request().parameter("digest").value_or("");
    if (path == "/put") {
      auto blob = call.blobs().begin();
      auto first = blob.write(std::string(600'000, 'a'));
      co_await first;
      if (!first) co_return first.failure();
      auto second = blob.write("z");
      co_await second;
      if (!second) co_return second.failure();
      auto stored = blob.store("text/plain", "a.txt");
      co_await stored;
      if (!stored) co_return stored.failure();
      co_return text_response(200, std::string(stored->digest()) + " " + std::to_string(stored->byte_count()));
    }
    if (path == "/given-up") {
      auto blob = call.blobs().begin();
      auto written = blob.write("half");
      co_await written;
      co_return text_response(200, "given up");
    }
    if (path == "/read") {
      std::string whole;
      for (bool goes_on = true; goes_on;) {
        auto part = call.blobs().read(digest, whole.size());
        co_await part;
        if (!part) co_return part.failure();
        whole += part->bytes;
        goes_on = part->has_more;
      }
      co_return text_response(200, std::to_string(whole.size()) + whole.substr(whole.size() - 2));
    }
    if (path == "/erase") {
      auto erased = call.blobs().erase(digest);
      co_await erased;
      if (!erased) co_return erased.failure();
    }
    auto listed = call.blobs().list();
    co_await listed;
    if (!listed) co_return listed.failure();
    std::string names;
    for (const auto& one : listed->entries) names += one.name + " ";
    co_return text_response(200, names);
  }
};

struct ArchiveName {
  static constexpr std::string_view id = "archive";
  static constexpr std::string_view version = "1.0.0";
};

std::string body_of(const CallOutcome& outcome) {
  return outcome.response ? outcome.response->body : outcome.error ? outcome.error->message : "nothing";
}

class BlobTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(host_.activate()); }
  std::string ask(std::string path, std::string query = {}) {
    return body_of(host_.request({.path = std::move(path), .query = std::move(query)}, {}));
  }
  FakeHost host_{Entry<Archive, ArchiveName>::entry};
};

TEST_F(BlobTest, a_blob_is_written_in_parts_of_any_size_and_read_back) {
  const std::string expected = std::string(600'000, 'a') + "z";
  const std::string digest = conformance::sha256_text(expected);
  EXPECT_EQ(conformance::sha256_text("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(ask("/put"), digest + " 600001");
  EXPECT_EQ(ask("/read", "digest=" + digest), "600001az");
  EXPECT_EQ(host_.blobs().find(digest)->media_type, "text/plain");
  EXPECT_EQ(ask("/list"), "a.txt ");
  EXPECT_EQ(ask("/erase", "digest=" + digest), "");
  EXPECT_THAT(ask("/read", "digest=" + digest), HasSubstr("no blob"));
  EXPECT_EQ(ask("/given-up"), "given up");
  EXPECT_EQ(ask("/list"), "");
  EXPECT_TRUE(host_.faults().empty());
}

TEST_F(BlobTest, what_a_host_refuses_is_a_failure) {
  host_.refuse_services(conformance::CallError{.code = TRV_ERROR_EXHAUSTED, .message = "it is full"});
  EXPECT_EQ(ask("/put"), "it is full");
  EXPECT_EQ(ask("/list"), "it is full");
}

TEST(BlobOnOldHostTest, a_host_without_blobs_denies_them) {
  FakeHost host(Entry<Archive, ArchiveName>::entry, {}, {.offers_blob = false});
  ASSERT_TRUE(host.activate());
  EXPECT_THAT(body_of(host.request({.path = "/put"}, {})), HasSubstr("keeps no blobs (trv.blob/1)"));
}

}  // namespace
}  // namespace trv::sdk
