#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>

#include <fmt/format.h>

#include "cli/verbs.hpp"
#include "cluster/launch_environment.hpp"
#include "core/error.hpp"
#include "core/stop.hpp"

namespace tessera::cli {
namespace {

struct Verb {
  std::string name;
  std::string summary;
  int (*function)(const Arguments&);
};

const auto kVerbs = std::to_array<Verb>({
    {"plan", "what a job will cost: memory, disk, time, a batch script's lines", plan_verb},
    {"run", "quantize a model as a job file says", run_verb},
    {"submit", "hand a job to Slurm, or to the background of this machine", submit_verb},
    {"eval", "perplexity of a model folder, plain or packed", eval_verb},
    {"generate", "continue a text with a model folder, plain or packed", generate_verb},
    {"inspect", "what is in a model, an output, a work folder or a file", inspect_verb},
    {"status", "how far a run is: progress, rate, ETA, ranks", status_verb},
    {"verify", "every digest, size and tensor of an output or a work folder", verify_verb},
    {"compare", "two models, layer by layer", compare_verb},
    {"redo", "solve some layers of a run again, and make its output anew", redo_verb},
    {"merge", "join calibrations that were made apart", merge_verb},
});

void print_help(std::FILE* out) {
  fmt::print(out, "Tessera quantizes large language models to a few bits a weight.\n\n");
  fmt::print(out, "Usage: tessera VERB [options]\n\n");
  for (const Verb& verb : kVerbs) fmt::print(out, "  {:<10} {}\n", verb.name, verb.summary);
  fmt::print(out, "\n  --version  print the version\n  --help     print this page\n\n");
  fmt::print(out, "\"tessera VERB --help\" tells more about a verb.\n\nExample:\n");
  fmt::print(out, "  tessera run configs/jobs/smollm2_vptq_2bit.yaml --resume\n");
}

[[noreturn]] void refuse_verb(const std::string& word) {
  std::vector<std::string> names = {"--help", "--version"};
  for (const Verb& verb : kVerbs) names.push_back(verb.name);
  const std::string hint = did_you_mean(word, names);
  throw InputError(fmt::format("unknown {} {}.{}", word.starts_with('-') ? "option" : "verb", word,
                               hint.empty() ? " \"tessera --help\" lists what there is." : hint));
}

int dispatch(const Arguments& words) {
  if (words.empty()) {
    print_help(stderr);
    return kBadInput;
  }
  const std::string& first = words.front();
  if (first == "--help" || first == "-h" || first == "help") {
    print_help(stdout);
    return kDone;
  }
  if (first == "--version") {
    fmt::print("tessera {}\n", TESSERA_VERSION);
    return kDone;
  }
  const auto verb = std::ranges::find(kVerbs, first, &Verb::name);
  if (verb == kVerbs.end()) refuse_verb(first);
  return verb->function(Arguments(words.begin() + 1, words.end()));
}

int report_bug(const std::exception& error) {
  fmt::print(
      stderr,
      "tessera: {}\n"
      "This is a bug in tessera {}, not your mistake. Please report this message together with "
      "the command\nline, the job file and, if there is one, the newest file in the work "
      "folder's logs/.\n",
      error.what(), TESSERA_VERSION);
  return kFailed;
}

/// One of several ranks speaks for all: they agree before they fail.
bool speaks() {
  static const bool is_first = [] {
    try {
      return cluster::launch_environment().rank == 0;
    } catch (const InputError&) {
      return true;
    }
  }();
  return is_first;
}

void say(const std::string& text) {
  if (speaks()) fmt::print(stderr, "tessera: {}\n", text);
}

int guarded(const Arguments& words) {
  try {
    return dispatch(words);
  } catch (const Interrupted& error) {
    say(error.what());
    return error.exit_code();
  } catch (const InputError& error) {
    say(error.what());
    return kBadInput;
  } catch (const Error& error) {
    say(error.what());
    return kFailed;
  } catch (const std::filesystem::filesystem_error& error) {
    say(
        fmt::format("{} (the file system refused). Mend that; --resume goes on from what was "
                    "committed.",
                    error.what()));
    return kFailed;
  } catch (const std::bad_alloc&) {
    say("out of memory. Set runtime.host_memory to what a process may use, close other programs, "
        "or cut the calibration into more shards (calibration.num_shards)");
    return kFailed;
  } catch (const std::exception& error) {
    return report_bug(error);
  }
}

}  // namespace
}  // namespace tessera::cli

int main(int argc, char** argv) {
  int code = tessera::cli::guarded(tessera::cli::Arguments(argv + 1, argv + argc));
  if (std::fflush(stdout) != 0 && code == tessera::cli::kDone) {
    fmt::print(stderr, "tessera: cannot write to standard output\n");
    code = tessera::cli::kFailed;
  }
  std::fflush(stderr);
  // Past the libraries' own clearing up: an interrupted run has dropped calls of theirs half-way,
  // and the exit code must be the one that was said.
  std::_Exit(code);
}
