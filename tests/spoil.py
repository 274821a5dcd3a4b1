"""Ways to spoil a file that a command reads: functions that make functions of its path."""

import json
import os
import pickle
import stat
import zipfile

T, P, WV = 2, 1, 12  # cells of a row


def snapshot(folder):
    """What lies in a folder: kind and, of files, content."""
    found = {}
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        found[str(path)] = (stat.S_IFMT(mode), path.read_bytes() if stat.S_ISREG(mode) else b"")
    return found


def text(change):
    """Spoil a CSV by a function of its lines."""

    def spoil(path):
        lines = path.read_text().splitlines()
        path.write_text("".join(f"{line}\n" for line in change(lines)))

    return spoil


def content(change):
    """Spoil a file by a function of its bytes."""
    return lambda path: path.write_bytes(change(path.read_bytes()))


def cell(row, column, value):
    """Spoil one cell; row 0 is the header."""

    def change(lines):
        cells = lines[row].split(",")
        cells[column] = value
        return [*lines[:row], ",".join(cells), *lines[row + 1 :]]

    return text(change)


def column(number, value):
    """Spoil a whole column."""

    def change(lines):
        rows = [line.split(",") for line in lines[1:]]
        return [lines[0], *(",".join([*row[:number], value, *row[number + 1 :]]) for row in rows)]

    return text(change)


def replaced_by(make):
    """Put something else where the file lay."""

    def spoil(path):
        path.unlink()
        make(path)

    return spoil


def zipped(**changes):
    """Spoil a zip: members changed by a function of their bytes, replaced, or left out where it is None."""

    def spoil(path):
        with zipfile.ZipFile(path) as old:
            members = {name: old.read(name) for name in old.namelist()}
        for name, change in changes.items():
            old_name = name.replace("__", ".")
            members[old_name] = change(members.get(old_name)) if callable(change) else change
        with zipfile.ZipFile(path, "w") as new:
            for name, written in members.items():
                if written is not None:
                    new.writestr(name, written)

    return spoil


def network(build, name="network.keras"):
    """Put another network there, under a name from which Keras reads the format, that `build` makes."""

    def spoil(path):
        import keras

        saved = path.with_name(name)
        build(keras).save(saved)
        saved.replace(path)

    return spoil


def sequence_of(*layers):
    return lambda keras: keras.Sequential([make(keras) for make in layers])


def half_hdf5(path):
    network(sequence_of(lambda k: k.Input((120, 14)), lambda k: k.layers.LSTM(4)), "network.h5")(path)
    os.truncate(path, path.stat().st_size // 2)


def a_pickle(path):
    path.write_bytes(pickle.dumps({"weights": [1, 2, 3]}))


def gone(path):
    path.unlink()


def json_values(*keys, **values):
    """Spoil a JSON file: other `values` in its table, or in the one to which the `keys` lead."""

    def spoil(path):
        told = json.loads(path.read_text())
        table = told
        for key in keys:
            table = table[key]
        table |= values
        path.write_text(json.dumps(told))

    return spoil
