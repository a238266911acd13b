"""Config files: what is refused in YAML, JSON and logging.conf, and that our own pass."""

import inspect
import re
from importlib import import_module
from pydoc import locate

import monai
import pytest
from monai.bundle.config_item import ComponentLocator

from monai_landmarks.sharing.allowed import allowed_in
from monai_landmarks.sharing.bundles import shipped_bundles
from monai_landmarks.sharing.layout import WEIGHT_FILES, BundleError
from monai_landmarks.sharing.safe_config import check_config, check_configs, check_metadata_texts
from monai_landmarks.sharing.safe_logging import check_logging

INFERENCE, TRAIN = "configs/inference.yaml", "configs/train.yaml"


def judged(tmp_path, text, name=TRAIN):
    path = tmp_path / "config.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    check_config(path, name)


@pytest.mark.parametrize("name", shipped_bundles())
def test_every_shipped_config_passes(name):
    """When a config names something new, decide whether it is harmless in a stranger's hands, and list it."""
    check_configs(shipped_bundles()[name])


@pytest.mark.parametrize("file", [INFERENCE, TRAIN])
def test_every_listed_name_exists_and_short_names_mean_what_monai_takes_them_for(file):
    allowed = allowed_in(file)
    locator = ComponentLocator()
    names = {}
    for entry in allowed.imports:
        exec(entry, names)
    for target in allowed.targets:
        assert callable(locate(target)), target
    for short, full in allowed.short_names.items():
        assert f"{locator.get_component_module_name(short)}.{short}" == full
        assert full in allowed_in(TRAIN).targets
    for name in allowed.calls | allowed.values:
        assert eval(name, {**names, "monai": monai, "torch": import_module("torch")}) is not None, name


def test_no_listed_class_takes_code_or_a_compiler():
    """A parameter that is evaluated would undo the list; torch.compile's options name the program it starts."""
    suspicious = {"expression", "code", "command", "script", "eval", "pickle", "compile"}
    allowed = allowed_in(TRAIN)
    for target in allowed.targets:
        found = [name for name in inspect.signature(locate(target)).parameters if suspicious & set(name.split("_"))]
        assert set(found) <= set(allowed.pinned) & set(allowed_in(INFERENCE).pinned), target


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a:\n  _target_: os.system\n  command: id", r"a: the target 'os.system' is not in the list"),
        ("a:\n  b:\n  - _target_: subprocess.Popen", r"a#b#0: the target 'subprocess.Popen'"),
        ("a:\n  _target_: torch.hub.load", "the target 'torch.hub.load'"),
        ("a:\n  _target_: builtins.eval", "the target 'builtins.eval'"),
        ("a:\n  _target_: $torch.device", r"the target '\$torch.device'"),
        ("a:\n  _target_: '@b'", "the target '@b'"),
        ("a:\n  _target_: [os.system]", "the target"),
        ("a#_target_: os.system", "the target 'os.system'"),
        ("a:\n  b#_target_: os.system", "the target 'os.system'"),
        ("a:\n  _target_: ' Compose'", "the target ' Compose'"),
        ("a:\n  _target_: monai_landmarks.data.reader.os.system", "the target 'monai_landmarks.data.reader.os.system'"),
        ("a:\n  _target_: Compose\n  _mode_: callable", "the key _mode_ is refused"),
        ("a:\n  _target_: Compose\n  _mode_: debug", "the key _mode_ is refused"),
        ("a:\n  _target_: Compose\n  _debug_: true", "the key _debug_ is refused"),
        ("a#_mode_: callable", "the key a#_mode_ is refused"),
        ("_meta_: 1", "the key _meta_ is refused"),
        ("a:\n  _target_: Compose\n  _requires_: $__import__('os').system('id')", "a#_requires_: .*__import__"),
        ("a:\n  _target_: Compose\n  _desc_: $eval('1')", "a#_desc_: .*eval"),
        ("a:\n  _target_: Compose\n  _disabled_: $eval('1')", "a#_disabled_: .*eval"),
        ("imports:\n- $import os", r"imports#0: the import 'import os'"),
        ("any:\n  where: $from os import system", r"any#where: the import"),
        ("a: $__import__('os').system('id')", "a: the expression calls __import__"),
        ("a: $import torch", "a: '.import torch' stands outside the list imports"),
        ("imports: [$import torch]\na: $@imports#0.to(1)", "refers to an import"),
        ("imports: [$import torch]\na: '@imports'", "refers to an import"),
        ("a: '%/etc/passwd.yaml#root'", "includes are refused"),
        ("a: '%../other.json'", "includes are refused"),
        ("a: '%b'", "includes are refused"),
        ("a: '@#b'", "relative reference"),
        ("a: '$@::b'", "relative reference"),
        ("$eval('1'): 1", "the key .* must be letters"),
        ("+a: 1", "the key .* must be letters"),
        ("a b: 1", "the key .* must be letters"),
        ("a: 99999999999", "a number beyond"),
        ("tracking_uri: http://192.0.2.1:5000", "tracking_uri must be None or '@tracking_uri'"),
        ("h:\n- tracking_uri: databricks", "tracking_uri must be"),
        ("a:\n  _target_: SupervisedEvaluator\n  compile: true", "compile must be False"),
        ("a:\n  compile_kwargs: {options: {cpp.cxx: [id]}}", "compile_kwargs must be None"),
        ("share_cases: true", "share_cases must be False"),
        ("share_cases: 1", "share_cases must be False"),
        ("share_cases: 0", "share_cases must be False"),
        ("a: !!python/object/apply:os.system [id]", "tag:yaml.org,2002:python.* is refused"),
        ("a: !!python/name:os.system", "is refused"),
        ("a: !!binary aWQ=", "binary is refused"),
        ("a: !anything 1", "is refused"),
        ("a: 2026-11-21", "timestamp is refused"),
        ("a: 1\nb: 2\na: $eval('1')", "the key 'a' is there twice"),
        ("a: &x [1]\nb: [*x, *x]", "anchors and aliases are refused"),
        ("a: &x {c: 1}\nb:\n  <<: *x", "anchors and aliases are refused"),
        ("b:\n  <<: {_target_: os.system}", "the key '<<'|merge is refused"),
        ("1: a", "the key '1' is no text"),
        ("- a", "must hold keys and values"),
        ("a: [" + "[" * 40 + "]" * 40 + "]", "nested too deep"),
        ("a: b: c", "mapping values are not allowed"),
        ("a: \u0435val", "plain ASCII only"),
        (b"a: 1\n\xef\xbb\xbfb: 2", "line 2: plain ASCII only"),
        (b"\xff\xfea\x00:\x00", "plain ASCII only"),
        (b"a: 1\x00", "plain ASCII only"),
        ('a: "$\\uff45val(1)"', "plain characters"),
        ("a: " + "x" * (1 << 18), "a config at most"),
        ("a: 1\n---\nb: 2", "expected a single document"),
    ],
)
def test_what_could_do_harm_is_refused_with_file_and_key(tmp_path, text, reason):
    with pytest.raises(BundleError, match=reason) as caught:
        judged(tmp_path, text)
    assert str(caught.value).startswith(TRAIN)


