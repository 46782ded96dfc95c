#include "model/safetensors_file.hpp"

#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "model/safetensors_writer.hpp"
#include "tests/model/safetensors_bytes.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera::model {
namespace {

using test::input_error_of;
using test::safetensors_bytes;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(SafetensorsFile, ReadsTensorsOfEveryFloatingTypeAtOddOffsets) {
  const test::TemporaryFolder folder;
  // 1.5 as F16, BF16, F32 behind one byte, so that nothing is aligned.
  write_file_atomically(
      folder / "x",
      safetensors_bytes(R"({"byte":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                        R"("half":{"dtype":"F16","shape":[1],"data_offsets":[1,3]},)"
                        R"("brain":{"dtype":"BF16","shape":[1,1],"data_offsets":[3,5]},)"
                        R"("single":{"dtype":"F32","shape":[],"data_offsets":[5,9]},)"
                        R"("none":{"dtype":"F32","shape":[0,7],"data_offsets":[9,9]}} )",
                        std::string("\x07\x00\x3e\xc0\x3f\x00\x00\xc0\x3f", 9)));
  const SafetensorsFile file(folder / "x");
  EXPECT_THAT(file.names(), ElementsAre("brain", "byte", "half", "none", "single"));
  for (const char* name : {"half", "brain", "single"}) {
    float value = 0;
    file.read(name, {&value, 1});
    EXPECT_EQ(value, 1.5f) << name;
  }
  file.read("none", {});
  EXPECT_EQ(file.bytes("byte")[0], std::byte{7});
  std::byte byte{};
  file.read_bytes("byte", {&byte, 1});
  EXPECT_EQ(byte, std::byte{7});

  float value = 0;
  file.read_rows("brain", {0, 1}, {&value, 1});
  EXPECT_EQ(value, 1.5f);
  file.read_rows("brain", {1, 1}, {});
  EXPECT_THROW(file.read_rows("brain", {0, 2}, {&value, 1}), Bug);
  EXPECT_THROW(file.read_rows("half", {0, 1}, {&value, 1}), Bug);  // no matrix
  EXPECT_THAT(input_error_of([&] {
                file.read("byte", {&value, 1});
              }),
              HasSubstr("'byte' is U8 [1]"));
  EXPECT_THAT(input_error_of([&] {
                file.read("other", {&value, 1});
              }),
              HasSubstr("holds no tensor 'other'"));
  EXPECT_THROW(file.read("half", {}), Bug);
}

TEST(SafetensorsFile, AnUnknownTypeIsAnErrorWhenItIsReadOnly) {
  const test::TemporaryFolder folder;
  write_file_atomically(
      folder / "x",
      safetensors_bytes(R"({"a":{"dtype":"F8_E5M2","shape":[1],"data_offsets":[0,1]}})", "x"));
  const SafetensorsFile file(folder / "x");
  EXPECT_TRUE(file.contains("a"));
  EXPECT_THAT(file.names(), ElementsAre("a"));
  EXPECT_THAT(input_error_of([&] { static_cast<void>(file.bytes("a")); }),
              AllOf(HasSubstr("tensor 'a'"), HasSubstr("'F8_E5M2'")));
}

/// Around the piece of 4 MiB that is read at a time.
TEST(SafetensorsFile, LongTensorsAreReadInPieces) {
  const test::TemporaryFolder folder;
  constexpr std::size_t kPiece = std::size_t{2} << 20;  // halves
  for (const std::size_t count : {kPiece - 1, kPiece, kPiece + 1, 2 * kPiece + 3}) {
    std::vector<std::uint16_t> halves(count);
    for (std::size_t i = 0; i < count; ++i) halves[i] = static_cast<std::uint16_t>(i % 0x7C00);
    const TensorToWrite tensor{"t", {DType::f16, {count}}, [&](std::span<std::byte> out) {
                                 std::memcpy(out.data(), halves.data(), out.size());
                               }};
    write_safetensors(folder.path(), {tensor}, 1);
    const SafetensorsFile file(folder / "model.safetensors");
    std::vector<float> values(count);
    file.read("t", values);
    std::vector<std::uint16_t> stored(count);
    file.read_bytes("t", std::as_writable_bytes(std::span(stored)));
    EXPECT_EQ(stored, halves);
    for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(values[i], float_from_f16(halves[i])) << i;
  }
}

TEST(SafetensorsFile, ErrorsNameTheFile) {
  const test::TemporaryFolder folder;
  EXPECT_THAT(input_error_of([&] { SafetensorsFile(folder / "absent"); }), HasSubstr("absent"));
  write_file_atomically(folder / "empty", "");
  EXPECT_THAT(input_error_of([&] { SafetensorsFile(folder / "empty"); }),
              HasSubstr((folder / "empty").string() + ": the file is 0 bytes long"));
}

}  // namespace
}  // namespace tessera::model
