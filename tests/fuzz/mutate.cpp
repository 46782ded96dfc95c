#include "tests/fuzz/mutate.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "core/random.hpp"

namespace tessera::fuzz {
namespace {

constexpr std::size_t kMaxBytes = std::size_t{1} << 16;

constexpr std::array<std::string_view, 36> kWords{"0",
                                                  "-1",
                                                  "1e999",
                                                  "18446744073709551615",
                                                  "9223372036854775808",
                                                  "4294967296",
                                                  "0.5",
                                                  "null",
                                                  "true",
                                                  "{}",
                                                  "[]",
                                                  "[[[[[[[[",
                                                  "{\"a\":",
                                                  "\"",
                                                  "\\u0000",
                                                  "\\",
                                                  ",",
                                                  ":",
                                                  "\n",
                                                  "  ",
                                                  "\"dtype\":",
                                                  "\"F16\"",
                                                  "\"I64\"",
                                                  "\"F8_E4M3\"",
                                                  "\"shape\":[",
                                                  "\"data_offsets\":[0,0]",
                                                  "\"__metadata__\":{",
                                                  "../",
                                                  "/",
                                                  "&a ",
                                                  "*a",
                                                  "!!int ",
                                                  "- ",
                                                  "<<: *a",
                                                  "| ",
                                                  "\xff\xfe"};

/// The random choices of one mutation.
class Choices {
 public:
  Choices(std::uint64_t seed, std::uint64_t i) : random_(seed + i, "mutate", "fuzz") {}
  std::size_t below(std::size_t bound) { return random_.below(next_++, bound); }

 private:
  CounterRandom random_;
  std::uint64_t next_ = 0;
};

void insert(Bytes& bytes, std::size_t place, std::string_view text) {
  bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(place), text.begin(), text.end());
}

/// A piece of @p bytes: at most a quarter of them, sometimes a short one.
Bytes piece_of(const Bytes& bytes, Choices& choices) {
  if (bytes.empty()) return {};
  const std::size_t longest =
      choices.below(2) == 0 ? std::min<std::size_t>(8, bytes.size()) : 1 + bytes.size() / 4;
  const std::size_t begin = choices.below(bytes.size());
  const std::size_t size = std::min(1 + choices.below(longest), bytes.size() - begin);
  const auto from = bytes.begin() + static_cast<std::ptrdiff_t>(begin);
  return {from, from + static_cast<std::ptrdiff_t>(size)};
}

/// Overwrites 8 bytes with a length that is small, huge, or just beside a power of two.
void write_length(Bytes& bytes, Choices& choices) {
  if (bytes.size() < 8) return;
  const std::size_t place = choices.below(2) == 0 ? 0 : choices.below(bytes.size() - 7);
  const std::uint64_t length = (std::uint64_t{1} << choices.below(64)) + choices.below(3) - 1;
  for (std::size_t i = 0; i < 8; ++i) {
    bytes[place + i] = static_cast<std::uint8_t>(length >> (8 * i) & 0xFFu);
  }
}

void change(Bytes& bytes, const std::vector<Bytes>& corpus, Choices& choices) {
  const std::size_t place = choices.below(bytes.size() + 1);
  const bool inside = place < bytes.size();
  switch (choices.below(8)) {
    case 0:
      if (inside) bytes[place] = static_cast<std::uint8_t>(bytes[place] ^ 1u << choices.below(8));
      return;
    case 1:
      if (inside) bytes[place] = static_cast<std::uint8_t>(choices.below(256));
      return;
    case 2:
      return write_length(bytes, choices);
    case 3:
      return insert(bytes, place, kWords[choices.below(kWords.size())]);
    case 4: {  // a digit for another: lengths and offsets that are slightly wrong
      const auto digit =
          std::find_if(bytes.begin() + static_cast<std::ptrdiff_t>(place), bytes.end(),
                       [](std::uint8_t c) { return c >= '0' && c <= '9'; });
      if (digit != bytes.end()) *digit = static_cast<std::uint8_t>('0' + choices.below(10));
      return;
    }
    case 5: {
      const std::size_t size = std::min(1 + choices.below(16), bytes.size() - place);
      const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(place);
      bytes.erase(begin, begin + static_cast<std::ptrdiff_t>(size));
      return;
    }
    case 6: {
      const Bytes piece = piece_of(bytes, choices);
      bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(place), piece.begin(), piece.end());
      return;
    }
    default: {
      const Bytes piece = piece_of(corpus[choices.below(corpus.size())], choices);
      bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(place), piece.begin(), piece.end());
    }
  }
}

}  // namespace

Bytes mutated(const std::vector<Bytes>& corpus, std::uint64_t seed, std::uint64_t i) {
  Choices choices(seed, i);
  Bytes bytes = corpus[choices.below(corpus.size())];
  const std::size_t num_changes = 1 + choices.below(6);
  for (std::size_t c = 0; c < num_changes; ++c) change(bytes, corpus, choices);
  if (bytes.size() > kMaxBytes) bytes.resize(kMaxBytes);
  return bytes;
}

}  // namespace tessera::fuzz