def test_a_text_that_means_nothing_to_monai_passes(tmp_path):
    judged(tmp_path, "a: costs 3$ at most, 50% @ noon\nb: 1.0e-3\nc: .inf\nd: null\ne: '@a'\nf: ''")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a:\n  _target_: monai_landmarks.export.writer.PredictionWriter\n  directory: /home", "directory must be"),
        ("handlers#0#directory: $@output_dir + '/x'", "handlers#0#directory must be '@output_dir'"),
        ("dataset#inputs: [/home]", "inputs must be"),
        ("a:\n  _target_: monai_landmarks.handlers.tracking.ExperimentTracker", "the target"),
    ],
)
def test_inference_reads_and_writes_where_predict_says(tmp_path, text, reason):
    with pytest.raises(BundleError, match=reason):
        judged(tmp_path, text, INFERENCE)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": "$import antigravity"}', "a: .* would be evaluated"),
        ('{"a": [{"b": "%/etc/passwd.json"}]}', "a#0#b: .* would be evaluated"),
        ('{"a": "@b"}', "would be evaluated"),
        ('{"a": {"_target_": "os.system"}}', "_target_ has no place"),
        ('{"a#_target_": "os.system"}', "_target_ has no place"),
        ('{"a::_target_": "os.system"}', "_target_ has no place"),
        ('{"a": 1, "a": 2}', "a key is there twice"),
        ('{"a": NaN}', "NaN is no JSON number"),
        ("[1]", "must hold keys"),
        ("{", "no valid JSON"),
        ("[" * 100000, "no valid JSON"),
    ],
)
def test_metadata_are_part_of_the_config_that_monai_runs(tmp_path, text, reason):
    path = tmp_path / "metadata.json"
    path.write_text(text)
    with pytest.raises(BundleError, match=reason):
        check_metadata_texts(path, "configs/metadata.json")


HANDLER = "[loggers]\nkeys=root\n[handlers]\nkeys=h\n[handler_h]\nclass={}\nargs={}\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (HANDLER.format("StreamHandler", "(__import__('os').system('id'),)"), "section handler_h: args is evaluated"),
        (HANDLER.format("StreamHandler", "(sys.stdout, open('x'))"), "args is evaluated"),
        (HANDLER.format("eval", "('1',)"), "class is evaluated"),
        (HANDLER.format("handlers.SocketHandler", "('192.0.2.1', 1)"), "class is evaluated"),
        (HANDLER.format("FileHandler", "('/tmp/x',)"), "class is evaluated"),
        ("[DEFAULT]\nclass=eval\n", "section DEFAULT"),
        ("[formatter_f]\nclass=eval\n", "section formatter_f: the key class is refused"),
        ("[handler_h]\nkwargs={}\n", "the key kwargs is refused"),
        ("[handler_h]\nlevel=eval('1')\n", "level must be a plain name"),
        ("[other]\na=1\n", "the key a is refused"),
        ("a=1", "no section headers"),
        ("[handler_h]\nclass=A\nclass=B\n", "already exists"),
    ],
)
def test_a_logging_file_that_python_would_evaluate_is_refused(tmp_path, text, reason):
    path = tmp_path / "logging.conf"
    path.write_text(text)
    with pytest.raises(BundleError, match=reason):
        check_logging(path, "configs/logging.conf")


