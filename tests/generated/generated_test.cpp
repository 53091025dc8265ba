// The structs that `trav plugin generate` makes of a manifest with hostile names, as a plugin's author uses them: JSON
// to them, what is wrong by name, and back to the same JSON. C++20, as plugins are.

#include <boost/json/src.hpp>
#include <gtest/gtest.h>

#include "tests/generated/hostile/operations.hpp"

namespace {

using namespace hostile_names_types;  // NOLINT(google-build-using-namespace)
using trv::sdk::read_json;
using trv::sdk::write_json;

constexpr std::string_view shapes =
    R"({"text":"t","count":3,"ratio":0.5,"on":true,"nothing":null,"any":{"x":[1]},"list":["a","b"],)"
    R"("flags":[true,false],"matrix":[[1.5],[]],"map":{"one":1},"nested":{"deep":{"deeper":"d"}},)"
    R"("rows":[{"id":1,"tags":["red","green"]},{"id":2}],"level":-1,"fixed":"v1","state":"in progress",)"
    R"("maybe":null,"maybe_absent":null,"node":{"name":"root","children":[{"name":"leaf"}],"by-name":{"x":{"name":"x"}}},)"
    R"("open":{"known":"k","unlisted":1,"more":2}})";

boost::json::value changed(std::string_view name, boost::json::value to) {
  boost::json::value value = boost::json::parse(shapes);
  value.as_object()[name] = std::move(to);
  return value;
}

std::string why(const boost::json::value& value) {
  const auto read = read_json<ShapesInput>(boost::json::serialize(value));
  return read ? "" : read.failure().message;
}

TEST(Generated, every_shape_is_read_and_written_as_it_was) {
  const auto input = read_json<ShapesInput>(shapes);
  ASSERT_TRUE(input) << input.failure().message;
  EXPECT_EQ(input->count, 3);
  EXPECT_EQ(input->flags, (std::vector<bool>{true, false}));
  EXPECT_EQ(input->matrix->at(0), std::vector<double>{1.5});
  EXPECT_EQ(input->nested.deep.deeper, "d");
  EXPECT_EQ(input->rows[0].tags->at(1), ShapesInputRowsItemTagsItem::green);
  EXPECT_FALSE(input->rows[1].tags);
  EXPECT_EQ(input->level, ShapesInputLevel::minus_1);
  EXPECT_EQ(input->state, ShapesInputState::in_progress);
  EXPECT_FALSE(input->maybe) << "null";
  ASSERT_TRUE(input->maybe_absent) << "it is there";
  EXPECT_FALSE(*input->maybe_absent) << "and null";
  EXPECT_FALSE(input->maybe_choice) << "missing";
  EXPECT_EQ(input->node.children->at(0).name, "leaf");
  EXPECT_EQ(input->open->others.at("more"), 2);
  EXPECT_EQ(boost::json::parse(write_json(*input)), boost::json::parse(shapes));
}

TEST(Generated, what_is_wrong_is_named_with_its_place) {
  EXPECT_EQ(why(changed("text", 1)), "input: text must be a text");
  EXPECT_EQ(why(changed("count", 1.5)), "input: count must be an integer of 64 bits");
  EXPECT_EQ(why(changed("count", 9223372036854775808ULL)), "input: count must be an integer of 64 bits");
  EXPECT_EQ(why(changed("count", 4.0)), "");
  EXPECT_EQ(why(changed("ratio", "1")), "input: ratio must be a number");
  EXPECT_EQ(why(changed("on", nullptr)), "input: on must be true or false");
  EXPECT_EQ(why(changed("nothing", 0)), "input: nothing must be null");
  EXPECT_EQ(why(changed("list", {1})), "input: list[0] must be a text");
  EXPECT_EQ(why(changed("map", {{"one", "1"}})), "input: map: one must be an integer of 64 bits");
  EXPECT_EQ(why(changed("nested", {{"deep", {{"deeper", 1}}}})), "input: nested: deep: deeper must be a text");
  EXPECT_EQ(why(changed("nested", {{"deep", boost::json::object()}, {"more", 1}})), "input: nested: more is not known");
  EXPECT_EQ(why(changed("nested", boost::json::object())), "input: nested: deep is missing");
  EXPECT_EQ(why(changed("rows", boost::json::parse(R"([{"id":1},{"id":1,"tags":["blue"]}])"))),
            R"(input: rows[1]: tags[0] must be one of "red", "green")");
  EXPECT_EQ(why(changed("level", 4)), "input: level must be one of 3, -1, 7");
  EXPECT_EQ(why(changed("fixed", "v2")), R"(input: fixed must be one of "v1")");
  EXPECT_EQ(why(changed("maybe", 1)), "input: maybe must be a text");
  EXPECT_EQ(why(changed("open", {{"known", "k"}, {"unlisted", 1}, {"more", "2"}})),
            "input: open: more must be an integer of 64 bits");
  const auto no_json = read_json<ShapesInput>("{", "the answer");
  ASSERT_FALSE(no_json);
  EXPECT_EQ(no_json.failure().message.find("the answer must be JSON: "), 0U) << no_json.failure().message;
  EXPECT_EQ(no_json.failure().code, trv::sdk::Code::invalid);
  EXPECT_EQ(read_json<ShapesInput>("[]").failure().message, "input must be an object");
}

TEST(Generated, names_that_no_program_can_have_are_members_all_the_same) {
  NamesInput names{.class_ = "c", .int_ = 1, .a_b = "a-b", .a_b_2 = "a_b"};
  names.a_b_2_2 = "a_b_2";
  names.member = "without a name";
  names.member_2 = "in Japanese";
  names.nul_byte = "with a zero";
  names.trigraph = "with a trigraph";
  names._2nd = "with a digit in front";
  const boost::json::value json = boost::json::parse(write_json(names));
  const boost::json::object& object = json.as_object();
  EXPECT_EQ(object.at("class"), "c");
  EXPECT_EQ(object.at("a-b"), "a-b");
  EXPECT_EQ(object.at("a_b"), "a_b");
  EXPECT_EQ(object.at("a_b_2"), "a_b_2");
  EXPECT_EQ(object.at(""), "without a name");
  EXPECT_EQ(object.at("\u65e5\u672c"), "in Japanese");
  EXPECT_EQ(object.at(std::string_view("nul\0byte", 8)), "with a zero");
  EXPECT_EQ(object.at("?\?/trigraph"), "with a trigraph");
  EXPECT_EQ(object.at("2nd"), "with a digit in front");
  EXPECT_EQ(object.size(), 10U) << "what is not set is not there";
  const auto again = read_json<NamesInput>(write_json(names));
  ASSERT_TRUE(again) << again.failure().message;
  EXPECT_EQ(again->nul_byte, "with a zero");
  EXPECT_EQ(read_json<NamesInput>(R"({"class":"c","int":1,"a-b":"","a_b":"","Class":1})").failure().message,
            "input: Class is not known");
}

TEST(Generated, what_has_no_type_is_json_itself) {
  const auto input = read_json<JsonItselfInput>(R"({"one":[1],"list":[1,"a"],"linked":{"next":{"next":null}}})");
  ASSERT_TRUE(input) << input.failure().message;
  EXPECT_EQ(*input->one, boost::json::value({1}));
  EXPECT_EQ(input->list->size(), 2U);
  EXPECT_TRUE(input->linked->next->is_object());
}

TEST(Generated, outputs_that_are_no_objects_are_written) {
  EXPECT_EQ(write_json(ShapesOutput{{.id = 1}, {}}), R"([{"id":1},{}])");
  EXPECT_EQ(write_json(JsonItselfOutput()), "null");
  EXPECT_EQ(write_json(JsonItselfOutput("text")), R"("text")");
  EXPECT_EQ(write_json(TypeNamesOutput::no), R"("no")");
  EXPECT_EQ(write_json(OptionInput()), "{}");
  ShapesInputOpen open{.known = "k", .unlisted = 1};
  open.others = {{"known", 7}, {"more", 2}};
  EXPECT_EQ(boost::json::parse(write_json(open)), boost::json::parse(R"({"known":"k","unlisted":1,"more":2})"))
      << "another's name is not taken";
}

}  // namespace
