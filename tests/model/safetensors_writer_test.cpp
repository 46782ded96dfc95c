#include "model/safetensors_writer.hpp"

#include <algorithm>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "model/safetensors_file.hpp"
#include "tests/model/safetensors_bytes.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera::model {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

/// A tensor whose bytes are all @p value.
TensorToWrite filled(std::string name, DType type, std::vector<std::size_t> shape, int value = 1) {
  return {std::move(name), {type, std::move(shape)}, [value](std::span<std::byte> out) {
            std::ranges::fill(out, static_cast<std::byte>(value));
          }};
}

TEST(PlanShards, FillsInOrderUpToTheLimit) {
  const std::vector<TensorToWrite> tensors{filled("a", DType::u8, {4}), filled("b", DType::u8, {4}),
                                           filled("c", DType::u8, {9}),
                                           filled("d", DType::u8, {1})};
  EXPECT_THAT(plan_files(tensors, 100).members, ElementsAre(ElementsAre(0, 1, 2, 3)));
  EXPECT_THAT(plan_files(tensors, 8).members,
              ElementsAre(ElementsAre(0, 1), ElementsAre(2), ElementsAre(3)));
  EXPECT_THAT(plan_files(tensors, 7).members,
              ElementsAre(ElementsAre(0), ElementsAre(1), ElementsAre(2), ElementsAre(3)));
  EXPECT_EQ(plan_files(tensors, 0).members.size(), 4u);
  EXPECT_EQ(plan_files(tensors, 10).members.size(), 2u);  // c and d together fill it exactly
}

/// The whole file, byte for byte: header keys sorted, wide elements first, padded with spaces.
TEST(WriteSafetensors, WritesTheseBytes) {
  const test::TemporaryFolder folder;
  const std::vector<TensorToWrite> tensors{filled("z", DType::u8, {3}, 'z'),
                                           filled("b", DType::f16, {1, 2}, 'b'),
                                           filled("a", DType::f16, {}, 'a')};
  EXPECT_THAT(write_safetensors(folder.path(), tensors, 100), ElementsAre("model.safetensors"));
  std::string header =
      R"({"__metadata__":{"format":"pt"},"a":{"data_offsets":[0,2],"dtype":"F16","shape":[]},)"
      R"("b":{"data_offsets":[2,6],"dtype":"F16","shape":[1,2]},)"
      R"("z":{"data_offsets":[6,9],"dtype":"U8","shape":[3]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  EXPECT_EQ(read_text_file(folder / "model.safetensors"),
            test::safetensors_bytes(header, "aabbbbzzz"));
}

TEST(WriteSafetensors, FilesOfAnotherStemCarryTheirOwnTexts) {
  const test::TemporaryFolder folder;
  const std::vector<TensorToWrite> tensors{filled("a", DType::u8, {3}),
                                           filled("b", DType::u8, {2})};
  const ShardedFiles files = plan_files(tensors, 3, "other");
  EXPECT_THAT(files.names,
              ElementsAre("other-00001-of-00002.safetensors", "other-00002-of-00002.safetensors"));
  EXPECT_THAT(plan_files(tensors, 5, "other").names, ElementsAre("other.safetensors"));
  for (std::size_t s = 0; s < 2; ++s) {
    write_safetensors_file(folder / files.names[s], tensors, files.members[s], {{"key", "\"text"}});
  }
  EXPECT_TRUE(write_index(folder.path(), tensors, files, "other"));
  EXPECT_TRUE(std::filesystem::exists(folder / "other.safetensors.index.json"));
  const SafetensorsFolder read(folder.path(), "other");
  EXPECT_THAT(read.names(), ElementsAre("a", "b"));
  for (const SafetensorsFile& file : read.files()) {
    EXPECT_THAT(file.metadata(),
                ElementsAre(testing::Pair("format", "pt"), testing::Pair("key", "\"text")));
  }
  EXPECT_THROW(write_safetensors_file(folder / "x", tensors, files.members[0], {{"format", "x"}}),
               Bug);
  EXPECT_THROW(SafetensorsFolder(folder.path()), InputError);
}

TEST(WriteSafetensors, ShardsReadBackThroughTheirIndex) {
  const test::TemporaryFolder folder;
  std::vector<TensorToWrite> tensors;
  for (int i = 0; i < 7; ++i) {
    tensors.push_back(filled("t" + std::to_string(i), i % 2 == 0 ? DType::u8 : DType::i32,
                             {static_cast<std::size_t>(i)}, i));
  }
  const auto files = write_safetensors(folder.path(), tensors, 20);
  ASSERT_GT(files.size(), 2u);
  EXPECT_EQ(files.back(), "model.safetensors.index.json");
  const SafetensorsFolder read(folder.path());
  EXPECT_EQ(read.files().size(), files.size() - 1);
  EXPECT_EQ(read.names().size(), 7u);
  for (int i = 0; i < 7; ++i) {
    for (const std::byte byte : read.bytes("t" + std::to_string(i))) EXPECT_EQ(byte, std::byte(i));
  }
  for (const SafetensorsFile& file : read.files()) {
    for (const auto& [name, entry] : file.entries()) {
      EXPECT_EQ(entry.offset % size_of(entry.info.dtype), 0u) << name;
    }
  }
}

TEST(WriteSafetensors, FillsInTheGivenOrderOneAtATime) {
  const test::TemporaryFolder folder;
  std::string order;
  const auto recording = [&](std::string name, DType type) {
    return TensorToWrite{
        name, {type, {1}}, [&order, name](std::span<std::byte>) { order += name; }};
  };
  write_safetensors(
      folder.path(),
      {recording("c", DType::u8), recording("a", DType::i64), recording("b", DType::u8)}, 100);
  EXPECT_EQ(order, "cab");
}

TEST(WriteSafetensors, AFailedFillLeavesNoFile) {
  const test::TemporaryFolder folder;
  const TensorToWrite failing{
      "a", {DType::u8, {1}}, [](std::span<std::byte>) { throw InputError("no such unit"); }};
  EXPECT_THAT([&] { write_safetensors(folder.path(), {failing}, 10); },
              ThrowsMessage<InputError>(HasSubstr("no such unit")));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(WriteSafetensors, WhatTheMachineRefusesNamesThePath) {
  const test::TemporaryFolder folder;
  EXPECT_THAT([&] { write_safetensors(folder / "absent", {filled("a", DType::u8, {1})}, 10); },
              ThrowsMessage<MachineError>(HasSubstr("absent/model.safetensors.tmp")));
}

TEST(WriteSafetensors, NamesMustDiffer) {
  const test::TemporaryFolder folder;
  const auto one = filled("a", DType::u8, {1});
  EXPECT_THROW(write_safetensors(folder.path(), {one, one}, 10), Bug);
  EXPECT_THROW(write_safetensors(folder.path(), {filled("__metadata__", DType::u8, {1})}, 10), Bug);
  EXPECT_THROW(write_safetensors(folder.path(), {}, 10), Bug);
}

}  // namespace
}  // namespace tessera::model
