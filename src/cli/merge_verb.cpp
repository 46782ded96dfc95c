#include <cstdio>

#include <fmt/format.h>

#include "cli/terminal_log.hpp"
#include "cli/verbs.hpp"
#include "core/error.hpp"
#include "core/json_value.hpp"
#include "jobs/merge.hpp"

namespace tessera::cli {

int merge_verb(const Arguments& words) {
  std::vector<std::string> parts;
  std::string output;
  bool json = false;
  CommandLine line("merge",
                   "Joins the calibrations of runs of one job over different shards "
                   "(calibration.only_shards)\ninto a work folder from which the job goes on.");
  line.rest("WORK_DIR...", "the work folders of the parts", parts);
  line.option("output", "DIR", "the work folder to make", output);
  line.flag("json", "print one JSON document on standard output", json);
  line.example("tessera merge work/part-a work/part-b --output work/whole");
  line.example("tessera run job.yaml --resume --set runtime.work_dir=work/whole");
  if (!line.parse(words)) return kDone;
  require_input(
      !output.empty(),
      "--output is missing (a merge makes a new work folder). Name one that does not exist.");

  TerminalLog log(stderr, {false, false});
  const auto result = jobs::merge_calibrations({parts.begin(), parts.end()}, output, log);
  fmt::print(stderr, "{} holds {} shards of {} blocks. Go on with --set runtime.work_dir={}\n",
             output, result.num_shards, result.num_blocks, output);
  if (json) {
    JsonValue document = JsonValue::object();
    document.set("output", output)
        .set("shards", result.num_shards)
        .set("blocks", result.num_blocks);
    fmt::print("{}\n", document.to_text(2));
  }
  return kDone;
}

}  // namespace tessera::cli
