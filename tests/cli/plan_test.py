"""tessera plan: what a job will cost, from headers alone, and what new users get wrong."""

import json
import unittest

from program import DATA, ROOT, ProgramTest, write_tiny_model

GATE_FAILED = 4

JOB = """
model: {path: model}
calibration: {text: [text.txt], num_samples: 4, max_seq_length: 32, num_shards: 2}
quantize:
  targets: ['.*_proj']
  vptq: {vector_len: 4, num_centroids: 16}
output: {dir: out}
runtime: {work_dir: work}
"""

# Sizes of meta-llama/Meta-Llama-3-70B and Llama-2-70b-hf.
LLAMA_70B = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 8192,
    "intermediate_size": 28672, "num_hidden_layers": 80, "num_attention_heads": 64,
    "num_key_value_heads": 8, "max_position_embeddings": 8192, "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False, "torch_dtype": "bfloat16"}


class Plan(ProgramTest):
    def setUp(self):
        super().setUp()
        (self.folder / "job.yaml").write_text(JOB)

    def plan(self, *words, **options):
        return self.run_json("plan", "job.yaml", *words, **options)

    def write_llama(self, vocab_size, folder):
        (self.folder / folder).mkdir(parents=True)
        (self.folder / folder / "config.json").write_text(
            json.dumps({**LLAMA_70B, "vocab_size": vocab_size}))

    def test_no_text_no_tokenizer_and_nothing_written(self):
        write_tiny_model(self.folder / "model")
        plan = self.plan()
        for key in ("output_bytes", "scratch_bytes", "host_memory_bytes"):
            self.assertGreater(plan[key], 0, key)
        self.assertEqual(plan["device_memory_bytes"], 0)
        self.assertEqual(set(plan["seconds"]), {
            "prepare", "calibrate", "equalize", "solve", "correct", "assemble", "evaluate", "total"})
        self.assertEqual(plan["ranks"], 1)
        self.assertEqual(sorted(p.name for p in self.folder.iterdir()), ["job.yaml", "model"])

    def test_the_text_for_people(self):
        write_tiny_model(self.folder / "model")
        result = self.run_program("plan", "job.yaml", "--ranks", "2")
        for part in ("output ", "scratch ", "host memory ", "calibrate ", "total ",
                     "rates of two_cores", "#SBATCH --ntasks-per-node="):
            self.assertIn(part, result.stdout)

    def test_mistakes_are_told(self):
        self.assert_refused(["plan"], "JOB.yaml is missing")
        self.assert_refused(["plan", "job.yaml"], "model holds no config.json")
        write_tiny_model(self.folder / "model")
        self.assert_refused(["plan", "job.yaml", "--cluster", "h100_nodes"], "Did you mean h100_node?")
        self.assert_refused(["plan", "job.yaml", "--cluster", "mine.yaml"], "mine.yaml")
        self.assert_refused(["plan", "job.yaml", "--node-memory", "many"], "--node-memory is many", "240GiB")
        self.assert_refused(["plan", "job.yaml", "--node-memory", "0"], "--node-memory is 0")
        self.assert_refused(["plan", "job.yaml", "--ranks", "0"], '--ranks is "0"', "at least 1")
        self.assert_refused(["plan", "job.yaml", "--like", "nowhere"], "--like is nowhere")
        self.assert_refused(["plan", "job.yaml", "--set", "quantize.targets=[nothing]"], "nothing")

    def test_bounds_that_do_not_hold_end_with_4(self):
        write_tiny_model(self.folder / "model")
        for option in ("runtime.host_memory=1MB", "runtime.scratch=1kB"):
            plan = self.plan("--set", option, expect=GATE_FAILED)
            self.assertIn(option.split("=", maxsplit=1)[0], plan["problems"][0])

    def test_a_table_of_ones_own(self):
        write_tiny_model(self.folder / "model")
        table = (ROOT / "configs/clusters/two_cores.yaml").read_text()
        (self.folder / "slow.yaml").write_text(table.replace("efficiency:", "efficiency: 0.01 #"))
        slow, fast = self.plan("--cluster", "slow.yaml"), self.plan("--cluster", "two_cores")
        self.assertGreater(slow["seconds"]["calibrate"], fast["seconds"]["calibrate"])

    def test_the_70b_jobs_from_config_json_alone(self):
        cases = {"llama3_70b_vptq_2bit": (128256, "llama-3.3-70b-instruct"),
                 "llama3_70b_aweq_w4a16": (128256, "llama-3.3-70b-instruct"),
                 "llama2_70b_vptq_2bit": (32000, "llama-2-70b-hf")}
        for job, (vocabulary, model) in cases.items():
            with self.subTest(job):
                if not (self.folder / "models" / model).is_dir():
                    self.write_llama(vocabulary, f"models/{model}")
                plan = self.run_json("plan", ROOT / f"configs/jobs/{job}.yaml")
                self.assertFalse(plan["has_weights"])
                # 80 blocks of 855,638,016 weights and two norms; embedding, head and last norm.
                weights = 80 * (855638016 + 2 * 8192) + 2 * vocabulary * 8192 + 8192
                self.assertEqual(plan["original_bytes"], 2 * weights)
                bits = 4 if "w4a16" in job else 2
                packed = 80 * 855638016 * bits / 8 + 2 * 2 * vocabulary * 8192
                self.assertAlmostEqual(plan["output_bytes"] / packed, 1, delta=0.07)
                self.assertEqual((plan["ranks"], plan["nodes"]), (8, 4))
                self.assertIn("#SBATCH --nodes=4", plan["sbatch"])
                self.assertGreater(plan["host_memory"]["solve"], 2 * 8 * 28672**2)

    def test_a_node_that_is_too_small_is_told_what_fits(self):
        self.write_llama(128256, "models/llama-3.3-70b-instruct")
        job = ROOT / "configs/jobs/llama3_70b_vptq_2bit.yaml"
        plan = self.run_json("plan", job, "--ranks", "8", "--ranks-per-node", "8",
                             "--node-memory", "128GiB", expect=GATE_FAILED)
        self.assertRegex(plan["problems"][0], r"It fits with \d+ ranks? a node")

    def test_a_real_model(self):
        self.model_of_data("stories260K")
        plan = self.plan("--set", f"model.path={DATA}/models/stories260K")
        self.assertTrue(plan["has_weights"])
        self.assertIn("tokenizer.json", {file["name"] for file in plan["output_files"]})


if __name__ == "__main__":
    unittest.main(verbosity=2)
