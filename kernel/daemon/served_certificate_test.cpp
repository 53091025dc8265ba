#include "kernel/daemon/served_certificate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/ostream_sink.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "kernel/http/testing/test_authority.hpp"

namespace trv::daemon {
namespace {

using testing::HasSubstr;

class Served : public testing::Test {
 protected:
  Served() {
    std::string name = testing::TempDir() + "served_XXXXXX";
    folder_ = ::mkdtemp(name.data());
    config_.http_certificate_file = folder_ / "chain.pem";
    config_.http_key_file = folder_ / "key.pem";
    put(authority_.issue());
  }
  ~Served() override { std::filesystem::remove_all(folder_); }
  static void write(const std::string& path, const std::string& text) {
    // As tools that renew do: a new file in the place of the old one.
    std::ofstream(path + ".new") << text;
    ::chmod((path + ".new").c_str(), 0600);
    std::filesystem::rename(path + ".new", path);
  }
  void put(const http::TlsIdentity& identity) {
    write(config_.http_certificate_file, identity.certificate);
    write(config_.http_key_file, identity.key);
  }
  void open() {
    auto opened = ServedCertificate::open(config_, clock_, logger_);
    ASSERT_TRUE(opened) << opened.error().message();
    served_ = *std::move(opened);
  }
  std::string said() {
    std::string text = text_.str();
    text_.str("");
    return text;
  }

  std::filesystem::path folder_;
  base::SimulatedClock clock_{base::SystemClock().now()};
  http::TestAuthority authority_;
  config::Config config_;
  std::ostringstream text_;
  std::shared_ptr<spdlog::logger> logger_ =
      std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(text_));
  std::unique_ptr<ServedCertificate> served_;
};

TEST_F(Served, a_changed_pair_is_taken_once_it_rests) {
  open();
  const auto* const first = served_->context().get();
  served_->look();
  EXPECT_EQ(served_->context().get(), first) << "nothing has changed";
  put(authority_.issue({.to = std::chrono::hours(24 * 60)}));
  served_->look();
  EXPECT_EQ(served_->context().get(), first) << "its writer may be at work";
  served_->look();
  EXPECT_NE(served_->context().get(), first);
  EXPECT_THAT(said(), HasSubstr("is in use; it is valid until"));
  EXPECT_LT(served_->valid_until(), clock_.now() + std::chrono::hours(24 * 61));
}

TEST_F(Served, a_broken_pair_is_reported_once_and_the_old_one_stays) {
  open();
  const auto* const first = served_->context().get();
  write(config_.http_key_file, authority_.issue().key);
  for (int i = 0; i < 5; ++i) served_->look();
  EXPECT_EQ(served_->context().get(), first);
  const std::string text = said();
  EXPECT_THAT(text, HasSubstr("the last one stays in use: http.key_file: the key in"));
  EXPECT_EQ(text.find("stays in use"), text.rfind("stays in use")) << text;
  put(authority_.issue({.to = -std::chrono::seconds(60)}));
  served_->read_again();
  EXPECT_EQ(served_->context().get(), first);
  EXPECT_THAT(said(), HasSubstr("expired at"));
  std::filesystem::remove(config_.http_certificate_file);
  served_->read_again();
  EXPECT_EQ(served_->context().get(), first);
  put(authority_.issue());
  served_->read_again();
  EXPECT_NE(served_->context().get(), first);
}

TEST_F(Served, its_end_is_announced_thirty_days_before_and_then_each_day) {
  open();
  EXPECT_EQ(said(), "");
  clock_.advance(std::chrono::hours(24 * 59));
  served_->look();
  EXPECT_EQ(said(), "");
  clock_.advance(std::chrono::hours(24 * 2));
  served_->look();
  EXPECT_THAT(said(), HasSubstr("expires in 28 days, at 20"));
  served_->look();
  EXPECT_EQ(said(), "");
  clock_.advance(std::chrono::hours(24));
  served_->look();
  EXPECT_THAT(said(), HasSubstr("expires in 27 days"));
  clock_.advance(std::chrono::hours(24 * 30));
  served_->look();
  EXPECT_THAT(said(), HasSubstr("expired at 20"));
  open();
  EXPECT_THAT(said(), HasSubstr("clients refuse it")) << "a start says so, too";
}

}  // namespace
}  // namespace trv::daemon
