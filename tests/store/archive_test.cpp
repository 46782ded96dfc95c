#include "store/archive.hpp"

#include <fstream>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/digest.hpp"
#include "core/error.hpp"
#include "store/sealed_file.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera::store {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

enum class Colour : std::uint8_t { red, green, blue };

struct Inner {
  double loss = 0;
  std::vector<float> scale;
};
template <class Archive>
void archive(Archive& a, Inner& i) {
  a("loss", i.loss);
  a("scale", i.scale);
}

/// One of everything a field may be.
struct Everything {
  bool is_done = false;
  Colour colour = Colour::red;
  std::uint64_t count = 0;
  int offset = 0;
  float small = 0;
  std::string text;
  std::vector<std::string> texts;
  std::vector<std::uint8_t> bytes;
  std::vector<std::int32_t> numbers;
  std::vector<double> none;
  Matrix<std::uint16_t> codes;
  Matrix<float> no_rows, no_columns;
  Matrix<double> triangle;
  Inner inner;
  std::vector<Inner> list;
};
template <class Archive>
void archive(Archive& a, Everything& e) {
  a("is_done", e.is_done);
  a("colour", e.colour);
  a("count", e.count);
  a("offset", e.offset);
  a("small", e.small);
  a("text", e.text);
  a("texts", e.texts);
  a("bytes", e.bytes);
  a("numbers", e.numbers);
  a("none", e.none);
  a("codes", e.codes);
  a("no_rows", e.no_rows);
  a("no_columns", e.no_columns);
  a("triangle", e.triangle, typename Archive::LowerTriangle{});
  a("inner", e.inner);
  a("list", e.list);
}

Everything make_everything() {
  Everything e;
  e.is_done = true;
  e.colour = Colour::blue;
  e.count = std::numeric_limits<std::uint64_t>::max();
  e.offset = -7;
  e.small = 0.1F;
  e.text = "Ünïcode, two\nlines";
  e.texts = {"", "one", "longer than one"};
  e.bytes = {0, 255};
  e.numbers = {-1, 0, std::numeric_limits<std::int32_t>::min()};
  e.codes = Matrix<std::uint16_t>(7, 3);
  for (std::size_t k = 0; k < e.codes.size(); ++k)
    e.codes.data()[k] = static_cast<std::uint16_t>(65535 - k);
  e.no_rows = Matrix<float>(0, 576);
  e.no_columns = Matrix<float>(5, 0);
  e.triangle = Matrix<double>(4, 4);
  for (std::size_t k = 0; k < 16; ++k) e.triangle.data()[k] = 1.5 * static_cast<double>(k);
  e.inner = {0.25, {1.0F, 2.0F}};
  e.list = {{1, {}}, {2, {3.0F}}};
  return e;
}

std::string content_of(const std::filesystem::path& file) {
  return read_text_file(file);
}

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const InputError& error) {
    return error.what();
  }
  return "(no InputError)";
}

const Identity kIdentity = {{"kind", "everything"}, {"version", "1"}, {"model", ""}};

TEST(Archive, BringsBackEverything) {
  const test::TemporaryFolder folder;
  const Everything saved = make_everything();
  const std::string digest = save(folder / "a.h5", kIdentity, saved);
  EXPECT_EQ(digest, require_sealed(folder / "a.h5"));
  EXPECT_FALSE(std::filesystem::exists(folder / "a.h5.tmp"));

  Everything loaded;
  load(folder / "a.h5", kIdentity, loaded);
  EXPECT_TRUE(loaded.is_done);
  EXPECT_EQ(loaded.colour, Colour::blue);
  EXPECT_EQ(loaded.count, saved.count);
  EXPECT_EQ(loaded.offset, -7);
  EXPECT_EQ(loaded.small, 0.1F);
  EXPECT_EQ(loaded.text, saved.text);
  EXPECT_EQ(loaded.texts, saved.texts);
  EXPECT_EQ(loaded.bytes, saved.bytes);
  EXPECT_EQ(loaded.numbers, saved.numbers);
  EXPECT_TRUE(loaded.none.empty());
  ASSERT_EQ(loaded.codes.rows(), 7U);
  ASSERT_EQ(loaded.codes.cols(), 3U);
  EXPECT_THAT(std::vector(loaded.codes.span().begin(), loaded.codes.span().end()),
              ::testing::ElementsAreArray(saved.codes.span()));
  EXPECT_EQ(loaded.no_rows.rows(), 0U);
  EXPECT_EQ(loaded.no_rows.cols(), 576U);
  EXPECT_EQ(loaded.no_columns.rows(), 5U);
  EXPECT_EQ(loaded.no_columns.cols(), 0U);
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::size_t j = 0; j < 4; ++j) {
      EXPECT_EQ(loaded.triangle(i, j), j <= i ? saved.triangle(i, j) : 0.0);
    }
  }
  EXPECT_EQ(loaded.inner.loss, 0.25);
  EXPECT_THAT(loaded.inner.scale, ElementsAre(1.0F, 2.0F));
  ASSERT_EQ(loaded.list.size(), 2U);
  EXPECT_TRUE(loaded.list[0].scale.empty());
  EXPECT_THAT(loaded.list[1].scale, ElementsAre(3.0F));
}

