#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace tessera::config {

/// Letters to add, drop, change or swap with their neighbour to get from @p a to @p b (optimal
/// string alignment; Damerau 1964).
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The index of the candidate that @p word was probably meant to be: one that a third of its
/// letters lead to, or that begins with it; the nearest, the first of several. candidates.size()
/// when there is none.
std::size_t near_match(std::string_view word, std::span<const std::string> candidates);

}  // namespace tessera::config