def test_a_config_of_another_kind_is_refused(tmp_path):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "train.json").write_text('{"a": {"_target_": "os.system"}}')
    with pytest.raises(BundleError, match=r"configs/train.json: is no config of a bundle"):
        check_configs(tmp_path)


@pytest.mark.parametrize("key", ["spacing_mm", "magnification", "ball_spacing_mm"])
@pytest.mark.parametrize("value", ["[0.1, 0.1]", "1", "$[0.1, 0.1]"])
def test_the_one_who_predicts_says_how_large_a_pixel_is(tmp_path, key, value):
    judged(tmp_path, f"{key}: null\nstream:\n  {key}: '@{key}'", INFERENCE)
    with pytest.raises(BundleError, match=f"{key} must be None or '@{key}'"):
        judged(tmp_path, f"{key}: null\nstream:\n  {key}: {value}", INFERENCE)


STREAM = "dataset:\n  _target_: monai_landmarks.data.stream.RadiographStream\n  inputs: '@inputs'\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ckpt_dir: /srv/other", r"ckpt_dir must be .*@bundle_root \+ '/models'"),
        ("ckpt_dir: '//server/share'", "ckpt_dir must be"),
        ("ckpt_dir: $@bundle_root + '/../../other'", "ckpt_dir must be"),
        ("checkpoint: //server/share/model.pt", r"checkpoint must be .*@ckpt_dir \+ '/model.pt'"),
        ("checkpoint: $@ckpt_dir + '/../selftest/radiograph.png'", "checkpoint must be"),
        ("checkpoint: [/a/model.pt, /b/model.pt]", "checkpoint must be"),
        ("checkpoint#0: /a/model.pt", "checkpoint#0 changes a part of checkpoint"),
        ("metadata: $bundles.load_metadata('//server/share')", "metadata must be"),
        ("metadata: {monai_landmarks: {scope: {}}}", "metadata must be"),
        ("metadata#monai_landmarks#settings: {}", "changes a part of metadata"),
        ("a: $bundles.load_metadata('//server/share')", "load_metadata opens files, so it must be written"),
        ("a: $bundles.load_metadata(@bundle_root, models='/x')", "load_metadata opens files"),
        ("a: $trained_network(@network_def, '/x/model.pt', @metadata)", "trained_network opens files"),
        ("a: $trained_network(@network_def, @other, @metadata).to(@device)", "trained_network opens files"),
        ("a: $trained_network(*@b)", "trained_network opens files"),
        ("network: '@network_def'", "network must be"),
        ("evaluator#network: '@network_def'", "evaluator#network must be"),
        ("out_of_scope: true", "out_of_scope must be False"),
        (STREAM, "RadiographStream lacks scope"),
        (STREAM + "  scope: null", "scope must be .*bundles.scope_of"),
        (STREAM + "  scope: {}", "scope must be"),
        (STREAM + "  scope: '${}'", "scope must be"),
        ("dataset: [{image: //server/share/a.png}]", "dataset must be '@dataset' or a monai_landmarks.data.stream"),
        ("dataset#transform: '@a'", "dataset#transform changes a part of dataset"),
        ("dataloader: [{image: //server/share/a.png}]", "dataloader must be a monai.data.dataloader.DataLoader"),
        ("evaluator:\n  val_data_loader: [{image: //server/share/a.png}]", "val_data_loader must be '@dataloader'"),
        ("dataloader:\n  _target_: DataLoader\n  collate_fn: '@preprocessing'", "collate_fn must be None"),
    ],
)
def test_inference_uses_the_bundles_own_checked_files_and_scope(tmp_path, text, reason):
    with pytest.raises(BundleError, match=reason):
        judged(tmp_path, text, INFERENCE)


def test_a_training_of_ones_own_may_name_any_path(tmp_path):
    judged(tmp_path, "ckpt_dir: models_of_mine\ncheckpoint: other/model.pt\na: $bundles.load_metadata(@b, '/c')", TRAIN)


def test_every_weights_file_that_inference_may_name_is_checked():
    allowed = allowed_in(INFERENCE)
    texts = [str(value) for values in (*allowed.pinned.values(), *allowed.whole_calls.values()) for value in values]
    named = {name for text in texts for name in re.findall(r"[\w.]+\.pt\b", text)}
    assert named
    assert {f"models/{name}" for name in named} <= set(WEIGHT_FILES)
