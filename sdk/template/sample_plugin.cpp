// A plugin is a class, a table of operations, and a coroutine for each.

#include <boost/json/src.hpp>

#include "sdk/cpp/plugin.hpp"
#include "sdk/cpp/utf8.hpp"
#include "sdk/cpp_json/json.hpp"

namespace {

namespace json = boost::json;
using trv::sdk::Call;
using trv::sdk::Code;
using trv::sdk::Failure;
using trv::sdk::Input;
using trv::sdk::Task;

class SamplePlugin : public trv::sdk::Plugin {
 public:
  static trv::sdk::Operations<SamplePlugin> operations() {
    return {{"echo", &SamplePlugin::echo}, {"fetch", &SamplePlugin::fetch}};
  }

 private:
  Task echo(Call& call) {
    Input input(call.input());
    const std::string text = input.text("text");
    if (input.failure()) co_return *input.failure();
    co_return json::serialize(json::object{{"text", text}});
  }

  Task fetch(Call& call) {
    Input input(call.input());
    const std::string page = input.segment("page");
    if (input.failure()) co_return *input.failure();

    auto response = call.http(trv::sdk::get("/" + page));
    co_await response;
    if (!response) co_return response.failure();
    if (!response->ok())
      co_return trv::sdk::failure_of_status(
          *response, "the service answered " + std::to_string(response->status) + " for " + page);
    if (!trv::sdk::is_utf8(response->body))
      co_return Failure{.code = Code::invalid, .message = "the page " + page + " is not text"};
    co_return json::serialize(json::object{{"content", response->body}});
  }
};

}  // namespace

TRV_PLUGIN(SamplePlugin, "sample-plugin", "1.0.0")
