// A whole safetensors file, and the same with the header's length put right (most changes make it
// wrong).
#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "core/dtype.hpp"
#include "core/error.hpp"
#include "model/safetensors_header.hpp"
#include "tests/fuzz/fuzz_target.hpp"

namespace {

using namespace tessera;

/// Reads every byte that the header says is there.
void read_all(std::span<const std::byte> file, const model::SafetensorsHeader& header) {
  for (const auto& [name, entry] : header.entries) {
    require(entry.offset <= file.size() && entry.bytes <= file.size() - entry.offset,
            "inside the file");
    require(entry.info.count() * size_of(entry.info.dtype) == entry.bytes,
            "the shape fits the bytes");
    const auto bytes = file.subspan(entry.offset, entry.bytes);
    const DType type = entry.info.dtype;
    if (type != DType::f32 && type != DType::f16 && type != DType::bf16 && type != DType::f64)
      continue;
    std::vector<float> values(entry.info.count());
    convert_to_float(type, bytes.data(), values);
  }
}

void parse(const std::vector<std::uint8_t>& bytes) {
  const auto file = std::as_bytes(std::span(bytes));
  try {
    read_all(file, model::parse_safetensors_header(file, "input"));
  } catch (const InputError&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::uint8_t> bytes(data, data + size);
  parse(bytes);
  const auto last_brace = std::find(bytes.rbegin(), bytes.rend(), '}');
  const auto header_end = static_cast<std::size_t>(bytes.rend() - last_brace);
  if (header_end <= 8) return 0;
  for (std::size_t i = 0; i < 8; ++i) {
    bytes[i] = static_cast<std::uint8_t>((header_end - 8) >> (8 * i) & 0xFFu);
  }
  parse(bytes);
  return 0;
}
