#include "format/residual_info.hpp"

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "tests/format/random_residual.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera::format {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Pair;
using testing::UnorderedElementsAre;

using Metadata = std::map<std::string, std::string>;

TEST(ResidualInfo, IsWrittenAsTexts) {
  EXPECT_THAT(metadata_of(test::residual_info(3)),
              UnorderedElementsAre(
                  Pair("residual_version", "1"), Pair("bits", "3"), Pair("zero_code", "4"),
                  Pair("chunk", "1024"), Pair("base_method", "vptq"),
                  Pair("base_digest", std::string(64, 'a')),
                  Pair("calibration", "64 samples of 512 tokens, 32768 tokens, seed 0, 0123"),
                  Pair("k_chunk", "16")));
}

TEST(ResidualInfo, ReadsBackWithAndWithoutABudget) {
  for (const std::uint64_t bits : {2, 3, 4, 8}) {
    ResidualInfo info = test::residual_info(bits);
    EXPECT_EQ(residual_info_from(metadata_of(info), "f"), info);
    info.budget = "bytes_per_token 1000000";
    info.k_chunk_of = {{"model.layers.0.mlp.down_proj", 1024}, {"b", 0}};
    Metadata metadata = metadata_of(info);
    metadata["a key of a later program"] = "x";
    metadata["format"] = "pt";
    EXPECT_EQ(residual_info_from(metadata, "f"), info);
  }
}

std::string refusal(const std::function<void(Metadata&)>& spoil) {
  ResidualInfo info = test::residual_info(4);
  info.budget = "bytes_per_token 5";
  info.k_chunk_of = {{"a", 3}};
  Metadata metadata = metadata_of(info);
  spoil(metadata);
  try {
    residual_info_from(metadata, "file.safetensors");
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

TEST(ResidualInfo, EveryKeyIsNeeded) {
  EXPECT_EQ(refusal([](Metadata&) {}), "");
  for (const auto& [key, value] : metadata_of(test::residual_info(4))) {
    EXPECT_THAT(refusal([&](Metadata& m) { m.erase(key); }),
                HasSubstr("file.safetensors: the header has no " + key));
  }
  EXPECT_THAT(refusal([](Metadata& m) { m.erase("k_chunk_of"); }), HasSubstr("no k_chunk_of"));
}

TEST(ResidualInfo, NumbersAreNumbersInTheirRanges) {
  for (const char* key : {"residual_version", "bits", "zero_code", "chunk", "k_chunk"}) {
    for (const char* bad : {"", "x", "-1", " 4", "4.0", "1e3", "99999999999999999999999"}) {
      EXPECT_THAT(refusal([&](Metadata& m) { m[key] = bad; }),
                  AllOf(HasSubstr(key), HasSubstr("'" + std::string(bad) + "'")));
    }
  }
  EXPECT_THAT(refusal([](Metadata& m) { m["bits"] = "5"; }), HasSubstr("2, 3, 4 or 8"));
  EXPECT_THAT(refusal([](Metadata& m) { m["zero_code"] = "0"; }), HasSubstr("zero_code"));
  EXPECT_THAT(refusal([](Metadata& m) { m["chunk"] = "512"; }), HasSubstr("1024 is expected"));
  EXPECT_THAT(refusal([](Metadata& m) { m["k_chunk"] = "1025"; }), HasSubstr("0 to 1024"));
  EXPECT_THAT(refusal([](Metadata& m) { m["base_digest"] = "abc"; }), HasSubstr("64 hexadecimal"));
  EXPECT_THAT(refusal([](Metadata& m) { m["base_digest"] = std::string(64, 'G'); }),
              HasSubstr("64 hexadecimal"));
}

TEST(ResidualInfo, AVersionFromTheFutureIsRefusedByNumber) {
  EXPECT_THAT(refusal([](Metadata& m) { m["residual_version"] = "2"; }),
              AllOf(HasSubstr("version 2"), HasSubstr("newer program")));
  EXPECT_THAT(refusal([](Metadata& m) { m["residual_version"] = "0"; }), HasSubstr("begin at 1"));
}

TEST(ResidualInfo, TheBudgetIsAnObjectOfNumbers) {
  EXPECT_THAT(refusal([](Metadata& m) { m["budget"] = ""; }), HasSubstr("budget in the header"));
  for (const char* bad : {"", "{", "[]", "3", "null"}) {
    EXPECT_THAT(refusal([&](Metadata& m) { m["k_chunk_of"] = bad; }), HasSubstr("k_chunk_of"))
        << bad;
  }
  for (const char* bad : {"-1", "1025", "\"3\"", "null", "1.5", "1e30"}) {
    EXPECT_THAT(
        refusal([&](Metadata& m) { m["k_chunk_of"] = R"({"b": )" + std::string(bad) + "}"; }),
        HasSubstr("file.safetensors"))
        << bad;
  }
}

TEST(BaseDigest, IsThatOfTheWeightsAndTheirNames) {
  const test::TemporaryFolder folder;
  const auto write = [&](const char* name, const char* text) {
    write_file_atomically(folder / name, text);
  };
  write("model-00001-of-00002.safetensors", "x");
  write("model-00002-of-00002.safetensors", "y");
  const std::string digest = base_digest_of(folder.path());
  EXPECT_EQ(digest.size(), 64u);
  write("decdec_residual.safetensors", "z");
  write("config.json", "{}");
  EXPECT_EQ(base_digest_of(folder.path()), digest) << "other files do not count";
  write("model-00002-of-00002.safetensors", "Y");
  EXPECT_NE(base_digest_of(folder.path()), digest);
  write("model-00002-of-00002.safetensors", "x");
  write("model-00001-of-00002.safetensors", "y");
  EXPECT_NE(base_digest_of(folder.path()), digest) << "the same contents, exchanged";
}

TEST(BaseDigest, WithoutWeightsSaysSo) {
  const test::TemporaryFolder folder;
  for (const auto& path : {folder.path(), folder / "absent"}) {
    EXPECT_THAT([&] { base_digest_of(path); },
                testing::ThrowsMessage<InputError>(HasSubstr("holds no model*.safetensors")));
  }
}

}  // namespace
}  // namespace tessera::format
