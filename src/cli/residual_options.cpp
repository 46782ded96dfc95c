#include "cli/residual_options.hpp"

#include <charconv>
#include <sstream>

namespace tessera::cli {

void ResidualOptions::add_to(CommandLine& line, const std::string& k_chunk_placeholder,
                             const std::string& k_chunk_text) {
  line.option("residual", "FILE", "compensate the packed model with its residual file", file);
  line.option("k-chunk", k_chunk_placeholder, k_chunk_text, k_chunk);
  line.option("selection", "RULE",
              "with --residual, how channels are chosen: " + names_text<residual::SelectionRule>() +
                  " (exact)",
              selection);
}

bool ResidualOptions::is_given() const {
  if (!file.empty()) return true;
  require_input(k_chunk.empty(),
                "--k-chunk is given without --residual (there is nothing to compensate with). Name "
                "the residual file.");
  return false;
}

std::vector<std::uint64_t> ResidualOptions::k_chunks() const {
  std::vector<std::uint64_t> values;
  std::istringstream words(k_chunk);
  for (std::string word; std::getline(words, word, ',');) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    require_input(error == std::errc() && end == word.data() + word.size() && !word.empty(),
                  fmt::format("--k-chunk is '{}' (it takes whole numbers). Give 0 to 1024, such as "
                              "32.",
                              k_chunk));
    values.push_back(value);
  }
  return values;
}

residual::SelectionRule ResidualOptions::rule() const {
  return choice_of<residual::SelectionRule>("selection", selection);
}

}  // namespace tessera::cli
