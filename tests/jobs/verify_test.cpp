#include "jobs/verify.hpp"

#include <fstream>
#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/atomic_file.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"
#include "format/manifest.hpp"
#include "jobs/gate/output_files.hpp"
#include "jobs/inspect.hpp"
#include "tests/end_to_end/tiny_job.hpp"
#include "tests/format/random_residual.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera::jobs {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

/// One run, of which each test damages a copy.
class VerifyTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    made_ = std::make_unique<test::TemporaryFolder>();
    const QuantizeJob job = test::write_tiny_job(made_->path(), {.num_blocks = 2});
    test::run_job(job);
  }
  static void TearDownTestSuite() { made_.reset(); }

  VerifyTest() {
    fs::copy(*made_ / "out", output(), fs::copy_options::recursive);
    fs::copy(*made_ / "work", work(), fs::copy_options::recursive);
  }
  fs::path output() const { return folder_ / "out"; }
  fs::path work() const { return folder_ / "work"; }

  static void flip_byte(const fs::path& file, std::streamoff from_end) {
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekg(-from_end, std::ios::end);
    const char byte = static_cast<char>(stream.get() ^ 0x40);
    stream.seekp(-from_end, std::ios::end);
    stream.put(byte);
  }
  /// As if the damage had been there when the output was made.
  void write_manifest_again() {
    format::Manifest manifest = format::read_manifest(output());
    manifest.files.clear();
    for (const std::string& file : format::files_below(output())) {
      manifest.files[file] = format::record_of(output() / file);
    }
    format::write_manifest(output(), manifest);
  }

  /// As if the run had made a residual of a layer that is [24, 36].
  void write_residual(const std::string& layer, const std::string& base_digest) {
    test::Residuals residuals;
    residuals[layer] = test::random_residual(24, 36, 4);
    format::ResidualInfo info = test::residual_info(4);
    info.base_digest = base_digest;
    test::write_residuals(output(), residuals, info);
    format::Manifest manifest = format::read_manifest(output());
    const OutputFiles files(output());
    for (const auto& [tensor, holders] : files.tensors()) {
      if (manifest.tensors.contains(tensor)) continue;
      const model::SafetensorsFile& file = *holders.front()->content;
      manifest.tensors[tensor] = {file.entry(tensor).info.to_text(),
                                  digest_of_bytes(file.bytes(tensor))};
    }
    format::write_manifest(output(), manifest);
    write_manifest_again();
  }

  test::TemporaryFolder folder_;
  static std::unique_ptr<test::TemporaryFolder> made_;
};
std::unique_ptr<test::TemporaryFolder> VerifyTest::made_;

TEST_F(VerifyTest, AFolderThatIsNeitherIsRefused) {
  EXPECT_THAT([&] { verify(folder_ / "nowhere"); },
              ThrowsMessage<InputError>(
                  AllOf(HasSubstr("nowhere is not a folder"), HasSubstr("tessera_manifest.json"))));
  EXPECT_THAT([&] { verify(*made_ / "model"); },
              ThrowsMessage<InputError>(HasSubstr("is neither an output nor a work folder")));
}

TEST_F(VerifyTest, WhatARunMadeIsSoundAndStaysAsItIs) {
  for (const fs::path& path : {output(), work()}) {
    const auto before = test::contents_of(path);
    const Verification found = verify(path);
    EXPECT_THAT(found.findings, IsEmpty());
    EXPECT_THAT(found.remarks, IsEmpty());
    EXPECT_GT(found.num_files, 0u);
    EXPECT_TRUE(to_json(found).at("sound").boolean());
    EXPECT_EQ(test::contents_of(path), before);
  }
  EXPECT_GT(verify(output()).num_tensors, 14u);
}

TEST_F(VerifyTest, AFlippedByteOfTheWeightsIsFound) {
  flip_byte(output() / "model.safetensors", 1);
  const Verification found = verify(output());
  EXPECT_FALSE(found.is_sound());
  EXPECT_THAT(found.findings,
              Contains(AllOf(HasSubstr("model.safetensors"), HasSubstr("was changed"))));
}

TEST_F(VerifyTest, AMissingFileACutOneAndADamagedManifestAreFound) {
  fs::resize_file(output() / "model.safetensors",
                  fs::file_size(output() / "model.safetensors") - 1);
  EXPECT_THAT(verify(output()).findings, Contains(HasSubstr("bytes (the manifest says")));
  fs::remove(output() / "model.safetensors");
  EXPECT_THAT(verify(output()).findings, Contains(HasSubstr("is missing")));
  write_file_atomically(output() / "tessera_manifest.json", "{");
  EXPECT_THAT(verify(output()).findings, Contains(HasSubstr("tessera_manifest.json")));
}

