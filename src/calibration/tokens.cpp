#include "calibration/tokens.hpp"

#include <fstream>
#include <string_view>

#include <fmt/format.h>

#include "core/digest.hpp"
#include "core/error.hpp"

namespace fs = std::filesystem;

namespace tessera::calibration {
namespace {

void add_mark(Digest& digest, std::string_view mark) {
  digest.add(std::as_bytes(std::span(mark)));
}

void add_file(Digest& digest, const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in || fs::is_directory(file)) {
    throw InputError(fmt::format("cannot open the text {} (it does not exist or may not be read)",
                                 file.string()));
  }
  std::vector<char> piece(std::size_t{1} << 20);
  while (in.read(piece.data(), static_cast<std::streamsize>(piece.size())) || in.gcount() > 0) {
    digest.add(std::as_bytes(std::span(piece.data(), static_cast<std::size_t>(in.gcount()))));
  }
  if (in.bad()) throw MachineError::from_errno("cannot read " + file.string());
}

}  // namespace

std::string digest_of_texts(const std::vector<fs::path>& files) {
  using namespace std::string_view_literals;
  Digest digest;
  bool is_first = true;
  for (const fs::path& file : files) {
    if (!is_first) add_mark(digest, "\0"sv);
    if (file.extension() == ".jsonl") add_mark(digest, "jsonl\0"sv);
    add_file(digest, file);
    is_first = false;
  }
  return digest.hex();
}

std::span<const std::uint32_t> sample(const TokenStream& stream, std::size_t index,
                                      std::size_t length) {
  require(length > 0, "a sample has at least one token");
  const std::size_t available = stream.tokens.size() / length;
  if (index >= available) {
    throw InputError(fmt::format(
        "sample {} of {} tokens is beyond the text, which has {} tokens ({} such samples). Give a "
        "longer text, or fewer or shorter samples.",
        index, length, stream.tokens.size(), available));
  }
  return std::span(stream.tokens).subspan(index * length, length);
}

void require_samples(const TokenStream& stream, std::size_t num_samples, std::size_t length,
                     const std::string& origin) {
  require(length > 0, "a sample has at least one token");
  const std::size_t available = stream.tokens.size() / length;
  if (available < num_samples) {
    throw InputError(fmt::format(
        "{}: {} tokens are {} samples of {} ({} samples are asked for). Give a longer text, or ask "
        "for fewer or shorter samples.",
        origin, stream.tokens.size(), available, length, num_samples));
  }
}

}  // namespace tessera::calibration
