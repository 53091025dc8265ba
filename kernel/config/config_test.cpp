#include "kernel/config/config.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>

namespace trv::config {
namespace {

std::filesystem::path file_with(std::string_view text) {
  const std::filesystem::path path =
      std::filesystem::path(testing::TempDir()) /
      (std::string("config_") + testing::UnitTest::GetInstance()->current_test_info()->name() + ".toml");
  std::ofstream(path) << text;
  return path;
}

TEST(Config, without_a_file_everything_has_a_default) {
  const auto config = load_config(std::nullopt, Environment{{"HOME", "/root"}});
  ASSERT_TRUE(config);
  EXPECT_EQ(config->data_folder, "/root/.local/share/travertine");
  EXPECT_EQ(config->http_port, 8400);
}

TEST(Config, the_environment_wins_over_the_file) {
  const auto file = file_with("[http]\nport = 1\naddress = \"127.0.0.2\"\n");
  const auto config = load_config(file, Environment{{"HOME", "/root"}, {"TRAV_HTTP_PORT", "0"}});
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->http_port, 0);
  EXPECT_EQ(config->http_address, "127.0.0.2");
}

TEST(Config, a_key_at_the_top_of_the_file_has_no_section) {
  const auto from_file = load_config(file_with("shards = 4\n"), Environment{{"HOME", "/root"}});
  ASSERT_TRUE(from_file) << from_file.error().message();
  EXPECT_EQ(from_file->shards, 4U);
  const auto from_environment =
      load_config(file_with("shards = 4\n[http]\nport = 1\n"), Environment{{"HOME", "/root"}, {"TRAV_SHARDS", "8"}});
  ASSERT_TRUE(from_environment) << from_environment.error().message();
  EXPECT_EQ(from_environment->shards, 8U);
}

TEST(Config, an_unknown_key_is_named_with_its_place_and_the_nearest_known_one) {
  const auto config = load_config(file_with("[http]\nprot = 1\n"), Environment{{"HOME", "/root"}});
  ASSERT_FALSE(config);
  EXPECT_NE(config.error().message().find("line 2: unknown key 'http.prot'; did you mean 'http.port'?"),
            std::string::npos)
      << config.error().message();
}

TEST(Config, a_value_of_the_wrong_kind_or_out_of_range_is_refused_with_the_keys_name) {
  const std::pair<const char*, const char*> cases[] = {
      {"[http]\nport = 65536\n", "'http.port': 65536 is out of range; use 0 to 65535"},
      {"[http]\nport = \"x\"\n", "'http.port': 'x' is of the wrong kind; use integer, 0 to 65535"},
      {"[egress]\nallow_private_network = 1\n", "1 is of the wrong kind; use true or false"},
      {"[log]\nlevel = \"loud\"\n", "'loud' is not a level"},
      {"[audit]\norigin = \"a b\"\n", "'audit.origin'"},
      {"http = 3\n", "unknown key 'http'"},
      {"shards = 0\n", "line 1: key 'shards': 0 is out of range; use 1 to 256"},
      {"[shards]\nx = 1\n", "unknown key 'shards.x'"},
      {"[data]\nfolder = [1, 2]\n", "[ 1, 2 ] is of the wrong kind; use a string: path"},
      {"[http\n", "line 1"},
      {"[kafka]\ntopic = \"no such topic!\"\n", "'no such topic!' is not 1 to 249 letters, digits, '.', '_' and '-'"},
  };
  for (const auto& [text, wanted] : cases) {
    const auto config = load_config(file_with(text), Environment{{"HOME", "/root"}});
    ASSERT_FALSE(config) << text;
    EXPECT_NE(config.error().message().find(wanted), std::string::npos) << config.error().message();
  }
  const auto config = load_config(std::nullopt, Environment{{"HOME", "/root"}, {"TRAV_HTTP_PORT", "80x"}});
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().message(), "TRAV_HTTP_PORT: '80x' is not an integer; use 0 to 65535");
}

