// trv_pack <folder> <library.so> <out.trvp>: packs a plugin; the build uses it for the plugins of this repository.

#include <CLI/CLI.hpp>

#include <cstdio>
#include <string>

#include "sdk/package/package.hpp"

int main(int argc, char** argv) {
  std::string folder;
  std::string library;
  std::string out;
  CLI::App app("Packs a plugin's folder and library into a package.");
  app.add_option("folder", folder, "Folder with manifest.json")->required();
  app.add_option("library", library, "The plugin's shared object")->required();
  app.add_option("out", out, "Package to write")->required();
  CLI11_PARSE(app, argc, argv);
  const auto packed = trv::package::pack(folder, library, out);
  if (!packed) {
    std::fprintf(stderr, "trv_pack: %s\n", packed.error().message().c_str());
    return 1;
  }
  std::printf("%s %s %s\n", packed->manifest.id.c_str(), packed->manifest.version.c_str(),
              trv::base::to_hex(packed->digest).c_str());
  return 0;
}
