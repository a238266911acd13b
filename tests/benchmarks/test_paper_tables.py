"""The paper's tables from results small enough to compute by hand."""

import json
import math

import numpy as np
import paper_tables
import pytest
from paper_markdown import HOME, OURS, OURS_PLAIN, ROWS, external_table, home_table, point_table, sentences
from paper_scores import pooled_mm, score
from published import BASELINE, POINTS, PROPOSED, PROPOSED_AUGMENTED, TABLE_1, TABLE_2

from monai_landmarks.metrics import Results


def hand_made(errors_px, names, spacing=0.5):
    """Results whose errors are those given, along the columns; None is not annotated."""
    count = len(errors_px)
    truth = np.full((count, len(names), 2), 100.0)
    predicted = truth.copy()
    state = np.ones((count, len(names)), int)
    for i, row in enumerate(errors_px):
        for k, error in enumerate(row):
            if error is None:
                state[i, k], truth[i, k] = 0, np.nan
            else:
                predicted[i, k, 1] += error
    ids = [f"case {i}" for i in range(count)]
    return Results(
        names=tuple(names),
        groups={},
        case_ids=ids,
        patients=ids,
        images=ids,
        truth=truth,
        state=state,
        predicted=predicted,
        confidence=np.ones(state.shape),
        presence=np.ones(state.shape),
        spacing=np.full((count, 2), spacing),
        planes=["calibrated"] * count,
        # A network of another size must not matter.
        network_scale=np.full((count, 2), 0.1),
    )


def test_errors_and_thresholds_are_those_of_pixels_at_512():
    """An image of 1024 x 700 halves its errors, one of 256 x 256 doubles them; 2 is not below 2."""
    results = hand_made([[4.0, 2.0], [1.2, None]], ["one", "two"])
    found = score(results, {"case 0": (1024, 700), "case 1": (256, 256)})
    # At 512: 2.0, 1.0 / 2.4, -
    assert (found["images"], found["points"]) == (2, 3)
    assert found["mre"] == pytest.approx((2.0 + 1.0 + 2.4) / 3)
    assert found["rmse"] == pytest.approx(math.sqrt((4.0 + 1.0 + 5.76) / 3))
    # Landmark means 2.2 and 1.0; their mean over sqrt(2).
    assert found["rmse_published"] == pytest.approx(1.6 / math.sqrt(2))
    assert found["sdr"] == pytest.approx({"2.0": 1 / 3, "2.5": 1.0, "3.0": 1.0, "4.0": 1.0})
    assert found["mre_mm"] == pytest.approx((4.0 + 2.0 + 1.2) / 3 * 0.5)


def test_a_point_without_prediction_leaves_no_mean():
    results = hand_made([[4.0, 2.0]], ["one", "two"])
    results.predicted[0, 0] = np.nan
    found = score(results, {"case 0": (512, 512)})
    assert found["mre"] is None
    assert found["sdr"]["3.0"] == 0.5


def test_left_and_right_are_pooled_over_their_points():
    """Three points on two sides: the mean of the points, not of the sides' means."""
    results = hand_made([[2.0, 4.0, 10.0], [6.0, None, 20.0]], ["a_left", "a_right", "b"])
    found = pooled_mm(results, {"a": ("a_left", "a_right"), "b": ("b",)})
    assert found == pytest.approx({"a": 2.0, "b": 7.5, "mean": 4.75})


def scores(**better):
    """Every row with an RMSE of 10 in one data set, but for those given."""

    def one(value):
        sdr = {"2.0": 0.25, "2.5": 0.5, "3.0": 0.75, "4.0": 1.0}
        return {"rmse": value, "rmse_published": value, "mre": value, "mre_mm": value, "sdr": sdr}

    values = {BASELINE: 10.0, PROPOSED: 10.0, PROPOSED_AUGMENTED: 10.0, OURS: 10.0, OURS_PLAIN: 10.0}
    values.update({globals()[name]: value for name, value in better.items()})
    return {row: {"home": one(values.get(row, 10.0)), "external": one(20.0)} for row in ROWS}


def test_published_columns_stand_beside_ours_and_are_marked():
    lines = home_table({"knee-radiograph": scores(PROPOSED=3.0)})
    text = "\n".join(lines)
    assert "published, private clinical data, other images, validation set" in text
    assert "216 images, 8 landmarks" in text
    proposed = next(line for line in lines if line.startswith("| proposed |"))
    ours = "| proposed | 3.00 | 3.00 | 3.00 | 25.0 | 50.0 | 75.0 | 100.0 |"
    assert proposed == f"{ours} 1.79 | 63.08 | 78.49 | 88.37 | 95.64 |"
    baseline = next(line for line in lines if line.startswith("| baseline |"))
    assert baseline.endswith("| 124.82 | – | – | – | – |")
    assert next(line for line in lines if line.startswith("| our recipe |")).endswith("| – | – | – | – | – |")


