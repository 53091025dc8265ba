// A plugin is a class, a table of operations, and a coroutine for each.

#include <boost/json/src.hpp>

#include "operations.hpp"
#include "sdk/cpp/plugin.hpp"
#include "sdk/cpp/utf8.hpp"
#include "sdk/cpp_json/typed.hpp"

namespace {

using namespace sample_plugin_types;
using trv::sdk::Call;
using trv::sdk::Code;
using trv::sdk::Failure;
using trv::sdk::read_json;
using trv::sdk::Task;
using trv::sdk::write_json;

class SamplePlugin : public trv::sdk::Plugin {
 public:
  static trv::sdk::Operations<SamplePlugin> operations() {
    return {{"echo", &SamplePlugin::echo}, {"fetch", &SamplePlugin::fetch}};
  }

 private:
  Task echo(Call& call) {
    const auto input = read_json<EchoInput>(call.input());
    if (!input) co_return input.failure();
    co_return write_json(EchoOutput{.text = input->text});
  }

  Task fetch(Call& call) {
    const auto input = read_json<FetchInput>(call.input());
    if (!input) co_return input.failure();
    const auto page = trv::sdk::path_segment(input->page);
    if (!page) co_return Failure{.code = Code::invalid, .message = "input: page cannot be in a path"};

    auto response = call.http(trv::sdk::get("/" + *page));
    co_await response;
    if (!response) co_return response.failure();
    if (!response->ok())
      co_return trv::sdk::failure_of_status(
          *response, "the service answered " + std::to_string(response->status) + " for " + input->page);
    if (!trv::sdk::is_utf8(response->body))
      co_return Failure{.code = Code::invalid, .message = "the page " + input->page + " is not text"};
    co_return write_json(FetchOutput{.content = response->body});
  }
};

}  // namespace

TRV_PLUGIN(SamplePlugin, "sample-plugin", "1.0.0")
