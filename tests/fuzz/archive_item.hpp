#pragma once
#include <cstdint>
#include <vector>

namespace tessera::fuzz {

/// What the seed corpus/archive/small holds a list of, so that the reader walks groups too.
struct Item {
  std::uint64_t count = 0;
  std::vector<float> values;
};

template <class Archive>
void archive(Archive& a, Item& item) {
  a("count", item.count);
  a("values", item.values);
}

}  // namespace tessera::fuzz
