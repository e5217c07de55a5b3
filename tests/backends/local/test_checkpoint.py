import json
import shutil
from pathlib import Path

import pytest
import torch

from headgate.backends.checkpoint import EMBEDDED
from headgate.backends.errors import NotAModel
from headgate.backends.local.backend import LocalBackend
from headgate.backends.local.settings import Settings


@pytest.fixture
def copy(random_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(random_folder, tmp_path / "copy"))


def refusal(where: str | Path) -> str:
    with pytest.raises(NotAModel) as refused:
        LocalBackend(str(where))
    return str(refused.value)


def test_a_folder_that_does_not_exist_is_named_beside_what_would_have_been_right(tmp_path: Path) -> None:
    said = refusal(tmp_path / "nowhere")
    assert "nowhere` is no folder" in said
    assert "config.json, tokenizer.json, *.safetensors" in said


def test_an_embedded_name_that_does_not_exist_lists_those_that_do() -> None:
    said = refusal("embedded/huge")
    assert "`embedded/huge` is no folder" in said
    assert all(f"embedded/{file.parent.name}" in said for file in EMBEDDED.glob("*/model.safetensors"))


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    assert f"has no {'.safetensors' if 'model' in name else name}" in refusal(copy)


def test_a_model_of_another_kind_is_refused_by_its_name(copy: Path) -> None:
    raw = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(raw | {"model_type": "abacus"}))
    assert "abacus" in refusal(copy)


def test_weights_that_do_not_fit_their_configuration_are_refused(copy: Path) -> None:
    raw = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(raw | {"hidden_size": 64}))
    assert "is not readable: the weights" in refusal(copy)


def test_a_broken_file_is_named(copy: Path) -> None:
    (copy / "tokenizer.json").write_text("{")
    assert "is not readable: tokenizer.json" in refusal(copy)


def test_a_dialect_with_an_unknown_field_is_refused(copy: Path) -> None:
    (copy / "dialect.json").write_text('{"greeting": "hello"}')
    assert "no `greeting`" in refusal(copy)


def test_without_a_dialect_the_chat_template_says_the_frames(copy: Path) -> None:
    (copy / "dialect.json").unlink()
    template = "{% for m in messages %}[{{ m.role }}]{{ m.content }}[end]{% endfor %}"
    (copy / "chat_template.jinja").write_text(template + "{% if add_generation_prompt %}[assistant]{% endif %}")
    dialect = LocalBackend(str(copy)).dialect
    assert (dialect.turn_open, dialect.turn_close, dialect.think_open) == ("[{role}]", "[end]", "")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused(copy: Path) -> None:
    with pytest.raises(NotAModel, match="torch sees none here; use device: auto or cpu"):
        LocalBackend(str(copy), settings=Settings(device="cuda"))


def test_models_with_one_tokenizer_share_ids(copy: Path, random_folder: Path) -> None:
    keys = [LocalBackend(str(folder))._tokens.key for folder in (copy, random_folder)]
    assert keys[0] == keys[1]
