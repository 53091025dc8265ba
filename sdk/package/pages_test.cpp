#include "sdk/package/pages.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sdk/package/package.hpp"

namespace trv::package {
namespace {

using testing::HasSubstr;

std::string manifest(const std::string& more) {
  return R"({"manifest":1,"id":"p","version":"1.0.0","title":"T","summary":"S","license":"Apache-2.0",)"
         R"("abi":{"major":1,"minor":0},"isolation":"sandboxed","runtime":"process",)"
         R"("program":{"interpreter":"python3","file":"program/main.py"})" +
         more + "}";
}

std::string problem_of(const std::string& more, std::vector<File> pages) {
  pages.push_back({"program/main.py", base::to_bytes("pass")});
  const auto made = assemble(manifest(more), std::move(pages));
  return made ? "" : made.error().message();
}

constexpr const char* with_pages = R"(,"permissions":["serve"],"pages":"pages/")";

TEST(Pages, a_package_with_pages_is_read_back_with_them) {
  const auto made = assemble(manifest(with_pages), {{"program/main.py", base::to_bytes("pass")},
                                                    {"pages/index.html", base::to_bytes("<p>")},
                                                    {"pages/a/b.css", base::to_bytes("p{}")}});
  ASSERT_TRUE(made) << made.error().message();
  const auto package = read(base::BytesView(*made));
  ASSERT_TRUE(package) << package.error().message();
  EXPECT_EQ(package->manifest.pages, "pages/");
  EXPECT_EQ(base::as_text(*package->find_file("pages/index.html")), "<p>");
}

TEST(Pages, a_byte_that_is_changed_in_a_page_is_found) {
  auto made = assemble(manifest(with_pages), {{"program/main.py", base::to_bytes("pass")},
                                              {"pages/index.html", base::to_bytes("<p>unique")}});
  ASSERT_TRUE(made);
  const std::string text(base::as_text(*made));
  (*made)[text.find("<p>unique") + 4] ^= 1;
  const auto package = read(base::BytesView(*made));
  ASSERT_FALSE(package);
  EXPECT_EQ(package.error().code(), base::ErrorCode::corrupt);
}

TEST(Pages, the_rules_of_pages_are_kept) {
  const File index{"pages/index.html", base::to_bytes("<p>")};
  EXPECT_EQ(problem_of(with_pages, {index}), "");
  EXPECT_THAT(problem_of(with_pages, {}), HasSubstr("no file below \"pages/\""));
  EXPECT_THAT(problem_of(R"(,"pages":"pages/")", {index}), HasSubstr("must have \"serve\""));
  for (const char* name : {"pages/x.php", "pages/.htaccess", "pages/index", "pages/a.HTML", "pages/a.html.gz"}) {
    EXPECT_THAT(problem_of(with_pages, {index, {name, base::to_bytes("x")}}), HasSubstr("is not a page")) << name;
  }
  EXPECT_THAT(problem_of(with_pages, {{"pages/large.png", base::Bytes(page_bytes_max + 1)}}),
              HasSubstr("a page at most"));
  std::vector<File> many;
  for (std::size_t i = 0; i <= pages_max; ++i) many.push_back({"pages/" + std::to_string(i) + ".txt", {}});
  EXPECT_THAT(problem_of(with_pages, many), HasSubstr("more than 200 pages"));
  std::vector<File> heavy;
  for (int i = 0; i < 5; ++i) heavy.push_back({"pages/" + std::to_string(i) + ".png", base::Bytes(3'500'000)});
  EXPECT_THAT(problem_of(with_pages, heavy), HasSubstr("16000000 bytes"));
}

TEST(Pages, the_folder_of_pages_is_one_of_its_own) {
  for (const char* folder :
       {"pages", "/", "", "../", "a/b/", "program/", "docs/", "lib/", "signatures/", "P/", "a b/"}) {
    EXPECT_FALSE(check_pages_folder(folder)) << folder;
  }
  EXPECT_TRUE(check_pages_folder("pages/"));
  EXPECT_TRUE(check_pages_folder("web-1_2/"));
}

TEST(Pages, a_type_is_known_by_the_end_of_the_name) {
  EXPECT_EQ(type_of_page("pages/a.b.js"), "text/javascript; charset=utf-8");
  EXPECT_EQ(type_of_page("pages/x.json"), "application/json");
  for (const char* name : {"", "html", ".html", "a.html/", "a/.html", "a.html/b", "a.exe"}) {
    EXPECT_EQ(type_of_page(name), "") << name;
  }
}

}  // namespace
}  // namespace trv::package
