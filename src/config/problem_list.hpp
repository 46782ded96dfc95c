#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "config/document.hpp"

namespace tessera::config {

/// Everything that is wrong with a settings file, to be said at once.
class ProblemList {
 public:
  void add(const Place& place, std::string problem);
  std::size_t size() const { return problems_.size(); }

  /// Throws InputError when there are problems: one line each, "file:line: problem", in the order
  /// of the lines, those of the command line last.
  void throw_if_any() const;

 private:
  struct Problem {
    Place place;
    std::string text;
  };
  std::vector<Problem> problems_;
};

}  // namespace tessera::config