TEST(Archive, ReplacesWhatAnObjectHeldBefore) {
  const test::TemporaryFolder folder;
  save(folder / "a.h5", kIdentity, Everything{});
  Everything loaded = make_everything();
  load(folder / "a.h5", kIdentity, loaded);
  EXPECT_EQ(loaded.text, "");
  EXPECT_TRUE(loaded.texts.empty());
  EXPECT_TRUE(loaded.bytes.empty());
  EXPECT_TRUE(loaded.codes.empty());
  EXPECT_EQ(loaded.triangle.rows(), 0U);
  EXPECT_TRUE(loaded.list.empty());
}

TEST(Archive, TwoSavesOfTheSameAreTheSameBytes) {
  const test::TemporaryFolder folder;
  EXPECT_EQ(save(folder / "a.h5", kIdentity, make_everything()),
            save(folder / "b.h5", kIdentity, make_everything()));
  EXPECT_EQ(content_of(folder / "a.h5"), content_of(folder / "b.h5"));
}

TEST(Archive, ArraysLongerThanAChunkSurvive) {
  const test::TemporaryFolder folder;
  for (const std::size_t n :
       {std::size_t{131071}, std::size_t{131072}, std::size_t{131073}, std::size_t{300001}}) {
    Inner inner{0, std::vector<float>(2 * n)};
    for (std::size_t k = 0; k < inner.scale.size(); ++k)
      inner.scale[k] = static_cast<float>(k % 8191);
    save(folder / "a.h5", kIdentity, inner);
    Inner loaded;
    load(folder / "a.h5", kIdentity, loaded);
    EXPECT_EQ(loaded.scale, inner.scale) << n;
    EXPECT_LT(std::filesystem::file_size(folder / "a.h5"), 8 * n + (std::size_t{64} << 10))
        << "wasted room";
  }
}

struct Triangle {
  Matrix<double> values;
};
template <class Archive>
void archive(Archive& a, Triangle& t) {
  a("values", t.values, typename Archive::LowerTriangle{});
}

TEST(Archive, LowerTrianglesOfEverySizeSurvive) {
  const test::TemporaryFolder folder;
  for (const std::size_t n : {std::size_t{0}, std::size_t{1}, std::size_t{2}, std::size_t{511},
                              std::size_t{513}, std::size_t{700}}) {
    Triangle saved{Matrix<double>(n, n)};
    for (std::size_t k = 0; k < saved.values.size(); ++k)
      saved.values.data()[k] = static_cast<double>(k + 1);
    save(folder / "a.h5", kIdentity, saved);
    Triangle loaded;
    load(folder / "a.h5", kIdentity, loaded);
    ASSERT_EQ(loaded.values.rows(), n);
    ASSERT_EQ(loaded.values.cols(), n);
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        ASSERT_EQ(loaded.values(i, j), j <= i ? saved.values(i, j) : 0.0)
            << n << " " << i << " " << j;
      }
    }
  }
}

TEST(Archive, ReadsAPartAndSaysWhatThereIs) {
  const test::TemporaryFolder folder;
  save(folder / "a.h5", kIdentity, make_everything());
  ArchiveReader reader(folder / "a.h5");
  EXPECT_EQ(reader.identity(), kIdentity);
  EXPECT_TRUE(reader.contains("inner"));
  EXPECT_FALSE(reader.contains("outer"));
  reader.begin_group("inner");
  EXPECT_TRUE(reader.contains("loss"));
  EXPECT_FALSE(reader.contains("inner"));
  double loss = 0;
  reader("loss", loss);
  EXPECT_EQ(loss, 0.25);
  reader.end_group();
  EXPECT_TRUE(reader.contains("text"));
}

