"""The house stands as drawn: layers, import time, docstrings, and nothing that runs foreign bytes."""

import ast
import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src" / "aivc").rglob("*.py"))
MODULES = [(str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))) for path in SOURCES]

LOADS_CODE = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
RUNS_BYTES = {("torch", "load"), ("pd", "read_pickle"), ("pandas", "read_pickle"), ("yaml", "load"), ("torch", "jit")}

IMPORT = """
import json, sys, time
start = time.perf_counter()
import aivc
print(json.dumps({"seconds": time.perf_counter() - start, "modules": sorted(sys.modules)}))
"""


def fresh(*command, **environment):
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_layers_are_intact():
    pytest.importorskip("importlinter", reason="import-linter is not installed; it comes with the extra dev")
    done = fresh("-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", NO_COLOR="1")
    assert done.returncode == 0, done.stdout + done.stderr


def test_import_is_quick_and_light():
    for _ in range(2):
        done = fresh("-c", IMPORT)
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
    heavy = {"torch", "matplotlib", "anndata", "rdata", "rich"} & set(answer["modules"])
    assert not heavy, f"import aivc loads {heavy}"
    assert answer["seconds"] < 2, f"import aivc took {answer['seconds']:.2f} s"


@pytest.mark.parametrize(("path", "tree"), MODULES, ids=[path for path, _ in MODULES])
def test_module_says_what_it_is_for(path, tree):
    first = (ast.get_docstring(tree) or "").split("\n")[0]
    assert first.endswith((".", "?")), f"{path} needs a first line that is a sentence"
    assert len(first.split()) >= 3


@pytest.mark.parametrize(("path", "tree"), MODULES, ids=[path for path, _ in MODULES])
def test_nothing_runs_foreign_bytes(path, tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert not {alias.name.split(".")[0] for alias in node.names} & LOADS_CODE, path
        if isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] not in LOADS_CODE, path
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert (node.value.id, node.attr) not in RUNS_BYTES, path
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"eval", "exec"}, path
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert isinstance(node.value, ast.Constant), path
            assert node.value.value is False, path


@pytest.mark.parametrize(("path", "tree"), MODULES, ids=[path for path, _ in MODULES])
def test_no_error_is_swallowed(path, tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"{path}:{node.lineno} has a bare except"
            caught = ast.unparse(node.type)
            # The command line's last door shows whatever comes, with its traceback, and says so by its exit code.
            last_door = path == "src/aivc/cli/console.py"
            assert caught != "Exception" or last_door, f"{path}:{node.lineno} catches everything"
            assert caught != "BaseException", f"{path}:{node.lineno} catches everything"
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"warnings.warn", "warn"}:
            pytest.fail(f"{path}:{node.lineno} warns where a decision is needed; raise one of our errors")


def twice(named):
    """Names that stand for more than one thing, and where."""
    places = defaultdict(list)
    for name, place in named:
        places[name].append(place)
    return {name: found for name, found in places.items() if len(found) > 1}