TEST(Config, an_unknown_variable_is_reported_with_the_nearest_and_is_not_an_error) {
  const Environment environment{{"HOME", "/root"}, {"TRAV_HTP_PORT", "1"}, {"TRAV_SERVICE_HOST", "10.0.0.1"}};
  EXPECT_TRUE(load_config(std::nullopt, environment));
  EXPECT_EQ(unknown_variables(environment),
            (std::vector<std::string>{
                "environment variable TRAV_HTP_PORT is not known to travd; did you mean 'TRAV_HTTP_PORT'?",
                "environment variable TRAV_SERVICE_HOST is not known to travd"}));
}

TEST(Config, variables_that_travd_or_the_command_line_knows_are_not_reported) {
  const Environment environment{{"HOME", "/root"},        {"TRAV_URL", "x"},          {"TRAV_TOKEN", "x"},
                                {"TRAV_TENANT", "x"},     {"TRAV_CONFIG_DIR", "x"},   {"TRAV_TEMPLATE_DIR", "x"},
                                {"TRAV_HTTP_PORT", "80"}, {"TRAV_LOG_LEVEL", "info"}, {"TRAVEL", "x"}};
  EXPECT_TRUE(load_config(std::nullopt, environment));
  EXPECT_TRUE(unknown_variables(environment).empty());
}

TEST(Config, hostile_names_of_variables_are_shown_briefly) {
  Environment environment{{"TRAV_\x1b[2J" + std::string(5000, 'x'), ""}};
  for (int i = 0; i < 100; ++i) environment.emplace("TRAV_S" + std::to_string(i), "");
  const std::vector<std::string> lines = unknown_variables(environment);
  ASSERT_EQ(lines.size(), 20U);
  for (const std::string& line : lines) {
    EXPECT_LT(line.size(), 200U);
    EXPECT_EQ(line.find('\x1b'), std::string::npos);
  }
  EXPECT_EQ(lines.back(), "82 more environment variables TRAV_… are not known to travd");
}

TEST(Config, the_command_line_wins_and_an_empty_folder_is_refused) {
  const Environment environment{{"HOME", "/root"}, {"TRAV_DATA_FOLDER", "/env"}, {"TRAV_HTTP_PORT", "1"}};
  const auto config = load_config(std::nullopt, environment, {.data_folder = "/line", .http_port = 2});
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->data_folder, "/line");
  EXPECT_EQ(config->http_port, 2);
  EXPECT_TRUE(load_config(std::nullopt, {}, {.data_folder = "/line"})) << "needs no HOME then";
  const auto empty = load_config(std::nullopt, environment, {.data_folder = ""});
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().message(), "--data: must not be empty");
  EXPECT_FALSE(load_config(std::filesystem::path(), environment)) << "nor may the file's name be empty";
}

TEST(Config, keys_that_changed_are_named) {
  Config before;
  Config after;
  EXPECT_TRUE(differences(before, after).empty());
  after.log_level = "debug";
  after.http_threads = 2;
  const std::vector<Difference> found = differences(before, after);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].path + " " + found[0].before + " " + found[0].after, "http.threads 1 2");
  EXPECT_TRUE(found[0].needs_restart);
  EXPECT_EQ(found[1].path + " " + found[1].before + " " + found[1].after, "log.level info debug");
  EXPECT_FALSE(found[1].needs_restart);
}

TEST(Config, what_needs_no_restart_is_taken_over_and_nothing_else) {
  Config running;
  Config again;
  again.http_port = 1;
  again.log_level = "debug";
  again.effects_tries_max = 3;
  again.egress_allow_private_network = true;
  const Config now = reloaded(running, again);
  EXPECT_EQ(now.http_port, running.http_port);
  EXPECT_EQ(now.log_level, "debug");
  EXPECT_EQ(now.effects_tries_max, 3U);
  EXPECT_TRUE(now.egress_allow_private_network);
}

