#include <cstdio>

#include <fmt/format.h>

#include "cli/document_text.hpp"
#include "cli/verbs.hpp"
#include "jobs/inspect.hpp"

namespace tessera::cli {

int inspect_verb(const Arguments& words) {
  std::string path;
  bool json = false;
  CommandLine line("inspect",
                   "Says what is in a model folder, a packed output, a work folder, a .safetensors "
                   "file or an .h5 file\nof a work folder, and checks it on the way.");
  line.argument("PATH", "the folder or file", path);
  line.flag("json", "print it as one JSON document", json);
  line.example("tessera inspect models/smollm2-135m-vptq-2bit");
  line.example("tessera inspect work/smollm2-vptq --json");
  if (!line.parse(words)) return kDone;

  const JsonValue document = jobs::inspect(path);
  fmt::print("{}", json ? document.to_text(2) + "\n" : document_text(document));
  return kDone;
}

}  // namespace tessera::cli