def test_a_class_name_stands_for_one_class():
    classes = [(node.name, path) for path, tree in MODULES for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    assert twice(classes) == {}, "give the less public class a name of its own"


def test_a_file_name_stands_for_one_module():
    # Alembic wants this name in every folder of migrations.
    named = [path for path in SOURCES if path.name not in ("__init__.py", "env.py")]
    files = [(path.name, str(path.relative_to(ROOT))) for path in named]
    assert twice(files) == {}, "give one of the modules a name of its own"


# Modules without a test file of their own: which file in tests/ tests them, or why none does.
TESTED_THROUGH = {
    "cli/commands.py": "cli/test_console.py",
    "cli/executor_options.py": "cli/test_evaluate_command.py",
    "cli/fate_command.py": "experiments/test_fate.py",
    "cli/grammar.py": "cli/test_console.py",
    "cli/hub_shown.py": "cli/test_hub_command.py",
    "cli/overview.py": "cli/test_data.py",
    "cli/recipe_options.py": "cli/test_evaluate_command.py",
    "cli/scale_options.py": "cli/test_fit_command.py",
    "cli/screen_command.py": "cli/test_fit_command.py",
    "cli/search_command.py": "cli/test_fit_command.py",
    "cli/sources.py": "cli/test_data.py",
    "compute/scale_extra.py": "compute/test_query.py",
    "compute/serial.py": "compute/test_executor.py",
    "core/attribution.py": "interpretation/test_explain.py",
    "core/calibration.py": "uncertainty/test_conformal.py",
    "core/foreign_text.py": "hostile/test_hostile.py",
    "core/image_decoder.py": "instruments/decoders/images/test_virtual_stain.py",
    "core/joint_error.py": "experiments/test_informative.py",
    "core/provider.py": "representations/molecular/test_molecular_ur.py",
    "core/saved_cell.py": "core/test_virtual_cell.py",
    "core/scale.py": "core/test_space.py",
    "core/shown_text.py": "hostile/test_hostile.py",
    "core/smiles.py": "core/test_molecule.py",
    "core/worth.py": "experiments/fitting/test_few_shot.py",
    "data/datasets/gdsc.py": "data/test_datasets.py",
    "data/datasets/image_files.py": "data/test_datasets.py",
    "data/datasets/image_sets.py": "data/test_datasets.py",
    "data/datasets/kang2018.py": "data/test_datasets.py",
    "data/datasets/knowledge_files.py": "data/test_catalog.py",
    "data/datasets/osmfish.py": "data/test_datasets.py",
    "data/datasets/papalexi2021.py": "data/test_datasets.py",
    "data/datasets/r_files.py": "data/test_datasets.py",
    "data/datasets/rank_scores.py": "data/test_datasets.py",
    "data/datasets/record.py": "data/test_catalog.py",
    "data/datasets/replogle2022.py": "data/test_datasets.py",
    "data/datasets/sachs2005.py": "data/test_datasets.py",
    "data/datasets/screen_tables.py": "data/test_datasets.py",
    "data/datasets/sequence_files.py": "data/test_catalog.py",
    "data/images/crop_arrays.py": "data/images/test_open_images.py",
    "data/images/fields.py": "data/images/test_open_images.py",
    "data/images/image_tables.py": "data/images/test_open_images.py",
    "data/images/objects.py": "data/images/test_open_images.py",
    "data/images/ome_tiff.py": "data/images/test_open_images.py",
    "data/images/ome_zarr.py": "data/images/test_open_images.py",
    "data/images/optional.py": "data/images/test_open_images.py",
    "data/images/planes.py": "data/images/test_open_images.py",
    "data/io/conventions.py": "data/io/test_guess.py",
    "data/io/formats.py": "data/io/test_read.py",
    "data/io/guess_image_tables.py": "data/io/test_guess_images.py",
    "data/io/guess_profiles.py": "data/io/test_guess_images.py",
    "data/io/in_memory.py": "data/io/test_as_measurement.py",
    "data/io/labels.py": "data/io/test_read.py",
    "data/io/own_file.py": "hostile/test_hostile.py",
    "data/io/tables.py": "data/io/test_read.py",
    "data/io/ten_x.py": "data/io/test_read.py",
    "data/molecules/blocks.py": "representations/molecular/test_molecular_ur.py",
    "data/names/gene_files.py": "data/names/test_genes.py",
    "data/priors/interactions.py": "data/priors/test_gene_priors.py",
    "data/priors/mechanism_table.py": "representations/molecular/test_drug_mechanisms.py",
    "data/priors/memberships.py": "instruments/decoders/test_cell_labels.py",
    "data/priors/spectra.py": "representations/molecular/test_gene_table.py",
    "data/splits/folding.py": "data/splits/test_folds.py",
    "data/streaming/shard_files.py": "data/streaming/test_shards.py",
    "data/tissue/contacts.py": "instruments/decoders/test_patient_pool.py",
    "demo.py": "run by `make demo`: a script over verbs that have tests of their own",
    "evaluation/benchmarks/frozen.py": "evaluation/benchmarks/test_benchmark.py",
    "evaluation/benchmarks/protocol.py": "evaluation/benchmarks/test_task_benchmark.py",
    "evaluation/images/dose_regression.py": "evaluation/images/test_unseen_plate.py",
    "evaluation/images/spot_patches.py": "evaluation/images/test_patch_genes.py",
    "evaluation/leakage/findings.py": "evaluation/leakage/test_leaks.py",
    "evaluation/metrics/panel.py": "evaluation/metrics/test_metric.py",
    "evaluation/metrics/raw_cells.py": "evaluation/metrics/test_vcc2026.py",
    "evaluation/protocol/asked_fold.py": "evaluation/protocol/test_fold_task.py",
    "evaluation/protocol/cost.py": "evaluation/benchmarks/test_benchmark.py",
    "evaluation/protocol/panels.py": "evaluation/protocol/test_evaluate.py",
    "evaluation/scores/groups.py": "evaluation/scores/test_table.py",
    "evaluation/tissue/beyond_type.py": "evaluation/tissue/test_tissue_protocols.py",
    "evaluation/tissue/donor_stage.py": "evaluation/tissue/test_tissue_protocols.py",
    "evaluation/tissue/held_out_labels.py": "evaluation/tissue/test_tissue_protocols.py",
    "evaluation/tissue/masked_type.py": "evaluation/tissue/test_tissue_protocols.py",
    "evaluation/tissue/unseen_region.py": "evaluation/tissue/test_tissue_protocols.py",
    "experiments/batch.py": "experiments/test_screen.py",
    "experiments/cell_states.py": "experiments/test_series.py",
    "experiments/fate_drivers.py": "experiments/test_fate.py",
    "experiments/fitting/own_target.py": "experiments/fitting/test_shared_fit.py",
    "experiments/journal.py": "experiments/test_screen.py",
    "experiments/library_blocks.py": "experiments/test_library.py",
    "experiments/library_limits.py": "experiments/test_library.py",
    "experiments/saved_table.py": "hostile/test_hostile.py",
    "experiments/scores/answer.py": "experiments/scores/test_screen_score.py",
    "experiments/self_check.py": "experiments/test_search.py",
    "experiments/trajectory.py": "experiments/test_simulate.py",
    "hub/aliases.py": "hub/test_hub.py",
    "hub/badges.py": "hub/test_hub.py",
    "hub/described.py": "hub/test_hub.py",
    "hub/hub_report.py": "hub/test_hub.py",
    "hub/listed_objects.py": "service/routes/test_hub_routes.py",
    "hub/listing.py": "hub/test_service_reader.py",
    "hub/manifest_fields.py": "hub/test_manifest.py",
    "hub/migrations/env.py": "hub/test_hub_index.py",
    "hub/migrations/versions/hub_step_1.py": "hub/test_hub_index.py",
    "hub/migrations/versions/hub_step_2.py": "hub/test_hub_index.py",
    "hub/preparing.py": "hub/test_hub.py",
    "hub/stored_hub.py": "hub/test_hub.py",
    "instruments/decoders/attention.py": "instruments/decoders/test_patient_pool.py",
    "instruments/decoders/fate_evidence.py": "instruments/decoders/test_cell_fates.py",
    "instruments/decoders/fate_pull.py": "instruments/decoders/test_cell_fates.py",
    "instruments/decoders/images/band_maps.py": "instruments/decoders/images/test_synthetic_microscope.py",
    "instruments/decoders/images/local_filters.py": "instruments/decoders/images/test_virtual_stain.py",
    "instruments/decoders/images/patch_features.py": "instruments/decoders/images/test_patch_expression.py",
    "instruments/decoders/images/pixel_network.py": "instruments/decoders/images/test_virtual_stain.py",
    "instruments/decoders/images/pixels.py": "instruments/decoders/images/test_virtual_stain.py",
    "instruments/decoders/kernel_map.py": "instruments/decoders/test_kernel_readout.py",
    "instruments/decoders/label_probe.py": "instruments/decoders/test_cell_labels.py",
    "instruments/decoders/label_sets.py": "instruments/decoders/test_cell_labels.py",
    "instruments/decoders/readout_errors.py": "instruments/decoders/test_cell_readout.py",
    "instruments/decoders/section_views.py": "instruments/decoders/test_patient_pool.py",
    "instruments/manipulators/baselines/additive.py": "instruments/manipulators/test_manipulators.py",
    "instruments/manipulators/baselines/completion.py": "instruments/manipulators/baselines/test_pair_completion.py",
    "instruments/manipulators/baselines/mean_effect.py": "instruments/manipulators/test_manipulators.py",
    "instruments/manipulators/baselines/no_change.py": "test_conformance.py",
    "instruments/manipulators/baselines/ridge_across_contexts.py": "instruments/manipulators/baselines/test_gaps.py",
    "instruments/manipulators/baselines/stand_in.py": "instruments/manipulators/baselines/test_gaps.py",
    "instruments/manipulators/baselines/sums.py": "instruments/manipulators/baselines/test_gaps.py",
    "instruments/manipulators/baselines/transfer.py": "instruments/manipulators/baselines/test_scaled_transfer.py",
    "instruments/manipulators/effect/answers.py": "instruments/manipulators/effect/test_effect_v2.py",
    "instruments/manipulators/effect/few_readings.py": "instruments/manipulators/effect/test_effect_v2.py",
    "instruments/manipulators/effect/new_context.py": "instruments/manipulators/effect/test_effect_v2.py",
    "instruments/manipulators/effect/saved.py": "instruments/manipulators/effect/test_effect_v2.py",
    "instruments/manipulators/populations/anchored.py": "instruments/manipulators/populations/test_flow_v1.py",
    "instruments/manipulators/populations/flow_training.py": "instruments/manipulators/populations/test_flow_v1.py",
    "instruments/manipulators/populations/frame.py": "instruments/manipulators/populations/test_flow_v1.py",
    "instruments/manipulators/populations/set_training.py": "instruments/manipulators/populations/test_set_v1.py",
    "instruments/manipulators/priors/nearest.py": "instruments/manipulators/test_manipulators.py",
    "instruments/manipulators/priors/places.py": "instruments/manipulators/test_manipulators.py",
    "instruments/manipulators/priors/ridge_on_priors.py": "instruments/manipulators/test_manipulators.py",
    "instruments/manipulators/time/cell_rows.py": "instruments/manipulators/time/test_judging.py",
    "instruments/manipulators/time/copying.py": "instruments/manipulators/time/test_neighbor_times.py",
    "instruments/manipulators/time/of_time.py": "instruments/manipulators/time/test_transport_v1.py",
    "instruments/manipulators/time/velocity_training.py": "instruments/manipulators/time/test_velocity_field_v1.py",
    "nn/niche.py": "representations/multicellular/test_niche_graph.py",
    "nn/transport/certificate.py": "nn/transport/test_couple.py",
    "reporting/breakdown.py": "reporting/test_figures.py",
    "reporting/card.py": "reporting/test_report.py",
    "reporting/cell_answers.py": "reporting/test_report.py",
    "reporting/cell_findings.py": "reporting/test_report.py",
    "reporting/drawing.py": "reporting/test_figures.py",
    "reporting/gene_search.py": "reporting/test_report.py",
    "reporting/kinds.py": "reporting/test_report.py",
    "reporting/quality.py": "reporting/test_figures.py",
    "reporting/reading.py": "reporting/test_sections.py",
    "reporting/score_tables.py": "reporting/test_sections.py",
    "reporting/sortable.py": "reporting/test_html.py",
    "reporting/stamp.py": "reporting/test_sections.py",
    "reporting/task_sections.py": "cli/test_benchmark_command.py",
    "reporting/templates.py": "reporting/test_html.py",
    "representations/cellular/channel_identity.py": "representations/cellular/test_image_tokens.py",
    "representations/cellular/effect_axes.py": "representations/cellular/test_full_space.py",
    "representations/cellular/factors.py": "representations/cellular/test_factor_analysis.py",
    "representations/cellular/gaussian.py": "representations/cellular/test_ppca.py",
    "representations/cellular/image_gate.py": "representations/cellular/test_image_tokens.py",
    "representations/cellular/image_training.py": "representations/cellular/test_image_tokens.py",
    "representations/cellular/morphology_features/cell_features.py": "representations/cellular/test_morphology.py",
    "representations/cellular/morphology_features/compartments.py": "representations/cellular/test_morphology.py",
    "representations/cellular/morphology_features/correlations.py": "representations/cellular/test_morphology.py",
    "representations/cellular/morphology_features/intensity_features.py": "representations/cellular/test_morphology.py",
    "representations/cellular/morphology_features/localization.py": "representations/cellular/test_morphology.py",
    "representations/cellular/morphology_features/radial_features.py": "representations/cellular/test_morphology.py",
    "representations/cellular/morphology_features/shape_features.py": "representations/cellular/test_morphology.py",
    "representations/cellular/morphology_features/texture_features.py": "representations/cellular/test_morphology.py",
    "representations/cellular/plate_space.py": "representations/cellular/test_morphology.py",
    "representations/cellular/principal.py": "representations/cellular/test_count_pca.py",
    "representations/cellular/programme_features.py": "representations/cellular/test_programme_tokens.py",
    "representations/cellular/programme_training.py": "representations/cellular/test_programme_tokens.py",
    "representations/cellular/technical_shifts.py": "representations/cellular/test_technical.py",
    "representations/molecular/coexpression.py": "representations/molecular/test_gene_table.py",
    "representations/molecular/compound_table.py": "representations/molecular/test_drug_effects.py",
    "representations/molecular/knowledge.py": "representations/molecular/test_gene_table.py",
    "representations/molecular/rows_of_vectors.py": "representations/molecular/test_gene_table.py",
    "representations/molecular/screen_effects.py": "representations/molecular/test_gene_table.py",
    "representations/molecular/sequence_network.py": "representations/molecular/test_pretrain.py",
    "representations/molecular/target_knowledge.py": "representations/molecular/test_drug_mechanisms.py",
    "representations/molecular/text.py": "representations/molecular/test_gene_table.py",
    "representations/multicellular/niche_training.py": "representations/multicellular/test_niche_graph.py",
    "service/account_models.py": "service/test_openapi_holds.py",
    "service/arrow_responses.py": "service/routes/test_cell_routes.py",
    "service/board_models.py": "service/test_leaderboard.py",
    "service/cell_models.py": "service/test_openapi_holds.py",
    "service/cell_points.py": "service/routes/test_cell_routes.py",
    "service/dataset_models.py": "service/routes/test_dataset_routes.py",
    "service/figure_models.py": "service/routes/test_figure_routes.py",
    "service/hub_models.py": "service/routes/test_hub_routes.py",
    "service/job_models.py": "service/routes/test_job_routes.py",
    "service/jobs/job.py": "service/jobs/test_job_table.py",
    "service/jobs/job_kinds/verify_job.py": "service/jobs/job_kinds/test_publish_job.py",
    "service/jobs/migrations/env.py": "service/jobs/test_job_table.py",
    "service/jobs/migrations/versions/jobs_0001.py": "service/jobs/test_job_table.py",
    "service/jobs/run_job.py": "service/jobs/test_jobs.py",
    "service/jobs/supervisor.py": "service/jobs/test_jobs.py",
    "service/jobs/worker.py": "service/jobs/test_jobs.py",
    "service/migrations/env.py": "service/test_audit.py",
    "service/migrations/versions/service_0001.py": "service/test_audit.py",
    "service/migrations/versions/service_0002.py": "service/test_accounts.py",
    "service/part_models.py": "service/routes/test_part_routes.py",
    "service/service_state.py": "service/test_app.py",
    "service/service_tables.py": "service/test_audit.py",
    "service/shown_paths.py": "service/test_refusals.py",
    "service/shown_words.py": "service/routes/test_cell_routes.py",
    "service/time_answers.py": "service/routes/test_figure_routes.py",
    "service/tissue_answers.py": "service/routes/test_figure_routes.py",
    "testing/decoders.py": "test_conformance.py",
    "testing/encoders.py": "test_conformance.py",
    "testing/manipulators.py": "test_conformance.py",
    "testing/promises.py": "test_conformance.py",
    "testing/providers.py": "test_conformance.py",
    "testing/samples.py": "test_conformance.py",
    "testing/times.py": "test_conformance.py",
}


def mirrored(module):
    """Where the test file of a module stands."""
    return Path("tests", module).with_name(f"test_{Path(module).name}")


def test_each_module_has_its_test_file():
    modules = [str(path.relative_to(ROOT / "src" / "aivc")) for path in SOURCES if path.name != "__init__.py"]
    alone = {module for module in modules if not (ROOT / mirrored(module)).exists()}
    lacking = sorted(alone - set(TESTED_THROUGH))
    assert not lacking, f"write {', '.join(map(str, map(mirrored, lacking)))}, or say in TESTED_THROUGH what tests them"
    stale = sorted(set(TESTED_THROUGH) - alone)
    assert not stale, f"take these out of TESTED_THROUGH, they are gone or have a test file: {', '.join(stale)}"


def test_the_table_of_tests_is_sorted_and_names_files_that_exist():
    assert list(TESTED_THROUGH) == sorted(TESTED_THROUGH)
    named = [reason for reason in TESTED_THROUGH.values() if reason.endswith(".py")]
    assert [name for name in named if not (ROOT / "tests" / name).is_file()] == []


def test_folders_of_tests_mirror_the_source():
    rooms = {path.relative_to(ROOT / "src" / "aivc").parts[0] for path in SOURCES if path.parent.name != "aivc"}
    strangers = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert strangers <= rooms | {"archives", "benchmarks", "hostile", "journeys", "page"}


def test_basenames_of_tests_are_unique():
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(set(names)) == sorted(names)
