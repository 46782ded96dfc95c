#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "cli/compare_ledger.hpp"
#include "cli/document_text.hpp"
#include "cli/verbs.hpp"
#include "core/error.hpp"
#include "jobs/compare.hpp"

namespace tessera::cli {
namespace {

struct CompareArguments {
  std::vector<std::string> folders;
  std::string max_difference;
  LedgerArguments ledger;
  bool json = false;
};

bool parse(const Arguments& words, CompareArguments& c) {
  CommandLine line(
      "compare",
      "Compares two models of one shape, packed or plain, layer by layer: |A - B|^2 / |A|^2 and "
      "the "
      "largest\ndifference of every linear layer of the blocks. Ends with 4 when a layer differs "
      "by "
      "more than allowed.\n\nWith --ledger it compares one run, by its work folder or its output, "
      "with the last good one of the same\nmodel and name that the ledger holds (docs/nightly.md). "
      "Ends with 4 when it got worse or failed.");
  LedgerArguments& ledger = c.ledger;
  jobs::VerdictBounds& bounds = ledger.bounds;
  constexpr double kMost = 1e6;
  line.rest("DIR [DIR]", "two model folders, or a work folder or output", c.folders);
  line.option("max-difference", "X", "how much |A - B|^2 / |A|^2 of a layer may be (no bound)",
              c.max_difference);
  line.option("ledger", "FILE", "compare with the last good row of this ledger", ledger.ledger);
  line.flag("append", "append the run to the ledger, with its verdict", ledger.append);
  line.option("name", "NAME", "of the recipe (the folder's name)", ledger.name);
  line.option("page", "FILE", "draw the ledger's history as a page", ledger.page);
  line.option("exit-code", "N", "what the run ended with (what its log says)", ledger.exit_code);
  line.option("error", "TEXT", "what it said last, where it left no work folder", ledger.error);
  line.option(
      "max-perplexity-rise", "X",
      fmt::format("of quantized over original perplexity, as a share ({:g})", bounds.perplexity),
      bounds.perplexity, 0, kMost);
  line.option("max-error-rise", "X",
              fmt::format("of a layer's proxy error, as a share ({:g})", bounds.layer_error),
              bounds.layer_error, 0, kMost);
  line.option("max-bits-rise", "X",
              fmt::format("of the bits per weight, as a share ({:g})", bounds.bits), bounds.bits, 0,
              kMost);
  line.option("max-time-rise", "X",
              fmt::format("of the time, as a share; only warned of ({:g})", bounds.seconds),
              bounds.seconds, 0, kMost);
  line.flag("json", "print the comparison as one JSON document", c.json);
  line.example("tessera compare models/smollm2-135m-instruct models/smollm2-135m-vptq-2bit");
  line.example("tessera compare models/monday models/tuesday --max-difference 0 --json");
  line.example(
      "tessera compare work/smollm2-vptq-2bit --ledger ledger.jsonl --append --page history.html");
  return line.parse(words);
}

void require_fitting(const CompareArguments& c) {
  const bool has_ledger = !c.ledger.ledger.empty();
  const std::size_t wanted = has_ledger ? 1 : 2;
  require_input(c.folders.size() >= wanted,
                "DIR is missing (two model folders are compared; with --ledger FILE, one run with "
                "earlier ones). Name another.");
  require_input(c.folders.size() <= wanted,
                fmt::format("\"{}\" is one argument too many ({}). Leave it out.",
                            c.folders[std::min(wanted, c.folders.size() - 1)],
                            has_ledger ? "with --ledger, one run is compared with earlier ones"
                                       : "two model folders are compared"));
  const LedgerArguments& l = c.ledger;
  const bool wants_ledger =
      l.append || !l.name.empty() || !l.page.empty() || !l.exit_code.empty() || !l.error.empty();
  require_input(
      has_ledger || !wants_ledger,
      "--append, --name, --page, --exit-code and --error are about a ledger (and none is named). "
      "Name it with --ledger FILE.");
  require_input(!has_ledger || c.max_difference.empty(),
                "--max-difference is for two models (a ledger holds no weights). Leave it out, or "
                "use --max-error-rise.");
}

std::optional<double> bound_of(const std::string& text) {
  if (text.empty()) return std::nullopt;
  double bound = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, bound);
  if (error != std::errc{} || stop != end || !std::isfinite(bound) || bound < 0) {
    throw InputError(
        fmt::format("--max-difference is \"{}\" (it must be a number, at least 0). "
                    "Try 0.1: a tenth of the weights' energy.",
                    text));
  }
  return bound;
}

}  // namespace

int compare_verb(const Arguments& words) {
  CompareArguments arguments;
  if (!parse(words, arguments)) return kDone;
  require_fitting(arguments);
  if (!arguments.ledger.ledger.empty()) {
    arguments.ledger.folder = arguments.folders.front();
    arguments.ledger.json = arguments.json;
    return compare_with_ledger(arguments.ledger);
  }
  const std::optional<double> bound = bound_of(arguments.max_difference);
  const jobs::Comparison comparison = jobs::compare(arguments.folders[0], arguments.folders[1]);
  const double worst = comparison.worst().difference.relative;
  const bool is_within = !bound || worst <= *bound;

  JsonValue document = jobs::to_json(comparison);
  if (arguments.json) {
    document.set("max_difference", bound ? JsonValue(*bound) : JsonValue());
    document.set("within", is_within);
  }
  fmt::print("{}", arguments.json ? document.to_text(2) + "\n" : document_text(document));
  if (is_within) return kDone;
  fmt::print(stderr, "{} differs by {:.4g} (--max-difference is {}). Look at the layers above.\n",
             comparison.worst().name, worst, *bound);
  return kGateFailed;
}

}  // namespace tessera::cli
