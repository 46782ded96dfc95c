#include "core/error.hpp"
#include "jobs/status.hpp"

namespace tessera::jobs {
namespace {

JsonValue to_json(const StageEvents& stage) {
  const auto number_or_null = [](std::optional<double> number) {
    return number ? JsonValue(*number) : JsonValue();
  };
  return JsonValue::object()
      .set("name", stage.last.stage)
      .set("unit", stage.last.unit)
      .set("done", stage.last.done)
      .set("total", stage.last.total)
      .set("done_cost", stage.last.done_cost)
      .set("detail", stage.last.detail)
      .set("seconds", stage.seconds())
      .set("units_per_second", number_or_null(stage.rate()))
      .set("eta_seconds", number_or_null(stage.remaining()));
}

JsonValue ranks_json(const std::vector<RankStatus>& ranks) {
  JsonValue rows = JsonValue::list();
  for (const RankStatus& rank : ranks) {
    rows.append(JsonValue::object()
                    .set("rank", rank.rank)
                    .set("host", rank.host)
                    .set("process", rank.process_id)
                    .set("sign_age_seconds", rank.sign_age_seconds)
                    .set("solved", rank.num_solved));
  }
  return rows;
}

}  // namespace

std::string name_of(RunState state) {
  switch (state) {
    case RunState::nothing:
      return "nothing there";
    case RunState::running:
      return "running";
    case RunState::resumable:
      return "resumable";
    case RunState::finished:
      return "finished";
  }
  throw Bug("a run state without a name");
}

JsonValue to_json(const RunStatus& status) {
  const auto text_or_null = [](const std::string& text) {
    return text.empty() ? JsonValue() : JsonValue(text);
  };
  JsonValue warnings = JsonValue::list();
  for (const std::string& text : status.warnings) warnings.append(text);
  const auto& age = status.progress_age_seconds;
  return JsonValue::object()
      .set("work_dir", status.work_dir.string())
      .set("state", name_of(status.state))
      .set("held_by", text_or_null(status.held_by))
      .set("progress", text_or_null(status.progress))
      .set("blocks", status.num_blocks)
      .set("calibrated_blocks", status.num_calibrated)
      .set("layers", status.num_layers)
      .set("solved_layers", status.num_solved)
      .set("attempts", status.num_attempts)
      .set("stage", status.stage ? to_json(*status.stage) : JsonValue())
      .set("progress_age_seconds", age ? JsonValue(*age) : JsonValue())
      .set("ranks", ranks_json(status.ranks))
      .set("warnings", std::move(warnings))
      .set("error", text_or_null(status.error))
      .set("exit_code", status.exit_code ? JsonValue(*status.exit_code) : JsonValue());
}

}  // namespace tessera::jobs
