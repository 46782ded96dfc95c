#pragma once
#include <string>
#include <vector>

#include "config/document.hpp"
#include "config/tree_writer.hpp"

// A struct as a flat list of keys and values: for the fingerprint of a run, and to say what two
// jobs do not share.
namespace tessera::config {

struct Setting {
  std::string key;    ///< "quantize.overrides[0].vptq.vector_len"
  std::string value;  ///< one line; "none" for an optional that is not given
  bool has_effect = true;
  bool operator==(const Setting&) const = default;
};

std::vector<Setting> settings_in(const Node& tree);

/// Every key of @p value in the order of description.
template <class Struct>
std::vector<Setting> settings_list(const Struct& value) {
  return settings_in(tree_of(value));
}

struct Difference {
  std::string key;
  std::string first, second;  ///< "none" where the key is not there
  bool operator==(const Difference&) const = default;
};

/// The keys in which @p first and @p second differ, those without effect left out; in the order of
/// first, then those that only second has.
std::vector<Difference> differences(const std::vector<Setting>& first,
                                    const std::vector<Setting>& second);

}  // namespace tessera::config
