"""Which pickle files loaders choose: a safetensors file counts only where they would look for it."""

from __future__ import annotations

import pytest

from nerq_cli.hub_facts import HubFile
from nerq_cli.signals.models.files import find_data, find_weights


@pytest.mark.parametrize(
    ("paths", "chosen"),
    [
        ("pytorch_model.bin model.safetensors", ""),
        ("pytorch_model-00001-of-00002.bin model-00001-of-00003.safetensors", ""),
        ("pytorch_model.bin decoy/model.safetensors", "pytorch_model.bin"),
        ("pytorch_model.bin lora.safetensors", "pytorch_model.bin"),
        ("pytorch_model.bin adapter_model.safetensors", "pytorch_model.bin"),
        ("pytorch_model.bin model.fp16.safetensors", "pytorch_model.bin"),
        ("pytorch_model.fp16.bin model.safetensors", ""),
        ("original/consolidated.00.pth model-00001-of-00002.safetensors", ""),
        ("checkpoint-5/pytorch_model.bin model.safetensors", ""),
        ("checkpoint-5/pytorch_model.bin checkpoint-5/model.safetensors", ""),
        ("sd.ckpt sd.safetensors", ""),
        ("sd.ckpt other.safetensors", "sd.ckpt"),
        ("adapter_model.bin adapter_model.safetensors", ""),
        ("training_args.bin pytorch_model.bin", "pytorch_model.bin"),
        (
            (
                "model_index.json unet/diffusion_pytorch_model.bin unet/diffusion_pytorch_model.safetensors "
                "vae/diffusion_pytorch_model.bin"
            ),
            "vae/diffusion_pytorch_model.bin",
        ),
        ("model_index.json sd.ckpt unet/diffusion_pytorch_model.safetensors", ""),
        ("modules.json model.safetensors 2_Dense/pytorch_model.bin", "2_Dense/pytorch_model.bin"),
        ("modules.json pytorch_model.bin 2_Dense/model.safetensors", "pytorch_model.bin"),
        ("pytorch_model.bin model.gguf", "pytorch_model.bin"),
    ],
)
def test_pickles_that_loaders_choose(paths: str, chosen: str) -> None:
    files = [HubFile(path=path) for path in paths.split()]
    assert " ".join(find_weights(files).chosen_pickles) == chosen
    pickles = [path for path in paths.split() if path.endswith((".bin", ".pth", ".ckpt"))]
    weights = find_weights(files)
    assert sorted((*weights.chosen_pickles, *weights.other_pickles)) == sorted(pickles)


def test_a_project_that_refuses_safetensors_chooses_the_pickle() -> None:
    files = [HubFile(path="pytorch_model.bin"), HubFile(path="model.safetensors")]
    assert find_weights(files, refuses_safetensors=True).chosen_pickles == ("pytorch_model.bin",)


@pytest.mark.parametrize(
    ("paths", "level"),
    [
        ("x.pkl rows.csv", "twins"),
        ("x.pkl README.txt LICENSE.txt notice.json dataset_info.json a/config.json", "pickle"),
        ("rows.csv LICENSE.txt", "safetensors"),
        ("LICENSE.txt", ""),
    ],
)
def test_what_describes_a_dataset_takes_the_place_of_no_pickle(paths: str, level: str) -> None:
    assert find_data([HubFile(path=path) for path in paths.split()]).level == level
