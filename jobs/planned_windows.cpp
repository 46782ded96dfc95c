#include "jobs/planned_windows.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "jobs/planned_scratch.hpp"

namespace tessera::jobs {

PlannedWindows plan_windows(const QuantizeJob& job) {
  if (!job.evaluation.is_wanted()) return {};
  if (job.evaluation.windows > 0) return {static_cast<std::size_t>(job.evaluation.windows), ""};
  const auto bytes = static_cast<double>(text_bytes({job.evaluation.text}));
  // English has about 4.4 letters a token; WikiText-2's test set, which most name, 300,000 tokens.
  const double tokens = bytes > 0 ? bytes / 4.4 : 3e5;
  const auto length = static_cast<double>(job.evaluation.context_length);
  const auto count = static_cast<std::size_t>(std::max(1.0, tokens / length));
  return {count, fmt::format("evaluation.windows is 0: {} windows are assumed, {}", count,
                             bytes > 0 ? "by the size of the text"
                                       : "as many as WikiText-2 has (the text is not there)")};
}

}  // namespace tessera::jobs
