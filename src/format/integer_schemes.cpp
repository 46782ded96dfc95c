#include "format/integer_schemes.hpp"

#include <limits>
#include <map>
#include <utility>

#include "core/error.hpp"

namespace tessera::format {
namespace {

using BitsAndGroup = std::pair<std::uint64_t, std::uint64_t>;

bool is_row(const solver::IntegerLayer& layer) {
  return layer.group_size == layer.in_features;
}

/// Rows of one scale are as long as they are: behind all groups.
BitsAndGroup key_of(const solver::IntegerLayer& layer) {
  return {layer.bits, is_row(layer) ? std::numeric_limits<std::uint64_t>::max() : layer.group_size};
}

/// Whether one scheme says it of all: the same bits, and rows of one scale only where nobody has
/// groups or they are as long as the groups are.
bool are_alike(const IntegerSizes& sizes) {
  std::uint64_t group_size = 0;
  for (const auto& [name, layer] : sizes) {
    if (!is_row(layer)) group_size = layer.group_size;
  }
  for (const auto& [name, layer] : sizes) {
    if (layer.bits != sizes.begin()->second.bits) return false;
    if (group_size != 0 && layer.group_size != group_size) return false;
  }
  return true;
}

/// What else keeps the layers from sharing a config.json is found as if all had 8 bits and a scale
/// for each row, which go with whatever else a layer has.
void require_rest_alike(const IntegerSizes& sizes, IntegerFormat format) {
  IntegerSizes evened;
  for (const auto& [name, layer] : sizes) {
    IntegerSizes alone;
    alone.emplace(name, solver::sizes_of(layer));
    common_scheme(alone, format);  // its own problems, as it is
    solver::IntegerLayer even = solver::sizes_of(layer);
    even.bits = 8;
    even.group_size = even.in_features;
    evened.emplace(name, std::move(even));
  }
  common_scheme(evened, format);
}

}  // namespace

std::vector<SchemeGroup> schemes_of(const IntegerSizes& sizes, IntegerFormat format) {
  require(!sizes.empty(), "a model with packed layers");
  std::map<BitsAndGroup, IntegerSizes> by_key;
  if (format == IntegerFormat::gptq || are_alike(sizes)) {
    for (const auto& [name, layer] : sizes) by_key[{}].emplace(name, solver::sizes_of(layer));
  } else {
    require_rest_alike(sizes, format);
    for (const auto& [name, layer] : sizes) {
      by_key[key_of(layer)].emplace(name, solver::sizes_of(layer));
    }
  }
  std::vector<SchemeGroup> groups;
  for (const auto& [key, members] : by_key) {
    SchemeGroup& group = groups.emplace_back();
    group.scheme = common_scheme(members, format);
    for (const auto& [name, layer] : members) group.layers.push_back(name);
  }
  return groups;
}

}  // namespace tessera::format
