#include <charconv>
#include <cmath>
#include <cstdio>
#include <optional>

#include <fmt/format.h>

#include "cli/document_text.hpp"
#include "cli/verbs.hpp"
#include "core/error.hpp"
#include "jobs/compare.hpp"

namespace tessera::cli {
namespace {

struct CompareArguments {
  std::string a, b, max_difference;
  bool json = false;
};

bool parse(const Arguments& words, CompareArguments& c) {
  CommandLine line("compare",
                   "Compares two models of one shape, packed or plain, layer by layer: |A - B|^2 / "
                   "|A|^2 and the largest\ndifference of every linear layer of the blocks. Ends "
                   "with 4 when a layer differs by more than allowed.");
  line.argument("DIR", "a model folder, A", c.a);
  line.argument("DIR", "another, B", c.b);
  line.option("max-difference", "X", "how much |A - B|^2 / |A|^2 of a layer may be (no bound)",
              c.max_difference);
  line.flag("json", "print the comparison as one JSON document", c.json);
  line.example("tessera compare models/smollm2-135m-instruct models/smollm2-135m-vptq-2bit");
  line.example("tessera compare models/monday models/tuesday --max-difference 0 --json");
  return line.parse(words);
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
  const std::optional<double> bound = bound_of(arguments.max_difference);
  const jobs::Comparison comparison = jobs::compare(arguments.a, arguments.b);
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
