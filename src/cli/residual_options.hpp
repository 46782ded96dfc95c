#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "cli/command_line.hpp"
#include "core/describe.hpp"
#include "core/error.hpp"
#include "jobs/compensated_score.hpp"

namespace tessera::cli {

/// What eval and generate say of a residual file.
struct ResidualOptions {
  std::string file, k_chunk, selection = "exact";

  /// @param k_chunk_text what --k-chunk takes
  void add_to(CommandLine& line, const std::string& k_chunk_placeholder,
              const std::string& k_chunk_text);
  /// Throws InputError for options that need --residual where it is missing.
  bool is_given() const;
  /// "8,16,32"; empty where nothing is given. Throws InputError for what is no list of whole
  /// numbers.
  std::vector<std::uint64_t> k_chunks() const;
  residual::SelectionRule rule() const;
};

/// The value of an option with few values. Throws InputError naming them.
template <class Enum>
Enum choice_of(std::string_view option, const std::string& name) {
  const auto value = value_named<Enum>(name);
  require_input(value.has_value(),
                fmt::format("--{} is '{}' (it is one of {}). Choose one of them.", option, name,
                            names_text<Enum>()));
  return *value;
}

}  // namespace tessera::cli
