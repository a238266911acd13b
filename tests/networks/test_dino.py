import pytest
import torch
from torch import nn

from monai_landmarks.errors import ConfigError
from monai_landmarks.networks.dino import HEADS, LAYER, WIDTH, DinoEncoder, dino_encoder


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    net = DinoEncoder().eval()
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.05)
    return net


def published(encoder):
    """All that the published file holds, the layers that are not needed too."""
    state = dict(encoder.state_dict())
    for number in range(LAYER + 1, 12):
        state |= {
            key.replace("blocks.0.", f"blocks.{number}."): value
            for key, value in encoder.state_dict().items()
            if key.startswith("blocks.0.")
        }
    return {**state, "norm.weight": torch.ones(WIDTH), "norm.bias": torch.zeros(WIDTH)}


def test_a_block_computes_what_torchs_own_does(encoder):
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, 0.0, "gelu", 1e-6, True, norm_first=True).eval()
    names = {"self_attn.in_proj_": "attn.qkv.", "self_attn.out_proj.": "attn.proj.", "linear1.": "mlp.fc1."}
    names |= {"linear2.": "mlp.fc2.", "norm1.": "norm1.", "norm2.": "norm2."}
    own = encoder.blocks[0].state_dict()
    layer.load_state_dict(
        {other + part: own[mine + part] for other, mine in names.items() for part in ("weight", "bias")}
    )
    tokens = torch.randn(2, 7, WIDTH)
    with torch.no_grad():
        torch.testing.assert_close(encoder.blocks[0](tokens), layer(tokens), rtol=1e-4, atol=1e-4)


def test_a_key_every_four_pixels(encoder):
    with torch.no_grad():
        (keys,) = encoder(torch.rand(2, 1, 32, 64))
    assert keys.shape == (2, WIDTH, 8, 16)
    assert not any(parameter.requires_grad for parameter in encoder.parameters())


def test_each_patch_is_centred_on_its_cell(encoder):
    """A change of one pixel changes the patches that hold it, whose cells' centres are within half a patch."""
    image = torch.zeros(1, 1, 32, 32)
    changed = image.clone()
    changed[..., 13, 18] = 1
    proj, margin = encoder.patch_embed["proj"], 2

    def cells(pixels):
        return proj(nn.functional.pad(pixels.expand(-1, 3, -1, -1), (margin,) * 4))

    with torch.no_grad():
        where = (cells(image) - cells(changed)).abs().sum(1)[0].nonzero()
    centres = 4 * where + 1.5
    assert len(where) == 4
    assert (centres - torch.tensor([13, 18])).abs().amax() < 4


def test_the_published_keys_load_and_what_is_not_needed_is_left_out(encoder, tmp_path):
    torch.save(published(encoder), tmp_path / "dino.pth")
    loaded = dino_encoder(tmp_path / "dino.pth")
    assert all(torch.equal(value, loaded.state_dict()[key]) for key, value in encoder.state_dict().items())


def test_a_file_that_is_missing_or_something_else_gives_one_clear_error(encoder, tmp_path):
    with pytest.raises(ConfigError, match=r"dino_weights: no file .*nowhere\.pth; fetch dino_deitsmall8_pretrain"):
        dino_encoder(tmp_path / "nowhere.pth")
    (tmp_path / "text.pth").write_text("not weights")
    with pytest.raises(ConfigError, match=r"text\.pth is not a state dict"):
        dino_encoder(tmp_path / "text.pth")
    torch.save({**published(encoder), "extra.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(ConfigError, match=r"1 unknown \['extra\.weight'\]"):
        dino_encoder(tmp_path / "other.pth")