TEST(Config, a_file_may_be_a_credential_of_the_unit) {
  Environment environment = {
      {"HOME", "/root"}, {"TRAV_HTTP_CERTIFICATE_FILE", "credential:tls.pem"}, {"TRAV_HTTP_KEY_FILE", "/k"}};
  const auto outside = load_config(std::nullopt, environment);
  ASSERT_TRUE(outside) << outside.error().message();
  EXPECT_EQ(outside->http_certificate_file, "credential:tls.pem");
  ASSERT_EQ(credentials_not_here(*outside).size(), 1U);
  EXPECT_THAT(credentials_not_here(*outside)[0], testing::AllOf(testing::HasSubstr("http.certificate_file"),
                                                                testing::HasSubstr("LoadCredential=tls.pem:/path")));
  EXPECT_TRUE(check_files(*outside, {})) << "what is not here is not checked";
  environment["CREDENTIALS_DIRECTORY"] = "/run/credentials/travertine.service";
  const auto within = load_config(std::nullopt, environment);
  ASSERT_TRUE(within) << within.error().message();
  EXPECT_EQ(within->http_certificate_file, "/run/credentials/travertine.service/tls.pem");
  EXPECT_TRUE(credentials_not_here(*within).empty());
  for (const char* wrong : {"credential:", "credential:../x", "credential:a/b", "credential:.."}) {
    environment["TRAV_HTTP_KEY_FILE"] = wrong;
    EXPECT_FALSE(load_config(std::nullopt, environment)) << wrong;
  }
}

TEST(Config, each_key_says_what_set_it) {
  const auto file = file_with("shards = 2\n[http]\nport = 1\nthreads = 3\n");
  const auto all = explain_config(file, Environment{{"HOME", "/root"}, {"TRAV_HTTP_PORT", "0"}});
  ASSERT_TRUE(all) << all.error().message();
  const auto of = [&](std::string_view path) {
    const auto found = std::ranges::find(*all, path, [](const SetKey& one) { return one.key.path; });
    return found == all->end() ? "" : found->value + " by " + found->source;
  };
  EXPECT_EQ(of("shards"), "2 by " + file.string() + " line 1");
  EXPECT_EQ(of("http.threads"), "3 by " + file.string() + " line 4");
  EXPECT_EQ(of("http.port"), "0 by TRAV_HTTP_PORT");
  EXPECT_EQ(of("log.level"), "info by default");
  EXPECT_EQ(of("data.folder"), "/root/.local/share/travertine by default");
  EXPECT_EQ(all->size(), described_keys().size());
  EXPECT_FALSE(explain_config(file_with("[http]\nprot = 1\n"), Environment{{"HOME", "/root"}}));
}

TEST(Config, the_files_that_keys_name_are_read) {
  Config config;
  EXPECT_TRUE(check_files(config, {}));
  config.plugins_trust = "/none/trust.keys";
  const base::Status missing = check_files(config, {});
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message().find("plugins.trust: "), std::string::npos) << missing.error().message();
}

// The page has one row for each key, in the order of the table in the code, and no other rows.
TEST(Config, the_guide_describes_every_key_as_the_code_does) {
  std::vector<std::string> wanted;
  for (const KeyDescription& key : described_keys()) {
    const std::string unit = key.unit.empty() ? "" : " " + key.unit;
    wanted.push_back("| `" + key.path + "` | `" + key.variable + "` | " + key.form + " | " +
                     (key.default_value.empty() ? "empty" : "`" + key.default_value + "`") + unit + " | " +
                     (key.needs_restart ? "start" : "SIGHUP") + " | " + key.effect + " |");
  }
  ASSERT_FALSE(wanted.empty());
  std::ifstream page(std::string(TRV_SOURCE_DIR) + "/docs/guides/configuration.md");
  std::vector<std::string> rows;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("| `") && line.find("| `TRAV_") != std::string::npos) rows.push_back(line);
  }
  EXPECT_EQ(rows, wanted);
}

TEST(Config, a_folder_as_the_file_is_an_error) {
  const auto loaded = load_config(std::filesystem::path("/tmp"), Environment{{"HOME", "/root"}});
  ASSERT_FALSE(loaded);
  EXPECT_NE(loaded.error().message().find("/tmp is a folder"), std::string::npos) << loaded.error().message();
}

