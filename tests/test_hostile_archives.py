"""Archives made to do harm: nothing is unpacked beyond bounds, linked elsewhere, or named outside."""

import json
import stat
import zipfile

import h5py
import pytest
from spoil import zipped

from jenacast.models import guards
from jenacast.models.checkpoint import load_checkpoint


def forbid(*args, **kwargs):
    raise AssertionError("something was unpacked")


@pytest.mark.parametrize("suffix", [".keras", ".zip"])
def test_a_zip_bomb_is_refused_before_anything_is_unpacked(suffix, lone_checkpoint, refused_checkpoint, monkeypatch):
    bomb = lone_checkpoint.with_suffix(suffix)
    lone_checkpoint.replace(bomb)
    monkeypatch.setattr(guards, "MAX_UNPACKED_BYTES", 5_000_000)
    with zipfile.ZipFile(bomb, "a", zipfile.ZIP_DEFLATED) as archive:
        for number in range(6):
            archive.writestr(f"assets/{number}", bytes(1_000_000))
    size = bomb.stat().st_size
    monkeypatch.setattr(zipfile.ZipFile, "open", forbid)
    message = refused_checkpoint(bomb)
    assert f"has {size:,} bytes and would unpack to 6,0" in message
    assert "more than 20 times as many; refused: fetch it anew from where it was trained" in message


def test_a_size_that_is_only_declared_counts(lone_checkpoint, refused_checkpoint):
    content = lone_checkpoint.read_bytes()
    entry = content.rindex(b"PK\x01\x02", 0, content.index(b"model.weights.h5", content.index(b"PK\x01\x02")))
    lone_checkpoint.write_bytes(content[: entry + 24] + b"\xf0\xff\xff\xff" + content[entry + 28 :])
    assert "would unpack to 4,29" in refused_checkpoint(lone_checkpoint)


def test_a_large_network_is_no_bomb(lone_checkpoint, monkeypatch):
    monkeypatch.setattr(guards, "MAX_UNPACKED_BYTES", 1000)  # the file is larger, but not a twentieth of its content
    assert load_checkpoint(lone_checkpoint).metadata.model == "dense"


def test_a_real_bomb_costs_no_time_and_no_memory(lone_checkpoint, refused_checkpoint):
    with (
        zipfile.ZipFile(lone_checkpoint, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("assets/bomb", "w", force_zip64=True) as member,
    ):
        for _ in range(1100):
            member.write(bytes(1_000_000))
    assert "would unpack to 1,100," in refused_checkpoint(lone_checkpoint)


def test_a_link_inside_is_refused(lone_checkpoint, refused_checkpoint):
    link = zipfile.ZipInfo("assets/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(lone_checkpoint, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    message = refused_checkpoint(lone_checkpoint)
    assert "has a member 'assets/link' that is a link; refused" in message


@pytest.mark.parametrize("name", ["config.json", "jenacast.json"])
def test_two_members_of_one_name_are_refused(name, lone_checkpoint, refused_checkpoint):
    with zipfile.ZipFile(lone_checkpoint) as archive:
        content = archive.read(name)
    with zipfile.ZipFile(lone_checkpoint, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(name, content)
    assert f"has 2 members named '{name}', expected one; refused" in refused_checkpoint(lone_checkpoint)


def external_storage(group, secret):
    group.create_dataset("0", (168, 4), "f4", external=[(str(secret), 0, 168 * 16)])


def external_link(group, secret):
    group["0"] = h5py.ExternalLink(str(secret), "/weights")


def soft_link(group, secret):
    group["0"] = h5py.SoftLink("/elsewhere")


def shape_bomb(group, secret):
    group.create_dataset("0", (1 << 20, 1 << 14), "f4", chunks=(1 << 10, 1 << 10), compression="gzip")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (external_storage, "H5 file with external Dataset"),
        (external_link, "H5 file with ExternalLink"),
        (soft_link, "H5 file with SoftLink"),
        (shape_bomb, "declares 64.00 GB"),
    ],
)
def test_weights_that_lie_elsewhere_or_nowhere_are_refused(spoil, told, lone_checkpoint, refused_checkpoint, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(168 * 16))

    def change(old):
        weights = tmp_path / "weights.h5"
        weights.write_bytes(old)
        with h5py.File(weights, "r+") as file:
            variables = next(layer["vars"] for layer in file["layers"].values() if "0" in layer["vars"])
            del variables["0"]
            spoil(variables, secret)
        return weights.read_bytes()

    zipped(model__weights__h5=change)(lone_checkpoint)
    assert told in refused_checkpoint(lone_checkpoint)


@pytest.mark.parametrize("name", ["../../x", "a/b", "\x1b[2Jmine", "", "x" * 100, "two\nlines"])
def test_a_name_inside_a_checkpoint_leads_nowhere(name, lone_checkpoint, refused_checkpoint):
    zipped(jenacast__json=lambda old: json.dumps(json.loads(old) | {"model": name}))(lone_checkpoint)
    message = refused_checkpoint(lone_checkpoint)
    assert "jenacast.json is damaged (model: String should" in message
    assert "\x1b" not in message


@pytest.mark.parametrize("name", ["..keras", "...", "a\\..\\b.keras", "%2e%2e%2fx.keras"])
def test_scores_stay_in_their_folder_whatever_the_checkpoint_is_called(
    name, lone_checkpoint, jenacast, data_dir, tmp_path
):
    odd = lone_checkpoint.with_name(name)
    lone_checkpoint.rename(odd)
    out = tmp_path / "deep" / "out"
    before = {path for path in tmp_path.rglob("*") if path != out.parent and out.parent not in path.parents}
    done = jenacast("evaluate", odd, "--data-dir", data_dir, "--out", out)
    assert done.exit_code == 0, done.stderr
    assert len(list(out.iterdir())) == 4
    assert {path for path in tmp_path.rglob("*") if out.parent not in (path, *path.parents)} == before
