#include "model/safetensors_header.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "core/error.hpp"
#include "model/quoted_name.hpp"
#include "model/safetensors_header_json.hpp"

namespace tessera::model {
namespace {

// Lengths and elements are read as they lie in the file.
static_assert(std::endian::native == std::endian::little);

constexpr std::size_t kLengthBytes = 8;

/// The header's JSON text, or an error that says which length is wrong.
std::string_view header_text(std::span<const std::byte> file, const std::string& origin) {
  if (file.size() < kLengthBytes) {
    throw InputError(
        fmt::format("{}: the file is {} bytes long (a safetensors file begins with 8 bytes "
                    "that give the length of its header). Fetch it again.",
                    origin, file.size()));
  }
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), kLengthBytes);
  if (length > file.size() - kLengthBytes) {
    throw InputError(
        fmt::format("{}: the header is said to be {} bytes long, but only {} bytes follow "
                    "(the file is cut short or is no safetensors file). Fetch it again.",
                    origin, length, file.size() - kLengthBytes));
  }
  if (length > kMaxHeaderBytes) {
    throw InputError(
        fmt::format("{}: the header is said to be {} bytes long (at most {} are allowed)", origin,
                    length, kMaxHeaderBytes));
  }
  const auto* text = reinterpret_cast<const char*>(file.data() + kLengthBytes);
  if (length == 0 || *text != '{') {
    throw InputError(
        fmt::format("{}: the header does not begin with '{{' (at offset 8). This is no "
                    "safetensors file.",
                    origin));
  }
  return {text, length};
}

/// Product of the dimensions and the element size; nullopt when it does not fit.
std::optional<std::size_t> bytes_of(const std::vector<std::size_t>& shape, std::size_t element) {
  std::size_t bytes = element;
  for (const std::size_t extent : shape) {
    if (__builtin_mul_overflow(bytes, extent, &bytes)) return std::nullopt;
  }
  return bytes;
}

std::optional<DType> known_type(const std::string& name) {
  try {
    return dtype_from_name(name);
  } catch (const InputError&) {
    return std::nullopt;
  }
}

[[noreturn]] void fail(const std::string& origin, const HeaderTensor& tensor,
                       const std::string& problem) {
  throw InputError(fmt::format("{}: tensor {} {}", origin, quote_name(tensor.name), problem));
}

/// Offsets in order and inside the data, shape in agreement with them.
void check_extent(const HeaderTensor& tensor, std::size_t data_bytes, const std::string& origin) {
  const auto [begin, end] = tensor.offsets;
  if (begin > end)
    fail(origin, tensor, fmt::format("ends at {} before it begins at {}", end, begin));
  if (end > data_bytes) {
    fail(origin, tensor,
         fmt::format("ends at offset {} of the data, which is {} bytes long (the file is "
                     "cut short). Fetch it again.",
                     end, data_bytes));
  }
  const auto type = known_type(tensor.dtype);
  if (!type) return;  // how large its elements are is not known either
  const auto bytes = bytes_of(tensor.shape, size_of(*type));
  if (!bytes || *bytes != end - begin) {
    fail(origin, tensor,
         fmt::format("is {} [{}], which is {} bytes, but its offsets {} to {} hold {}",
                     tensor.dtype, fmt::join(tensor.shape, ", "),
                     bytes ? std::to_string(*bytes) : "far too many", begin, end, end - begin));
  }
}

/// Every byte of data belongs to one tensor: sorted by offset, each begins where the one before
/// ended.
void check_cover(std::vector<HeaderTensor>& tensors, std::size_t data_bytes,
                 const std::string& origin) {
  std::ranges::sort(tensors, {}, &HeaderTensor::offsets);
  std::size_t covered = 0;
  for (const HeaderTensor& tensor : tensors) {
    const std::size_t begin = tensor.offsets[0];
    if (begin < covered) {
      fail(origin, tensor,
           fmt::format("begins at offset {} inside another tensor, which ends at {}", begin,
                       covered));
    }
    if (begin > covered) {
      fail(origin, tensor,
           fmt::format("begins at offset {}, but the tensors before it end at {} (no "
                       "bytes may lie between tensors)",
                       begin, covered));
    }
    covered = tensor.offsets[1];
  }
  if (covered != data_bytes) {
    throw InputError(
        fmt::format("{}: the tensors end at offset {} of the data, which is {} bytes long "
                    "(no bytes may lie behind them)",
                    origin, covered, data_bytes));
  }
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::span<const std::byte> file,
                                           const std::string& origin) {
  const std::string_view text = header_text(file, origin);
  HeaderJson json = read_header_json(text, origin);
  const std::size_t data_begin = kLengthBytes + text.size();
  const std::size_t data_bytes = file.size() - data_begin;
  for (const HeaderTensor& tensor : json.tensors) check_extent(tensor, data_bytes, origin);
  check_cover(json.tensors, data_bytes, origin);

  SafetensorsHeader header;
  header.metadata = std::move(json.metadata);
  for (HeaderTensor& tensor : json.tensors) {
    const auto type = known_type(tensor.dtype);
    if (!type) {
      header.unreadable.emplace(std::move(tensor.name), std::move(tensor.dtype));
      continue;
    }
    const auto [begin, end] = tensor.offsets;
    header.entries.emplace(std::move(tensor.name),
                           SafetensorsEntry{.info = {*type, std::move(tensor.shape)},
                                            .offset = data_begin + begin,
                                            .bytes = end - begin});
  }
  return header;
}

}  // namespace tessera::model
