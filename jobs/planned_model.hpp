#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/log.hpp"
#include "format/original_tensors.hpp"
#include "jobs/prepared_run.hpp"

namespace tessera::jobs {

/// A job opened to be reckoned with: from config.json and the headers of the weights, or, where the
/// folder has no weights yet, from config.json and its torch_dtype. Texts and tokenizer may be
/// missing, too.
struct PlannedModel {
  PreparedRun prepared;  ///< digests and tokens are stand-ins of the right length
  format::OriginalTensors original;
  bool has_weights = true;
  std::uint64_t weight_bytes = 0;    ///< of the original's weight files
  std::vector<std::string> remarks;  ///< what had to be assumed, a sentence each
};

/// Throws InputError as a run would that cannot start: config.json, settings, a format that cannot
/// hold the result, damaged headers. Reads nothing but headers and writes nothing.
PlannedModel open_planned(const QuantizeJob& job, Log& log);

}  // namespace tessera::jobs
