#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/dtype.hpp"
#include "format/format_text.hpp"
#include "format/packed_model.hpp"

namespace tessera::format {

/// A score of the original and of the packed model under the same conditions.
struct Score {
  std::string measure;     ///< "perplexity"
  std::string conditions;  ///< "wiki.test.raw, context 2048, 81880 tokens": a perplexity means
                           ///< nothing without its context
  std::optional<double> original;
  double packed = 0;
};

/// What README.md of a packed model says.
struct ModelCard {
  std::string name;                 ///< of the output folder
  std::string base_model;           ///< folder or hub name of the original
  std::vector<std::string> recipe;  ///< lines: method and settings, calibration data
  PackedSize size;
  std::uint64_t original_bytes = 0;
  StoredType stored_type = StoredType::float16;
  FormatText format;
  std::vector<Score> scores;
  std::vector<std::string> limits;  ///< sentences on where the model will not run, each once
  std::map<std::string, std::string> degraded;  ///< layers that failed at first, and what was done
  std::string version;                          ///< of this program
};

/// The whole text, Markdown with the header the model hub reads.
std::string model_card(const ModelCard& card);

}  // namespace tessera::format