TEST(Archive, RefusesAnotherIdentityNamingBothValues) {
  const test::TemporaryFolder folder;
  save(folder / "a.h5", {{"kind", "tokens"}, {"model", "abc"}}, Inner{});
  Inner inner;
  EXPECT_NO_THROW(load(folder / "a.h5", {}, inner));
  EXPECT_NO_THROW(load(folder / "a.h5", {{"kind", "tokens"}}, inner));
  EXPECT_THAT(message_of([&] {
                load(folder / "a.h5", {{"kind", "tokens"}, {"model", "def"}}, inner);
              }),
              AllOf(HasSubstr("a.h5"), HasSubstr("model is 'abc', wanted is 'def'")));
  EXPECT_THAT(message_of([&] {
                load(folder / "a.h5", {{"shard", "3"}}, inner);
              }),
              HasSubstr("shard is not given, wanted is '3'"));
}

TEST(Archive, NamesFileAndFieldOfWhatDoesNotFit) {
  const test::TemporaryFolder folder;
  const auto file = folder / "a.h5";
  save(file, kIdentity, make_everything());
  ArchiveReader reader(file);
  double real = 0;
  std::uint8_t byte = 0;
  std::string text;
  Matrix<float> matrix;
  Matrix<double> triangle;
  std::vector<float> floats;
  std::vector<Inner> list;
  const auto expect = [&](const std::string& field, const std::string& problem,
                          const std::function<void()>& read) {
    EXPECT_THAT(message_of(read),
                AllOf(HasSubstr(file.string() + ": field '" + field + "'"), HasSubstr(problem)));
  };
  expect("loss", "is missing", [&] { reader("loss", real); });
  expect("loss/deeper", "is missing", [&] { reader.begin_group("loss/deeper"); });
  expect("text", "f64 is expected", [&] { reader("text", real); });
  expect("count", "f64 is expected", [&] { reader("count", real); });
  expect("count", "too large", [&] { reader("count", byte); });
  expect("count", "text of fixed length is expected", [&] { reader("count", text); });
  expect("texts", "has 1 dimensions (0 are expected)", [&] { reader("texts", text); });
  expect("codes", "f32 is expected", [&] { reader("codes", matrix); });
  expect("no_rows", "has 2 dimensions (1 are expected)", [&] { reader("no_rows", floats); });
  expect("inner", "is a group", [&] { reader("inner", floats); });
  expect("text", "is a value (a group is expected)", [&] { reader.begin_group("text"); });
  expect("inner/count", "is missing", [&] { reader("inner", list); });
}

TEST(Archive, ALowerTriangleHasATriangularNumberOfValues) {
  const test::TemporaryFolder folder;
  {
    ArchiveWriter writer(folder / "a.h5", {});
    writer("values", std::vector<double>(5));
    writer.close();
  }
  Triangle triangle;
  EXPECT_THAT(message_of([&] { load(folder / "a.h5", {}, triangle); }),
              HasSubstr("'values' has 5 values"));
}

TEST(Archive, OurOwnMistakesAreBugs) {
  const test::TemporaryFolder folder;
  ArchiveWriter writer(folder / "a.h5", {});
  writer("x", 1.0);
  EXPECT_THROW(writer("x", 2.0), Bug);
  EXPECT_THROW(writer("a/b", 2.0), Bug);
  EXPECT_THROW(writer("", 2.0), Bug);
  EXPECT_THROW(writer("nul", std::string("a\0b", 3)), Bug);
  EXPECT_THROW(writer("oblong", Matrix<double>(2, 3), ArchiveWriter::LowerTriangle{}), Bug);
  EXPECT_THROW(writer.end_group(), Bug);
  writer.begin_group("open");
  EXPECT_THROW(writer.close(), Bug);
}

TEST(Archive, AFailedSaveLeavesNothing) {
  const test::TemporaryFolder folder;
  EXPECT_THROW(save(folder / "missing" / "a.h5", kIdentity, Inner{}), MachineError);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace tessera::store
