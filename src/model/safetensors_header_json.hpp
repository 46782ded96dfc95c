#pragma once
#include <array>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::model {

/// One tensor as the header's JSON states it; nothing about its numbers has been checked yet.
struct HeaderTensor {
  std::string name;
  std::string dtype;
  std::vector<std::size_t> shape;
  std::array<std::size_t, 2> offsets{};  ///< begin and end, from the start of the data
};

struct HeaderJson {
  std::vector<HeaderTensor> tensors;
  std::map<std::string, std::string> metadata;
};

/// Reads the header's JSON while it is parsed, so that nothing is built that the format does not
/// have: three levels, four keys. Throws InputError for any other JSON, and for a name or key that
/// is there twice.
HeaderJson read_header_json(std::string_view text, const std::string& origin);

}  // namespace tessera::model
