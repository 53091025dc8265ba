// Secrets on disk: exactly those that a connection refers to.

#include <filesystem>
#include <set>

#include "tests/support/api/api_fixture.hpp"

namespace trv::api {
namespace {

class SecretsTest : public ApiTest {
 protected:
  static std::set<std::string> on_disk() {
    std::set<std::string> names;
    const std::filesystem::path folder = daemon().data() / "secrets" / "acme";
    if (!std::filesystem::exists(folder)) return names;
    for (const auto& file : std::filesystem::directory_iterator(folder)) names.insert(file.path().filename());
    return names;
  }
  static Answer apply(const std::string& rest) {
    return call(acme(), "PUT", "/v1/tenants/acme/connections/outside", R"({"base_url":"http://h")" + rest + "}");
  }
};

TEST_F(SecretsTest, a_secret_goes_with_the_record_that_replaces_or_removes_it) {
  ASSERT_EQ(apply(R"(,"auth":{"scheme":"bearer"},"secret":"one")").status, 200);
  const auto first = on_disk();
  EXPECT_EQ(first.size(), 1U);
  // What is not sent again is kept.
  ASSERT_EQ(apply(R"(,"auth":{"scheme":"bearer"},"webhook_secret":"hush")").status, 200);
  const auto both = on_disk();
  EXPECT_EQ(both.size(), 2U);
  EXPECT_TRUE(both.contains(*first.begin()));
  ASSERT_EQ(apply(R"(,"auth":{"scheme":"bearer"},"secret":"two")").status, 200);
  const auto replaced = on_disk();
  EXPECT_EQ(replaced.size(), 2U);
  EXPECT_FALSE(replaced.contains(*first.begin()));
  // A refused command changes nothing and leaves nothing.
  ASSERT_EQ(apply(R"(,"auth":{"scheme":"magic"},"secret":"three","webhook_secret":"four")").status, 400);
  EXPECT_EQ(on_disk(), replaced);
  // Without authentication the secret is no longer named; the webhook's is.
  ASSERT_EQ(apply(R"(,"auth":{"scheme":"none"})").status, 200);
  EXPECT_EQ(on_disk().size(), 1U);
  ASSERT_EQ(call(acme(), "DELETE", "/v1/tenants/acme/connections/outside").status, 204);
  EXPECT_TRUE(on_disk().empty());
}

}  // namespace
}  // namespace trv::api