def test_the_drop_to_the_external_site():
    line = next(line for line in external_table({"knee-radiograph": scores()}) if line.startswith("| proposed |"))
    assert line.endswith("| 10.00 | 10.00 | 0.0 |")


def test_sentences_say_where_a_claim_does_not_hold():
    won, tied = scores(PROPOSED=3.0, OURS=2.0), scores(OURS=2.0)
    text = "\n".join(sentences({"knee-radiograph": won, "pelvis-radiograph": tied}))
    assert "beats both baselines in 1 of 2 data sets, not in pelvis-radiograph (home test" in text
    assert "beats both baselines in no data set (0 of 2) (external test" in text
    assert "beats the paper's method with and without augmentation in every data set (2 of 2) (home test" in text
    lost = scores(PROPOSED=3.0, BASELINE=None)
    assert "beats both baselines in every data set (2 of 2) (home" in "\n".join(sentences({"a": won, "b": lost}))
    assert sentences({"knee-radiograph": {PROPOSED: won[PROPOSED]}}) == []


def test_every_table_row_has_the_heads_cells():
    everything = {name: scores() for name in TABLE_1}
    pooled = {OURS: dict.fromkeys((*POINTS, "mean"), 1.0)}
    for lines in (home_table(everything), external_table(everything), point_table(pooled)):
        widths = {}
        for line in lines:
            if line.startswith("|"):
                widths.setdefault(line.count("|"), []).append(line)
        assert len(widths) == 1
    assert "| 2.19 | 3.43 | 2.13 | 2.06 | 8.17 | 3.60 |" in "\n".join(point_table(pooled))


def test_the_published_mean_is_the_mean_of_its_points():
    for *values, mean in TABLE_2.values():
        assert np.mean(values) == pytest.approx(mean, abs=0.051)


def test_the_command_line_changes_one_number_at_a_time():
    size, presets, output = paper_tables.parse(["--full", "--epochs", "70", "--presets", "pelvis-radiograph"])
    assert (size.longer_side, size.epochs, size.learning_rates) == (512, 70, (1e-4,))
    assert presets == ["pelvis-radiograph"]
    assert output.name == "paper_tables_full"
    assert set(paper_tables.parse([])[1]) == set(TABLE_1)


def test_rows_share_a_budget_and_the_schedule_keeps_its_stages():
    rows = {row.name: row for row in paper_tables.rows(paper_tables.FULL, 1e-4)}
    assert tuple(rows) == ROWS
    assert rows[PROPOSED].overrides["schedule"]["every"] == 50
    assert "schedule" not in rows[BASELINE].overrides
    assert rows[BASELINE].configs == ("paper", "one_pixel")
    assert rows[PROPOSED_AUGMENTED].configs == ("paper", "rotation")
    rates = {row.overrides["learning_rate"] for row in rows.values() if row.configs}
    assert rates == {1e-4}
    assert paper_tables.common(paper_tables.SHRUNK)["max_epochs"] % paper_tables.STAGES == 0


@pytest.mark.slow
def test_one_data_set_for_real(tmp_path, capsys):
    numbers = ["--count", "6", "--test", "2", "--longer-side", "64", "--epochs", "7", "--jobs", "1"]
    chosen = ["--presets", "pelvis-radiograph", "--learning-rates", "1e-3", "3e-3"]
    size, presets, _ = paper_tables.parse([*numbers, *chosen])
    paper_tables.run(size, presets, tmp_path)
    content = json.loads((tmp_path / "tables.json").read_text())
    assert list(content["scores"]["pelvis-radiograph"]) == list(ROWS)
    assert content["learning_rate"]["chosen"] in (1e-3, 3e-3)
    assert all(rows[HOME]["images"] == 2 for rows in content["scores"]["pelvis-radiograph"].values())
    assert set(content["points_mm"]) == {OURS, PROPOSED}
    before = (tmp_path / "tables.md").read_text()
    assert "### Table 2" in before
    # Run again: everything is read back.
    capsys.readouterr()
    paper_tables.run(size, presets, tmp_path)
    assert (tmp_path / "tables.md").read_text() == before
    assert "epoch" not in capsys.readouterr().err
