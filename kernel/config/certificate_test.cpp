#include "kernel/config/certificate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "kernel/http/testing/test_authority.hpp"
#include "sdk/base/clock.hpp"

namespace trv::config {
namespace {

using testing::HasSubstr;

class CertificateFiles : public testing::Test {
 protected:
  CertificateFiles() {
    std::string name = testing::TempDir() + "certificate_XXXXXX";
    folder_ = ::mkdtemp(name.data());
    config_.http_certificate_file = write("chain.pem", good_.certificate);
    config_.http_key_file = write("key.pem", good_.key);
  }
  ~CertificateFiles() override { std::filesystem::remove_all(folder_); }
  std::string write(const std::string& name, const std::string& text) {
    const auto path = folder_ / name;
    std::filesystem::remove(path);
    std::ofstream(path) << text;
    ::chmod(path.c_str(), 0600);
    return path.string();
  }
  std::string refusal() {
    const base::Status status = check_files(config_, now_);
    return status ? "" : status.error().message();
  }

  std::filesystem::path folder_;
  http::TestAuthority authority_;
  http::TlsIdentity good_ = authority_.issue();
  base::Timestamp now_ = base::SystemClock().now();
  Config config_;
};

TEST_F(CertificateFiles, a_good_pair_has_the_earliest_end_of_its_chain) {
  EXPECT_EQ(refusal(), "");
  const auto alone = served_identity(config_);
  ASSERT_TRUE(alone) << alone.error().message();
  const http::TlsIdentity shorter = authority_.issue({.to = std::chrono::hours(24)});
  config_.http_certificate_file = write("chain.pem", good_.certificate + shorter.certificate);
  const auto chain = served_identity(config_);
  ASSERT_TRUE(chain) << chain.error().message();
  EXPECT_LT(chain->valid_until, alone->valid_until);
}

TEST_F(CertificateFiles, what_is_wrong_is_said_with_the_key_and_the_file) {
  config_.http_key_file = write("other.pem", authority_.issue().key);
  EXPECT_THAT(refusal(), HasSubstr("http.key_file: the key in " + config_.http_key_file + " does not belong to the"));
  config_.http_key_file = write("none.pem", "no key");
  EXPECT_THAT(refusal(), HasSubstr("http.key_file: " + config_.http_key_file + " has no private key"));
  config_.http_key_file = "/none/key.pem";
  EXPECT_THAT(refusal(), HasSubstr("http.key_file: cannot read /none/key.pem"));
  config_.http_key_file = write("key.pem", good_.key);
  ::chmod(config_.http_key_file.c_str(), 0640);
  EXPECT_THAT(refusal(), HasSubstr("http.key_file: " + config_.http_key_file + " has mode 0640"));
  ::chmod(config_.http_key_file.c_str(), 0600);
  for (const std::string& text : {std::string("nothing"), good_.key}) {
    config_.http_certificate_file = write("chain.pem", text);
    EXPECT_THAT(refusal(),
                HasSubstr("http.certificate_file: " + config_.http_certificate_file + " has no certificate"));
  }
  config_.http_certificate_file =
      write("chain.pem", good_.certificate + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  EXPECT_THAT(refusal(), HasSubstr("http.certificate_file: certificate 2 in " + config_.http_certificate_file));
  config_.http_certificate_file = write("chain.pem", good_.certificate);
  config_.http_client_authority_file = "/none/authority.pem";
  EXPECT_THAT(refusal(), HasSubstr("http.client_authority_file: "));
}

TEST_F(CertificateFiles, a_certificate_that_is_not_valid_now_is_named_with_the_date) {
  now_ = now_ + std::chrono::hours(24 * 91);
  EXPECT_THAT(refusal(), HasSubstr("http.certificate_file: the certificate in " + config_.http_certificate_file +
                                   " expired at 20"));
  now_ = now_ + -std::chrono::hours(24 * 92);
  EXPECT_THAT(refusal(), HasSubstr(config_.http_certificate_file + " is not valid before 20"));
}

TEST_F(CertificateFiles, one_key_without_the_other_is_refused) {
  const auto file = write("travd.toml", "[http]\ncertificate_file = \"/a\"\n");
  const auto loaded = load_config(file, Environment{{"HOME", "/root"}});
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().message(), HasSubstr("http.certificate_file is set, which needs http.key_file"));
}

}  // namespace
}  // namespace trv::config