TEST_F(VerifyTest, ATensorThatNoDigestBetraysIsReadToo) {
  // config.json asks for more than the file holds, and the digests are those of what is there.
  std::string config = read_text_file(output() / "config.json");
  const std::string key = "\"vocab_size\": 61";
  ASSERT_NE(config.find(key), std::string::npos);
  config.replace(config.find(key), key.size(), "\"vocab_size\": 62");
  write_file_atomically(output() / "config.json", config);
  write_manifest_again();
  EXPECT_THAT(verify(output()).findings,
              ElementsAre(AllOf(HasSubstr("model.embed_tokens.weight"), HasSubstr("[62, 24]")),
                          HasSubstr("vocab_size is 62 (it was made as 61)")));
}

TEST_F(VerifyTest, NumbersThatAreNotFiniteAreFoundByPlace) {
  // Every byte of data is 0xFF: a NaN in each floating type, an index beyond every codebook.
  const fs::path file = output() / "model.safetensors";
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  const auto size = static_cast<std::streamoff>(fs::file_size(file));
  std::uint64_t header = 0;
  stream.read(reinterpret_cast<char*>(&header), sizeof header);
  const std::streamoff data = 8 + static_cast<std::streamoff>(header);
  stream.seekp(data);
  for (std::streamoff i = data; i < size; ++i) stream.put('\xFF');
  stream.close();
  write_manifest_again();
  const Verification found = verify(output());
  EXPECT_THAT(found.findings, Contains(AllOf(HasSubstr("model.embed_tokens.weight"),
                                             HasSubstr("nan"), HasSubstr("row 0, column 0"))));
  EXPECT_GT(found.findings.size(), 14u);  // each packed layer's reader refuses its own
}

TEST_F(VerifyTest, ResidualsAreReadAndThoseOfTheseWeights) {
  const std::size_t num_tensors = verify(output()).num_tensors;
  const std::string digest = format::base_digest_of(output());
  write_residual("model.layers.1.mlp.down_proj", digest);
  Verification found = verify(output());
  EXPECT_THAT(found.findings, IsEmpty());
  EXPECT_EQ(found.num_tensors, num_tensors + 5);

  const JsonValue inspected = inspect(output());
  EXPECT_EQ(inspected.at("kind").text(), "packed model");
  EXPECT_EQ(inspected.at("residual").at("base_digest").text(), digest);
  EXPECT_EQ(inspected.at("residuals").items().at(0).at("in_features").integer(), 36);

  write_residual("model.layers.2.mlp.down_proj", digest);
  EXPECT_THAT(verify(output()).findings, Contains(HasSubstr("is no linear layer of the blocks")));
  write_residual("model.layers.1.mlp.down_proj", std::string(64, '0'));
  EXPECT_THAT(verify(output()).findings, Contains(HasSubstr("begins with 000000000000,")));
}

TEST_F(VerifyTest, ADamagedResidualIsNamed) {
  write_residual("model.layers.1.mlp.down_proj", format::base_digest_of(output()));
  const fs::path file = output() / format::kResidualFileName;
  flip_byte(file, 1);  // of the norms or scales, which come last
  EXPECT_THAT(verify(output()).findings, Contains(HasSubstr("was changed")));
  fs::resize_file(file, fs::file_size(file) - 2);
  write_manifest_again();
  EXPECT_THAT(verify(output()).findings, Contains(HasSubstr("the file is cut short")));
}

TEST_F(VerifyTest, AWorkFileThatWasChangedOrIsGoneIsFoundAndLeftWhereItIs) {
  const std::string file = "solved/block-00000/mlp.up_proj.h5";
  flip_byte(work() / file, 1);
  fs::remove(work() / "solved/block-00001/mlp.up_proj.h5");
  fs::copy_file(work() / "solved/block-00000/mlp.gate_proj.h5",
                work() / "solved/block-00001/mlp.gate_proj.h5",
                fs::copy_options::overwrite_existing);
  const Verification found = verify(work());
  EXPECT_THAT(found.findings,
              ElementsAre(AllOf(HasSubstr(file), HasSubstr("damaged")),
                          AllOf(HasSubstr("block-00001/mlp.gate_proj.h5"),
                                HasSubstr("not what was committed")),
                          AllOf(HasSubstr("block-00001/mlp.up_proj.h5"), HasSubstr("is gone"))));
  EXPECT_TRUE(fs::exists(work() / file));
  EXPECT_FALSE(fs::exists(work() / (file + ".bad")));
}

TEST_F(VerifyTest, ATornJournalIsARemarkAndAnEmptyOneAFinding) {
  std::ofstream(work() / "journal.jsonl", std::ios::app) << "{\"commit\":";
  EXPECT_TRUE(verify(work()).is_sound());
  EXPECT_THAT(verify(work()).remarks, ElementsAre(HasSubstr("1 damaged lines")));
  write_file_atomically(work() / "journal.jsonl", "");
  EXPECT_THAT(verify(work()).findings, ElementsAre(HasSubstr("does not say whose run")));
}

}  // namespace
}  // namespace tessera::jobs
