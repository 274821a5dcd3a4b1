"""What a `.keras` zip from elsewhere must not hold, found before it is unpacked; and what Keras says of one."""

import re
import stat
import zipfile
from collections import Counter
from pathlib import Path

from jenacast.errors import CheckpointError

# A zip bomb unpacks to much more than a network's 250 million weights and to many times its own size; Keras stores
# weights uncompressed, so that no network does both.
MAX_UNPACKED_BYTES = 1_000_000_000
MAX_EXPANSION = 20
MAX_REASON = 300  # characters of an error of Keras
BOLD = re.compile("\x1b\\[1m(.*?)\x1b\\[0m", re.DOTALL)
FETCH_ANEW = "fetch it anew from where it was trained"


def refuse_hostile_members(archive: zipfile.ZipFile, path: Path) -> None:
    """Raise a CheckpointError by the table of contents alone: for members that lead out, links, doubles, bombs."""
    members = archive.infolist()
    for member in members:
        name = member.filename
        parts = name.replace("\\", "/").split("/")
        if name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0]:
            raise CheckpointError(f"{path} has a member named {name!r}, which leads out of it; refused: {FETCH_ANEW}")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise CheckpointError(f"{path} has a member {name!r} that is a link; refused: {FETCH_ANEW}")
    name, count = Counter(member.filename for member in members).most_common(1)[0] if members else ("", 0)
    if count > 1:
        raise CheckpointError(f"{path} has {count} members named {name!r}, expected one; refused: {FETCH_ANEW}")
    unpacked, size = sum(member.file_size for member in members), path.stat().st_size
    if unpacked > MAX_UNPACKED_BYTES and unpacked > MAX_EXPANSION * size:
        raise CheckpointError(
            f"{path} has {size:,} bytes and would unpack to {unpacked:,}, more than {MAX_EXPANSION} times as many; "
            f"refused: {FETCH_ANEW}"
        )


def keras_reason(error: Exception) -> str:
    """The sentence of an error of Keras or TensorFlow that says what is wrong, without what it quotes around it."""
    text = str(error)
    if inner := BOLD.search(text):  # around it: which layer was called with what
        text = inner[1]
    for opening in ("Exception encountered: ", "Example error message for object ", "Error encountered:\n"):
        text = text.rpartition(opening)[2]
    text = text.partition("List of objects that could not be loaded")[0]
    if text.startswith("Graph execution error"):  # then TensorFlow's call stack, the reason, and which node it is of
        text = text.partition("\t [[")[0].rstrip().splitlines()[-1]
    sentence = " ".join(text.split()).split(". ")[0].rstrip(".") or type(error).__name__
    return sentence if len(sentence) <= MAX_REASON else f"{sentence[:MAX_REASON]}..."