TEST(Config, an_address_or_a_folder_that_cannot_be_is_refused_with_the_keys_name) {
  for (const auto& [variable, value, key] : {std::tuple("TRAV_HTTP_ADDRESS", "localhost", "TRAV_HTTP_ADDRESS"),
                                             std::tuple("TRAV_DATA_FOLDER", "~/data", "TRAV_DATA_FOLDER"),
                                             std::tuple("TRAV_HTTP_ADDRESS", "", "TRAV_HTTP_ADDRESS")}) {
    const auto loaded = load_config(std::nullopt, Environment{{"HOME", "/root"}, {variable, value}});
    ASSERT_FALSE(loaded) << variable << value;
    EXPECT_NE(loaded.error().message().find(key), std::string::npos) << loaded.error().message();
    EXPECT_NE(loaded.error().message().find(value), std::string::npos) << loaded.error().message();
  }
  for (const char* address : {"127.0.0.1", "::1", "::"}) {
    EXPECT_TRUE(load_config(std::nullopt, Environment{{"HOME", "/root"}, {"TRAV_HTTP_ADDRESS", address}})) << address;
  }
}

TEST(Config, brokers_without_a_host_or_a_port_are_refused_at_once) {
  const auto load = [](const std::string& brokers) {
    return load_config(file_with("[kafka]\nbrokers = \"" + brokers + "\"\n"), Environment{{"HOME", "/root"}});
  };
  const std::pair<const char*, const char*> cases[] = {{"host", "host"},
                                                       {"host:", "host:"},
                                                       {"host:99999", "host:99999"},
                                                       {"host:abc", "host:abc"},
                                                       {"host:0", "host:0"},
                                                       {":9092", ":9092"},
                                                       {"a:9092,b", "b"},
                                                       {"a:9092,", ""},
                                                       {"a:9092;b:9092", "a:9092;b:9092"},
                                                       {"::1:9092", "::1:9092"},
                                                       {"[]:9092", "[]:9092"},
                                                       {"a b:1", "a b:1"},
                                                       {"http://a:1", "http://a:1"},
                                                       {"a:+1", "a:+1"},
                                                       {" ", ""}};
  for (const auto& [brokers, named] : cases) {
    const auto config = load(brokers);
    ASSERT_FALSE(config) << brokers;
    const std::string wanted = "key 'kafka.brokers': '" + std::string(named) + "' is not host:port with a port from 1";
    EXPECT_NE(config.error().message().find(wanted), std::string::npos) << config.error().message();
    EXPECT_NE(config.error().message().find("such as kafka-1:9092,kafka-2:9092"), std::string::npos);
  }
  for (const char* brokers : {"", "a:1", "kafka_1.example:9092, 10.0.0.5:65535", "[::1]:9092"}) {
    EXPECT_TRUE(load(brokers)) << brokers;
  }
}

TEST(Config, a_key_that_means_nothing_without_another_is_refused) {
  const std::pair<const char*, const char*> cases[] = {
      {"ca_file = \"a\"",
       "kafka.ca_file is set, which needs kafka.tls = true; set kafka.tls = true, or remove kafka.ca_file"},
      {"tls = true\nkey_file = \"a\"", "kafka.key_file is set, which needs kafka.certificate_file"},
      {"tls = true\ncertificate_file = \"a\"", "kafka.certificate_file is set, which needs kafka.key_file"},
      {"user = \"a\"", "kafka.user is set, which needs kafka.mechanism"},
      {"password_file = \"a\"", "kafka.password_file is set, which needs kafka.mechanism"},
      {"mechanism = \"plain\"\npassword_file = \"a\"", "kafka.mechanism is set, which needs kafka.user"},
      {"mechanism = \"plain\"\nuser = \"a\"", "kafka.mechanism is set, which needs kafka.password_file"},
  };
  for (const auto& [text, wanted] : cases) {
    const auto config = load_config(file_with("[kafka]\n" + std::string(text) + "\n"), Environment{{"HOME", "/root"}});
    ASSERT_FALSE(config) << text;
    EXPECT_EQ(config.error().message().find(wanted), 0U) << config.error().message();
  }
  const std::string whole =
      "[kafka]\ntls = true\nca_file = \"a\"\ncertificate_file = \"b\"\nkey_file = \"c\"\nmechanism = \"plain\"\n"
      "user = \"d\"\npassword_file = \"e\"\n";
  EXPECT_TRUE(load_config(file_with(whole), Environment{{"HOME", "/root"}}));
}

TEST(Config, a_missing_file_is_an_error) {
  EXPECT_FALSE(load_config(std::filesystem::path("/nonexistent/travd.toml"), Environment{{"HOME", "/root"}}));
}

}  // namespace
}  // namespace trv::config
